//! Whether the run image has bash, which most commands need. The build runs in another image, where
//! it cannot see that.

use crate::launch::processes::Processes;
use crate::report;
use libcnb::Target;
use miette::Diagnostic;
use procfile::ProcessType;
use procfile::launch_spec::Form;
use thiserror::Error;

/// Distributions whose base images have bash.
const WITH_BASH: [&str; 12] = [
    "almalinux",
    "amzn",
    "centos",
    "debian",
    "fedora",
    "ol",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "rhel",
    "rocky",
    "sles",
    "ubuntu",
];

/// Run images of those distributions that have no bash, by a part of the stack's name, such as
/// Paketo's `io.buildpacks.stacks.jammy.tiny`.
const WITHOUT_SHELL: [&str; 3] = ["tiny", "static", "distroless"];

#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error(
    "{} bash, which this run image ({run_image}) may not have",
    needing(process_types)
)]
#[diagnostic(
    severity(Warning),
    help(
        "A command of plain words needs no bash: one without variables, redirections, pipes, `&&` \
         and shell builtins. Without bash, these processes end at once with status 127."
    )
)]
pub struct BashMayBeMissing {
    process_types: Vec<ProcessType>,
    run_image: String,
}

/// Writes a warning to the log if a process needs bash and the run image may not have it.
pub fn warn_of_missing_bash(processes: &Processes, target: &Target) {
    let stack_id = std::env::var("CNB_STACK_ID").ok();
    if let Some(warning) = check(processes, target, stack_id.as_deref()) {
        report::warning(&warning);
    }
}

/// A warning if a process needs bash and the run image is not known to have it. `stack_id` is the
/// platform's `CNB_STACK_ID`, if it sets one.
fn check(
    processes: &Processes,
    target: &Target,
    stack_id: Option<&str>,
) -> Option<BashMayBeMissing> {
    let process_types: Vec<_> = processes
        .processes
        .iter()
        .map(|process| &process.entry)
        .filter(|entry| entry.launch.form() != Form::Words)
        .map(|entry| entry.process_type.clone())
        .collect();
    let has_bash = WITH_BASH.contains(&target.distro_name.as_str())
        && !stack_id.is_some_and(|stack| WITHOUT_SHELL.iter().any(|part| stack.contains(part)));
    (!has_bash && !process_types.is_empty()).then(|| BashMayBeMissing {
        process_types,
        run_image: format!("{} {}", target.distro_name, target.distro_version),
    })
}

fn needing(process_types: &[ProcessType]) -> String {
    let names: Vec<_> = process_types
        .iter()
        .map(|process_type| format!("`{process_type}`"))
        .collect();
    format!(
        "{} need{}",
        names.join(", "),
        if names.len() == 1 { "s" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::processes::Process;
    use procfile::{Entry, assert_report};

    fn warning(
        commands: &[(&'static str, &str)],
        distro_name: &str,
        stack_id: Option<&str>,
    ) -> Option<BashMayBeMissing> {
        let processes = commands
            .iter()
            .map(|(process_type, command)| Process {
                entry: Entry::new(ProcessType::known(process_type), command, &|_| false).unwrap(),
                origin: String::new(),
            })
            .collect();
        let target = Target {
            os: "linux".into(),
            arch: "amd64".into(),
            arch_variant: None,
            distro_name: distro_name.into(),
            distro_version: "3.23".into(),
        };
        check(
            &Processes {
                processes,
                default: None,
                programs: Vec::new(),
            },
            &target,
            stack_id,
        )
    }

    #[test]
    fn a_warning_only_where_bash_is_needed_and_may_be_missing() {
        let needs_bash = [
            ("web", "puma -p $PORT"),
            ("worker", "sidekiq"),
            ("clock", "a | b"),
        ];
        assert_report!(warning(&needs_bash, "alpine", None).unwrap());
        assert!(warning(&needs_bash, "debian", None).is_none());
        assert!(
            warning(
                &needs_bash,
                "ubuntu",
                Some("io.buildpacks.stacks.jammy.tiny")
            )
            .is_some()
        );
        assert!(warning(&[("web", "puma")], "alpine", None).is_none());
    }
}

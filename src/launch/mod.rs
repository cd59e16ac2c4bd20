//! How the image is run: process types, which of them is the default, and what each starts.

pub mod bash;
pub mod defaults;
pub mod layer;
pub mod process_types;

use crate::launch::process_types::DEFAULT_PROCESS;
use crate::report;
use libcnb::data::launch::{Launch, LaunchBuilder, ProcessBuilder, ProcessTypeError};
use libcnb::data::process_type;
use miette::Diagnostic;
use procfile::{Entry, ProcessType, Procfile};
use std::path::Path;
use thiserror::Error;

/// The process types of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Processes {
    /// The app's in their order, then the framework's.
    pub processes: Vec<Process>,
    /// The type that `docker run IMAGE` starts.
    pub default: Option<ProcessType>,
}

/// One process type of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its type and command.
    pub entry: Entry,
    /// Who named it, as the log shows it.
    pub origin: String,
}

/// A type that the platform does not take.
#[derive(Debug, Diagnostic, Error)]
#[error("the process type {process_type} is not accepted by the platform")]
#[diagnostic(help("Give it another name in the Procfile: lower-case letters are safe."))]
pub struct LaunchError {
    process_type: ProcessType,
    #[source]
    source: ProcessTypeError,
}

/// Decides which processes the image has: the Procfile's, and for types that it does not name the one of the build variable and the
/// framework's.
#[must_use]
pub fn processes(
    procfile: Option<&Procfile>,
    default_web: Option<&Entry>,
    defaults: Vec<Entry>,
) -> Processes {
    let named = procfile.into_iter().flat_map(|procfile| {
        let origin = procfile.source.to_string();
        procfile
            .entries
            .iter()
            .map(move |entry| (entry.clone(), origin.clone()))
    });
    let by_variable = default_web
        .into_iter()
        .map(|entry| (entry.clone(), DEFAULT_PROCESS.to_string()));
    let by_framework = defaults
        .into_iter()
        .map(|entry| (entry, "default".to_string()));
    let mut processes: Vec<Process> = Vec::new();
    for (entry, origin) in named.chain(by_variable).chain(by_framework) {
        if !processes
            .iter()
            .any(|process| process.entry.process_type == entry.process_type)
        {
            processes.push(Process { entry, origin });
        }
    }
    let default = default_type(&processes).cloned();
    Processes { processes, default }
}

/// `web`, else the only type that could serve at all; migrations are never what an image starts by itself.
fn default_type(processes: &[Process]) -> Option<&ProcessType> {
    let mut types = processes
        .iter()
        .map(|process| &process.entry.process_type)
        .filter(|process_type| process_type.as_str() != ProcessType::RELEASE);
    let web = types
        .clone()
        .find(|process_type| process_type.as_str() == ProcessType::WEB);
    web.or_else(|| types.next().filter(|_| types.next().is_none()))
}

impl Processes {
    /// The platform's description of them: each runs under the program `formation`, whose path in the image is given.
    ///
    /// # Errors
    /// A type that the platform does not take; none that the Procfile's rules let through.
    pub fn to_launch(&self, formation: &Path) -> Result<Launch, LaunchError> {
        let formation = formation.to_string_lossy();
        let mut launch = LaunchBuilder::new();
        for Process { entry, .. } in &self.processes {
            let process_type =
                entry
                    .process_type
                    .as_str()
                    .parse()
                    .map_err(|source| LaunchError {
                        process_type: entry.process_type.clone(),
                        source,
                    })?;
            launch.process(
                ProcessBuilder::new(
                    process_type,
                    // All of it is the platform's `command`: arguments of `docker run` replace its `args`.
                    entry.launch.to_args(&formation),
                )
                .default(self.default.as_ref() == Some(&entry.process_type))
                .build(),
            );
        }
        let mut run_all = ProcessBuilder::new(process_type!("formation"), [formation.into_owned()]);
        // What the user gives takes the place of `args`: `docker run --entrypoint formation IMAGE ps`.
        Ok(launch.process(run_all.arg("run").build()).build())
    }

    /// Prints each type, where it comes from, and how it is run.
    pub fn show(&self) {
        if self.processes.is_empty() {
            report::detail(
                "None: the app names no process type, and no framework that has usual ones",
            );
        }
        for Process { entry, origin } in &self.processes {
            report::detail(format!(
                "{} ({origin}): {}",
                report::value(entry.process_type.as_str()),
                report::command(&entry.command)
            ));
        }
        for Process { entry, .. } in &self.processes {
            let run = if self.default.as_ref() == Some(&entry.process_type) {
                "docker run IMAGE".to_string()
            } else {
                format!("docker run --entrypoint {} IMAGE", entry.process_type)
            };
            report::detail(format!(
                "Run {} with {run}",
                report::value(entry.process_type.as_str())
            ));
        }
        if self.processes.len() > 1 {
            report::detail(
                "Run several in one container with docker run --entrypoint formation IMAGE TYPE=N …",
            );
        }
        report::detail("Run anything else with docker run --entrypoint launcher IMAGE -- COMMAND");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Inputs;
    use crate::platform::variables::BuildVariables;
    use libcnb::Env;
    use procfile::assert_report;

    fn processes_of(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Processes {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let inputs = Inputs::read(dir.path(), BuildVariables::new(&env), Path::new("/nowhere"));
        let inputs = inputs.unwrap();
        let defaults = defaults::entries(&inputs.app, inputs.bundle.as_ref());
        processes(
            inputs.procfile.as_ref(),
            inputs.default_web.as_ref(),
            defaults,
        )
    }

    fn table(processes: &Processes) -> Vec<String> {
        processes
            .processes
            .iter()
            .map(|Process { entry, origin }| {
                format!("{} ({origin}): {}", entry.process_type, entry.command)
            })
            .collect()
    }

    fn default_of(procfile: &str) -> Option<String> {
        processes_of(&[("Procfile", procfile)], &[])
            .default
            .map(|process_type| process_type.to_string())
    }

    #[test]
    fn which_type_is_the_default() {
        assert_eq!(default_of("worker: a\nweb: b\n").unwrap(), "web");
        assert_eq!(default_of("worker: a\n").unwrap(), "worker");
        assert_eq!(default_of("release: a\nworker: b\n").unwrap(), "worker");
        assert_eq!(default_of("worker: a\nclock: b\n"), None);
        assert_eq!(default_of("release: a\n"), None);
        assert_eq!(default_of(""), None);
    }

    const PUMA_APP: [(&str, &str); 3] = [
        ("Gemfile", ""),
        (
            "Gemfile.lock",
            "GEM\n  specs:\n    puma (6.6.0)\n    rack (3.1.20)\n",
        ),
        ("config.ru", ""),
    ];

    #[test]
    fn the_app_comes_before_the_variable_and_the_framework() {
        let with_procfile = |text| [&PUMA_APP[..], &[("Procfile", text)]].concat();
        let variable = [(DEFAULT_PROCESS, "ruby server.rb")];
        assert_eq!(
            table(&processes_of(
                &with_procfile("worker: ruby worker.rb\n"),
                &[]
            )),
            [
                "worker (Procfile): ruby worker.rb",
                "web (default): bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}"
            ]
        );
        assert_eq!(
            table(&processes_of(
                &with_procfile("worker: ruby worker.rb\n"),
                &variable
            )),
            [
                "worker (Procfile): ruby worker.rb",
                "web (BP_PROCFILE_DEFAULT_PROCESS): ruby server.rb"
            ]
        );
        assert_eq!(
            table(&processes_of(&with_procfile("web: mine\n"), &variable)),
            ["web (Procfile): mine"]
        );
    }

    #[test]
    fn the_platform_takes_every_type_that_the_procfile_may_have() {
        let procfile = "a: x\nB_2-c: y | z\nweb: puma -p $PORT\n";
        let processes = processes_of(&[("Procfile", procfile)], &[]);
        let launch = processes
            .to_launch(Path::new("/layers/formation/bin/formation"))
            .unwrap();
        insta::assert_debug_snapshot!(launch.processes);
    }

    #[test]
    fn a_type_that_the_platform_does_not_take_is_shown() {
        assert_report!(LaunchError {
            process_type: ProcessType::known("worker"),
            source: "no worker"
                .parse::<libcnb::data::launch::ProcessType>()
                .unwrap_err(),
        });
    }
}

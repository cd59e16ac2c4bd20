//! The process types of an image, the default one, and how the platform is told.

use crate::launch::process_types::DEFAULT_PROCESS;
use crate::launch::worker;
use crate::report;
use libcnb::data::launch::{Launch, LaunchBuilder, ProcessBuilder, ProcessTypeError};
use libcnb::data::process_type;
use miette::Diagnostic;
use procfile::launch_spec::LaunchSpec;
use procfile::{Entry, ProcessType, Procfile};
use std::path::Path;
use thiserror::Error;

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Processes {
    /// Those of the app in their order, then those of the framework.
    pub processes: Vec<Process>,
    /// The type that `docker run IMAGE` starts.
    pub default: Option<ProcessType>,
    /// Programs that are process types only so that whoever starts them in a container has the
    /// image's environment.
    pub programs: Vec<&'static str>,
}

/// One process type of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    pub entry: Entry,
    /// What names it, in words: `Procfile`, a service binding, a build variable, `default`.
    pub origin: String,
}

#[derive(Debug, Diagnostic, Error)]
#[error("the process type {process_type} is not accepted by the platform")]
#[diagnostic(help("Give it another name in the Procfile: lower-case letters are safe."))]
pub struct LaunchError {
    process_type: ProcessType,
    #[source]
    source: ProcessTypeError,
}

/// The processes of the image: those of the Procfile; for types that it does not name, that of the
/// build variable, then those of the framework. `programs` are types of the image where no process
/// of the app has their name.
#[must_use]
pub fn processes(
    procfile: Option<&Procfile>,
    default_web: Option<&Entry>,
    by_framework: Vec<Entry>,
    mut programs: Vec<&'static str>,
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
    let by_framework = by_framework
        .into_iter()
        .map(|entry| (entry, "default".to_string()));
    let queue_is_run = procfile.is_some_and(|procfile| {
        let mut entries = procfile.entries.iter();
        entries.any(|entry| worker::runs_a_queue(&entry.command))
    });
    let by_framework = by_framework.filter(|(entry, _)| {
        let is_worker = entry.process_type.as_str() == worker::TYPE;
        !(is_worker && queue_is_run)
    });
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
    programs.retain(|program| {
        let mut types = processes.iter().map(|process| &process.entry.process_type);
        types.all(|process_type| process_type.as_str() != *program)
    });
    Processes {
        processes,
        default,
        programs,
    }
}

/// `web`, else the only type besides `release`: an image never starts migrations by itself.
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
    /// The process types of the app.
    #[must_use]
    pub fn types(&self) -> Vec<&ProcessType> {
        let entries = self.processes.iter().map(|process| &process.entry);
        entries.map(|entry| &entry.process_type).collect()
    }

    /// The processes for the platform. Each runs under the program `formation`, at this path in the
    /// image. The platform accepts every type that a Procfile may name.
    pub fn to_launch(&self, formation: &Path) -> Result<Launch, LaunchError> {
        let formation = formation.to_string_lossy();
        let mut launch = LaunchBuilder::new();
        for Process { entry, .. } in &self.processes {
            launch.process(
                ProcessBuilder::new(
                    accepted(&entry.process_type)?,
                    // All of it is the platform's `command`: arguments of `docker run` replace
                    // `args`, or follow them.
                    entry.launch.to_args(&formation),
                )
                .default(self.default.as_ref() == Some(&entry.process_type))
                .build(),
            );
        }
        for program in &self.programs {
            let process_type = accepted(&ProcessType::known(program))?;
            let command = LaunchSpec::program(program).to_args(&formation);
            launch.process(ProcessBuilder::new(process_type, command).build());
        }
        // Without `args`, and without `run`, which the program does by itself: some platforms put the
        // user's arguments in the place of `args`, others behind them, and with
        // `docker run --entrypoint formation IMAGE ps` either means `formation ps`.
        let run_all = ProcessBuilder::new(process_type!("formation"), [formation.into_owned()]);
        Ok(launch.process(run_all.build()).build())
    }

    /// Writes to the log what names each process, its command, and how to run it.
    pub fn show(&self) {
        if self.processes.is_empty() {
            report::detail(
                "No process types: the app has no Procfile, and no framework with default types",
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
                "Run several in one container with \
                 docker run --entrypoint formation IMAGE TYPE=N …",
            );
        }
        let programs: Vec<_> = self.programs.iter().map(report::value).collect();
        report::detail(format!(
            "In a running container, docker exec CONTAINER runs {}",
            programs.join(", ")
        ));
        report::detail("Run anything else with docker run --entrypoint launcher IMAGE -- COMMAND");
    }
}

fn accepted(process_type: &ProcessType) -> Result<libcnb::data::launch::ProcessType, LaunchError> {
    process_type.as_str().parse().map_err(|source| LaunchError {
        process_type: process_type.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::InstalledGems;
    use crate::inputs::Inputs;
    use crate::launch::defaults::framework_processes;
    use crate::launch::programs::programs;
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
        let bundle = inputs.bundle.as_ref();
        let gems = bundle.map(|bundle| InstalledGems::all_of(&bundle.lockfile));
        processes(
            inputs.procfile.as_ref(),
            inputs.default_web.as_ref(),
            framework_processes(&inputs.app, gems.as_ref(), &inputs.env),
            programs(gems.as_ref()),
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
    fn the_procfile_counts_before_the_variable_and_the_framework() {
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
    fn a_rails_app_has_what_its_gems_do() {
        let dir = tempfile::tempdir().unwrap();
        let gems = ["activerecord", "puma", "rack", "railties", "sidekiq"];
        let specs = gems.map(|gem| format!("    {gem} (7.2.2)")).join("\n");
        for (name, text) in [
            ("Gemfile", ""),
            ("Gemfile.lock", format!("GEM\n  specs:\n{specs}\n").as_str()),
            ("config.ru", ""),
            ("config/environment.rb", ""),
            ("db/schema.rb", ""),
            ("bin/rails", ""),
        ] {
            let path = dir.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let types = |variables: &[(&str, &str)]| {
            let mut env = Env::new();
            for (name, value) in variables {
                env.insert(name, value);
            }
            let variables = BuildVariables::new(&env);
            let inputs = Inputs::read(dir.path(), variables, Path::new("/nowhere")).unwrap();
            let lockfile = &inputs.bundle.as_ref().unwrap().lockfile;
            let gems = InstalledGems::all_of(lockfile);
            let entries = framework_processes(&inputs.app, Some(&gems), &inputs.env);
            let lines = entries.iter();
            lines
                .map(|entry| format!("{}: {}", entry.process_type, entry.command))
                .collect::<Vec<_>>()
        };
        let web = "web: bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}";
        let worker = "worker: bundle exec sidekiq";
        let console = "console: bundle exec rails console";
        assert_eq!(types(&[]), [web, worker, console]);
        let release = "release: bundle exec rails db:prepare";
        let asked = [("BP_RAILS_RELEASE", "true")];
        assert_eq!(types(&asked), [web, worker, release, console]);
    }

    #[test]
    fn programs_are_types_where_the_app_has_them_and_no_type_of_that_name() {
        let lockfile = "GEM\n  specs:\n    railties (8.0.2)\n    rake (13.2.1)\n";
        let rails = [("Gemfile", ""), ("Gemfile.lock", lockfile)];
        assert_eq!(processes_of(&[], &[]).programs, ["ruby"]);
        assert_eq!(processes_of(&PUMA_APP, &[]).programs, ["ruby", "bundle"]);
        let all = processes_of(&rails, &[]);
        assert_eq!(all.programs, ["ruby", "bundle", "rails", "rake"]);
        assert_eq!(all.default, None);
        let procfile = [("Procfile", "rake: bundle exec rake jobs:work\n")];
        let named = processes_of(&[&rails[..], &procfile].concat(), &[]);
        assert_eq!(named.programs, ["ruby", "bundle", "rails"]);
        assert_eq!(named.default.unwrap().as_str(), "rake");
    }

    #[test]
    fn the_platform_accepts_every_type_that_a_procfile_may_name() {
        let procfile = "a: x\nB_2-c: y | z\nweb: puma -p $PORT\n";
        let processes = processes_of(&[("Procfile", procfile)], &[]);
        let launch = processes
            .to_launch(Path::new("/layers/formation/bin/formation"))
            .unwrap();
        insta::assert_debug_snapshot!(launch.processes);
    }

    #[test]
    fn a_type_that_the_platform_does_not_accept_is_shown() {
        assert_report!(LaunchError {
            process_type: ProcessType::known("worker"),
            source: "no worker"
                .parse::<libcnb::data::launch::ProcessType>()
                .unwrap_err(),
        });
    }
}

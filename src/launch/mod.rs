//! How the image is run: process types, which of them is the default, and what each starts.

pub mod defaults;

use crate::app::App;
use crate::app::procfile::{Entry, ProcessType};
use crate::report;
use libcnb::data::launch::{Launch, LaunchBuilder, ProcessBuilder, ProcessTypeError};
use miette::Diagnostic;
use thiserror::Error;

/// The process types of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Processes {
    /// Those of the Procfile in its order, then the framework's.
    pub entries: Vec<Entry>,
    /// How many of them the Procfile names.
    pub from_procfile: usize,
    /// The type that `docker run IMAGE` starts.
    pub default: Option<ProcessType>,
}

/// A type that the platform does not take.
#[derive(Debug, Diagnostic, Error)]
#[error("the process type {process_type} is not accepted by the platform")]
pub struct LaunchError {
    process_type: ProcessType,
    #[source]
    source: ProcessTypeError,
}

/// Decides which processes the image has: the Procfile's, and for types that it does not name the framework's defaults.
#[must_use]
pub fn processes(app: &App) -> Processes {
    let mut entries: Vec<Entry> = app
        .procfile
        .iter()
        .flat_map(|procfile| procfile.entries.clone())
        .collect();
    let from_procfile = entries.len();
    for default in defaults::entries(app) {
        if !entries
            .iter()
            .any(|entry| entry.process_type == default.process_type)
        {
            entries.push(default);
        }
    }
    let default = default_type(&entries).cloned();
    Processes {
        entries,
        from_procfile,
        default,
    }
}

/// `web`, else the only type that could serve at all; migrations are never what an image starts by itself.
fn default_type(entries: &[Entry]) -> Option<&ProcessType> {
    let mut types = entries
        .iter()
        .map(|entry| &entry.process_type)
        .filter(|process_type| process_type.as_str() != ProcessType::RELEASE);
    let web = types
        .clone()
        .find(|process_type| process_type.as_str() == ProcessType::WEB);
    web.or_else(|| types.next().filter(|_| types.next().is_none()))
}

impl Processes {
    /// The platform's description of them.
    ///
    /// # Errors
    /// A type that the platform does not take; none that the Procfile's rules let through.
    pub fn to_launch(&self) -> Result<Launch, LaunchError> {
        let mut launch = LaunchBuilder::new();
        for entry in &self.entries {
            let process_type =
                entry
                    .process_type
                    .as_str()
                    .parse()
                    .map_err(|source| LaunchError {
                        process_type: entry.process_type.clone(),
                        source,
                    })?;
            // All of it in `command`: arguments of `docker run` would replace `args`.
            let process = ProcessBuilder::new(process_type, ["bash", "-c", &entry.command])
                .default(self.default.as_ref() == Some(&entry.process_type))
                .build();
            launch.process(process);
        }
        Ok(launch.build())
    }

    /// Prints each type, where it comes from, and how it is run.
    pub fn show(&self) {
        if self.entries.is_empty() {
            report::detail("None: the app has no Procfile, and no framework that has defaults");
        }
        let (named, defaults) = self.entries.split_at(self.from_procfile);
        for (entries, origin) in [(named, "Procfile"), (defaults, "default")] {
            for entry in entries {
                report::detail(format!(
                    "{} ({origin}): {}",
                    report::value(entry.process_type.as_str()),
                    report::command(&entry.command)
                ));
            }
        }
        for entry in &self.entries {
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
        report::detail("Run anything else with docker run --entrypoint launcher IMAGE -- COMMAND");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::user_env::UserEnv;
    use std::path::Path;

    fn processes_of(files: &[(&str, &str)]) -> Processes {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        processes(&App::read(dir.path(), UserEnv::default(), Path::new("/nowhere")).unwrap())
    }

    fn default_of(procfile: &str) -> Option<String> {
        processes_of(&[("Procfile", procfile)])
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

    #[test]
    fn frameworks_fill_in_what_the_procfile_leaves_out() {
        let lockfile = "GEM\n  specs:\n    puma (6.6.0)\n    rack (3.1.20)\n";
        let files = [
            ("Gemfile", ""),
            ("Gemfile.lock", lockfile),
            ("config.ru", ""),
        ];
        let processes =
            processes_of(&[&files[..], &[("Procfile", "worker: ruby worker.rb\n")]].concat());
        insta::assert_debug_snapshot!(processes);
        let processes = processes_of(&[&files[..], &[("Procfile", "web: mine\n")]].concat());
        assert_eq!(processes.entries.len(), 1);
        assert_eq!(processes.entries[0].command, "mine");
    }

    #[test]
    fn the_platform_takes_every_type_that_the_procfile_may_have() {
        let launch = processes_of(&[("Procfile", "a: x\nB_2-c: y\nweb: puma -p $PORT\n")])
            .to_launch()
            .unwrap();
        insta::assert_debug_snapshot!(launch.processes);
    }
}

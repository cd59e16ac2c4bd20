//! What a process does before it becomes the program of its process type: it runs exec.d programs,
//! which set variables for it, and changes its working directory.
//!
//! As with the platform's launcher, the exec.d programs run in the process itself: they get its
//! signals, and what they write is its output. The working directory is changed there too, because
//! the supervisor's own never changes.

use super::environment::Environment;
use crate::process::program::{Program, SpawnOptions};
use crate::process::start_error::StartError;
use miette::Diagnostic;
use rustix::process::{WaitOptions, waitpid};
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, Read, pipe};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The subcommand of `formation` that calls [`Preparation::run`].
pub const PREPARE: &str = "prepare-process";

/// The file descriptor to which an exec.d program writes its variables.
const OUTPUT: i32 = 3;

/// The first step of a process.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// The exec.d programs, in order. They run in the working directory of the supervisor.
    pub exec_d: Vec<PathBuf>,
    /// The working directory of the process itself.
    pub folder: PathBuf,
    /// What the process becomes.
    pub program: Program,
}

/// A process does not become the program of its process type.
#[derive(Debug, Diagnostic, Error)]
pub enum PreparationError {
    #[error("the program {} does not start", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for this process type."))]
    NotStarted {
        /// The exec.d program.
        path: PathBuf,
        #[source]
        source: StartError,
    },
    #[error("the program {} has failed", path.display())]
    #[diagnostic(help(
        "It comes from a buildpack, and sets variables for this process type; what it wrote stands \
         above."
    ))]
    Failed {
        /// The exec.d program.
        path: PathBuf,
    },
    /// Something else than the specification asks for.
    #[error("the program {} did not write its variables as TOML", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for this process type."))]
    Output {
        /// The exec.d program.
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("the system gives no pipe for the program {}", path.display())]
    #[diagnostic(help("Ask whoever runs this container for a larger limit on open files."))]
    Pipe {
        /// The exec.d program.
        path: PathBuf,
        source: io::Error,
    },
    #[error("the process cannot be started in the folder {}", folder.display())]
    #[diagnostic(help(
        "Check that the folder exists and that the user of the container may enter it. If a \
         buildpack has chosen it, build the image again."
    ))]
    Folder {
        /// The working directory of the process.
        folder: PathBuf,
        source: io::Error,
    },
    /// The program of the process type itself does not start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
}

impl PreparationError {
    /// The exit status of the process, as a shell would give it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            _ => 126,
        }
    }
}

impl Preparation {
    /// What to start: `formation` itself, which then calls [`run`](Self::run).
    pub(super) fn command(&self) -> Program {
        let mut words = vec![
            OsString::from(PREPARE),
            "--folder".into(),
            self.folder.clone().into(),
        ];
        for program in &self.exec_d {
            words.extend(["--program".into(), program.clone().into()]);
        }
        words.push("--".into());
        words.extend(self.program.words());
        Program::this_executable(words)
    }

    /// Prepares this process, and replaces it with the program. Returns only where that fails.
    #[must_use]
    pub fn run(&self) -> PreparationError {
        let mut environment: Environment = env::vars_os().collect();
        for path in &self.exec_d {
            if let Err(error) = add_variables(&mut environment, path) {
                return error;
            }
        }
        if let Err(source) = env::set_current_dir(&self.folder) {
            let folder = self.folder.clone();
            return PreparationError::Folder { folder, source };
        }
        self.program.replace_this_process(environment).into()
    }
}

/// Runs an exec.d program and adds the variables that it writes. It is in the process group of this
/// process, and so gets the same signals.
fn add_variables(environment: &mut Environment, path: &Path) -> Result<(), PreparationError> {
    let path = path.to_path_buf();
    let (mut reader, writer) = match pipe() {
        Ok(pipe) => pipe,
        Err(source) => return Err(PreparationError::Pipe { path, source }),
    };
    let files = [(writer.as_fd(), OUTPUT)];
    let options = SpawnOptions::new(environment.clone(), &files).in_this_group();
    let started = Program::named(&path).start_with(&options);
    drop(writer);
    let process = match started {
        Ok(process) => process,
        Err(source) => return Err(PreparationError::NotStarted { path, source }),
    };
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    let status = waitpid(Some(process), WaitOptions::empty());
    if !matches!(status, Ok(Some((_, status))) if status.exit_status() == Some(0)) {
        return Err(PreparationError::Failed { path });
    }
    read.map_err(|source| PreparationError::Pipe {
        path: path.clone(),
        source,
    })?;
    let variables =
        read_variables(&text).map_err(|source| PreparationError::Output { path, source })?;
    for (name, value) in variables {
        environment.insert(name.into(), value.into());
    }
    Ok(())
}

fn read_variables(text: &[u8]) -> Result<BTreeMap<String, String>, toml::de::Error> {
    let variables: BTreeMap<String, String> = toml::from_slice(text)?;
    let has_nul = |text: &String| text.contains('\0');
    match variables
        .iter()
        .find(|(name, value)| has_nul(name) || has_nul(value))
    {
        Some((name, _)) => Err(serde::de::Error::custom(format!(
            "a variable cannot hold a NUL character: {name:?}"
        ))),
        None => Ok(variables),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn added(scripts: &[&str]) -> Result<Environment, PreparationError> {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = Environment::from([("PATH".into(), "/usr/bin:/bin".into())]);
        for (number, script) in scripts.iter().enumerate() {
            let path = folder.path().join(format!("program-{number}"));
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            add_variables(&mut environment, &path)?;
        }
        Ok(environment)
    }

    #[test]
    fn each_program_sees_the_variables_of_those_before_it() {
        let scripts = [
            "#!/bin/sh\necho 'A = \"one\"' >&3\n",
            "#!/bin/sh\necho \"B = \\\"$A, two\\\"\" >&3\n",
        ];
        let environment = added(&scripts).unwrap();
        assert_eq!(environment[&OsString::from("B")], "one, two");
        assert_eq!(environment[&OsString::from("PATH")], "/usr/bin:/bin");
    }

    #[test]
    fn a_failed_preparation_is_reported() {
        let place = PathBuf::from("/layers/some/a/exec.d/web/ports");
        let failure = |script: &str| {
            let mut error = added(&[script]).unwrap_err();
            match &mut error {
                PreparationError::NotStarted { path, source } => {
                    *source = Program::named(&place).start().unwrap_err();
                    path.clone_from(&place);
                }
                PreparationError::Failed { path } | PreparationError::Output { path, .. } => {
                    path.clone_from(&place);
                }
                _ => {}
            }
            error
        };
        assert_report!("failed", failure("#!/bin/sh\nexit 3\n"));
        assert_report!("wrong_output", failure("#!/bin/sh\necho 'PORT: 1' >&3\n"));
        for wrong in [r#"printf 'A = "\377"'"#, r#"printf 'A = "\\u0000"'"#] {
            let error = failure(&format!("#!/bin/sh\n{wrong} >&3\n"));
            assert!(
                matches!(error, PreparationError::Output { .. }),
                "{wrong}: {error:?}"
            );
        }
        assert_report!("not_started", failure("#!/nowhere/sh\n"));
        let source = || io::Error::from_raw_os_error(24);
        assert_report!(
            "no_pipe",
            PreparationError::Pipe {
                path: place.clone(),
                source: source()
            }
        );
        let folder = "/workspace/jobs".into();
        let source = io::Error::from_raw_os_error(2);
        assert_report!("no_folder", PreparationError::Folder { folder, source });
    }
}

//! The exec.d programs of a process type, which set variables for it: they run in its own process, before its program, as the platform's
//! launcher has it. So they get its signals, and what they write is its output.

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

/// The subcommand of `formation` that runs them.
pub const EXEC_D: &str = "exec-d";

/// Where an exec.d program writes its variables.
const OUTPUT: i32 = 3;

/// A process that begins with exec.d programs.
#[derive(Clone, Debug)]
pub struct ExecD {
    /// Those programs, in order. They run in this process's folder.
    pub programs: Vec<PathBuf>,
    /// The folder of the program after them.
    pub folder: PathBuf,
    /// The program after them.
    pub program: Program,
}

/// The process does not get so far as to be its program.
#[derive(Debug, Diagnostic, Error)]
pub enum ExecDError {
    /// A program is none.
    #[error("the program {} does not start", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for this process type."))]
    NotStarted {
        /// The exec.d program.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StartError,
    },
    /// A program does not end well.
    #[error("the program {} has failed", path.display())]
    #[diagnostic(help(
        "It comes from a buildpack, and sets variables for this process type; what it wrote stands above."
    ))]
    Failed {
        /// The exec.d program.
        path: PathBuf,
    },
    /// A program does not keep to the specification.
    #[error("the program {} wrote something else than variables", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for this process type."))]
    Output {
        /// The exec.d program.
        path: PathBuf,
        /// What is wrong with it.
        source: toml::de::Error,
    },
    /// The system refuses.
    #[error("the program {} cannot be given a pipe", path.display())]
    #[diagnostic(help("Ask whoever runs this container for a larger limit on open files."))]
    Pipe {
        /// The exec.d program.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The working directory of the process is not there.
    #[error("the process cannot be started in the folder {}", folder.display())]
    #[diagnostic(help(
        "It is the working directory that a buildpack has chosen for it: build the image again."
    ))]
    Folder {
        /// That folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The process's own program does not start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
}

impl ExecDError {
    /// As a shell would have it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            _ => 126,
        }
    }
}

impl ExecD {
    /// What to start: `formation` itself, which there calls [`run`](Self::run).
    pub(super) fn command(&self) -> Program {
        let mut words = vec![
            OsString::from(EXEC_D),
            "--folder".into(),
            self.folder.clone().into(),
        ];
        for program in &self.programs {
            words.extend(["--program".into(), program.clone().into()]);
        }
        words.push("--".into());
        words.extend(self.program.words());
        Program::ourselves(words)
    }

    /// Runs the exec.d programs, and becomes the program. Returns only where that fails.
    #[must_use]
    pub fn run(&self) -> ExecDError {
        let mut environment: Environment = env::vars_os().collect();
        for path in &self.programs {
            if let Err(error) = add_variables(&mut environment, path) {
                return error;
            }
        }
        if let Err(source) = env::set_current_dir(&self.folder) {
            let folder = self.folder.clone();
            return ExecDError::Folder { folder, source };
        }
        self.program.replace_this_process(environment).into()
    }
}

/// Runs a program that has variables for its output. It is in this process's group, and so gets what that gets.
fn add_variables(environment: &mut Environment, path: &Path) -> Result<(), ExecDError> {
    let path = path.to_path_buf();
    let (mut reader, writer) = match pipe() {
        Ok(pipe) => pipe,
        Err(source) => return Err(ExecDError::Pipe { path, source }),
    };
    let files = [(writer.as_fd(), OUTPUT)];
    let options = SpawnOptions::new(environment.clone(), &files).in_this_group();
    let started = Program::named(&path).start_with(&options);
    drop(writer);
    let process = match started {
        Ok(process) => process,
        Err(source) => return Err(ExecDError::NotStarted { path, source }),
    };
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    let status = waitpid(Some(process), WaitOptions::empty());
    if !matches!(status, Ok(Some((_, status))) if status.exit_status() == Some(0)) {
        return Err(ExecDError::Failed { path });
    }
    read.map_err(|source| ExecDError::Pipe {
        path: path.clone(),
        source,
    })?;
    let variables = read_variables(&text).map_err(|source| ExecDError::Output { path, source })?;
    for (name, value) in variables {
        environment.insert(name.into(), value.into());
    }
    Ok(())
}

fn read_variables(text: &[u8]) -> Result<BTreeMap<String, String>, toml::de::Error> {
    let variables: BTreeMap<String, String> = toml::from_slice(text)?;
    let is_none = |text: &String| text.contains('\0');
    match variables
        .iter()
        .find(|(name, value)| is_none(name) || is_none(value))
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

    fn added(scripts: &[&str]) -> Result<Environment, ExecDError> {
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
    fn each_sees_what_those_before_it_have_set() {
        let scripts = [
            "#!/bin/sh\necho 'A = \"one\"' >&3\n",
            "#!/bin/sh\necho \"B = \\\"$A, two\\\"\" >&3\n",
        ];
        let environment = added(&scripts).unwrap();
        assert_eq!(environment[&OsString::from("B")], "one, two");
        assert_eq!(environment[&OsString::from("PATH")], "/usr/bin:/bin");
    }

    #[test]
    fn what_goes_wrong_is_shown() {
        let place = PathBuf::from("/layers/some/a/exec.d/web/ports");
        let failure = |script: &str| {
            let mut error = added(&[script]).unwrap_err();
            match &mut error {
                ExecDError::NotStarted { path, source } => {
                    *source = Program::named(&place).start().unwrap_err();
                    path.clone_from(&place);
                }
                ExecDError::Failed { path } | ExecDError::Output { path, .. } => {
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
                matches!(error, ExecDError::Output { .. }),
                "{wrong}: {error:?}"
            );
        }
        assert_report!("not_started", failure("#!/nowhere/sh\n"));
        let source = || io::Error::from_raw_os_error(24);
        assert_report!(
            "no_pipe",
            ExecDError::Pipe {
                path: place.clone(),
                source: source()
            }
        );
        let folder = "/workspace/jobs".into();
        let source = io::Error::from_raw_os_error(2);
        assert_report!("no_folder", ExecDError::Folder { folder, source });
    }
}

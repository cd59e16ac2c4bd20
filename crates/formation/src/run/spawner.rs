//! Starts the process of an instance.

use super::env_file::Variable;
use super::environment::{Environment, EnvironmentError, add_for_type};
use super::instance_name::InstanceName;
use super::preparation::Preparation;
use crate::image::Image;
use crate::process::program::{Program, SpawnOptions};
use crate::process::start_error::StartError;
use fs_err::File;
use miette::Diagnostic;
use rustix::process::Pid;
use std::env;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;
use thiserror::Error;

/// The process of an instance does not start.
#[derive(Debug, Diagnostic, Error)]
pub(super) enum SpawnError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    #[error("the system gives no pipes for the output of `{instance}`")]
    #[diagnostic(help(
        "Ask whoever runs this container for a larger limit on open files, or run fewer processes \
         in it."
    ))]
    Pipes { instance: String, source: io::Error },
}

/// What all processes have in common.
pub(super) struct Spawner {
    image: Rc<Image>,
    /// What every process type finds in its environment.
    environment: Environment,
    /// The working directory, which is that of the app.
    folder: PathBuf,
    stdin: StandardInput,
}

/// What processes read that are not attached.
pub(super) enum StandardInput {
    /// As in a container: nothing, and its end at once.
    Empty(File),
    /// For local development: nothing, and no end. `tailwindcss --watch` and others end when their
    /// standard input does.
    Endless {
        reader: PipeReader,
        /// Nobody writes to it; without it, the reader would come to an end.
        _writer: PipeWriter,
    },
}

impl StandardInput {
    pub(super) fn empty() -> io::Result<Self> {
        Ok(Self::Empty(File::open("/dev/null")?))
    }

    pub(super) fn endless() -> io::Result<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self::Endless {
            reader,
            _writer: writer,
        })
    }
}

impl AsFd for StandardInput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Empty(file) => file.as_fd(),
            Self::Endless { reader, .. } => reader.as_fd(),
        }
    }
}

/// The standard streams of a process.
#[derive(Clone, Copy)]
pub(super) enum Files<'a> {
    /// Standard input that has nothing, and pipes for the output.
    Own(&'a [PipeWriter; 2]),
    /// Those of this process; and the terminal too, where this process may give it away.
    Attached { has_terminal: bool },
}

/// A process that has started.
pub(super) struct Spawned {
    pub(super) process: Pid,
    /// Whether it begins as `formation`: with a [`Preparation`], or to enter the foreground of the
    /// terminal.
    pub(super) is_preparing: bool,
}

/// The pipes for the standard output and the standard error of a process.
pub(super) struct OutputPipes {
    pub(super) readers: [PipeReader; 2],
    pub(super) writers: [PipeWriter; 2],
}

impl OutputPipes {
    pub(super) fn open() -> io::Result<Self> {
        let ((out, out_writer), (err, err_writer)) = (pipe()?, pipe()?);
        Ok(Self {
            readers: [out, err],
            writers: [out_writer, err_writer],
        })
    }
}

impl SpawnError {
    /// The exit status that a shell would give.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            _ => 126,
        }
    }
}

impl Spawner {
    /// The variables are for what this process's own environment does not have.
    pub(super) fn new(
        image: Rc<Image>,
        variables: &[Variable],
        stdin: StandardInput,
    ) -> io::Result<Self> {
        let own: Environment = env::vars_os().collect();
        let mut environment: Environment = (variables.iter())
            .map(|variable| (variable.name.clone().into(), variable.value.clone().into()))
            .collect();
        environment.extend(own);
        Ok(Self {
            image,
            environment,
            folder: env::current_dir()?,
            stdin,
        })
    }

    /// Starts the process of an instance.
    pub(super) fn start(
        &self,
        name: &InstanceName,
        port: u16,
        files: Files<'_>,
    ) -> Result<Spawned, SpawnError> {
        let mut environment = self.environment.clone();
        environment.insert("PORT".into(), port.to_string().into());
        environment.insert("PS".into(), name.to_string().into());
        let exec_d = add_for_type(&mut environment, &name.process_type, &self.image.buildpacks)?;
        let preparation = self.preparation(name, exec_d);
        let is_preparing = !preparation.exec_d.is_empty() || preparation.folder != self.folder;
        let program = if is_preparing {
            preparation.command()
        } else {
            preparation.program
        };
        let own;
        let (files, enters_foreground) = match files {
            Files::Own([out, err]) => {
                own = [(self.stdin.as_fd(), 0), (out.as_fd(), 1), (err.as_fd(), 2)];
                (&own[..], false)
            }
            Files::Attached { has_terminal } => (&[][..], has_terminal),
        };
        let options = SpawnOptions::new(environment, files);
        let process = if enters_foreground {
            program.start_in_foreground(&options)?
        } else {
            program.start_with(&options)?
        };
        Ok(Spawned {
            process,
            is_preparing: is_preparing || enters_foreground,
        })
    }

    fn preparation(&self, name: &InstanceName, exec_d: Vec<PathBuf>) -> Preparation {
        let Some(process) = self.image.process(&name.process_type) else {
            unreachable!("an instance has a process type of the image");
        };
        let own_folder = process.working_dir.as_ref();
        Preparation {
            exec_d,
            folder: own_folder.map_or_else(|| self.folder.clone(), |own| self.folder.join(own)),
            program: Program::new(process.spec.argv.iter().cloned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn missing_pipes_are_reported() {
        assert_report!(SpawnError::Pipes {
            instance: "worker.2".into(),
            source: io::Error::from(rustix::io::Errno::MFILE),
        });
    }
}

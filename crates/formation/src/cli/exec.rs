//! `formation exec`, and the hidden subcommands by which `exec` and `run` start programs.

use super::exit::{fail, unblock_signals};
use crate::exec::{Exec, ExecError};
use crate::process::grace::Grace;
use crate::process::program::Program;
use crate::process::signals::Signals;
use crate::run::preparation::Preparation;
use clap::Args;
use procfile::launch_spec::{GROUP, LaunchSpec, SignalTarget};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run one command as a well-behaved PID 1
///
/// Passes signals on to the command, reaps orphaned processes, and gives the command the terminal.
/// The exit status is that of the command: 128+N if signal N ended it; 127 if there is no such
/// command, 126 if it cannot be executed. Prints nothing unless the command cannot be started.
#[derive(Args)]
#[command(after_help = EXEC_EXAMPLES)]
pub(super) struct ExecArguments {
    /// Pass signals on to the command's process group: requests to end to all of its processes, other
    /// signals to those that handle them
    #[arg(long = GROUP)]
    group: bool,
    /// How long processes that the command leaves behind may outlive it before they are killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// The program and its arguments
    #[arg(last = true, required = true, value_names = ["COMMAND", "ARG"])]
    command: Vec<OsString>,
}

const EXEC_EXAMPLES: &str = "\
Examples:
  formation exec -- puma -C config/puma.rb
  formation exec -- bash -c 'exec sidekiq -c \"$SIDEKIQ_CONCURRENCY\"'
  formation exec --group --grace 20 -- bash -c 'rake queue:work | tee log/queue.log'";

impl ExecArguments {
    pub(super) fn into_exec(self) -> Exec {
        Exec {
            spec: LaunchSpec {
                argv: self.command,
                signals: if self.group {
                    SignalTarget::Group
                } else {
                    SignalTarget::Process
                },
            },
            grace: self.grace,
        }
    }
}

pub(super) fn exec(arguments: ExecArguments, signals: io::Result<Signals>) -> ExitCode {
    let exec = arguments.into_exec();
    match signals
        .map_err(ExecError::from)
        .and_then(|signals| exec.run(&signals))
    {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// The second half of `exec` on a terminal: `exec` starts it, users have no use for it.
#[derive(Args)]
pub(super) struct ForegroundArguments {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn foreground(arguments: ForegroundArguments) -> ExitCode {
    let error = Program::new(arguments.command).run_in_foreground();
    fail(&error, error.exit_code())
}

/// The start of a process with exec.d programs or a working directory of its own: `run` starts it,
/// users have no use for it.
#[derive(Args)]
pub(super) struct PrepareArguments {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long = "program")]
    programs: Vec<PathBuf>,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn prepare(arguments: PrepareArguments, signals: io::Result<Signals>) -> ExitCode {
    // Until it becomes the program of the process, signals end it as they end any program.
    if let Err(status) = unblock_signals(signals, 126) {
        return status;
    }
    let preparation = Preparation {
        exec_d: arguments.programs,
        folder: arguments.folder,
        program: Program::new(arguments.command),
    };
    let error = preparation.run();
    fail(&error, error.exit_code())
}

//! `formation exec`, and what it and `run` start as themselves first.

use super::{fail, hear_signals};
use crate::exec::{Exec, ExecError};
use crate::process::grace::Grace;
use crate::process::program::Program;
use crate::process::signals::Signals;
use crate::run::preparation::Preparation;
use clap::Args;
use procfile::launch_spec::{LaunchSpec, SignalTarget};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run one command as a well-behaved PID 1
///
/// Signals are passed on to the command, processes without a parent are reaped, and the terminal is the command's. The exit status is the
/// command's too: 128+N where signal N ended it, 127 where there is no such command, 126 where it cannot be executed. Nothing is printed.
#[derive(Args)]
#[command(after_help = EXEC_EXAMPLES)]
pub(super) struct ExecArguments {
    /// Pass signals on to every process of the command's process group, and wait for all of them
    #[arg(long)]
    group: bool,
    /// With --group: how long the others may outlive the command before they are killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// A program and its arguments
    #[arg(last = true, required = true, value_names = ["COMMAND", "ARG"])]
    command: Vec<OsString>,
}

const EXEC_EXAMPLES: &str = "\
Examples:
  formation exec -- puma -C config/puma.rb
  formation exec -- bash -c 'exec sidekiq -c \"$SIDEKIQ_CONCURRENCY\"'
  formation exec --group --grace 20 -- bash -c 'rake queue:work | tee log/queue.log'";

pub(super) fn exec(arguments: ExecArguments, signals: io::Result<Signals>) -> ExitCode {
    let exec = Exec {
        spec: LaunchSpec {
            argv: arguments.command,
            signals: if arguments.group {
                SignalTarget::Group
            } else {
                SignalTarget::Process
            },
        },
        grace: arguments.grace,
    };
    match signals
        .map_err(ExecError::from)
        .and_then(|signals| exec.run(&signals))
    {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// Half of `exec` under a terminal, which starts it; of no use to anybody else.
#[derive(Args)]
pub(super) struct ForegroundArguments {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn foreground(arguments: ForegroundArguments) -> ExitCode {
    let error = Program::new(arguments.command).run_in_foreground();
    fail(&error, error.exit_code())
}

/// The first step of a process that `run` starts, where it has exec.d programs or a working
/// directory of its own; of no use to anybody else.
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
    // Until it is the process's program, it ends as one that hears of no signal.
    if let Err(status) = hear_signals(signals, 126) {
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

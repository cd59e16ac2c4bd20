//! `formation`: the program in the image.

use clap::{Args, Parser, Subcommand};
use formation::report;
use formation::supervisor::check::{Check, Format};
use formation::supervisor::exec::{Exec, ExecError, Grace, Launched, SignalsGoTo};
use formation::supervisor::program::{FOREGROUND, Program};
use formation::supervisor::signals::Signals;
use miette::Diagnostic;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the commands of an image's process types.
#[derive(Parser)]
#[command(name = "formation", version)]
struct CommandLine {
    #[command(subcommand)]
    subcommand: Formation,
}

/// What `formation` does: for each its arguments, and below what it does with them.
#[derive(Subcommand)]
enum Formation {
    Check(CheckArguments),
    Exec(ExecArguments),
    #[command(name = FOREGROUND, hide = true)]
    Foreground(ForegroundArguments),
}

fn main() -> ExitCode {
    // Before anything else: a signal that comes now is for a command that has yet to start.
    let signals = Signals::hold();
    if let Some((launched, grace)) = exec_as_launched(env::args_os()) {
        return exec(launched, grace, signals);
    }
    match CommandLine::parse().subcommand {
        Formation::Check(arguments) => check(arguments, signals),
        Formation::Exec(arguments) => {
            let launched = Launched {
                group: arguments.group,
                program: program(arguments.command),
            };
            exec(launched, arguments.grace, signals)
        }
        Formation::Foreground(arguments) => foreground(arguments),
    }
}

/// Check a Procfile, as the build would
///
/// Shows every error and warning with its place. Exit status 0 where there is no error (with --strict: and no warning), 1 where there is
/// one, 2 where nothing was checked: no Procfile that can be read, or wrong usage.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
struct CheckArguments {
    /// The Procfile; `-` for standard input
    #[arg(default_value = "Procfile")]
    path: PathBuf,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  formation check
  formation check --strict backend/Procfile
  git show HEAD:Procfile | formation check --format json -";

fn check(arguments: CheckArguments, signals: io::Result<Signals>) -> ExitCode {
    // Nobody else is to be told: Ctrl-C ends this as it ends any program.
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 2);
    }
    use_colours();
    let check = Check {
        path: arguments.path,
        format: arguments.format,
        strict: arguments.strict,
    };
    match check.run() {
        Ok(passes) => ExitCode::from(u8::from(!passes)),
        Err(error) => fail(&error, 2),
    }
}

/// Run one command as a well-behaved PID 1
///
/// Signals are passed on to the command, processes without a parent are reaped, and the terminal is the command's. The exit status is the
/// command's too: 128+N where signal N ended it, 127 where there is no such command, 126 where it cannot be executed. Nothing is printed.
#[derive(Args)]
#[command(after_help = EXEC_EXAMPLES)]
struct ExecArguments {
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

/// `formation exec [--group] -- COMMAND`, as every process of an image is launched: read without clap, whose code would be in memory for
/// as long as the process runs, a tenth of all that is.
fn exec_as_launched(words: impl IntoIterator<Item = OsString>) -> Option<(Launched, Grace)> {
    let launched = Launched::from_words(words)?;
    let grace = match env::var("FORMATION_GRACE") {
        Ok(text) => text.parse().ok()?,
        Err(env::VarError::NotPresent) => Grace::default(),
        Err(env::VarError::NotUnicode(_)) => return None,
    };
    Some((launched, grace))
}

const EXEC_EXAMPLES: &str = "\
Examples:
  formation exec -- puma -C config/puma.rb
  formation exec -- bash -c 'exec sidekiq -c \"$SIDEKIQ_CONCURRENCY\"'
  formation exec --group --grace 20 -- bash -c 'rake queue:work | tee log/queue.log'";

fn exec(launched: Launched, grace: Grace, signals: io::Result<Signals>) -> ExitCode {
    let exec = Exec {
        program: launched.program,
        signals_go_to: if launched.group {
            SignalsGoTo::Group(grace)
        } else {
            SignalsGoTo::Command
        },
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
struct ForegroundArguments {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn foreground(arguments: ForegroundArguments) -> ExitCode {
    let error = program(arguments.command).run_in_foreground();
    fail(&error, error.exit_code())
}

fn program(command: Vec<OsString>) -> Program {
    Program::new(command).expect("the command line asks for one word at least")
}

fn fail(error: &dyn Diagnostic, exit_code: u8) -> ExitCode {
    use_colours();
    report::error(error);
    ExitCode::from(exit_code)
}

fn use_colours() {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    report::use_colours(io::stderr().is_terminal() && !unwanted);
}

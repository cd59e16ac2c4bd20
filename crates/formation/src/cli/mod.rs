//! The command line of `formation`, the program in the image: all but what `formation` itself does.

mod ask;
mod check;
mod completions;
mod exec;
mod export;
mod probe;
mod run;

use crate::control::protocol::Request;
use crate::exec::ExecError;
use crate::process::program::FOREGROUND;
use crate::process::signals::Signals;
use crate::run::preparation::PREPARE;
use ask::{PsArguments, RestartArguments, ScaleArguments, ask};
use check::{CheckArguments, check};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use completions::{CompletionsArguments, completions};
use exec::{ExecArguments, ForegroundArguments, PrepareArguments, exec, foreground, prepare};
use export::{ExportTarget, export_to};
use miette::Diagnostic;
use probe::{ProbeArguments, probe};
use procfile::report;
use run::{RunArguments, run, with_run};
use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// Runs the process types of an image
///
/// `formation TYPE=N …` is short for `formation run TYPE=N …`, and `formation` alone runs every type once.
#[derive(Parser)]
#[command(
    name = "formation",
    bin_name = "formation",
    version,
    propagate_version = true
)]
struct CommandLine {
    #[command(subcommand)]
    subcommand: Formation,
}

/// What `formation` does: for each its arguments, and below what it does with them.
#[derive(Subcommand)]
enum Formation {
    Run(RunArguments),
    Ps(PsArguments),
    Scale(ScaleArguments),
    Restart(RestartArguments),
    Exec(ExecArguments),
    #[command(subcommand)]
    Export(ExportTarget),
    Probe(ProbeArguments),
    Check(CheckArguments),
    Completions(CompletionsArguments),
    #[command(name = FOREGROUND, hide = true)]
    Foreground(ForegroundArguments),
    #[command(name = PREPARE, hide = true)]
    Prepare(PrepareArguments),
}

/// The `main` of the program.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else: a signal that comes now is for a command that has yet to start.
    let signals = Signals::hold();
    match command_line().subcommand {
        Formation::Run(arguments) => run(arguments, signals),
        Formation::Ps(arguments) => ask(&arguments.ask(Request::Ps), signals),
        Formation::Scale(arguments) => ask(
            &arguments.show.ask(Request::Scale(arguments.quantities)),
            signals,
        ),
        Formation::Restart(arguments) => ask(
            &arguments.show.ask(Request::Restart(arguments.processes)),
            signals,
        ),
        Formation::Export(target) => export_to(target, signals),
        Formation::Probe(arguments) => probe(arguments, signals),
        Formation::Check(arguments) => check(arguments, signals),
        Formation::Completions(arguments) => completions(&arguments),
        Formation::Exec(arguments) => exec(arguments, signals),
        Formation::Foreground(arguments) => foreground(arguments),
        Formation::Prepare(arguments) => prepare(arguments, signals),
    }
}

fn command_line() -> CommandLine {
    let mut words = with_run(env::args_os());
    match CommandLine::try_parse_from(&words) {
        Ok(command_line) => command_line,
        // A process type, it may be: `run` knows, and says how to name it.
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand && !is_a_slip(&error) => {
            words.insert(1, "run".into());
            CommandLine::parse_from(words)
        }
        Err(error) => error.exit(),
    }
}

/// Whether a subcommand that is meant for users is like what was given.
fn is_a_slip(error: &clap::Error) -> bool {
    let similar = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) => std::slice::from_ref(name),
        Some(ContextValue::Strings(names)) => names,
        _ => &[],
    };
    let all = CommandLine::command();
    let of_users = |name: &String| {
        all.find_subcommand(name)
            .is_some_and(|subcommand| !subcommand.is_hide_set())
    };
    similar.iter().any(of_users)
}

/// For what passes no signal on: it ends as any program does. The exit status where that cannot be.
fn hear_signals(signals: io::Result<Signals>, status: u8) -> Result<(), ExitCode> {
    let heard = signals.and_then(Signals::release);
    heard.map_err(|error| fail(&ExecError::from(error), status))
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

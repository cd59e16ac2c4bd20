//! The command line of `formation-cli`: everything that the small program `formation` leaves to it.
//!
//! One file for each subcommand (`control` has `ps`, `scale` and `restart`): its arguments, its
//! help, and how it is run. `exit` is shared by all.

mod check;
mod completions;
mod control;
mod exec;
mod exit;
mod export;
mod probe;
mod run;

use crate::control::protocol::Request;
use crate::environment;
use crate::process::program::FOREGROUND;
use crate::process::signals::Signals;
use crate::run::preparation::PREPARE;
use check::{CheckArguments, check};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use completions::{CompletionsArguments, completions};
use control::{PsArguments, RestartArguments, ScaleArguments, ask, with_format};
use exec::{ExecArguments, ForegroundArguments, PrepareArguments, exec, foreground, prepare};
use export::{ExportTarget, export_to};
use probe::{ProbeArguments, probe};
use procfile::launch_spec::EXEC;
use run::{RunArguments, StartArguments, run, start, with_run};
use std::env;
use std::path::Path;
use std::process::ExitCode;

/// Run the process types of an image
///
/// `formation TYPE=N …` is short for `formation run TYPE=N …`. Without arguments, `formation` runs
/// one instance of every process type.
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

#[derive(Subcommand)]
enum Formation {
    Run(RunArguments),
    Ps(PsArguments),
    Scale(ScaleArguments),
    Restart(RestartArguments),
    #[command(name = EXEC)]
    Exec(ExecArguments),
    #[command(subcommand)]
    Export(ExportTarget),
    Probe(ProbeArguments),
    Check(CheckArguments),
    Completions(CompletionsArguments),
    #[command(name = FOREGROUND, hide = true)]
    Foreground(ForegroundArguments),
    #[command(hide = true)]
    Start(StartArguments),
    #[command(name = PREPARE, hide = true)]
    Prepare(PrepareArguments),
}

/// The `main` of the program.
#[must_use]
pub fn main() -> ExitCode {
    let program = env::args_os().next().unwrap_or_default();
    if environment::is_asked_for(&program) {
        return environment::main(Path::new(&program));
    }
    // Before anything else: a signal that arrives now is meant for the command that is about to
    // start.
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
        Formation::Completions(arguments) => completions(&arguments, &CommandLine::command()),
        Formation::Exec(arguments) => exec(arguments, signals),
        Formation::Start(arguments) => start(arguments),
        Formation::Foreground(arguments) => foreground(arguments),
        Formation::Prepare(arguments) => prepare(arguments, signals),
    }
}

fn command_line() -> CommandLine {
    let mut words = with_format(with_run(env::args_os()));
    match CommandLine::try_parse_from(&words) {
        Ok(command_line) => command_line,
        // The word may be a process type. `run` has the image's types, and a better error message.
        Err(error)
            if error.kind() == ErrorKind::InvalidSubcommand
                && !is_like_a_subcommand(&error, &CommandLine::command()) =>
        {
            words.insert(1, "run".into());
            CommandLine::parse_from(words)
        }
        Err(error) => error.exit(),
    }
}

/// Whether the unknown subcommand is similar to one that is not hidden.
fn is_like_a_subcommand(error: &clap::Error, command: &clap::Command) -> bool {
    let similar_names = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) => std::slice::from_ref(name),
        Some(ContextValue::Strings(names)) => names,
        _ => &[],
    };
    let is_shown = |name: &String| {
        command
            .find_subcommand(name)
            .is_some_and(|subcommand| !subcommand.is_hide_set())
    };
    similar_names.iter().any(is_shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::launch_spec::{LaunchSpec, SignalTarget};

    /// `formation` reads such a command line without clap, and leaves it to this one when the
    /// command does not start.
    #[test]
    fn a_launch_is_read_from_its_arguments() {
        for signals in [SignalTarget::Process, SignalTarget::Group] {
            let argv = ["puma", "--group", "-C", "--", ""].map(String::from).into();
            let spec = LaunchSpec { argv, signals };
            let words = spec.to_args("formation");
            let Formation::Exec(arguments) = CommandLine::parse_from(words).subcommand else {
                panic!("another subcommand");
            };
            assert_eq!(arguments.into_exec().spec, LaunchSpec::from(&spec));
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }
}

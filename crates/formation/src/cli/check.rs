//! `formation check`.

use super::exit::{choose_colours, fail, unblock_signals};
use crate::check::{Check, CheckFormat};
use crate::process::signals::Signals;
use clap::Args;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check a Procfile as the build would
///
/// Shows every error and warning with its place. Exit status: 0 if there are no errors (with
/// --strict: and no warnings), 1 if there are some, 2 if nothing was checked because the Procfile
/// cannot be read or the usage is wrong.
///
/// The word after each process type says what runs, and where signals go. words: the program, without
/// a shell. exec: bash reads the command, then becomes the program. In both, signals go to the
/// program. group: bash, or the script, stays beside what it runs; TERM, INT, QUIT and HUP go to all
/// of them, others to those that handle them.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct CheckArguments {
    /// The Procfile, or the folder that has it; `-` for standard input
    #[arg(default_value = "Procfile")]
    path: PathBuf,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  formation check
  formation check --strict backend
  git show HEAD:Procfile | formation check --format json -";

pub(super) fn check(arguments: CheckArguments, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = unblock_signals(signals, 2) {
        return status;
    }
    choose_colours();
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

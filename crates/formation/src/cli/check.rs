//! `formation check`.

use super::{fail, hear_signals, use_colours};
use crate::check::{Check, Format};
use crate::process::signals::Signals;
use clap::Args;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check a Procfile, as the build would
///
/// Shows every error and warning with its place. Exit status 0 where there is no error (with --strict: and no warning), 1 where there is
/// one, 2 where nothing was checked: no Procfile that can be read, or wrong usage.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct CheckArguments {
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

pub(super) fn check(arguments: CheckArguments, signals: io::Result<Signals>) -> ExitCode {
    // Nobody else is to be told: Ctrl-C ends this as it ends any program.
    if let Err(status) = hear_signals(signals, 2) {
        return status;
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

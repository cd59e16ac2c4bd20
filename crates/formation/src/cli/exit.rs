//! How subcommands end: by signals, and with error reports.

use crate::exec::ExecError;
use crate::process::signals::Signals;
use miette::Diagnostic;
use procfile::report;
use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// For subcommands that pass no signals on: from now on, signals end this process as they end any
/// program.
///
/// # Errors
/// The exit status `status`, after the error was shown.
pub(super) fn unblock_signals(signals: io::Result<Signals>, status: u8) -> Result<(), ExitCode> {
    let released = signals.and_then(Signals::release);
    released.map_err(|error| fail(&ExecError::from(error), status))
}

pub(super) fn fail(error: &dyn Diagnostic, exit_code: u8) -> ExitCode {
    choose_colours();
    report::error(error);
    ExitCode::from(exit_code)
}

/// Reports have colours on a terminal, unless the variable `NO_COLOR` is set.
pub(super) fn choose_colours() {
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    report::use_colours(io::stderr().is_terminal() && !is_unwanted);
}

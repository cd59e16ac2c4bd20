//! `formation`, the program in the image: small, because it stays in memory beside each process.
//!
//! It is `formation exec`, with which every process type is launched. Everything else, also the
//! report on a command that does not start, is the work of `formation-cli` beside it: its command
//! line alone would double the memory of each process.

use super::{Exec, ExecError};
use crate::process::program::Program;
use crate::process::signals::Signals;
use std::env;
use std::ffi::OsString;
use std::io::{Write, stderr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The program for everything else, in the same folder.
const COMMAND_LINE: &str = "formation-cli";

/// Variables that stand for options of `formation-cli`.
const VARIABLES: [&str; 9] = [
    "FORMATION",
    "FORMATION_GRACE",
    "FORMATION_MAY_END",
    "FORMATION_PREFIX",
    "FORMATION_RESTART",
    "FORMATION_RESTART_DELAY",
    "FORMATION_RESTART_LIMIT",
    "FORMATION_SOCKET",
    "PORT",
];

/// The `main` of the program.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else: a signal that comes now is for a command that has yet to start.
    let signals = Signals::hold();
    let words: Vec<OsString> = env::args_os().collect();
    if let Some(exec) = Exec::from_args(&words) {
        match signals
            .map_err(ExecError::from)
            .and_then(|signals| exec.run(&signals))
        {
            Ok(status) => return ExitCode::from(status),
            // `formation-cli` tries again, fails too, and reports why.
            Err(ExecError::Start(_)) => {}
            Err(error) => return fail(&error.to_string(), error.exit_code()),
        }
    } else if let Some(program) = Program::from_words_in_foreground(&words) {
        let _ = program.run_in_foreground();
    }
    hand_over(&words)
}

/// Replaces this process with `formation-cli`. Signals that came meanwhile stay blocked, and wait.
fn hand_over(words: &[OsString]) -> ExitCode {
    let path = beside_this().unwrap_or_else(|| COMMAND_LINE.into());
    let mut command = Command::new(&path);
    command.arg0("formation").args(words.iter().skip(1));
    // An empty variable counts as not set: Compose makes one of a variable that has no value.
    for variable in VARIABLES {
        if env::var_os(variable).is_some_and(|value| value.is_empty()) {
            command.env_remove(variable);
        }
    }
    let error = command.exec();
    let path = path.display();
    fail(
        &format!("{path} cannot be started: {error}. Build the image again."),
        126,
    )
}

fn fail(message: &str, status: u8) -> ExitCode {
    let _ = writeln!(stderr(), "formation: {message}");
    ExitCode::from(status)
}

fn beside_this() -> Option<PathBuf> {
    let this = env::current_exe().ok()?;
    this.parent().map(|folder| folder.join(COMMAND_LINE))
}

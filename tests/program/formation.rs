//! Starts `formation` with no variable that changes what it does.

use rig::program::Running;
use std::process::{Command, Output, Stdio};

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_formation");

const VARIABLES: [&str; 10] = [
    "FORMATION",
    "FORMATION_GRACE",
    "FORMATION_MAY_END",
    "FORMATION_PREFIX",
    "FORMATION_RESTART",
    "FORMATION_RESTART_DELAY",
    "FORMATION_RESTART_LIMIT",
    "FORMATION_SOCKET",
    "NO_COLOR",
    "PORT",
];

/// `formation` with these arguments, and nothing to read.
pub(crate) fn formation(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn start(arguments: &[&str]) -> Running {
    Running::spawn(formation(arguments))
}

/// Standard output, which has to be UTF-8.
pub(crate) fn out_of(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Standard error, which has to be UTF-8.
pub(crate) fn err_of(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

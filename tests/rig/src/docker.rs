//! The container engine's command line.

use crate::command;
use std::io;
use std::process::{Command, Output};

/// The standard output of a `docker` command that has to succeed.
pub fn docker(arguments: &[&str]) -> String {
    command::run(Command::new("docker").args(arguments))
}

/// A `docker` command that may fail.
pub fn try_docker(arguments: &[&str]) -> io::Result<Output> {
    Command::new("docker").args(arguments).output()
}

/// `--env NAME=VALUE` for each variable, which is written as `NAME=VALUE`.
pub fn env_options<T: AsRef<str>>(variables: &[T]) -> Vec<&str> {
    variables
        .iter()
        .flat_map(|variable| ["--env", variable.as_ref()])
        .collect()
}

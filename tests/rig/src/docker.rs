//! The container engine's command line.

use crate::command;
use crate::environment::variable;
use std::io;
use std::path::Path;
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

/// Removes what containers have written into a folder: it belongs to their users.
pub fn empty(folder: &Path) {
    let volume = format!("{}:/build", folder.display());
    let builder = variable("FORMATION_BUILDER");
    let options = ["--rm", "--user", "0", "--volume", &volume];
    let command = [
        "--entrypoint",
        "find",
        &builder,
        "/build",
        "-mindepth",
        "1",
        "-delete",
    ];
    docker(&[&["run"], &options[..], &command].concat());
}

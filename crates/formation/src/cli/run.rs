//! `formation run`.

use super::exit::fail;
use crate::process::grace::{Grace, seconds};
use crate::process::signals::Signals;
use crate::run::{Prefix, Run, RunError};
use clap::Args;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run several process types in one container
///
/// Runs one instance of every process type, except for the tasks `release`, `console` and `rake`.
/// If types are named, runs those only, with the given numbers of instances. Each line of output
/// has the name of its process before it. When a process ends, all others are asked to stop, unless
/// --restart names its type. The exit status is that of the process that ended; 0 if `formation`
/// was asked to stop, or 137 if it then had to kill a process.
#[derive(Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(super) struct RunArguments {
    /// A process type, and its number of instances
    #[arg(value_name = "TYPE=N", env = "FORMATION", value_delimiter = ',')]
    quantities: Vec<String>,
    /// Restart processes of this type when they end; `all` for every type
    #[arg(
        long,
        value_name = "TYPE",
        env = "FORMATION_RESTART",
        value_delimiter = ','
    )]
    restart: Vec<String>,
    /// The delay before the first restart of a process; it doubles with each further restart, up to
    /// a minute
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FORMATION_RESTART_DELAY",
        value_parser = seconds,
        default_value = "1"
    )]
    restart_delay: Duration,
    /// How often one process is restarted in a row; when it ends once more, all processes are asked
    /// to stop. After it has run for a minute, counting starts again
    #[arg(long, value_name = "N", env = "FORMATION_RESTART_LIMIT")]
    restart_limit: Option<u32>,
    /// How long a process may take to stop before it is killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// What is written before each line of output
    #[arg(long, value_enum, env = "FORMATION_PREFIX", default_value_t)]
    prefix: Prefix,
    /// The port of the first `web`; further instances get the next ports, the ports of each further
    /// type start a hundred higher
    #[arg(
        long,
        env = "PORT",
        default_value_t = 8080,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,
    /// Read the process types from a Procfile instead of the image
    #[arg(long, value_name = "PATH")]
    procfile: Option<PathBuf>,
    /// Path of the control socket for `ps`, `scale` and `restart`, if it is not to be the default
    /// one
    #[arg(long, value_name = "PATH", env = "FORMATION_SOCKET")]
    socket: Option<PathBuf>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  docker run --entrypoint formation IMAGE
  docker run --entrypoint formation IMAGE web=1 worker=4
  docker run --entrypoint formation --env FORMATION=web=1,worker=4 IMAGE
  docker run --entrypoint formation IMAGE run --restart worker --prefix json
  formation run --procfile Procfile";

/// Inserts `run` before words that are not a subcommand, as in `docker run --entrypoint formation
/// IMAGE web=2`.
pub(super) fn with_run(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let first = words.get(1).map(|word| word.to_string_lossy());
    let is_for_run = match first.as_deref() {
        None => true,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(word) => word.starts_with('-') || word.contains('='),
    };
    if is_for_run {
        words.insert(1.min(words.len()), "run".into());
    }
    words
}

pub(super) fn run(arguments: RunArguments, signals: io::Result<Signals>) -> ExitCode {
    let run = Run {
        quantities: arguments.quantities,
        procfile: arguments.procfile,
        restart: arguments.restart,
        restart_delay: arguments.restart_delay,
        restart_limit: arguments.restart_limit,
        grace: arguments.grace,
        prefix: arguments.prefix,
        port: arguments.port,
        socket: arguments.socket,
    };
    match signals
        .map_err(RunError::from)
        .and_then(|signals| run.run(&signals))
    {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&error, error.exit_code()),
    }
}

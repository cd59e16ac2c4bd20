//! `formation run`.

use super::fail;
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
/// Every type of the image runs once, but for the tasks `release`, `console` and `rake`; or so many of each as are named, and no others.
/// Their output comes line by line, each with its process. When one ends, all are asked to end, unless its type is named by --restart. The
/// exit status is that process's; 0 where this program was asked to end, 137 where a process had to be killed then.
#[derive(Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(super) struct RunArguments {
    /// So many instances of a process type
    #[arg(value_name = "TYPE=N", env = "FORMATION", value_delimiter = ',')]
    quantities: Vec<String>,
    /// Start this type again when it ends; `all` is every type
    #[arg(
        long,
        value_name = "TYPE",
        env = "FORMATION_RESTART",
        value_delimiter = ','
    )]
    restart: Vec<String>,
    /// The delay before a first restart; it doubles with each further one, up to a minute
    #[arg(long, value_name = "SECONDS", env = "FORMATION_RESTART_DELAY", value_parser = seconds, default_value = "1")]
    restart_delay: Duration,
    /// Restarts of one process in a row, without a minute of health in between, before its end ends all
    #[arg(long, value_name = "N", env = "FORMATION_RESTART_LIMIT")]
    restart_limit: Option<u32>,
    /// How long a process may take to end before it is killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// What stands before each line of output
    #[arg(long, value_enum, env = "FORMATION_PREFIX", default_value_t)]
    prefix: Prefix,
    /// The port of `web`; a further instance gets the next one, a further type one a hundred above
    #[arg(long, env = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Take the process types from a Procfile instead of the image
    #[arg(long, value_name = "PATH")]
    procfile: Option<PathBuf>,
    /// The socket for `ps`, `scale` and `restart`, if not in the usual place
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

/// `docker run --entrypoint formation IMAGE web=2`: what is no subcommand is for `run`.
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

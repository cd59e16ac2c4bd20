//! `formation run`.

use super::exit::fail;
use crate::process::grace::{Grace, seconds};
use crate::process::signals::Signals;
use crate::run::{Prefix, Run, RunError};
use clap::Args;
use miette::Diagnostic;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use thiserror::Error;

/// Run several process types in one container
///
/// Runs one instance of every process type, except for the tasks `release`, `console` and `rake`.
/// If types are named, runs those only, with the given numbers of instances. Each line of output
/// has the name of its process before it. When a process ends, all others are asked to stop, unless
/// --restart or --may-end names its type. The exit status is that of the process that ended; 0 if `formation`
/// was asked to stop, or 137 if it then had to kill a process.
#[derive(Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(super) struct RunArguments {
    /// A process type, and its number of instances; `all=N` for the types that are not named. Where
    /// every number is 0, the other types run once
    #[arg(value_name = "TYPE=N", env = "FORMATION", value_delimiter = ',')]
    quantities: Vec<String>,
    /// The same as TYPE=N, as foreman has it
    #[arg(
        short = 'm',
        long,
        value_name = "TYPE=N",
        value_delimiter = ',',
        hide = true
    )]
    formation: Vec<String>,
    /// Restart processes of this type when they end; `all` for every type
    #[arg(
        long,
        value_name = "TYPE",
        env = "FORMATION_RESTART",
        value_delimiter = ','
    )]
    restart: Vec<String>,
    /// Let processes of this type end without ending the others, whatever their exit status; `all`
    /// for every type. When the last process has ended, `formation` ends too
    #[arg(
        long,
        value_name = "TYPE",
        env = "FORMATION_MAY_END",
        value_delimiter = ','
    )]
    may_end: Vec<String>,
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
    #[arg(
        short = 't',
        long,
        alias = "timeout",
        value_name = "SECONDS",
        env = "FORMATION_GRACE",
        default_value_t
    )]
    grace: Grace,
    /// What is written before each line of output
    #[arg(long, value_enum, env = "FORMATION_PREFIX", default_value_t)]
    prefix: Prefix,
    /// The port of the first `web`, or where the image has none, of the type that stands for it; further instances get the next ports, the ports of each further
    /// type start a hundred higher
    ///
    /// [default: 8080]
    #[arg(short, long, env = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Read the process types from a Procfile instead of the image: for local development. The file
    /// `.env` beside it gives variables
    #[arg(short = 'f', long, value_name = "PATH")]
    procfile: Option<PathBuf>,
    /// Read variables that the environment does not have from these files, instead of `.env`
    #[arg(short, long = "env", value_name = "FILE", value_delimiter = ',')]
    env_files: Vec<PathBuf>,
    /// Give the terminal to this process, or to the first one of this type: for a debugger. Its
    /// output has no name before it, and the keys of the terminal are its own: what Ctrl-C ends is
    /// this process, and with it the others
    #[arg(long, value_name = "PROCESS")]
    attach: Option<String>,
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
  formation run --procfile Procfile
  formation run --procfile Procfile all=1 worker=0 --attach web";

/// `foreman start` is what many know.
#[derive(Args)]
pub(super) struct StartArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// There is no subcommand `start`.
#[derive(Debug, Diagnostic, Error)]
#[error("`formation` has no subcommand `start`")]
#[diagnostic(help("Write `{}`.", words.join(" ")))]
struct NoStart {
    words: Vec<String>,
}

pub(super) fn start(arguments: StartArguments) -> ExitCode {
    let is_type_alone = matches!(&arguments.words[..], [word] if !word.starts_with('-'));
    let run = ["formation", "run", "--procfile", "Procfile"].map(String::from);
    let names_procfile = |word: &String| word.starts_with("-f") || word.starts_with("--procfile");
    let words = if arguments.words.iter().any(names_procfile) {
        &run[..2]
    } else {
        &run[..]
    };
    let mut words = words.to_vec();
    words.extend(arguments.words);
    // `foreman start web` runs that type alone.
    if let Some(process_type) = (words.last_mut()).filter(|_| is_type_alone) {
        process_type.push_str("=1");
    }
    fail(&NoStart { words }, 2)
}

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
        // The variable FORMATION may have set the other ones.
        quantities: if arguments.formation.is_empty() {
            arguments.quantities
        } else {
            arguments.formation
        },
        env_files: arguments.env_files,
        attach: arguments.attach,
        procfile: arguments.procfile,
        restart: arguments.restart,
        may_end: arguments.may_end,
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

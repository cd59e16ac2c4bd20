//! `formation probe`.

use super::exit::{fail, unblock_signals};
use crate::probe::Probe;
use crate::process::signals::Signals;
use clap::Args;
use std::io;
use std::process::ExitCode;

/// Check whether `web` is healthy, for the health checks of an orchestrator
///
/// Exit status: 0 if `web` accepts a connection and, with --path, responds with a status from 200
/// to 399; otherwise 1.
#[derive(Args)]
#[command(after_help = PROBE_EXAMPLES)]
pub(super) struct ProbeArguments {
    /// The port on which `web` listens
    #[arg(
        long,
        env = "PORT",
        default_value_t = 8080,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,
    /// The path to request
    #[arg(long)]
    path: Option<String>,
    /// The `Host` of the request, for a `web` that answers only the hosts that it knows, such as
    /// Rails' `config.hosts` [default: localhost]
    #[arg(long, requires = "path")]
    host: Option<String>,
}

const PROBE_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation probe
  formation probe --port 3000 --path /up
  formation probe --path /up --host shop.example";

pub(super) fn probe(arguments: ProbeArguments, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = unblock_signals(signals, 1) {
        return status;
    }
    let probe = Probe {
        port: arguments.port,
        path: arguments.path,
        host: arguments.host,
    };
    match probe.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

//! `formation ps`, `scale` and `restart`.

use super::{fail, hear_signals};
use crate::control::client::{ControlCommand, RequestError};
use crate::control::protocol::Request;
use crate::control::show::Format;
use crate::process::signals::Signals;
use clap::Args;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the processes of the formation that runs in this container
#[derive(Args)]
#[command(after_help = PS_EXAMPLES)]
pub(super) struct PsArguments {
    /// As a JSON array, with memory in bytes and uptime in seconds
    #[arg(long)]
    json: bool,
    /// The socket of the formation, if not in the usual place
    #[arg(long, value_name = "PATH", env = "FORMATION_SOCKET")]
    socket: Option<PathBuf>,
}

const PS_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation ps
  docker exec CONTAINER formation ps --json";

/// Change how many instances of a process type run; the other types are left alone
///
/// Instances that are too many are asked to end, the last first. Shows the processes that there are then.
#[derive(Args)]
#[command(after_help = SCALE_EXAMPLES)]
pub(super) struct ScaleArguments {
    /// So many instances of a process type
    #[arg(required = true, value_name = "TYPE=N")]
    pub(super) quantities: Vec<String>,
    #[command(flatten)]
    pub(super) show: PsArguments,
}

const SCALE_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation scale worker=4
  docker exec CONTAINER formation scale web=2 worker=0";

/// Start processes anew, one of each type at a time
///
/// Where nobody listens on its port, a process ends only when its successor has run for a second; otherwise before the successor starts.
#[derive(Args)]
#[command(after_help = RESTART_EXAMPLES)]
pub(super) struct RestartArguments {
    /// Process types, or single processes; none for all
    #[arg(value_name = "TYPE[.N]")]
    pub(super) processes: Vec<String>,
    #[command(flatten)]
    pub(super) show: PsArguments,
}

const RESTART_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation restart
  docker exec CONTAINER formation restart worker web.2";

impl PsArguments {
    pub(super) fn ask(self, request: Request) -> ControlCommand {
        ControlCommand {
            socket: self.socket,
            request,
            format: if self.json {
                Format::Json
            } else {
                Format::Table
            },
        }
    }
}

pub(super) fn ask(command: &ControlCommand, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = hear_signals(signals, 2) {
        return status;
    }
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(RequestError::Refused(text)) => {
            eprint!("\n{text}\n");
            ExitCode::FAILURE
        }
        Err(error) => fail(&error, 1),
    }
}

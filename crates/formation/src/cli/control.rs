//! `formation ps`, `scale` and `restart`, which ask the formation that runs in this container.

use super::exit::{fail, unblock_signals};
use crate::control::client::{ControlCommand, RequestError};
use crate::control::protocol::Request;
use crate::control::show::Format;
use crate::process::signals::Signals;
use clap::Args;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the processes that `formation run` runs in this container
#[derive(Args)]
#[command(after_help = PS_EXAMPLES)]
pub(super) struct PsArguments {
    /// How the processes are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Path of the control socket of `formation run`, if it is not the default one
    #[arg(long, value_name = "PATH", env = "FORMATION_SOCKET")]
    socket: Option<PathBuf>,
}

const PS_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation ps
  docker exec CONTAINER formation ps --format json";

/// Change the number of instances of process types
///
/// Types that are not named keep their number. Surplus instances are asked to stop, those with the
/// highest numbers first. Prints the processes that there are afterwards.
#[derive(Args)]
#[command(after_help = SCALE_EXAMPLES)]
pub(super) struct ScaleArguments {
    /// A process type, and its number of instances
    #[arg(required = true, value_name = "TYPE=N")]
    pub(super) quantities: Vec<String>,
    #[command(flatten)]
    pub(super) show: PsArguments,
}

const SCALE_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation scale worker=4
  docker exec CONTAINER formation scale web=2 worker=0";

/// Restart processes, one of each type at a time
///
/// A process that listens on its port is stopped before its replacement starts. Any other is
/// stopped only after its replacement has run for a second.
#[derive(Args)]
#[command(after_help = RESTART_EXAMPLES)]
pub(super) struct RestartArguments {
    /// Process types, or single processes; all if none is named
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
            format: self.format,
        }
    }
}

/// Replaces `--json`, the former spelling of `--format json`. As an option of its own it would be
/// in the scripts of `formation completions`, even if it were hidden.
pub(super) fn with_format(mut words: Vec<OsString>) -> Vec<OsString> {
    let has_format = |subcommand: &OsString| {
        ["ps", "scale", "restart"]
            .iter()
            .any(|name| subcommand == name)
    };
    if words.get(1).is_some_and(has_format) {
        for word in words.iter_mut().take_while(|word| *word != "--") {
            if word == "--json" {
                *word = "--format=json".into();
            }
        }
    }
    words
}

pub(super) fn ask(command: &ControlCommand, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = unblock_signals(signals, 2) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        with_format(words).join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn json_is_another_spelling_of_format_json() {
        assert_eq!(
            replaced("formation ps --json"),
            "formation ps --format=json"
        );
        assert_eq!(
            replaced("formation scale --json web=1"),
            "formation scale --format=json web=1"
        );
        for line in [
            "formation ps --format json",
            "formation restart -- --json",
            "formation exec -- ps --json",
            "formation check --json",
        ] {
            assert_eq!(replaced(line), line);
        }
    }
}

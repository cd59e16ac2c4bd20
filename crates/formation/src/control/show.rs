//! `formation ps`, `scale` and `restart`: asking the formation that runs in this container, and showing what it answers.

use super::{AskError, Request, Row, State};
use humantime::format_duration;
use procfile::report::megabytes;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;
use tabwriter::TabWriter;

/// How the processes are shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// A table
    #[default]
    Table,
    /// A JSON array, with memory in bytes and uptime in seconds
    Json,
}

/// A question to the formation that runs here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// The control socket, if not in the usual place.
    pub socket: Option<PathBuf>,
    /// What is asked.
    pub request: Request,
    /// How the answer is shown.
    pub format: Format,
}

impl Ask {
    /// Asks, and prints the processes that there are then.
    ///
    /// # Errors
    /// Nobody answers, or it is not done.
    pub fn run(&self) -> Result<(), AskError> {
        let rows = super::ask(self.socket.as_deref(), &self.request)?;
        let text = match self.format {
            Format::Table => table(&rows),
            Format::Json => json(&rows),
        };
        // Who closes the pipe has seen enough.
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(())
    }
}

fn json(rows: &[Row]) -> String {
    serde_json::to_string(rows).expect("rows are text and numbers") + "\n"
}

fn table(rows: &[Row]) -> String {
    let mut table = TabWriter::new(Vec::new());
    let mut write = |cells: [&str; 7]| {
        writeln!(table, "{}", cells.join("\t")).expect("a table in memory");
    };
    write([
        "PROCESS", "STATE", "PID", "PORT", "RESTARTS", "UPTIME", "MEMORY",
    ]);
    for row in rows {
        let state = match row.state {
            State::Running => "running",
            State::Starting => "starting",
            State::Ending => "ending",
            State::Waiting => "waiting",
        };
        let uptime = (row.uptime).map(|seconds| format_duration(Duration::from_secs(seconds)));
        write([
            &row.name,
            state,
            &shown(row.pid),
            &row.port.to_string(),
            &row.restarts.to_string(),
            &shown(uptime),
            &shown((row.memory > 0).then(|| format!("{} MB", megabytes(row.memory)))),
        ]);
    }
    let bytes = table.into_inner().expect("a table in memory");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shown(cell: Option<impl ToString>) -> String {
    cell.map_or_else(|| "-".into(), |cell| cell.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_a_table() {
        let row = |name: &str, state, pid: Option<i32>| Row {
            name: name.into(),
            state,
            pid,
            port: 8080,
            restarts: 0,
            uptime: pid.map(|pid| pid.unsigned_abs().into()),
            memory: pid.map_or(0, |pid| 1_000_000 * u64::from(pid.unsigned_abs())),
        };
        insta::assert_snapshot!(table(&[
            row("web.1", State::Running, Some(7)),
            row("web.2", State::Starting, Some(4000)),
            row("worker.10", State::Waiting, None),
            row("clock.1", State::Ending, Some(90_061)),
        ]));
        insta::assert_snapshot!("no_processes", table(&[]));
    }
}

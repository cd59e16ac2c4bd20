//! The answer to `formation ps`, `scale` and `restart`, as it is printed.

use super::protocol::{ProcessInfo, ProcessState};
use humantime::format_duration;
use procfile::report::megabytes;
use std::io::Write;
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

pub(super) fn show(processes: &[ProcessInfo], format: Format) -> String {
    match format {
        Format::Table => table(processes),
        Format::Json => json(processes),
    }
}

fn json(processes: &[ProcessInfo]) -> String {
    serde_json::to_string(processes).expect("text and numbers") + "\n"
}

fn table(processes: &[ProcessInfo]) -> String {
    let mut table = TabWriter::new(Vec::new());
    let mut write = |cells: [&str; 7]| {
        writeln!(table, "{}", cells.join("\t")).expect("a table in memory");
    };
    write([
        "PROCESS", "STATE", "PID", "PORT", "RESTARTS", "UPTIME", "MEMORY",
    ]);
    for process in processes {
        let state = match process.state {
            ProcessState::Running => "running",
            ProcessState::Starting => "starting",
            ProcessState::Ending => "ending",
            ProcessState::Waiting => "waiting",
        };
        let uptime = (process.uptime).map(|seconds| format_duration(Duration::from_secs(seconds)));
        write([
            &process.name,
            state,
            &shown(process.pid),
            &process.port.to_string(),
            &process.restarts.to_string(),
            &shown(uptime),
            &shown((process.memory > 0).then(|| format!("{} MB", megabytes(process.memory)))),
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
        let row = |name: &str, state, pid: Option<i32>| ProcessInfo {
            name: name.into(),
            state,
            pid,
            port: 8080,
            restarts: 0,
            uptime: pid.map(|pid| pid.unsigned_abs().into()),
            memory: pid.map_or(0, |pid| 1_000_000 * u64::from(pid.unsigned_abs())),
        };
        insta::assert_snapshot!(table(&[
            row("web.1", ProcessState::Running, Some(7)),
            row("web.2", ProcessState::Starting, Some(4000)),
            row("worker.10", ProcessState::Waiting, None),
            row("clock.1", ProcessState::Ending, Some(90_061)),
        ]));
        insta::assert_snapshot!("no_processes", table(&[]));
    }
}

//! What goes through the control socket: one line of JSON with a request, and one with its answer.

use serde::{Deserialize, Serialize};
use std::io;

/// What is asked of a running formation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Which processes are there?
    Ps,
    /// `TYPE=N` each: another number of instances.
    Scale(Vec<String>),
    /// `TYPE` or `TYPE.N` each; none for all.
    Restart(Vec<String>),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The request is carried out; these are the processes at this moment.
    Processes(Vec<ProcessInfo>),
    /// The request is refused; the reason, as it is shown.
    Refused(String),
}

/// One process of a formation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProcessInfo {
    /// Such as `worker.2`.
    pub name: String,
    pub state: ProcessState,
    /// Its process number, while it has one.
    pub pid: Option<i32>,
    /// The value of its variable PORT.
    pub port: u16,
    /// How often it was started again.
    pub restarts: u32,
    /// Seconds since its start, while it runs.
    pub uptime: Option<u64>,
    /// Resident memory of its process group, in bytes.
    pub memory: u64,
}

/// Where in its life a process is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    Running,
    /// It is to take the place of another process, as soon as it is up.
    Starting,
    /// It was asked to end.
    Ending,
    /// It has ended, and waits for its next start.
    Waiting,
}

/// A request or an answer as it is sent.
pub(super) fn to_line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

//! What is to be done, as plain values.

use super::event::ClientId;
use super::instance_id::InstanceId;
use crate::control::protocol::ProcessInfo;
use crate::run::instance_name::InstanceName;
use rustix::process::{Pid, Signal};
use std::io;
use std::time::Instant;

/// One thing to do. Actions are carried out in order.
#[derive(Debug)]
pub(in crate::run) enum Action {
    /// Start a process. The result is an event: `Started` or `NotStarted`.
    Start(Start),
    /// Send a signal. That all of the recipients have just ended is no error.
    Signal {
        recipient: Recipient,
        signal: Signal,
    },
    /// Write to the log.
    Say(String),
    /// Write all output of an instance whose process has ended, and its last line even where that
    /// is not complete.
    SettleOutput(InstanceId),
    /// Answer a client with the processes that there are.
    List {
        client: ClientId,
        processes: Vec<ListedProcess>,
    },
    /// Tell a client why its request is refused.
    Refuse { client: ClientId, report: String },
    /// Stop this process as a terminal stops a job, until it gets SIGCONT; unless it can lend the
    /// terminal, where that is wanted. The result is an event, `Continued`, unless nobody could give
    /// the terminal to a process that waits for it.
    StopThisProcess { wants_terminal: bool },
    /// End this process, when all output is written or that moment has come.
    Exit { status: u8, flush_until: Instant },
    /// End this process with an error, at once.
    Fail(io::Error),
}

/// A process to start.
#[derive(Debug)]
pub(in crate::run) struct Start {
    pub(in crate::run) instance: InstanceId,
    pub(in crate::run) name: InstanceName,
    pub(in crate::run) port: u16,
    /// Whether it has the terminal of this process.
    pub(in crate::run) is_attached: bool,
}

/// Which processes get a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::run) enum Recipient {
    Process(Pid),
    /// A process group: all of its members, or those that handle the signal where it asks for
    /// something else than the end.
    Group(Pid),
}

/// A process for the answer to a client.
#[derive(Debug)]
pub(in crate::run) struct ListedProcess {
    /// All but its memory, which has yet to be looked up.
    pub(in crate::run) info: ProcessInfo,
    /// The process group whose memory counts, if it has members.
    pub(in crate::run) group: Option<Pid>,
}

//! What happens to a running formation, as plain values.

use super::instance_id::InstanceId;
use crate::control::protocol::Request;
use crate::process::wait::Exit;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::collections::{BTreeMap, HashSet};
use std::io;

/// One thing that happens.
#[derive(Debug)]
pub(in crate::run) enum Event {
    /// Time has passed; with the answers to the questions of this moment.
    Time(Observations),
    Started(Started),
    NotStarted(NotStarted),
    Ended(Ended),
    /// A child of this process was stopped by a signal.
    Stopped {
        process: Pid,
        signal: i32,
    },
    /// This process has received a signal, other than SIGCHLD and those of the next two events.
    Signal(Signal),
    /// Ctrl-Z: the shell that has started this process as a job wants its terminal back.
    StopKey,
    /// The terminal of this process is gone.
    HungUp,
    /// What `Action::StopThisProcess` has stopped may go on.
    Continued,
    /// `formation ps`, `scale` or `restart` asks for something.
    Request {
        client: ClientId,
        request: Request,
    },
    /// The reader of standard output has gone.
    OutputBroken(Errno),
    /// A system call fails that every kernel grants.
    KernelError(io::Error),
}

/// The process that `Action::Start` asked for has started.
#[derive(Debug)]
pub(in crate::run) struct Started {
    pub(in crate::run) instance: InstanceId,
    pub(in crate::run) process: Pid,
    /// Whether it has yet to run exec.d programs or to change its working directory before it
    /// becomes the program of its process type.
    pub(in crate::run) is_preparing: bool,
}

/// The process that `Action::Start` asked for does not start.
#[derive(Debug)]
pub(in crate::run) struct NotStarted {
    pub(in crate::run) instance: InstanceId,
    /// Why, as the log shows it.
    pub(in crate::run) report: String,
    /// The exit status that a shell would give: 126 or 127.
    pub(in crate::run) status: u8,
    pub(in crate::run) jitter: Jitter,
}

/// A child of this process has ended and was reaped: the process of an instance, or an orphan that
/// this process has adopted.
#[derive(Debug)]
pub(in crate::run) struct Ended {
    pub(in crate::run) process: Pid,
    pub(in crate::run) exit: Exit,
    pub(in crate::run) jitter: Jitter,
}

/// A connection to the control socket.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::run) struct ClientId(pub(in crate::run) u32);

/// A random number from 0 to 1, which spreads the restarts of processes that died together.
#[derive(Clone, Copy, Debug)]
pub(in crate::run) struct Jitter(pub(in crate::run) f64);

/// What has to be looked up before a moment can be decided on: what the kernel does not report by
/// itself.
#[derive(Debug, Default, Eq, PartialEq)]
pub(in crate::run) struct Questions {
    /// Process groups that may have no member any more.
    pub(in crate::run) groups: Vec<Pid>,
    /// Process groups of which a signal that was passed on may have stopped a member.
    pub(in crate::run) groups_with_stops: Vec<Pid>,
    /// Processes that may have become the program of their process type.
    pub(in crate::run) preparing: Vec<Pid>,
    /// Ports on which a process may be listening.
    pub(in crate::run) ports: Vec<u16>,
    /// Whether the children of this process are of interest.
    pub(in crate::run) children: bool,
}

/// The answers to [`Questions`].
#[derive(Debug, Default)]
pub(in crate::run) struct Observations {
    /// Process groups without a member.
    pub(in crate::run) empty_groups: HashSet<Pid>,
    /// Members of `groups_with_stops`, other than their leaders, that are stopped.
    pub(in crate::run) stopped: Vec<Pid>,
    /// Processes that have become the program of their process type.
    pub(in crate::run) prepared: HashSet<Pid>,
    /// For each port that was looked up: whether a process listens on it.
    pub(in crate::run) ports: BTreeMap<u16, bool>,
    /// The processes whose parent this process is, if they were looked up.
    pub(in crate::run) children: Option<Vec<Pid>>,
}

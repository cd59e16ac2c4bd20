//! Children: how orphans are adopted, how children are reaped, and how they have ended.

use super::signals::signal_name;
use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, set_child_subreaper, wait};
use std::fmt::{self, Display, Formatter};
use std::io;
use std::time::Duration;

/// How often something is looked up that the kernel does not report: the end of a process group, or
/// of a process that is not a child.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Makes this process the parent of orphans among its descendants, so that it can reap them. PID 1
/// is that anyway.
pub fn adopt_orphans() {
    if !getpid().is_init() {
        // Where a kernel does not know this, the orphans go to PID 1.
        let _ = set_child_subreaper(Some(getpid()));
    }
}

/// A child or an adopted orphan that has ended, or has made one of the other `changes`, if there is
/// one.
pub fn next_change(changes: WaitOptions) -> io::Result<Option<(Pid, WaitStatus)>> {
    match wait(WaitOptions::NOHANG | changes) {
        Err(rustix::io::Errno::CHILD) => Ok(None),
        child => Ok(child?),
    }
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// With an exit status.
    Status(u8),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    #[must_use]
    pub fn of(status: WaitStatus) -> Self {
        match status.terminating_signal() {
            Some(signal) => Self::Signal(signal),
            None => Self::Status(
                status
                    .exit_status()
                    .and_then(|status| u8::try_from(status).ok())
                    .unwrap_or(u8::MAX),
            ),
        }
    }

    /// The exit status as shells count it: 128 + N where signal N has ended the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Status(status) => status,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// As the log shows it behind the name of a process.
impl Display for Exit {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "has ended with status {status}"),
            Self::Signal(signal) => write!(formatter, "was ended by {}", signal_name(*signal)),
        }
    }
}

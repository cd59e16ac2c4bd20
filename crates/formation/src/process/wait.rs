//! Waiting for children: reaping, adopting orphans, exit statuses.

use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, set_child_subreaper, wait};
use std::io;
use std::time::Duration;

/// How often something is looked at whose end the kernel does not report: a process group, or a process that is not a child.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Makes orphans of the command children of this process, so that it can reap them. PID 1 has them anyway.
pub fn adopt_orphans() {
    if !getpid().is_init() {
        // Where a kernel does not know this, the orphans go to PID 1.
        let _ = set_child_subreaper(Some(getpid()));
    }
}

/// A child, born ours or adopted, that has ended, or has done what else is asked for.
pub fn next_change(changes: WaitOptions) -> io::Result<Option<(Pid, WaitStatus)>> {
    match wait(WaitOptions::NOHANG | changes) {
        Err(rustix::io::Errno::CHILD) => Ok(None),
        child => Ok(child?),
    }
}

/// As the shells say it.
#[must_use]
pub fn exit_status(status: WaitStatus) -> u8 {
    let status = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    status
        .and_then(|status| u8::try_from(status).ok())
        .unwrap_or(u8::MAX)
}

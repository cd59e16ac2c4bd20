//! The signals that this process receives: blocked, then read one by one, in the order of their
//! arrival.

use nix::sys::signal::{SigSet, Signal as Named};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix_libc_wrappers::process::SignalExt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Signals that a fault raises in the program that made it. To block these would hide a crash.
const FAULTS: [Named; 6] = [
    Named::SIGBUS,
    Named::SIGFPE,
    Named::SIGILL,
    Named::SIGSEGV,
    Named::SIGSYS,
    Named::SIGTRAP,
];

/// All signals that can be blocked, real-time ones among them, to be read one by one.
///
/// Until they are read they wait in the kernel, whatever this process does meanwhile: also those
/// that came before its child was started.
#[derive(Debug)]
pub struct Signals {
    blocked: SigSet,
    arrived: SignalFd,
}

impl Signals {
    /// Blocks all signals from now on: the first thing to be done by a program that passes signals
    /// on. Fails where no file descriptor is left.
    pub fn hold() -> io::Result<Self> {
        let mut blocked = SigSet::all();
        for fault in FAULTS {
            blocked.remove(fault);
        }
        blocked.thread_block()?;
        stop_ignoring_children()?;
        let arrived = file_of(&blocked)?;
        Ok(Self { blocked, arrived })
    }

    /// Unblocks them, and so receives those that are waiting: for a program that passes none on.
    pub fn release(self) -> io::Result<()> {
        Ok(self.blocked.thread_unblock()?)
    }

    /// The next signal; `None` where none arrives within the time given.
    pub fn next(&self, within: Option<Duration>) -> io::Result<Option<Signal>> {
        // A time that the kernel cannot count is as good as none.
        let within = within.and_then(|time| Timespec::try_from(time).ok());
        loop {
            if let Some(signal) = read(&self.arrived)? {
                return Ok(Some(signal));
            }
            let mut readable = [PollFd::new(&self.arrived, PollFlags::IN)];
            match poll(&mut readable, within.as_ref()) {
                Ok(0) => return Ok(None),
                // A process that was stopped and continues may get this without any handler.
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets a SIGTSTP that is waiting stop this process, as if it were not blocked. Returns `true`
    /// when SIGCONT continues the process; or `false` at once where the kernel does not stop it,
    /// because its process group is orphaned: no shell could continue it.
    pub fn stop_here(&self) -> io::Result<bool> {
        let stop = SigSet::from(Named::SIGTSTP);
        stop.thread_unblock()?;
        stop.thread_block()?;
        let continued = file_of(&SigSet::from(Named::SIGCONT))?;
        Ok(read(&continued)?.is_some())
    }
}

/// Readable when a signal has arrived.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}

/// The parent of this process may have made it ignore SIGCHLD, and then the kernel would not keep
/// exit statuses of children. Any handler undoes that; this one is never called, as the signal is
/// blocked.
fn stop_ignoring_children() -> io::Result<()> {
    signal_hook::flag::register(
        signal_hook::consts::SIGCHLD,
        Arc::new(AtomicBool::new(false)),
    )?;
    Ok(())
}

/// A file from which these signals, which are blocked, can be read.
fn file_of(signals: &SigSet) -> io::Result<SignalFd> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(signals, flags)?)
}

fn read(arrived: &SignalFd) -> io::Result<Option<Signal>> {
    while let Some(info) = arrived.read_signal()? {
        let number = i32::try_from(info.ssi_signo).ok();
        // Those that the C library keeps for itself have no name here, and are not passed on.
        if let Some(signal) = number.and_then(Signal::from_raw) {
            return Ok(Some(signal));
        }
    }
    Ok(None)
}

/// Whether it is a signal by which a terminal stops a program: Ctrl-Z, or reading or writing in the
/// background.
#[must_use]
pub fn is_stop_by_terminal(signal: i32) -> bool {
    [Signal::TSTP, Signal::TTIN, Signal::TTOU]
        .iter()
        .any(|stop| stop.as_raw() == signal)
}

/// Such as `SIGTERM`.
#[must_use]
pub fn signal_name(number: i32) -> String {
    Named::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.to_string())
}

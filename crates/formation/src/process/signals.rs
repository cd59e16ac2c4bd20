//! The signals that this process gets: held back, then read one by one, in the order of their arrival.

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

/// What a processor's fault raises in the very program that made it. To hold these back would hide a crash.
const FAULTS: [Named; 6] = [
    Named::SIGBUS,
    Named::SIGFPE,
    Named::SIGILL,
    Named::SIGSEGV,
    Named::SIGSYS,
    Named::SIGTRAP,
];

/// All catchable signals, real-time ones among them, held back from this process.
///
/// Until they are read they wait in the kernel, whatever this process does meanwhile: also those that came before its child was there.
#[derive(Debug)]
pub struct Signals {
    held: SigSet,
    arrived: SignalFd,
}

impl Signals {
    /// Holds all signals back from now on: the first thing to be done by a program that passes signals on.
    ///
    /// # Errors
    /// The kernel has no file descriptor left.
    pub fn hold() -> io::Result<Self> {
        let mut held = SigSet::all();
        for fault in FAULTS {
            held.remove(fault);
        }
        held.thread_block()?;
        hear_of_children()?;
        let arrived = SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { held, arrived })
    }

    /// Lets them through again, those that are waiting first: for a program that passes nothing on.
    ///
    /// # Errors
    /// None that a kernel is known to give.
    pub fn release(self) -> io::Result<()> {
        Ok(self.held.thread_unblock()?)
    }

    /// The next one; `None` where none comes within the time given.
    ///
    /// # Errors
    /// None that a kernel is known to give.
    pub fn next(&self, within: Option<Duration>) -> io::Result<Option<Signal>> {
        // A time that the kernel cannot count is no bound.
        let within = within.and_then(|time| Timespec::try_from(time).ok());
        loop {
            if let Some(signal) = read(&self.arrived)? {
                return Ok(Some(signal));
            }
            let mut readable = [PollFd::new(&self.arrived, PollFlags::IN)];
            match poll(&mut readable, within.as_ref()) {
                Ok(0) => return Ok(None),
                // A process that was stopped and goes on may get this without any handler.
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets a stop from the terminal take effect on this very process, as if it were not held back. Returns when somebody lets the
    /// process go on, which is `true`; or at once with `false` where the kernel does not stop it, because nobody is there who could.
    ///
    /// # Errors
    /// None that a kernel is known to give.
    pub fn stop_here(&self) -> io::Result<bool> {
        let stop = SigSet::from(Named::SIGTSTP);
        stop.thread_unblock()?;
        stop.thread_block()?;
        let going_on = SignalFd::with_flags(
            &SigSet::from(Named::SIGCONT),
            SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
        )?;
        Ok(read(&going_on)?.is_some())
    }
}

/// Readable when a signal has arrived.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}

/// Who started this process may have had it ignore the end of children, and then the kernel would not keep their exit statuses. Any
/// handler undoes that; this one is never called, for the signal is held back.
fn hear_of_children() -> io::Result<()> {
    signal_hook::flag::register(
        signal_hook::consts::SIGCHLD,
        Arc::new(AtomicBool::new(false)),
    )?;
    Ok(())
}

fn read(arrived: &SignalFd) -> io::Result<Option<Signal>> {
    while let Some(info) = arrived.read_signal()? {
        let number = i32::try_from(info.ssi_signo).ok();
        // Those that the C library keeps for itself have no name here, and are for nobody else.
        if let Some(signal) = number.and_then(Signal::from_raw) {
            return Ok(Some(signal));
        }
    }
    Ok(None)
}

/// Whether a terminal stops a program with it (Ctrl-Z, or reading while in the background), unlike the stop that nothing can refuse.
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

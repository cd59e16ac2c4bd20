//! The signals that this process receives: blocked, then read one by one, in the order of their
//! arrival.

use nix::sys::signal::{SigSet, Signal as Named};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, getsid, kill_current_process_group, kill_process};
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

/// The code of a signal that the kernel itself has sent: for a key, or a terminal that is gone.
const FROM_KERNEL: i32 = 0x80;

/// A signal that has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    pub signal: Signal,
    /// Whether the kernel has sent it, and no process.
    pub is_from_kernel: bool,
}

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

    /// The next signal and its sender; `None` where none arrives within the time given.
    pub fn receive(&self, within: Option<Duration>) -> io::Result<Option<Received>> {
        // A time that the kernel cannot count is as good as none.
        let within = within.and_then(|time| Timespec::try_from(time).ok());
        loop {
            if let Some(received) = read(&self.arrived)? {
                return Ok(Some(received));
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

    /// Stops this process as a shell's job, with `whole_group` its process group. Returns `true`
    /// when SIGCONT continues the process; or `false` at once where it is not stopped: PID 1 never
    /// is, and the kernel stops no process whose process group is orphaned, because no shell could
    /// continue it.
    pub fn stop_this_process(&self, whole_group: bool) -> io::Result<bool> {
        if getpid().is_init() {
            return Ok(false);
        }
        if whole_group {
            kill_current_process_group(Signal::TSTP)?;
        } else {
            kill_process(getpid(), Signal::TSTP)?;
        }
        // It is blocked, and so has waited until now.
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

fn read(arrived: &SignalFd) -> io::Result<Option<Received>> {
    while let Some(info) = arrived.read_signal()? {
        let number = i32::try_from(info.ssi_signo).ok();
        // Those that the C library keeps for itself have no name here, and are not passed on.
        if let Some(signal) = number.and_then(Signal::from_raw) {
            return Ok(Some(Received {
                signal,
                is_from_kernel: info.ssi_code == FROM_KERNEL,
            }));
        }
    }
    Ok(None)
}

/// Whether it asks a program to end.
#[must_use]
pub fn is_request_to_end(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&signal)
}

/// Whether every member of a process group gets it, with a handler or without: requests to end,
/// and what no program can refuse.
pub(super) fn is_for_all(signal: Signal) -> bool {
    is_request_to_end(signal) || [Signal::KILL, Signal::STOP, Signal::CONT].contains(&signal)
}

/// Whether a shell could have started this process as a job, and so could continue it.
#[must_use]
pub fn may_be_a_job() -> bool {
    !getpid().is_init() && getsid(None).is_ok_and(|session| session != getpid())
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

//! The end of a whole formation, and the exit status that it gives.

use super::action::{Action, Recipient};
use rustix::process::{Pid, Signal};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long killed processes are waited for. The kernel may be unable to end one: it waits for a
/// disk that is gone.
const GIVE_UP: Duration = Duration::from_secs(2);

/// How long the last lines may take to be read, counted from the time that processes had to end:
/// what Docker leaves of its ten seconds.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The exit status where a process had to be killed.
const KILLED: u8 = 128 + 9;

/// All instances were asked to end.
#[derive(Debug)]
pub(super) struct Ending {
    /// The exit status of this process.
    status: u8,
    /// Processes that have not ended by then are killed.
    kill_at: Instant,
    /// Whether a signal has asked for it, and not only the end of a process.
    is_requested: bool,
    /// Orphans that were asked to end.
    signalled_orphans: HashSet<Pid>,
}

impl Ending {
    pub(super) fn new(status: u8, kill_at: Instant) -> Self {
        Self {
            status,
            kill_at,
            is_requested: false,
            signalled_orphans: HashSet::new(),
        }
    }

    /// Whether a signal had asked for the end before this one.
    pub(super) fn request(&mut self) -> bool {
        std::mem::replace(&mut self.is_requested, true)
    }

    /// A process had to be killed: a platform that stops containers sees that in the exit status,
    /// as it would with a single process.
    pub(super) fn process_was_killed(&mut self) {
        if self.status == 0 {
            self.status = KILLED;
        }
    }

    /// Everything that is left is killed from now on.
    pub(super) fn kill_now(&mut self, now: Instant) {
        self.kill_at = now;
        self.process_was_killed();
    }

    /// When all instances are gone: ends orphans, which had left the process groups of their
    /// instances, and then this process. The end of one orphan may leave others.
    pub(super) fn end_orphans(&mut self, orphans: &[Pid], now: Instant) -> Vec<Action> {
        let is_time_over = now >= self.kill_at;
        let signal = if is_time_over {
            Signal::KILL
        } else {
            Signal::TERM
        };
        if is_time_over && !orphans.is_empty() {
            self.process_was_killed();
        }
        let mut actions = Vec::new();
        for orphan in orphans {
            if is_time_over || self.signalled_orphans.insert(*orphan) {
                let recipient = Recipient::Process(*orphan);
                actions.push(Action::Signal { recipient, signal });
            }
        }
        if orphans.is_empty() || now > self.kill_at + GIVE_UP {
            actions.push(Action::Exit {
                status: self.status,
                flush_until: self.kill_at.max(now) + LAST_LINES,
            });
        }
        actions
    }
}

//! Signals by which a terminal stops a program, where a process has sent them: Sidekiq takes TSTP
//! as a request, Puma TTIN. A program that does not handle them is stopped, which nobody wanted.

use super::signals::is_stop_by_terminal;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long such a signal may take to stop a process that had no turn on a processor before.
const TIME_TO_STOP: Duration = Duration::from_secs(2);

/// The signals of that kind that were passed on to a program and have not stopped it so far.
#[derive(Clone, Debug, Default)]
pub struct StopsPassedOn {
    signals: Vec<i32>,
    last: Option<Instant>,
}

impl StopsPassedOn {
    /// The signal is passed on.
    pub fn add(&mut self, signal: Signal, now: Instant) {
        let number = signal.as_raw();
        if !is_stop_by_terminal(number) {
            return;
        }
        self.last = Some(now);
        if !self.signals.contains(&number) {
            self.signals.push(number);
        }
    }

    /// Whether a signal that has stopped the program is one of them: then it is to go on.
    pub fn remove(&mut self, signal: i32) -> bool {
        let before = self.signals.len();
        self.signals.retain(|passed_on| *passed_on != signal);
        self.signals.len() < before
    }

    /// Whether one of them may yet stop another member of the program's process group: a process
    /// that a shell has just forked handles signals as the shell does, until it is the program that
    /// it is for.
    #[must_use]
    pub fn may_stop_members(&self, now: Instant) -> bool {
        (self.last).is_some_and(|last| now.saturating_duration_since(last) < TIME_TO_STOP)
    }
}

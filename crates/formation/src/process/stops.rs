//! Signals by which a terminal stops a program, where a process has sent them: Sidekiq takes TSTP
//! as a request, Puma TTIN. A program that does not handle them is stopped, which nobody wanted.

use super::signals::is_stop_by_terminal;
use rustix::process::Signal;

/// The signals of that kind that were passed on to a program and have not stopped it so far.
#[derive(Clone, Debug, Default)]
pub struct StopsPassedOn(Vec<i32>);

impl StopsPassedOn {
    /// The signal is passed on.
    pub fn add(&mut self, signal: Signal) {
        let number = signal.as_raw();
        if is_stop_by_terminal(number) && !self.0.contains(&number) {
            self.0.push(number);
        }
    }

    /// Whether a signal that has stopped the program is one of them: then it is to go on.
    pub fn remove(&mut self, signal: i32) -> bool {
        let before = self.0.len();
        self.0.retain(|passed_on| *passed_on != signal);
        self.0.len() < before
    }
}

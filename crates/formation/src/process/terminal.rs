//! The controlling terminal: one process group at a time may read from it, and gets the signals of its keys.

use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::io::stdin;

/// The controlling terminal, where standard input is one.
///
/// All signals have to be held back while it is used: the kernel would stop a process that passes a terminal on which it does not have.
#[derive(Debug)]
pub struct Terminal {
    ours: Pid,
    lent_to: Option<Pid>,
}

impl Terminal {
    /// `None` where standard input is a file, a pipe, or a terminal of somebody else.
    #[must_use]
    pub fn of_stdin() -> Option<Self> {
        tcgetpgrp(stdin()).ok().map(|_| Self {
            ours: getpgrp(),
            lent_to: None,
        })
    }

    /// Whether this process is in the foreground: it may read, and pass that on.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == self.ours)
    }

    /// Lends it to a group that is to take it by itself, and may have done so already.
    pub fn taken_by(&mut self, group: Pid) {
        self.lent_to = Some(group);
        self.lend_to(group);
    }

    /// Puts the group in the foreground, where this process is there itself. Whether the group may read now.
    pub fn lend_to(&mut self, group: Pid) -> bool {
        if self.is_ours() && tcsetpgrp(stdin(), group).is_ok() {
            self.lent_to = Some(group);
        }
        self.lent_to == Some(group)
    }

    /// Whether somebody has it from us.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.lent_to.is_some()
    }

    /// Puts this process back in the foreground, where it had lent that.
    pub fn take_back(&mut self) {
        if self.lent_to.take().is_some() {
            // Nothing is left to be done where the terminal is gone.
            let _ = tcsetpgrp(stdin(), self.ours);
        }
    }
}

/// Puts this process's own group in the foreground.
pub fn take_for_ourselves() {
    // Where it cannot be had, the command runs in the background, as it would without us.
    let _ = tcsetpgrp(stdin(), getpgrp());
}

//! The controlling terminal: one process group at a time, the one in the foreground, may read from
//! it and gets the signals of its keys.

use rustix::io::Errno;
use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::io::{stderr, stdin, stdout};

/// The controlling terminal, where standard input is one.
///
/// All signals have to be blocked while it is used: the kernel would stop a process that changes
/// the foreground from the background.
#[derive(Debug)]
pub struct Terminal {
    /// The process group of this process.
    own_group: Pid,
    lent_to: Option<Pid>,
}

impl Terminal {
    /// `None` where standard input is a file, a pipe, or the terminal of another session.
    #[must_use]
    pub fn of_stdin() -> Option<Self> {
        tcgetpgrp(stdin()).ok().map(|_| Self {
            own_group: getpgrp(),
            lent_to: None,
        })
    }

    /// Whether this process is in the foreground: it may read, and put another group there.
    #[must_use]
    pub fn is_in_foreground(&self) -> bool {
        tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == self.own_group)
    }

    /// Lends it to a group that enters the foreground by itself, and may have done so already.
    pub fn lend_to_entering(&mut self, group: Pid) {
        self.lent_to = Some(group);
        self.lend_to(group);
    }

    /// Puts the group in the foreground, if this process is there itself. Whether the group may
    /// read now: a shell may have taken the terminal back meanwhile.
    pub fn lend_to(&mut self, group: Pid) -> bool {
        if self.is_in_foreground() && tcsetpgrp(stdin(), group).is_ok() {
            self.lent_to = Some(group);
        }
        tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == group)
    }

    /// Whether another group has it from this process.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.lent_to.is_some()
    }

    /// Puts this process back in the foreground, if another group has that from it.
    pub fn take_back(&mut self) {
        if self.lent_to.take().is_some() {
            // It fails where the terminal is gone, and then nothing is left to be done.
            let _ = tcsetpgrp(stdin(), self.own_group);
        }
    }
}

/// Puts the process group of this process in the foreground.
pub fn enter_foreground() {
    // Where that fails, the command runs in the background, as it would without `formation`.
    let _ = tcsetpgrp(stdin(), getpgrp());
}

/// Whether a terminal that this process reads or writes is gone: its window was closed, or the
/// connection to its machine.
#[must_use]
pub fn has_hung_up() -> bool {
    let answers = [tcgetpgrp(stdin()), tcgetpgrp(stdout()), tcgetpgrp(stderr())];
    answers.contains(&Err(Errno::IO))
}

//! `formation exec`: one command under a well-behaved PID 1.
//!
//! It passes every signal on, reaps whatever is left without a parent, lends the terminal, and ends as the command ended. It prints nothing.

pub mod entry;

use crate::process::grace::Grace;
use crate::process::program::Program;
use crate::process::signals::{Signals, is_stop_by_terminal};
use crate::process::start_error::StartError;
use crate::process::terminal::Terminal;
use crate::process::wait::{POLL_INTERVAL, adopt_orphans, exit_status, next_change};
use miette::Diagnostic;
use procfile::launch_spec::{LaunchSpec, SignalTarget};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_current_process_group, kill_process, kill_process_group,
    test_kill_process_group,
};
use std::ffi::OsString;
use std::time::{Duration, Instant};
use std::{env, io};
use thiserror::Error;

/// The variable with another grace.
const GRACE_VARIABLE: &str = "FORMATION_GRACE";

/// One command to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exec {
    /// The command, and where its signals go.
    pub spec: LaunchSpec<OsString>,
    /// With [`SignalTarget::Group`]: how long the group may outlive the command.
    pub grace: Grace,
}

/// Why there is no exit status of the command.
#[derive(Debug, Diagnostic, Error)]
pub enum ExecError {
    /// It does not start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    /// The kernel denies what every kernel grants.
    #[error("signals cannot be received")]
    #[diagnostic(help(
        "Ask whoever runs this container: a limit on open files, or a seccomp policy, keeps signalfd, poll or wait from working."
    ))]
    Kernel(#[from] io::Error),
}

impl ExecError {
    /// What `formation` exits with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::Kernel(_) => 126,
        }
    }
}

impl Exec {
    /// Reads the command line that every process type of an image is launched with, and no other. The grace is the variable's.
    #[must_use]
    pub fn from_args(args: &[OsString]) -> Option<Self> {
        let spec = LaunchSpec::from_args(args.iter().cloned())?;
        let grace = match env::var(GRACE_VARIABLE) {
            // Compose makes an empty one of a variable that is not set.
            Ok(text) if !text.is_empty() => text.parse().ok()?,
            Ok(_) | Err(env::VarError::NotPresent) => Grace::default(),
            Err(env::VarError::NotUnicode(_)) => return None,
        };
        Some(Self { spec, grace })
    }

    /// Runs the command to its end, and returns its exit status: 128 + N where signal N ended it.
    pub fn run(&self, signals: &Signals) -> Result<u8, ExecError> {
        let mut running = self.start(signals)?;
        let status = loop {
            match signals.next(None)? {
                Some(Signal::CHILD) => {
                    if let Some(status) = running.reap()? {
                        break status;
                    }
                }
                Some(signal) => running.pass_on(signal),
                None => {}
            }
        };
        running.give_up_terminal();
        running.terminal = None;
        if self.spec.signals == SignalTarget::Group {
            running.terminate_group(self.grace.0)?;
        }
        Ok(status)
    }

    fn start<'a>(&self, signals: &'a Signals) -> Result<Running<'a>, ExecError> {
        adopt_orphans();
        let program = Program::new(self.spec.argv.iter().cloned());
        let mut terminal = Terminal::of_stdin();
        let child = match &mut terminal {
            Some(terminal) if terminal.is_ours() => {
                let child = program.start_in_foreground()?;
                terminal.taken_by(child);
                child
            }
            _ => program.start()?,
        };
        Ok(Running {
            child,
            target: self.spec.signals,
            signals,
            terminal,
            asked_to_end: false,
        })
    }
}

/// The command, started.
struct Running<'a> {
    /// Leader of its process group, whose number is the same.
    child: Pid,
    target: SignalTarget,
    signals: &'a Signals,
    terminal: Option<Terminal>,
    /// Whether somebody has asked it to end.
    asked_to_end: bool,
}

impl Running<'_> {
    /// Nobody else can be hit: a child keeps its number until it is reaped, a group as long as it has a member.
    fn pass_on(&mut self, signal: Signal) {
        if signal == Signal::CONT {
            // A shell's `fg` puts this process in the foreground before it says so.
            self.lend_terminal();
        }
        self.asked_to_end |=
            [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&signal);
        // The one error there can be is that all of them have just ended.
        let _ = match self.target {
            SignalTarget::Process => kill_process(self.child, signal),
            SignalTarget::Group => kill_process_group(self.child, signal),
        };
    }

    /// Reaps all that have ended. The exit status of the child, if it is among them.
    fn reap(&mut self) -> io::Result<Option<u8>> {
        let mut ended = None;
        while let Some((process, status)) = next_change(WaitOptions::UNTRACED)? {
            if process != self.child {
                continue;
            }
            if let Some(signal) = status.stopping_signal() {
                self.child_was_stopped(signal)?;
            } else {
                ended = Some(exit_status(status));
            }
        }
        Ok(ended)
    }

    /// A program that a terminal stops gives it back to the shell that started it; for that shell, the program is this process.
    /// Any other stop was meant for the child, by somebody who will let it go on.
    fn child_was_stopped(&mut self, signal: i32) -> io::Result<()> {
        if !is_stop_by_terminal(signal) {
            return Ok(());
        }
        let wants_terminal = signal != Signal::TSTP.as_raw();
        if wants_terminal && self.lend_terminal() {
            self.let_go_on();
            return Ok(());
        }
        let had_terminal = self.terminal.as_ref().is_some_and(Terminal::is_lent);
        self.give_up_terminal();
        let was_stopped = self.stop_likewise(had_terminal)?;
        // Without the terminal a program that wants it would only be stopped again, for ever.
        if self.lend_terminal() || was_stopped || !wants_terminal {
            self.let_go_on();
        }
        Ok(())
    }

    fn let_go_on(&self) {
        let _ = kill_process_group(self.child, Signal::CONT);
    }

    /// Stops this process; its whole group where the terminal, which was lent, has only told the child's. Whether it was stopped: PID 1
    /// never is, for nobody could let it go on.
    fn stop_likewise(&self, all_of_our_group: bool) -> io::Result<bool> {
        if getpid().is_init() {
            return Ok(false);
        }
        if all_of_our_group {
            kill_current_process_group(Signal::TSTP)?;
        } else {
            kill_process(getpid(), Signal::TSTP)?;
        }
        self.signals.stop_here()
    }

    fn lend_terminal(&mut self) -> bool {
        let child = self.child;
        self.terminal
            .as_mut()
            .is_some_and(|terminal| terminal.lend_to(child))
    }

    fn give_up_terminal(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back();
        }
    }

    /// Waits for the last member of the group, for as long as the grace lasts, then kills whoever is left. Where the command ended by
    /// itself, as `a & b & wait -n` does when one of them dies, the others have yet to be asked to end.
    fn terminate_group(&mut self, grace: Duration) -> io::Result<()> {
        let ended = Instant::now();
        if !self.asked_to_end {
            let _ = kill_process_group(self.child, Signal::TERM);
        }
        loop {
            while next_change(WaitOptions::UNTRACED)?.is_some() {}
            if test_kill_process_group(self.child).is_err() {
                return Ok(());
            }
            let left = grace.saturating_sub(ended.elapsed());
            if left.is_zero() {
                let _ = kill_process_group(self.child, Signal::KILL);
                return Ok(());
            }
            match self.signals.next(Some(left.min(POLL_INTERVAL)))? {
                Some(Signal::CHILD) | None => {}
                Some(signal) => self.pass_on(signal),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_kernel_that_gives_no_signals_is_shown() {
        let too_many_files = io::Error::from(rustix::io::Errno::MFILE);
        assert_report!(ExecError::from(too_many_files));
    }
}

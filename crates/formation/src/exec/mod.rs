//! `formation exec`: one command under a well-behaved PID 1.
//!
//! It passes every signal on, reaps orphans, lends the terminal to the command, ends what the
//! command leaves behind, and exits with the exit status of the command. It prints nothing.

pub mod entry;

use crate::process::grace::Grace;
use crate::process::group;
use crate::process::program::{Program, SpawnOptions};
use crate::process::signals::{Received, Signals, is_request_to_end, is_stop_by_terminal};
use crate::process::start_error::StartError;
use crate::process::stops::StopsPassedOn;
use crate::process::table::children;
use crate::process::terminal::Terminal;
use crate::process::wait::{Exit, POLL_INTERVAL, adopt_orphans, next_change};
use miette::Diagnostic;
use procfile::launch_spec::{LaunchSpec, SignalTarget};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, test_kill_process_group,
};
use std::collections::HashSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};
use std::{env, io};
use thiserror::Error;

/// The variable that sets [`Exec::grace`].
const GRACE_VARIABLE: &str = "FORMATION_GRACE";

/// One command to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exec {
    /// The command, and where its signals go.
    pub spec: LaunchSpec<OsString>,
    /// How long the processes that the command leaves behind may outlive it.
    pub grace: Grace,
}

/// The command did not run to its end.
#[derive(Debug, Diagnostic, Error)]
pub enum ExecError {
    /// The command does not start.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    /// The system denies what every kernel grants.
    #[error("signals cannot be received")]
    #[diagnostic(help(
        "Ask whoever runs this container: a limit on open files, or a seccomp policy, keeps \
         signalfd, poll or wait from working."
    ))]
    Kernel(#[from] io::Error),
}

impl ExecError {
    /// The exit status of `formation`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::Kernel(_) => 126,
        }
    }
}

impl Exec {
    /// Reads the command line with which every process type of an image is launched, and no other.
    /// The grace is that of the variable `FORMATION_GRACE`.
    #[must_use]
    pub fn from_args(args: &[OsString]) -> Option<Self> {
        let spec = LaunchSpec::from_args(args.iter().cloned())?;
        let grace = match env::var(GRACE_VARIABLE) {
            // Compose sets a variable that has no value to an empty text.
            Ok(text) if !text.is_empty() => text.parse().ok()?,
            Ok(_) | Err(env::VarError::NotPresent) => Grace::default(),
            Err(env::VarError::NotUnicode(_)) => return None,
        };
        Some(Self { spec, grace })
    }

    /// Runs the command to its end. Returns its exit status: 128 + N where signal N has ended it.
    pub fn run(&self, signals: &Signals) -> Result<u8, ExecError> {
        let mut running = self.start(signals)?;
        let status = loop {
            match signals.receive(running.next_look())? {
                Some(received) if received.signal == Signal::CHILD => {
                    if let Some(status) = running.reap()? {
                        break status;
                    }
                }
                Some(received) => running.pass_on(received),
                None => group::continue_stopped(running.child),
            }
        };
        running.take_terminal_back();
        running.terminal = None;
        running.end_rest(self.grace.0)?;
        Ok(status)
    }

    fn start<'a>(&self, signals: &'a Signals) -> Result<Running<'a>, ExecError> {
        adopt_orphans();
        let program = Program::new(self.spec.argv.iter().cloned());
        let mut terminal = Terminal::of_stdin();
        let child = match &mut terminal {
            Some(terminal) if terminal.is_in_foreground() => {
                let child = program.start_in_foreground(&SpawnOptions::inherited())?;
                terminal.lend_to_entering(child);
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
            stops_passed_on: StopsPassedOn::default(),
            is_stopped: false,
        })
    }
}

/// A command that runs.
struct Running<'a> {
    /// The process of the command. Its process group has the same number.
    child: Pid,
    target: SignalTarget,
    signals: &'a Signals,
    terminal: Option<Terminal>,
    /// Whether a signal has asked it to end.
    asked_to_end: bool,
    stops_passed_on: StopsPassedOn,
    /// Whether it was stopped, and nothing is known to have continued it.
    is_stopped: bool,
}

impl Running<'_> {
    /// No other process can be hit: a child keeps its number until it is reaped, and a process
    /// group as long as it has a member.
    fn pass_on(&mut self, received: Received) {
        let signal = received.signal;
        if !received.is_from_kernel {
            self.stops_passed_on.add(signal, Instant::now());
        }
        if signal == Signal::CONT {
            // The `fg` of a shell puts this process in the foreground before it sends this signal.
            self.lend_terminal();
        }
        self.asked_to_end |= is_request_to_end(signal);
        match self.target {
            // The only possible error is that it has just ended.
            SignalTarget::Process => {
                let _ = kill_process(self.child, signal);
            }
            // A key of the terminal is for the whole job.
            SignalTarget::Group if received.is_from_kernel => {
                let _ = kill_process_group(self.child, signal);
            }
            SignalTarget::Group => group::send(self.child, signal),
        }
        if is_request_to_end(signal) && self.is_stopped {
            // It would not hear of that.
            self.continue_child();
        }
    }

    /// When to see to members of the process group that a signal may have stopped.
    fn next_look(&self) -> Option<Duration> {
        let is_due = self.target == SignalTarget::Group
            && self.stops_passed_on.may_stop_members(Instant::now());
        is_due.then_some(POLL_INTERVAL)
    }

    /// Reaps all children that have ended. The exit status of the command, if it is among them.
    fn reap(&mut self) -> io::Result<Option<u8>> {
        let mut ended = None;
        while let Some((process, status)) = next_change(WaitOptions::UNTRACED)? {
            if process != self.child {
                continue;
            }
            if let Some(signal) = status.stopping_signal() {
                self.child_was_stopped(signal)?;
            } else {
                ended = Some(Exit::of(status).code());
            }
        }
        Ok(ended)
    }

    /// Where a process has sent the signal, the command is to do without: no shell waits for it.
    /// Where the terminal has stopped the command, its shell wants the terminal back; for the
    /// shell, this process is the command, so it has to stop too. Any other stop was meant for the
    /// command alone, and its sender will continue it.
    fn child_was_stopped(&mut self, signal: i32) -> io::Result<()> {
        self.is_stopped = true;
        if !is_stop_by_terminal(signal) {
            return Ok(());
        }
        if self.stops_passed_on.remove(signal) {
            self.continue_child();
            return Ok(());
        }
        let wants_terminal = signal != Signal::TSTP.as_raw();
        if wants_terminal && self.lend_terminal() {
            self.continue_child();
            return Ok(());
        }
        let had_terminal = self.terminal.as_ref().is_some_and(Terminal::is_lent);
        self.take_terminal_back();
        let was_stopped = self.signals.stop_this_process(had_terminal)?;
        // Without the terminal, a program that reads from it would be stopped again and again.
        if self.lend_terminal() || was_stopped || !wants_terminal {
            self.continue_child();
        }
        Ok(())
    }

    fn continue_child(&mut self) {
        self.is_stopped = false;
        let _ = kill_process_group(self.child, Signal::CONT);
    }

    fn lend_terminal(&mut self) -> bool {
        let child = self.child;
        self.terminal
            .as_mut()
            .is_some_and(|terminal| terminal.lend_to(child))
    }

    fn take_terminal_back(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back();
        }
    }

    /// Ends what the command has left behind: first its process group, then children that have left
    /// the group. All are asked to end, and those that are left when the grace is over are killed.
    fn end_rest(&mut self, grace: Duration) -> io::Result<()> {
        let ended = Instant::now();
        self.ask_group_to_end();
        let mut asked = HashSet::new();
        loop {
            while next_change(WaitOptions::UNTRACED)?.is_some() {}
            let has_group = test_kill_process_group(self.child).is_ok();
            let orphans = if has_group {
                Vec::new()
            } else {
                self.orphans()
            };
            if !has_group && orphans.is_empty() {
                return Ok(());
            }
            let left = grace.saturating_sub(ended.elapsed());
            if left.is_zero() {
                group::send(self.child, Signal::KILL);
                send_to_each(&orphans, Signal::KILL);
                return Ok(());
            }
            let new: Vec<_> = (orphans.into_iter())
                .filter(|orphan| asked.insert(*orphan))
                .collect();
            send_to_each(&new, Signal::TERM);
            let received = self.signals.receive(Some(left.min(POLL_INTERVAL)))?;
            if let Some(received) = received.filter(|received| received.signal != Signal::CHILD) {
                self.pass_on(received);
            }
            if self.next_look().is_some() {
                group::continue_stopped(self.child);
            }
        }
    }

    /// Members of the group have yet to hear of the end where the command alone got the request, or
    /// where it ended by itself, as `a & b & wait -n` does when one of them dies.
    fn ask_group_to_end(&mut self) {
        if !(self.asked_to_end && self.target == SignalTarget::Group) {
            group::send(self.child, Signal::TERM);
        }
        // The command is gone, and signals go to those that are left.
        self.target = SignalTarget::Group;
    }

    /// Children that this process has adopted, as far as they have to end with the command. A
    /// daemon that a command has started before it ended by itself goes on, unless this is PID 1,
    /// whose end kills everything.
    fn orphans(&self) -> Vec<Pid> {
        if self.asked_to_end || getpid().is_init() {
            children()
        } else {
            Vec::new()
        }
    }
}

fn send_to_each(processes: &[Pid], signal: Signal) {
    for process in processes {
        // The only possible error is that it has just ended.
        let _ = kill_process(*process, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_system_that_gives_no_signals_is_reported() {
        let too_many_files = io::Error::from(rustix::io::Errno::MFILE);
        assert_report!(ExecError::from(too_many_files));
    }
}

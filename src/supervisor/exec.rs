//! `formation exec`: one command under a well-behaved PID 1.
//!
//! It passes every signal on, reaps whatever is left without a parent, lends the terminal, and ends as the command ended. It prints nothing.

use super::program::Program;
use super::signals::{Signals, is_stop_by_terminal};
use super::start_error::StartError;
use super::terminal::Terminal;
use miette::Diagnostic;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_current_process_group, kill_process,
    kill_process_group, set_child_subreaper, test_kill_process_group, wait,
};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The file name of this program.
const OUR_NAME: &str = "formation";

/// The variable with another grace.
const GRACE_VARIABLE: &str = "FORMATION_GRACE";

/// How often the group is looked at while it ends: the end of a process that is no child of ours is told to nobody here.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Who gets the signals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignalsGoTo {
    /// The program, which knows its own children: Puma, Sidekiq, Resque.
    Command,
    /// Every process of its group: for a shell, which passes nothing on. The group may outlive the command by the grace.
    Group(Grace),
}

/// How long a process group may outlive its command, counted from the command's end. Written in seconds: `8`, `0.5`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grace(pub Duration);

/// What clocks can count; a year is more than anybody waits.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// No grace can be read from that.
#[derive(Debug, Error)]
#[error("a number of seconds is expected, like 8 or 0.5, of no more than a year")]
pub struct NoGrace;

impl Default for Grace {
    /// Docker kills a container ten seconds after it asked it to stop.
    fn default() -> Self {
        Self(Duration::from_secs(8))
    }
}

impl FromStr for Grace {
    type Err = NoGrace;

    fn from_str(text: &str) -> Result<Self, NoGrace> {
        seconds(text).map(Self)
    }
}

/// Reads a number of seconds: `8`, `0.5`.
///
/// # Errors
/// It is none.
pub fn seconds(text: &str) -> Result<Duration, NoGrace> {
    let seconds: f64 = text.trim().parse().map_err(|_| NoGrace)?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| NoGrace)?;
    if time > LONGEST {
        return Err(NoGrace);
    }
    Ok(time)
}

impl Display for Grace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.as_secs_f64())
    }
}

/// What every process type of an image is launched as: `formation exec [--group] -- COMMAND`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Launched {
    /// Whether signals go to the whole process group.
    pub group: bool,
    /// The command.
    pub program: Program,
}

impl Launched {
    /// Reads the words of such a command line, and of no other.
    #[must_use]
    pub fn from_words(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        let program = words.next()?;
        let mut words = words.peekable();
        words
            .next_if(|word| word == "exec")
            .filter(|_| Path::new(&program).file_name() == Some(OsStr::new(OUR_NAME)))?;
        let group = words.next_if(|word| word == "--group").is_some();
        words.next_if(|word| word == "--")?;
        Program::new(words).map(|program| Self { group, program })
    }
}

/// One command to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exec {
    /// The command.
    pub program: Program,
    /// To it, or to its group.
    pub signals_go_to: SignalsGoTo,
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
    /// Reads the command line with which every process type of an image is launched, and no other; a grace is the variable's.
    #[must_use]
    pub fn from_words(words: &[OsString]) -> Option<Self> {
        let launched = Launched::from_words(words.iter().cloned())?;
        let grace = match env::var(GRACE_VARIABLE) {
            // Compose makes an empty one of a variable that is not set.
            Ok(text) if !text.is_empty() => text.parse().ok()?,
            Ok(_) | Err(env::VarError::NotPresent) => Grace::default(),
            Err(env::VarError::NotUnicode(_)) => return None,
        };
        Some(Self {
            program: launched.program,
            signals_go_to: if launched.group {
                SignalsGoTo::Group(grace)
            } else {
                SignalsGoTo::Command
            },
        })
    }

    /// Runs the command to its end. Its exit status: 128 more than the signal's number where a signal ended it.
    ///
    /// # Errors
    /// The command does not start.
    pub fn run(&self, signals: &Signals) -> Result<u8, ExecError> {
        let mut running = self.start(signals)?;
        let status = loop {
            match running.next_signal(None)? {
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
        if let SignalsGoTo::Group(Grace(grace)) = self.signals_go_to {
            running.see_off_group(grace)?;
        }
        Ok(status)
    }

    fn start<'a>(&self, signals: &'a Signals) -> Result<Running<'a>, ExecError> {
        adopt_orphans();
        let mut terminal = Terminal::of_stdin();
        let child = match &mut terminal {
            Some(terminal) if terminal.is_ours() => {
                let child = self.program.start_in_foreground()?;
                terminal.taken_by(child);
                child
            }
            _ => self.program.start()?,
        };
        Ok(Running {
            child,
            signals_go_to: self.signals_go_to,
            signals,
            terminal,
            asked_to_end: false,
        })
    }
}

/// Makes orphans of the command children of this process, so that it can reap them. PID 1 has them anyway.
pub(super) fn adopt_orphans() {
    if !getpid().is_init() {
        // Where a kernel does not know this, the orphans go to PID 1.
        let _ = set_child_subreaper(Some(getpid()));
    }
}

/// The command, started.
struct Running<'a> {
    /// Leader of its process group, whose number is the same.
    child: Pid,
    signals_go_to: SignalsGoTo,
    signals: &'a Signals,
    terminal: Option<Terminal>,
    /// Whether somebody has asked it to end.
    asked_to_end: bool,
}

impl Running<'_> {
    fn next_signal(&self, within: Option<Duration>) -> io::Result<Option<Signal>> {
        self.signals.next(within)
    }

    /// Nobody else can be hit: a child keeps its number until it is reaped, a group as long as it has a member.
    fn pass_on(&mut self, signal: Signal) {
        if signal == Signal::CONT {
            // A shell's `fg` puts this process in the foreground before it says so.
            self.lend_terminal();
        }
        self.asked_to_end |=
            [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].contains(&signal);
        // The one error there can be is that all of them have just ended.
        let _ = match self.signals_go_to {
            SignalsGoTo::Command => kill_process(self.child, signal),
            SignalsGoTo::Group(_) => kill_process_group(self.child, signal),
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
    fn see_off_group(&mut self, grace: Duration) -> io::Result<()> {
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
            match self.next_signal(Some(left.min(LOOK_AGAIN)))? {
                Some(Signal::CHILD) | None => {}
                Some(signal) => self.pass_on(signal),
            }
        }
    }
}

/// A child, born ours or adopted, that has ended, or has done what else is asked for.
pub(super) fn next_change(changes: WaitOptions) -> io::Result<Option<(Pid, WaitStatus)>> {
    match wait(WaitOptions::NOHANG | changes) {
        Err(rustix::io::Errno::CHILD) => Ok(None),
        child => Ok(child?),
    }
}

/// As the shells say it.
pub(super) fn exit_status(status: WaitStatus) -> u8 {
    let status = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    status
        .and_then(|status| u8::try_from(status).ok())
        .unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;

    #[test]
    fn a_grace_is_a_number_of_seconds() {
        let grace = |text: &str| text.parse::<Grace>().ok().map(|Grace(time)| time);
        assert_eq!(grace("8"), Some(Duration::from_secs(8)));
        assert_eq!(grace(" 0.5\n"), Some(Duration::from_millis(500)));
        assert_eq!(grace("0"), Some(Duration::ZERO));
        for wrong in ["", "8s", "-1", "NaN", "inf", "1e99"] {
            assert_eq!(grace(wrong), None, "{wrong}");
        }
        assert_eq!(Grace::default().to_string(), "8");
    }

    #[test]
    fn a_kernel_that_gives_no_signals_is_shown() {
        let too_many_files = io::Error::from(rustix::io::Errno::MFILE);
        assert_report!(ExecError::from(too_many_files));
    }
}

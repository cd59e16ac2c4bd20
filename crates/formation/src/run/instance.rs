//! One process of a formation, such as `worker.2`, and where in its life it is.

use super::backoff::Deaths;
use super::lines::Label;
use crate::image::Image;
use crate::image::quantities::MOST;
use crate::process::wait::POLL_INTERVAL;
use fs_err as fs;
use procfile::ProcessType;
use procfile::launch_spec::SignalTarget;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a process has to run before it counts as up: what cannot start at all ends sooner.
pub(super) const UP: Duration = Duration::from_secs(1);

/// How long a process that listened before may take until it listens again.
pub(super) const LISTENS: Duration = Duration::from_secs(60);

/// The name of an instance: `worker.2`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Name {
    /// The place of the type in the process table, which is the order of everything that is shown.
    pub(super) place: usize,
    pub(super) process_type: String,
    /// From 1.
    pub(super) number: u16,
}

impl Display for Name {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.process_type, self.number)
    }
}

impl Name {
    /// Its port: `web.1` has the first, a further type begins a hundred above, and a further instance is one above.
    pub(super) fn port(&self, image: &Image, first: u16) -> Result<u16, u32> {
        let types = || image.processes.iter().map(|process| &process.process_type);
        let place = if self.process_type == ProcessType::WEB {
            0
        } else {
            let before = types().take(self.place);
            1 + before.filter(|name| *name != ProcessType::WEB).count()
        };
        let hundreds = u32::try_from(place).unwrap_or(u32::MAX / 1000);
        let port = u32::from(first) + u32::from(MOST) * hundreds + u32::from(self.number) - 1;
        u16::try_from(port).map_err(|_| port)
    }
}

/// One process, with its name.
pub(super) struct Instance {
    pub(super) name: Name,
    pub(super) port: u16,
    pub(super) label: Rc<Label>,
    /// Where signals go.
    pub(super) signals: SignalTarget,
    pub(super) phase: Phase,
    /// The numbers of its output streams.
    pub(super) streams: Vec<u32>,
    pub(super) deaths: Deaths,
    /// How often it was started again.
    pub(super) restarts: u32,
    /// It is to take the place of the other instance of the same name as soon as it is up.
    pub(super) is_successor: bool,
    /// Somebody wants it to be started anew.
    pub(super) restart: Option<Restart>,
    /// Its process is not its program yet: exec.d programs come first.
    pub(super) prepares: bool,
}

/// An instance that somebody wants to be started anew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Restart {
    /// When those of its type before it are through: never all at once.
    Queued,
    /// What was started since then is new. It is up when somebody listens on its port, where somebody did.
    UnderWay { since: Instant, listens: bool },
}

/// Where in its life an instance is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Running {
        process: Pid,
        since: Instant,
    },
    /// It was asked to end, or has ended and its group is on its way.
    Ending {
        process: Pid,
        since: Instant,
        /// Whether it has been reaped; its group may have other members.
        is_reaped: bool,
        /// When it is killed; none where it was.
        kill_at: Option<Instant>,
        then: Then,
    },
    /// It waits for its next start.
    Waiting {
        until: Instant,
    },
    /// Nothing is left of it.
    Gone(Then),
}

/// What comes after the end of an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    Nothing,
    StartAgain { after: Duration },
}

impl Instance {
    /// The process that is its own, as long as that is there.
    pub(super) fn process(&self) -> Option<Pid> {
        match self.phase {
            Phase::Running { process, .. }
            | Phase::Ending {
                process,
                is_reaped: false,
                ..
            } => Some(process),
            _ => None,
        }
    }

    /// The number of its process group, as long as that has members.
    pub(super) fn group(&self) -> Option<Pid> {
        match self.phase {
            Phase::Running { process, .. } | Phase::Ending { process, .. } => Some(process),
            Phase::Waiting { .. } | Phase::Gone(_) => None,
        }
    }

    /// Since when its process runs.
    pub(super) fn since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { since, .. } | Phase::Ending { since, .. } => Some(since),
            Phase::Waiting { .. } | Phase::Gone(_) => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Whether it is, or will be, one of the type's instances: it neither leaves nor is an instance's second self.
    pub(super) fn counts(&self) -> bool {
        let leaves = matches!(
            self.phase,
            Phase::Ending {
                then: Then::Nothing,
                ..
            } | Phase::Gone(Then::Nothing)
        );
        !leaves && !self.is_successor
    }

    /// Sends a signal: to the process, which knows its own children, or to the whole group where a shell does not pass it on.
    pub(super) fn signal(&self, signal: Signal) {
        // The one error there can be is that all of them have just ended.
        let _ = match (self.process(), self.group()) {
            (Some(process), _) if self.signals == SignalTarget::Process => {
                kill_process(process, signal)
            }
            (_, Some(group)) => kill_process_group(group, signal),
            _ => Ok(()),
        };
    }

    /// Sends a signal to every process of its group.
    pub(super) fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.group() {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Asks it to end, within the grace.
    pub(super) fn ask_to_end(&mut self, signal: Signal, grace: Duration, and_then: Then) {
        match self.phase {
            Phase::Running { process, since } => {
                self.signal(signal);
                self.phase = Phase::Ending {
                    process,
                    since,
                    is_reaped: false,
                    kill_at: Some(Instant::now() + grace),
                    then: and_then,
                };
            }
            Phase::Ending { ref mut then, .. } => *then = and_then,
            Phase::Waiting { .. } | Phase::Gone(_) => self.phase = Phase::Gone(and_then),
        }
    }

    /// Kills all that is left of it.
    pub(super) fn kill(&mut self) {
        self.signal_group(Signal::KILL);
        if let Phase::Ending { kill_at, .. } = &mut self.phase {
            *kill_at = None;
        }
    }

    /// What comes after its end, where that has come or is coming.
    pub(super) fn and_then(&mut self, what: Then) {
        match &mut self.phase {
            Phase::Ending { then, .. } | Phase::Gone(then) => *then = what,
            Phase::Running { .. } | Phase::Waiting { .. } => {}
        }
    }

    /// Notices when its exec.d programs have ended, and its program has begun.
    pub(super) fn look_at_program(&mut self) {
        if let Phase::Running { process, since } = &mut self.phase
            && self.prepares
            && !runs_this_program(*process)
        {
            self.prepares = false;
            *since = Instant::now();
        }
    }

    /// Whether it is up: not only started.
    pub(super) fn is_up(&self) -> bool {
        self.is_running()
            && !self.prepares
            && self.since().is_some_and(|since| since.elapsed() >= UP)
    }

    /// When it can be up; where that shows by its port, it is looked for again and again, but not for ever.
    pub(super) fn up_at(&self, now: Instant) -> Option<Instant> {
        let since = self.since()?;
        if self.prepares {
            return Some(now + POLL_INTERVAL);
        }
        let listens = matches!(self.restart, Some(Restart::UnderWay { listens: true, .. }));
        Some(if listens && now >= since + UP {
            (now + POLL_INTERVAL).min((since + LISTENS).max(now))
        } else {
            since + UP
        })
    }

    /// Whether something follows when it is up.
    pub(super) fn is_awaited(&self) -> bool {
        let is_anew = |at| self.since().is_some_and(|since| since >= at);
        let was_restarted =
            |restart| matches!(restart, Restart::UnderWay { since, .. } if is_anew(since));
        self.is_successor || self.restart.is_some_and(was_restarted)
    }

    /// Its process was reaped. Who is left of its group is asked to end too: alone in its container, they would be killed.
    pub(super) fn reaped(&mut self, grace: Duration) {
        match self.phase {
            Phase::Running { process, since } => {
                self.phase = Phase::Ending {
                    process,
                    since,
                    is_reaped: true,
                    kill_at: Some(Instant::now() + grace),
                    then: Then::Nothing,
                };
                self.signal_group(Signal::TERM);
            }
            Phase::Ending {
                ref mut is_reaped, ..
            } => {
                *is_reaped = true;
                if self.signals == SignalTarget::Process {
                    // They have not heard of it yet.
                    self.signal_group(Signal::TERM);
                }
            }
            Phase::Waiting { .. } | Phase::Gone(_) => {}
        }
        self.look_at_group();
    }

    /// Whether nothing is left of it, now that its process was reaped.
    pub(super) fn look_at_group(&mut self) {
        if let Phase::Ending {
            process,
            is_reaped: true,
            kill_at,
            then,
            ..
        } = self.phase
        {
            // After a kill there may still be a zombie, whose parent has left the group and does not look after it.
            let was_killed = kill_at.is_none();
            if was_killed || test_kill_process_group(process) == Err(Errno::SRCH) {
                self.phase = Phase::Gone(then);
            }
        }
    }
}

/// As long as the process has not become another program, or ended.
fn runs_this_program(process: Pid) -> bool {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    let its = program(&process.as_raw_nonzero().to_string());
    its.is_some() && its == program("self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_has_the_first_port_wherever_it_stands() {
        let image = Image::of_types(&["clock", "web", "worker"]);
        let port = |place: usize, number, first| {
            let process_type = image.processes[place].process_type.clone();
            Name {
                place,
                process_type,
                number,
            }
            .port(&image, first)
        };
        assert_eq!(port(1, 1, 8080), Ok(8080));
        assert_eq!(port(1, 100, 8080), Ok(8179));
        assert_eq!(port(0, 1, 8080), Ok(8180));
        assert_eq!(port(2, 1, 8080), Ok(8280));
        assert_eq!(port(2, 3, 8080), Ok(8282));
        assert_eq!(port(2, 1, 65400), Err(65600));
    }
}

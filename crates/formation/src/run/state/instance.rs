//! One instance of a process type, and what becomes of it.

use super::action::{Action, Recipient};
use super::backoff::Deaths;
use super::event::Observations;
use super::instance_id::InstanceId;
use crate::process::stops::StopsPassedOn;
use crate::run::instance_name::InstanceName;
use procfile::launch_spec::SignalTarget;
use rustix::process::{Pid, Signal};
use std::mem;
use std::time::{Duration, Instant};

/// One instance of a process type.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) name: InstanceName,
    pub(super) port: u16,
    pub(super) signals: SignalTarget,
    /// Whether it has the terminal of this process.
    pub(super) is_attached: bool,
    pub(super) phase: Phase,
    pub(super) deaths: Deaths,
    /// How often it was started again.
    pub(super) restarts: u32,
    /// Whether it is to take the place of the other instance of the same name, as soon as it is
    /// up.
    pub(super) is_successor: bool,
    /// A restart that `formation restart` has asked for.
    pub(super) restart: Option<Restart>,
    pub(super) stops_passed_on: StopsPassedOn,
    /// Whether its process was stopped, and nothing is known to have continued it.
    pub(super) is_stopped: bool,
}

/// Where in its life an instance is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// It starts when that time has come.
    Waiting { until: Instant },
    /// It starts as soon as those before it have started.
    Due,
    /// Its process is being started.
    Starting {
        /// Whether it may go on running then.
        is_wanted: bool,
    },
    Running {
        process: Pid,
        since: Instant,
        /// Whether its process has yet to become the program of its process type.
        is_preparing: bool,
    },
    /// Its process was asked to end, or has ended and left others in its process group.
    Ending {
        process: Pid,
        since: Instant,
        /// Whether the process itself has ended.
        is_reaped: bool,
        /// When the process group is killed, unless that is done.
        kill_at: Option<Instant>,
        next: AfterEnd,
    },
    /// Nothing is left of it.
    Gone,
}

/// What follows the end of an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AfterEnd {
    Remove,
    StartAgain { delay: Duration },
}

/// A restart that `formation restart` has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Restart {
    /// It begins when no other instance of the process type is being restarted.
    Queued,
    UnderWay {
        /// A process that was started since then is the new one.
        since: Instant,
        /// Whether a process listened on the port of the instance then.
        had_listener: bool,
    },
}

impl Instance {
    /// Its own process, until that has ended.
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

    /// Its process group, which has the number of its process, as long as that may have members.
    pub(super) fn group(&self) -> Option<Pid> {
        match self.phase {
            Phase::Running { process, .. } | Phase::Ending { process, .. } => Some(process),
            _ => None,
        }
    }

    /// When its process was started.
    pub(super) fn since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { since, .. } | Phase::Ending { since, .. } => Some(since),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Gone)
    }

    pub(super) fn is_reaped(&self) -> bool {
        matches!(
            self.phase,
            Phase::Ending {
                is_reaped: true,
                ..
            }
        )
    }

    /// The process, while it has yet to become the program of its process type.
    pub(super) fn preparing_process(&self) -> Option<Pid> {
        match self.phase {
            Phase::Running {
                process,
                is_preparing: true,
                ..
            } => Some(process),
            _ => None,
        }
    }

    /// The process group, when only its members keep the instance from being gone.
    pub(super) fn remaining_group(&self) -> Option<Pid> {
        match self.phase {
            Phase::Ending {
                process,
                is_reaped: true,
                kill_at: Some(_),
                ..
            } => Some(process),
            _ => None,
        }
    }

    /// Whether it is, or will be, one of the instances of its process type: it is neither about to
    /// be removed nor a successor whose predecessor is still there.
    pub(super) fn counts(&self) -> bool {
        let is_leaving = matches!(
            self.phase,
            Phase::Gone
                | Phase::Starting { is_wanted: false }
                | Phase::Ending {
                    next: AfterEnd::Remove,
                    ..
                }
        );
        !is_leaving && !self.is_successor
    }

    /// A signal to its process, which knows its own children; or to its whole process group, where
    /// a shell does not pass signals on.
    pub(super) fn signal(&self, signal: Signal) -> Option<Action> {
        match self.process() {
            Some(process) if self.signals == SignalTarget::Process => Some(Action::Signal {
                recipient: Recipient::Process(process),
                signal,
            }),
            _ => self.signal_group(signal),
        }
    }

    /// A signal to every process of its process group.
    pub(super) fn signal_group(&self, signal: Signal) -> Option<Action> {
        let recipient = Recipient::Group(self.group()?);
        Some(Action::Signal { recipient, signal })
    }

    /// A signal that asks for nothing that `formation` knows.
    pub(super) fn pass_on(&mut self, signal: Signal, now: Instant) -> Option<Action> {
        self.stops_passed_on.add(signal, now);
        self.signal(signal)
    }

    /// Its process group, where a signal that was passed on may have stopped a member.
    pub(super) fn group_with_stops(&self, now: Instant) -> Option<Pid> {
        let may_have =
            self.signals == SignalTarget::Group && self.stops_passed_on.may_stop_members(now);
        self.group().filter(|_| may_have)
    }

    /// Where its process is stopped and was asked to end: continues it, because it would not hear of
    /// that.
    pub(super) fn wake_to_end(&mut self) -> Option<Action> {
        if !(self.is_ending() && mem::take(&mut self.is_stopped)) {
            return None;
        }
        self.signal_group(Signal::CONT)
    }

    /// Its process was stopped. Where that has come of a signal that was passed on, the process goes
    /// on: a program that does not handle the signal has no use for it.
    pub(super) fn continue_after(&mut self, stop: i32) -> Option<Action> {
        self.is_stopped = !self.stops_passed_on.remove(stop);
        if self.is_stopped {
            return None;
        }
        Some(Action::Signal {
            recipient: Recipient::Process(self.process()?),
            signal: Signal::CONT,
        })
    }

    pub(super) fn has_started(&mut self, process: Pid, since: Instant, is_preparing: bool) {
        self.stops_passed_on = StopsPassedOn::default();
        self.is_stopped = false;
        self.phase = Phase::Running {
            process,
            since,
            is_preparing,
        };
    }

    /// Asks its process to end; one that does not run is not started any more.
    pub(super) fn ask_to_end(
        &mut self,
        signal: Signal,
        kill_at: Instant,
        next: AfterEnd,
    ) -> Option<Action> {
        match &mut self.phase {
            Phase::Running { process, since, .. } => {
                let ending = Phase::Ending {
                    process: *process,
                    since: *since,
                    is_reaped: false,
                    kill_at: Some(kill_at),
                    next,
                };
                let action = self.signal(signal);
                self.phase = ending;
                return action;
            }
            Phase::Ending { next: planned, .. } => *planned = next,
            Phase::Starting { is_wanted } => *is_wanted = false,
            Phase::Waiting { .. } | Phase::Due | Phase::Gone => self.phase = Phase::Gone,
        }
        None
    }

    /// Brings an instance back that was asked to end.
    pub(super) fn bring_back(&mut self) {
        if let Phase::Starting { is_wanted } = &mut self.phase {
            *is_wanted = true;
        }
        self.set_next(AfterEnd::StartAgain {
            delay: Duration::ZERO,
        });
    }

    /// Sets what follows its end, if that has begun.
    pub(super) fn set_next(&mut self, after_end: AfterEnd) {
        if let Phase::Ending { next, .. } = &mut self.phase {
            *next = after_end;
        }
    }

    /// Kills all that is left of it.
    pub(super) fn kill(&mut self) -> Option<Action> {
        if let Phase::Ending { kill_at, .. } = &mut self.phase {
            *kill_at = None;
        }
        self.signal_group(Signal::KILL)
    }

    /// Its process has ended. Other members of the process group are asked to end too: when the
    /// process type runs alone in a container, the end of the container would kill them.
    pub(super) fn process_ended(&mut self, kill_at: Instant) -> Option<Action> {
        match &mut self.phase {
            Phase::Running { process, since, .. } => {
                self.phase = Phase::Ending {
                    process: *process,
                    since: *since,
                    is_reaped: true,
                    kill_at: Some(kill_at),
                    next: AfterEnd::Remove,
                };
                self.signal_group(Signal::TERM)
            }
            Phase::Ending { is_reaped, .. } => {
                *is_reaped = true;
                // With the other target, the whole group was asked already.
                (self.signals == SignalTarget::Process)
                    .then(|| self.signal_group(Signal::TERM))
                    .flatten()
            }
            _ => None,
        }
    }

    /// Takes in what was observed at a moment.
    pub(super) fn observe(&mut self, now: Instant, observed: &Observations) {
        match &mut self.phase {
            Phase::Running {
                process,
                since,
                is_preparing,
            } if *is_preparing && observed.prepared.contains(process) => {
                *is_preparing = false;
                *since = now;
            }
            // After a kill there may still be a zombie in the group, whose parent has left the
            // group and does not reap it.
            Phase::Ending {
                process,
                is_reaped: true,
                kill_at,
                next,
                ..
            } if kill_at.is_none() || observed.empty_groups.contains(process) => {
                self.phase = next.phase(now);
            }
            Phase::Waiting { until } if *until <= now => self.phase = Phase::Due,
            _ => {}
        }
    }

    /// Kills it if it has had its time to end.
    pub(super) fn kill_if_overdue(&mut self, now: Instant) -> Option<Action> {
        match self.phase {
            Phase::Ending {
                kill_at: Some(at), ..
            } if at <= now => self.kill(),
            _ => None,
        }
    }
}

impl AfterEnd {
    /// The phase of an instance of which nothing is left.
    pub(super) fn phase(self, now: Instant) -> Phase {
        match self {
            Self::Remove => Phase::Gone,
            Self::StartAgain { delay } => Phase::Waiting { until: now + delay },
        }
    }
}

//! What `formation run` decides: a function from what happens to what is to be done, without any
//! input or output.
//!
//! The supervisor calls [`State::step`] with each [`Event`] and carries out the [`Action`]s that
//! it returns. What the kernel does not report by itself, such as the end of a process group, it
//! looks up beforehand: [`State::questions`].

pub(super) mod action;
mod backoff;
mod deaths;
mod ending;
pub(super) mod event;
mod instance;
pub(super) mod instance_id;
mod instances;
mod requests;
mod rolling_restart;
#[cfg(test)]
mod tests;

use super::restart_policy::RestartPolicy;
use crate::control::protocol::Request;
use crate::image::Image;
use crate::process::grace::Grace;
use crate::process::signals::{is_stop_by_terminal, signal_name};
use crate::process::wait::POLL_INTERVAL;
use action::{Action, Recipient, Start};
use deaths::{Consequence, Death};
use ending::Ending;
use event::{ClientId, Ended, Event, NotStarted, Observations, Questions, Started};
use instance::{AfterEnd, Instance, Phase};
use instances::Instances;
use procfile::report;
use requests::Refusal;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{io, mem};

/// The exit status where the reader of standard output has gone: as of a program that SIGPIPE
/// ends.
const BROKEN_PIPE: u8 = 128 + 13;

/// The exit status where the system denies what every kernel grants.
const SYSTEM_ERROR: u8 = 126;

/// A running formation.
pub(super) struct State {
    restart_policy: RestartPolicy,
    instances: Instances,
    /// Set when all instances were asked to end.
    ending: Option<Ending>,
    /// Clients that get the list of processes when all have started that are due.
    waiting_clients: Vec<ClientId>,
    /// What the current step has decided on.
    actions: Vec<Action>,
}

/// What the command line of `formation run` says about all instances.
pub(super) struct Options {
    /// The port of `web.1`.
    pub(super) base_port: u16,
    /// How long an instance may take to end.
    pub(super) grace: Grace,
    pub(super) restart_policy: RestartPolicy,
    /// The instance that has the terminal, or its process type.
    pub(super) attached: Option<String>,
}

impl State {
    /// A formation with so many instances of each process type, none of which has started.
    pub(super) fn new<'a>(
        image: Rc<Image>,
        options: Options,
        quantities: impl IntoIterator<Item = (&'a str, u16)>,
        now: Instant,
    ) -> Self {
        let Options {
            base_port,
            grace,
            restart_policy,
            attached,
        } = options;
        let mut instances = Instances::new(image, base_port, grace, attached);
        for (process_type, count) in quantities {
            instances.scale(process_type, count, now);
        }
        Self {
            restart_policy,
            instances,
            ending: None,
            waiting_clients: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// What has to be looked up for an [`Event::Time`] at this moment.
    pub(super) fn questions(&self, now: Instant) -> Questions {
        let instances = || self.instances.iter();
        Questions {
            groups: instances().filter_map(Instance::remaining_group).collect(),
            groups_with_stops: instances()
                .filter_map(|instance| instance.group_with_stops(now))
                .collect(),
            preparing: instances()
                .filter_map(Instance::preparing_process)
                .collect(),
            ports: rolling_restart::ports_to_observe(&self.instances, now),
            children: self.ending.is_some() && instances().all(Instance::is_reaped),
        }
    }

    /// When the next [`Event::Time`] is due, if nothing else happens before.
    pub(super) fn next_time(&self, now: Instant) -> Option<Instant> {
        let next = |instance: &Instance| match instance.phase {
            Phase::Running { .. } => rolling_restart::next_look(&self.instances, instance, now),
            Phase::Ending {
                is_reaped: true, ..
            } => Some(now + POLL_INTERVAL),
            Phase::Ending { kill_at, .. } => kill_at,
            Phase::Waiting { until } => Some(until),
            Phase::Due | Phase::Starting { .. } | Phase::Gone => None,
        };
        let only_orphans = self.ending.is_some() && self.instances.is_empty();
        let orphans = only_orphans.then(|| now + POLL_INTERVAL);
        let has_stops = |instance: &Instance| instance.group_with_stops(now).is_some();
        let stops = (self.instances.iter().any(has_stops)).then(|| now + POLL_INTERVAL);
        let instances = self.instances.iter().filter_map(next);
        instances.chain(orphans).chain(stops).min()
    }

    /// Decides what is to be done about an event, at this moment.
    pub(super) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Time(observed) => self.time_has_passed(now, &observed),
            Event::Started(started) => self.has_started(&started, now),
            Event::NotStarted(not_started) => self.has_not_started(&not_started, now),
            Event::Ended(ended) => self.process_has_ended(&ended, now),
            Event::Stopped { process, signal } => self.process_was_stopped(process, signal),
            Event::Signal(signal) => self.handle_signal(signal, now),
            Event::StopKey => self.stop_all(false),
            Event::HungUp => self.terminal_is_gone(now),
            Event::Continued => self.signal_all_groups(Signal::CONT),
            Event::Request { client, request } => self.handle_request(client, request, now),
            Event::OutputBroken(errno) => self.output_is_broken(errno, now),
            Event::KernelError(error) => self.kernel_has_failed(error, now),
        }
        let woken = self.instances.iter_mut().filter_map(Instance::wake_to_end);
        self.actions.extend(woken);
        self.instances.remove_gone();
        self.start_next();
        self.answer_clients(now);
        mem::take(&mut self.actions)
    }

    fn say(&mut self, text: String) {
        self.actions.push(Action::Say(text));
    }

    /// Starts what is due, one after the other: where one does not start, those behind it may not
    /// be wanted any more.
    fn start_next(&mut self) {
        let is_starting = |instance: &Instance| matches!(instance.phase, Phase::Starting { .. });
        if self.instances.iter().any(is_starting) {
            return;
        }
        let next = self
            .instances
            .iter_mut()
            .find(|instance| instance.phase == Phase::Due);
        if let Some(instance) = next {
            instance.phase = Phase::Starting { is_wanted: true };
            self.actions.push(Action::Start(Start {
                instance: instance.id,
                name: instance.name.clone(),
                port: instance.port,
                is_attached: instance.is_attached,
            }));
        }
    }

    fn has_started(&mut self, started: &Started, now: Instant) {
        let kill_at = self.instances.kill_at(now);
        let Some(instance) = self.instances.get_mut(started.instance) else {
            return;
        };
        let is_wanted = instance.phase == Phase::Starting { is_wanted: true };
        let process = started.process;
        instance.has_started(process, now, started.is_preparing);
        let Instance { name, port, .. } = instance;
        let text = format!("{name} started (process {process}, port {port})");
        self.actions.push(Action::Say(text));
        if !is_wanted {
            let action = instance.ask_to_end(Signal::TERM, kill_at, AfterEnd::Remove);
            self.actions.extend(action);
        }
    }

    fn has_not_started(&mut self, not_started: &NotStarted, now: Instant) {
        let id = not_started.instance;
        let Some(instance) = self.instances.get(id) else {
            return;
        };
        let was_wanted = instance.phase == Phase::Starting { is_wanted: true };
        let name = &instance.name;
        let text = format!("{name} does not start\n{}", not_started.report);
        self.say(text);
        let next = if was_wanted {
            let death = Death {
                instance: id,
                status: not_started.status,
                ran_for: Duration::ZERO,
                jitter: not_started.jitter,
            };
            self.after_death(death, now)
        } else {
            AfterEnd::Remove
        };
        if let Some(instance) = self.instances.get_mut(id) {
            instance.phase = next.phase(now);
        }
    }

    fn process_has_ended(&mut self, ended: &Ended, now: Instant) {
        let kill_at = self.instances.kill_at(now);
        let Some(instance) = self.instances.of_process(ended.process) else {
            return; // An orphan.
        };
        let (id, since) = (instance.id, instance.since().unwrap_or(now));
        let was_asked = instance.is_ending();
        let text = format!("{} {}", instance.name, ended.exit);
        let action = instance.process_ended(kill_at);
        self.actions.push(Action::SettleOutput(id));
        self.say(text);
        self.actions.extend(action);
        if was_asked {
            return;
        }
        let death = Death {
            instance: id,
            status: ended.exit.code(),
            ran_for: now.saturating_duration_since(since),
            jitter: ended.jitter,
        };
        let next = self.after_death(death, now);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.set_next(next);
        }
    }

    fn after_death(&mut self, death: Death, now: Instant) -> AfterEnd {
        let consequence = deaths::consequence(&mut self.instances, &self.restart_policy, death);
        if let Some(text) = consequence.text() {
            self.say(text.into());
        }
        if let Consequence::EndAll { .. } = consequence {
            self.end_all(death.status, Signal::TERM, now);
        }
        consequence.next()
    }

    fn time_has_passed(&mut self, now: Instant, observed: &Observations) {
        let grace = self.instances.grace;
        for instance in self.instances.iter_mut() {
            instance.observe(now, observed);
            if let Some(kill) = instance.kill_if_overdue(now) {
                let text = format!(
                    "{} is killed: it has not ended within {grace} s",
                    instance.name
                );
                self.actions.extend([kill, Action::Say(text)]);
                if let Some(ending) = &mut self.ending {
                    ending.process_was_killed();
                }
            }
        }
        let go_on = observed.stopped.iter().map(|member| Action::Signal {
            recipient: Recipient::Process(*member),
            signal: Signal::CONT,
        });
        self.actions.extend(go_on);
        self.instances.remove_gone();
        let actions = rolling_restart::advance(&mut self.instances, now, observed);
        self.actions.extend(actions);
        if let (Some(ending), Some(children)) = (&mut self.ending, &observed.children)
            && self.instances.is_empty()
        {
            self.actions.extend(ending.end_orphans(children, now));
        }
    }

    fn handle_signal(&mut self, signal: Signal, now: Instant) {
        if [Signal::TERM, Signal::INT, Signal::QUIT].contains(&signal) {
            self.end_is_requested(signal, now);
        } else {
            let running = (self.instances.iter_mut()).filter(|instance| instance.is_running());
            let actions = running.filter_map(|instance| instance.pass_on(signal, now));
            self.actions.extend(actions);
        }
    }

    /// As a shell's job: all that belongs to it stops. No program notices, as one would that
    /// handles the signal of the key: Sidekiq takes no more jobs then.
    fn stop_all(&mut self, wants_terminal: bool) {
        self.signal_all_groups(Signal::STOP);
        self.actions
            .push(Action::StopThisProcess { wants_terminal });
    }

    fn signal_all_groups(&mut self, signal: Signal) {
        let instances = self.instances.iter();
        let actions = instances.filter_map(|instance| instance.signal_group(signal));
        self.actions.extend(actions);
    }

    /// Where the terminal has stopped the process that has it, the shell of this process wants it
    /// back. Where nobody has passed on the signal that has stopped a process, and no terminal has
    /// sent it, somebody has done that for a purpose, and will continue it.
    fn process_was_stopped(&mut self, process: Pid, signal: i32) {
        let Some(instance) = self.instances.of_process(process) else {
            return; // An orphan.
        };
        let action = instance.continue_after(signal);
        let (name, is_attached) = (instance.name.clone(), instance.is_attached);
        let needs_terminal = [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()].contains(&signal);
        if action.is_some() {
            self.actions.extend(action);
        } else if is_attached && is_stop_by_terminal(signal) {
            self.stop_all(needs_terminal);
        } else if needs_terminal {
            self.say(format!(
                "{name} is stopped, because it needs a terminal: `--attach {name}` gives it this one"
            ));
        }
    }

    /// A shell tells its jobs so, and the kernel may tell them again.
    fn terminal_is_gone(&mut self, now: Instant) {
        if self.ending.is_none() {
            self.say("the terminal is gone: asking all processes to end".into());
            self.end_all(0, Signal::TERM, now);
        }
    }

    fn end_is_requested(&mut self, signal: Signal, now: Instant) {
        let name = signal_name(signal.as_raw());
        match self.ending.as_mut().map(Ending::request) {
            None => {
                self.say(format!("{name}: asking all processes to end"));
                self.end_all(0, signal, now);
                if let Some(ending) = &mut self.ending {
                    ending.request();
                }
            }
            // A process had ended by itself before.
            Some(false) => self.say(format!("{name}: all processes are ending already")),
            Some(true) => {
                self.say(format!("{name} again: killing all processes that are left"));
                self.kill_all(now);
            }
        }
    }

    /// Asks every instance to end. The status is that of this process, unless a process has to be
    /// killed.
    fn end_all(&mut self, status: u8, signal: Signal, now: Instant) {
        self.ending = Some(Ending::new(status, self.instances.kill_at(now)));
        let actions = self.instances.end_all(signal, now);
        self.actions.extend(actions);
    }

    fn kill_all(&mut self, now: Instant) {
        let actions = self.instances.iter_mut().filter_map(Instance::kill);
        self.actions.extend(actions);
        if let Some(ending) = &mut self.ending {
            ending.kill_now(now);
        }
    }

    fn output_is_broken(&mut self, errno: Errno, now: Instant) {
        if self.ending.is_none() {
            // Standard error may still have a reader.
            self.say(format!(
                "standard output has no reader any more ({errno}): asking all processes to end"
            ));
            self.end_all(BROKEN_PIPE, Signal::TERM, now);
        }
    }

    /// The processes end in order, unless system calls go on failing.
    fn kernel_has_failed(&mut self, error: io::Error, now: Instant) {
        if self.ending.is_some() {
            self.actions.push(Action::Fail(error));
        } else {
            self.say(format!(
                "asking all processes to end, because of an error: {error}"
            ));
            self.end_all(SYSTEM_ERROR, Signal::TERM, now);
        }
    }

    fn handle_request(&mut self, client: ClientId, request: Request, now: Instant) {
        let accepted = match request {
            Request::Ps => Ok(Vec::new()),
            _ if self.ending.is_some() => Err(report::plain(&Refusal::Ending)),
            Request::Scale(words) => requests::scale(&mut self.instances, &words, now),
            Request::Restart(names) => {
                requests::restart(&mut self.instances, &names).map(|()| Vec::new())
            }
        };
        match accepted {
            Ok(actions) => {
                self.actions.extend(actions);
                self.waiting_clients.push(client);
            }
            Err(report) => self.actions.push(Action::Refuse { client, report }),
        }
    }

    fn answer_clients(&mut self, now: Instant) {
        let has_yet_to_start =
            |instance: &Instance| matches!(instance.phase, Phase::Due | Phase::Starting { .. });
        if self.instances.iter().any(has_yet_to_start) {
            return;
        }
        for client in mem::take(&mut self.waiting_clients) {
            let processes = requests::list(&self.instances, now);
            self.actions.push(Action::List { client, processes });
        }
    }
}

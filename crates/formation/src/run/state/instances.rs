//! All instances of a running formation.

use super::action::Action;
use super::backoff::Deaths;
use super::instance::{AfterEnd, Instance, Phase};
use super::instance_id::InstanceId;
use crate::image::Image;
use crate::process::grace::Grace;
use crate::process::stops::StopsPassedOn;
use crate::run::instance_name::InstanceName;
use crate::run::ports::port_of;
use procfile::launch_spec::SignalTarget;
use rustix::process::{Pid, Signal};
use std::rc::Rc;
use std::time::Instant;

/// All instances of a running formation, in the order in which they are listed: by their names,
/// and a successor behind its predecessor.
#[derive(Debug)]
pub(super) struct Instances {
    pub(super) image: Rc<Image>,
    /// The port of `web.1`.
    pub(super) base_port: u16,
    /// How long an instance may take to end.
    pub(super) grace: Grace,
    /// The name of the instance that has the terminal, or of its process type.
    attached: Option<String>,
    sorted: Vec<Instance>,
    next_id: InstanceId,
}

impl Instances {
    pub(super) fn new(
        image: Rc<Image>,
        base_port: u16,
        grace: Grace,
        attached: Option<String>,
    ) -> Self {
        Self {
            image,
            base_port,
            grace,
            attached,
            sorted: Vec::new(),
            next_id: InstanceId::FIRST,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.sorted.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        self.sorted.iter_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub(super) fn get(&self, id: InstanceId) -> Option<&Instance> {
        self.iter().find(|instance| instance.id == id)
    }

    pub(super) fn get_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.iter_mut().find(|instance| instance.id == id)
    }

    /// The instance whose own process that is.
    pub(super) fn of_process(&mut self, process: Pid) -> Option<&mut Instance> {
        self.iter_mut()
            .find(|instance| instance.process() == Some(process))
    }

    /// The identities of those for which something is true.
    pub(super) fn ids_where(&self, is_true: impl Fn(&Instance) -> bool) -> Vec<InstanceId> {
        let found = self.iter().filter(|instance| is_true(instance));
        found.map(|instance| instance.id).collect()
    }

    /// An instance and its successor have the same name.
    pub(super) fn named(&mut self, name: &InstanceName) -> impl Iterator<Item = &mut Instance> {
        self.iter_mut()
            .filter(move |instance| instance.name == *name)
    }

    /// When an instance that is asked to end now is killed.
    pub(super) fn kill_at(&self, now: Instant) -> Instant {
        now + self.grace.0
    }

    /// Adds an instance, which is to be started.
    pub(super) fn add(&mut self, name: InstanceName) -> &mut Instance {
        let process = self.image.process(&name.process_type);
        let id = self.next_id;
        self.next_id = id.next();
        let instance = Instance {
            id,
            // That there is one was checked before.
            port: port_of(&name, &self.image, self.base_port).unwrap_or(u16::MAX),
            is_attached: (self.attached.as_deref()).is_some_and(|attached| name.is_meant(attached)),
            signals: process.map_or(SignalTarget::Process, |process| process.spec.signals),
            phase: Phase::Due,
            deaths: Deaths::default(),
            restarts: 0,
            is_successor: false,
            restart: None,
            stops_passed_on: StopsPassedOn::default(),
            is_stopped: false,
            name,
        };
        let position = self
            .sorted
            .partition_point(|other| other.name <= instance.name);
        self.sorted.insert(position, instance);
        &mut self.sorted[position]
    }

    /// Forgets those of which nothing is left.
    pub(super) fn remove_gone(&mut self) {
        self.sorted.retain(|instance| instance.phase != Phase::Gone);
    }

    /// Makes sure that there are `count` instances of a process type: adds those that are missing
    /// and asks the last ones to end.
    pub(super) fn scale(&mut self, process_type: &str, count: u16, now: Instant) -> Vec<Action> {
        for number in 1..=count {
            self.ensure(InstanceName::new(&self.image, process_type, number));
        }
        let kill_at = self.kill_at(now);
        self.iter_mut()
            .filter(|instance| {
                instance.name.process_type == process_type && instance.name.number > count
            })
            .filter_map(|instance| instance.ask_to_end(Signal::TERM, kill_at, AfterEnd::Remove))
            .collect()
    }

    fn ensure(&mut self, name: InstanceName) {
        if self.named(&name).any(|instance| instance.counts()) {
            return;
        }
        let leaving = self.named(&name).next();
        match leaving {
            Some(instance) => instance.bring_back(),
            None => {
                self.add(name);
            }
        }
    }

    /// Asks all to end.
    pub(super) fn end_all(&mut self, signal: Signal, now: Instant) -> Vec<Action> {
        let kill_at = self.kill_at(now);
        self.iter_mut()
            .filter_map(|instance| instance.ask_to_end(signal, kill_at, AfterEnd::Remove))
            .collect()
    }
}

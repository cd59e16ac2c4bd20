//! What `ps`, `scale` and `restart` do in a running formation.

use super::instance::{Instance, LISTENS, Phase, Restart, Then};
use super::supervisor::Supervisor;
use crate::control::{Answer, Request, Row, State};
use crate::image::quantities::Quantities;
use miette::Diagnostic;
use procfile::report;
use procfs::net::TcpState;
use procfs::process::all_processes;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;

/// It is not done.
#[derive(Debug, Diagnostic, Error)]
enum Refusal {
    #[error("this formation is ending")]
    #[diagnostic(help("Start another container."))]
    Ending,
    #[error("there is no process {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    #[diagnostic(help("Name process types or processes that run here: {}.", known.join(", ")))]
    UnknownProcess {
        names: Vec<String>,
        known: Vec<String>,
    },
}

impl Supervisor<'_> {
    /// Does what is asked.
    pub(super) fn handle(&mut self, request: &Request) -> Answer {
        let done = match request {
            Request::Ps => Ok(()),
            _ if self.ending.is_some() => Err(report::plain(&Refusal::Ending)),
            Request::Scale(quantities) => self.scale(quantities),
            Request::Restart(names) => self.restart(names),
        };
        match done {
            Ok(()) => Answer::Processes(self.rows()),
            Err(text) => Answer::Refused(text),
        }
    }

    fn scale(&mut self, words: &[String]) -> Result<(), String> {
        let words = words.iter().map(String::as_str);
        let quantities = Quantities::read(words, &self.image).map_err(|e| report::plain(&e))?;
        for (process_type, number) in quantities.iter() {
            self.check_ports(process_type, number)
                .map_err(|e| report::plain(&e))?;
        }
        for (process_type, number) in quantities.iter() {
            self.output
                .say(&format!("scaling {process_type} to {number}"));
            self.set_number(process_type, number);
        }
        Ok(())
    }

    fn restart(&mut self, names: &[String]) -> Result<(), String> {
        let is_named = |it: &Instance, name: &String| {
            it.name.process_type == *name || it.name.to_string() == *name
        };
        let unknown: Vec<_> = (names.iter())
            .filter(|name| !self.instances.iter().any(|it| is_named(it, name)))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            let refusal = Refusal::UnknownProcess {
                names: unknown,
                known: self
                    .instances
                    .iter()
                    .map(|it| it.name.to_string())
                    .collect(),
            };
            return Err(report::plain(&refusal));
        }
        for it in self
            .instances
            .iter_mut()
            .filter(|it| it.counts() && it.restart.is_none())
        {
            if names.is_empty() || names.iter().any(|name| is_named(it, name)) {
                it.restart = Some(Restart::Queued);
            }
        }
        Ok(())
    }

    /// Goes on with restarts: one of each type at a time. The successor comes first, where nobody listens on the port that both would have.
    pub(super) fn see_to_restarts(&mut self) {
        for index in 0..self.instances.len() {
            let instance = &mut self.instances[index];
            if instance.is_awaited() && is_through(instance) {
                instance.restart = None;
                if instance.is_successor {
                    self.succeed(index);
                }
            }
        }
        // A successor may be put in between.
        let mut index = 0;
        while index < self.instances.len() {
            let instance = &self.instances[index];
            let is_busy = |it: &Instance| {
                it.name.process_type == instance.name.process_type
                    && matches!(it.restart, Some(Restart::UnderWay { .. }))
            };
            if instance.restart == Some(Restart::Queued) && !self.instances.iter().any(is_busy) {
                self.begin_restart(index);
            }
            index += 1;
        }
    }

    fn begin_restart(&mut self, index: usize) {
        let grace = self.run.grace.0;
        let instance = &mut self.instances[index];
        let since = Instant::now();
        let listens = instance.is_running() && is_listened_on(instance.port);
        instance.restart = Some(Restart::UnderWay { since, listens });
        match instance.phase {
            Phase::Running { .. } if !listens => {
                let name = instance.name.clone();
                self.add(name, Some(index));
            }
            Phase::Waiting { .. } => self.start(index),
            Phase::Running { .. } => {
                instance.restarts += 1;
                let after = Duration::ZERO;
                instance.ask_to_end(Signal::TERM, grace, Then::StartAgain { after });
            }
            Phase::Ending { .. } | Phase::Gone(_) => instance.restart = None,
        }
    }

    /// One that is up takes the place of the other of its name.
    fn succeed(&mut self, index: usize) {
        let name = self.instances[index].name.clone();
        let grace = self.run.grace.0;
        for it in self.instances.iter_mut().filter(|it| it.name == name) {
            if it.is_successor {
                it.is_successor = false;
            } else {
                it.restart = None;
                it.ask_to_end(Signal::TERM, grace, Then::Nothing);
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let memory = memory_of_groups();
        let row = |it: &Instance| Row {
            name: it.name.to_string(),
            state: match it.phase {
                Phase::Running { .. } if it.is_successor => State::Starting,
                Phase::Running { .. } => State::Running,
                Phase::Ending { .. } => State::Ending,
                Phase::Waiting { .. } | Phase::Gone(_) => State::Waiting,
            },
            pid: it.process().map(|process| process.as_raw_nonzero().get()),
            port: it.port,
            restarts: it.restarts,
            uptime: it.since().map(|since| since.elapsed().as_secs()),
            memory: (it.group())
                .and_then(|group| memory.get(&group.as_raw_nonzero().get()))
                .copied()
                .unwrap_or_default(),
        };
        self.instances.iter().map(row).collect()
    }
}

/// Whether the next of its type may be started anew.
fn is_through(instance: &Instance) -> bool {
    let listens = matches!(
        instance.restart,
        Some(Restart::UnderWay { listens: true, .. })
    );
    let has_time = instance
        .since()
        .is_some_and(|since| since.elapsed() < LISTENS);
    instance.is_up() && !(listens && has_time && !is_listened_on(instance.port))
}

/// Whether some process of this container accepts connections on a port. Not knowing counts as yes.
fn is_listened_on(port: u16) -> bool {
    let Ok(sockets) = procfs::net::tcp() else {
        return true;
    };
    let sockets = sockets
        .into_iter()
        .chain(procfs::net::tcp6().unwrap_or_default());
    sockets
        .filter(|socket| socket.state == TcpState::Listen)
        .any(|socket| socket.local_address.port() == port)
}

/// Resident memory of each process group, in bytes.
fn memory_of_groups() -> BTreeMap<i32, u64> {
    let mut memory = BTreeMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        if let Ok(stat) = process.stat() {
            *memory.entry(stat.pgrp).or_default() += stat.rss * procfs::page_size();
        }
    }
    memory
}

//! How processes start, die, and come back.

use super::backoff::Deaths;
use super::environment::{EnvironmentError, add_for_type};
use super::exec_d::ExecD;
use super::instance::{Instance, Name, Phase, Then};
use super::lines::StreamName;
use super::supervisor::Supervisor;
use super::{ALL, RunError};
use crate::image::ImageProcess;
use crate::process::program::{Program, SpawnOptions};
use crate::process::signals::signal_name;
use crate::process::start_error::StartError;
use crate::process::wait::{POLL_INTERVAL, exit_status, next_change};
use miette::Diagnostic;
use procfile::launch_spec::SignalTarget;
use procfile::report;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::env;
use std::io::{self, pipe};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;

/// An instance does not start.
#[derive(Debug, Diagnostic, Error)]
enum LifeError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Start(#[from] StartError),
    #[error("`{process_type}` cannot be started in the folder {}", folder.display())]
    #[diagnostic(help(
        "It is the working directory that a buildpack has chosen for it: build the image again."
    ))]
    Folder {
        process_type: String,
        folder: PathBuf,
        source: io::Error,
    },
    #[error("`{process_type}` cannot be given pipes for its output")]
    #[diagnostic(help(
        "Ask whoever runs this container for a larger limit on open files, or run fewer processes in it."
    ))]
    Pipes {
        process_type: String,
        source: io::Error,
    },
}

impl LifeError {
    /// As a shell would have it.
    fn status(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            _ => 126,
        }
    }
}

impl Supervisor<'_> {
    /// Makes sure that there is a port for each of so many instances.
    pub(super) fn check_ports(&self, process_type: &str, number: u16) -> Result<(), RunError> {
        if number == 0 {
            return Ok(());
        }
        let last = self.name(process_type, number);
        match last.port(&self.image, self.run.port) {
            Ok(_) => Ok(()),
            Err(port) => Err(RunError::NoPort {
                instance: last.to_string(),
                port,
                base: self.run.port,
            }),
        }
    }

    /// Sees to it that there are so many of a type: starts the first that are missing, asks the last to end.
    pub(super) fn set_number(&mut self, process_type: &str, number: u16) {
        for wanted in 1..=number {
            if self.ending.is_some() {
                return; // One of them did not start.
            }
            let name = self.name(process_type, wanted);
            let is_same = |it: &&mut Instance| it.name == name;
            if self
                .instances
                .iter()
                .any(|it| it.name == name && it.counts())
            {
                continue;
            }
            match self.instances.iter_mut().find(is_same) {
                None => self.add(name, None),
                // It was asked to end: it comes back when it has.
                Some(leaving) => {
                    let again = Then::StartAgain {
                        after: Duration::ZERO,
                    };
                    leaving.and_then(again);
                }
            }
        }
        let grace = self.run.grace.0;
        let leaving =
            |it: &&mut Instance| it.name.process_type == process_type && it.name.number > number;
        for instance in self.instances.iter_mut().filter(leaving) {
            instance.ask_to_end(Signal::TERM, grace, Then::Nothing);
        }
    }

    /// A further instance, which starts at once; or a second self of one, which is to take its place.
    pub(super) fn add(&mut self, name: Name, successor_of: Option<usize>) {
        // Ports were checked.
        let port = name.port(&self.image, self.run.port).unwrap_or(u16::MAX);
        let label = self.label(&name.to_string(), name.place);
        let process = self.image.process(&name.process_type);
        let signals = process.map_or(SignalTarget::Process, |process| process.spec.signals);
        let place = self.instances.partition_point(|it| it.name <= name);
        self.instances.insert(
            place,
            Instance {
                name,
                port,
                label,
                signals,
                phase: Phase::Gone(Then::Nothing),
                streams: Vec::new(),
                deaths: Deaths::default(),
                restarts: successor_of.map_or(0, |index| self.instances[index].restarts + 1),
                is_successor: successor_of.is_some(),
                restart: None,
                prepares: false,
            },
        );
        self.start(place);
    }

    /// Starts an instance. Where that fails, it has died.
    pub(super) fn start(&mut self, index: usize) {
        match self.try_start(index) {
            Ok(process) => {
                let instance = &mut self.instances[index];
                instance.phase = Phase::Running {
                    process,
                    since: Instant::now(),
                };
                let Instance { name, port, .. } = instance;
                let text = format!("{name} started (process {process}, port {port})");
                self.output.say(&text);
            }
            Err(error) => {
                let name = self.instances[index].name.to_string();
                self.output
                    .say(&format!("{name} does not start\n{}", report::plain(&error)));
                self.instances[index].phase = Phase::Gone(Then::Nothing);
                self.ended(index, error.status(), Duration::ZERO);
            }
        }
    }

    fn try_start(&mut self, index: usize) -> Result<Pid, LifeError> {
        let Instance {
            name, port, label, ..
        } = &self.instances[index];
        let process_type = name.process_type.clone();
        let label = label.clone();
        let mut environment = self.environment.clone();
        environment.insert("PORT".into(), port.to_string().into());
        environment.insert("PS".into(), name.to_string().into());
        let exec_d = add_for_type(&mut environment, &process_type, &self.image.buildpacks)?;
        let Some(process) = self.image.process(&process_type) else {
            unreachable!("an instance is one of a type");
        };
        let own_folder = match &process.working_dir {
            Some(folder) => self.folder.join(folder),
            None => self.folder.clone(),
        };
        let program = Program::new(process.spec.argv.iter().cloned());
        // Programs of the layers run in the app's folder, wherever the process itself does.
        self.instances[index].prepares = !exec_d.is_empty();
        let (folder, program) = if exec_d.is_empty() {
            (own_folder, program)
        } else {
            let exec_d = ExecD {
                programs: exec_d,
                folder: own_folder,
                program,
            };
            (self.folder.clone(), exec_d.command())
        };
        // One thread starts processes, and nothing else here depends on it.
        env::set_current_dir(&folder).map_err(|source| LifeError::Folder {
            process_type: process_type.clone(),
            folder,
            source,
        })?;
        let no_pipes = |source| LifeError::Pipes {
            process_type: process_type.clone(),
            source,
        };
        let (out, out_writer) = pipe().map_err(no_pipes)?;
        let (err, err_writer) = pipe().map_err(no_pipes)?;
        let files = [
            (self.dev_null.as_fd(), 0),
            (out_writer.as_fd(), 1),
            (err_writer.as_fd(), 2),
        ];
        let mut streams = Vec::new();
        for (pipe, name) in [
            (out.into(), StreamName::Stdout),
            (err.into(), StreamName::Stderr),
        ] {
            let stream = (self.output).add_stream(&self.poller, pipe, name, label.clone());
            streams.push(stream.map_err(no_pipes)?);
        }
        // Where it does not start, they have nobody to write to them, and end.
        self.instances[index].streams = streams;
        Ok(program.start_with(&SpawnOptions::new(environment, &files))?)
    }

    /// Reaps all that have ended, also those that were adopted.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        while let Some((process, status)) = next_change(WaitOptions::empty())? {
            let is_its = |it: &Instance| it.process() == Some(process);
            let Some(index) = self.instances.iter().position(is_its) else {
                continue;
            };
            let streams = self.instances[index].streams.clone();
            self.output.settle(&self.poller, &streams);
            let instance = &self.instances[index];
            let ran_for = instance
                .since()
                .map_or(Duration::ZERO, |since| since.elapsed());
            let text = format!("{} {}", instance.name, end_of(status));
            self.output.say(&text);
            self.ended(index, exit_status(status), ran_for);
        }
        Ok(())
    }

    /// Decides what follows from the end of an instance, which was reaped, or never started.
    fn ended(&mut self, index: usize, status: u8, ran_for: Duration) {
        let grace = self.run.grace.0;
        let instance = &mut self.instances[index];
        let was_asked = matches!(instance.phase, Phase::Ending { .. }) || self.ending.is_some();
        instance.reaped(grace);
        if !was_asked {
            let then = self.after_death(index, status, ran_for);
            self.instances[index].and_then(then);
        }
    }

    /// What follows where nobody has asked it to end.
    fn after_death(&mut self, index: usize, status: u8, ran_for: Duration) -> Then {
        let name = self.instances[index].name.clone();
        let same = |it: &Instance| it.name == name;
        if self.instances[index].is_successor {
            self.output.say(&format!(
                "{name} goes on as it was: its successor did not come up"
            ));
            for it in self.instances.iter_mut().filter(|it| same(it)) {
                it.restart = None;
            }
            return Then::Nothing;
        }
        let successor =
            (self.instances.iter_mut()).find(|it| same(it) && it.is_successor && it.is_running());
        if let Some(successor) = successor {
            successor.is_successor = false;
            return Then::Nothing;
        }
        let restarts = |wanted: &String| *wanted == name.process_type || wanted == ALL;
        if !self.run.restart.iter().any(restarts) {
            self.output
                .say(&format!("asking all to end, because {name} has ended"));
            self.end_all(status, Signal::TERM);
            return Then::Nothing;
        }
        let instance = &mut self.instances[index];
        instance.deaths.count(ran_for);
        if let Some(limit) = self
            .run
            .restart_limit
            .filter(|limit| instance.deaths.exceed(*limit))
        {
            self.output.say(&format!(
                "asking all to end, because {name} has ended after {limit} restarts in a row"
            ));
            self.end_all(status, Signal::TERM);
            return Then::Nothing;
        }
        let after = instance
            .deaths
            .delay(self.run.restart_delay, fastrand::f64());
        instance.restarts += 1;
        self.output.say(&format!(
            "{name} starts again in {:.1} s",
            after.as_secs_f64()
        ));
        Then::StartAgain { after }
    }

    /// Does what is due by now. How long there is until the next.
    pub(super) fn see_to_what_is_due(&mut self) -> Option<Duration> {
        let now = Instant::now();
        for index in 0..self.instances.len() {
            self.see_to_instance(index, now);
        }
        self.instances
            .retain(|it| it.phase != Phase::Gone(Then::Nothing));
        self.see_to_restarts();
        self.see_to_orphans(now);
        self.clients.see_to_what_is_due(now, &self.poller);
        self.next_due(now)
    }

    fn see_to_instance(&mut self, index: usize, now: Instant) {
        let instance = &mut self.instances[index];
        instance.look_at_group();
        instance.look_at_program();
        match instance.phase {
            Phase::Ending {
                kill_at: Some(at), ..
            } if at <= now => {
                let grace = self.run.grace;
                let text = format!(
                    "{} is killed: it has not ended within {grace} s",
                    instance.name
                );
                instance.kill();
                self.output.say(&text);
                if let Some(ending) = &mut self.ending {
                    ending.was_killed();
                }
            }
            Phase::Gone(Then::StartAgain { after }) if self.ending.is_none() => {
                instance.phase = Phase::Waiting { until: now + after };
                if after.is_zero() {
                    self.start(index);
                }
            }
            Phase::Gone(_) => instance.phase = Phase::Gone(Then::Nothing),
            Phase::Waiting { until } if until <= now => self.start(index),
            _ => {}
        }
    }

    fn next_due(&self, now: Instant) -> Option<Duration> {
        let is_over = self.ending.is_some() && self.instances.is_empty();
        let of_instance = |it: &Instance| match it.phase {
            Phase::Running { .. } => it.up_at(now).filter(|_| it.is_awaited()),
            Phase::Ending {
                is_reaped: true, ..
            } => Some(now + POLL_INTERVAL),
            Phase::Ending { kill_at, .. } => kill_at,
            Phase::Waiting { until } => Some(until),
            Phase::Gone(_) => Some(now),
        };
        (self.instances.iter().filter_map(of_instance))
            .chain(is_over.then(|| now + POLL_INTERVAL))
            .chain(self.clients.next_due())
            .min()
            .map(|at| at.saturating_duration_since(now))
    }

    pub(super) fn name(&self, process_type: &str, number: u16) -> Name {
        let place = |process: &ImageProcess| process.process_type == process_type;
        Name {
            place: self
                .image
                .processes
                .iter()
                .position(place)
                .unwrap_or_default(),
            process_type: process_type.into(),
            number,
        }
    }
}

/// How a process has ended, in words.
fn end_of(status: WaitStatus) -> String {
    match status.terminating_signal() {
        Some(signal) => format!("was ended by {}", signal_name(signal)),
        None => format!("has ended with status {}", exit_status(status)),
    }
}

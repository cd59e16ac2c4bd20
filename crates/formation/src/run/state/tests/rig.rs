//! A formation without processes: the tests say what happens, and read what is to be done.

use crate::control::protocol::{ProcessState, Request};
use crate::image::Image;
use crate::process::grace::Grace;
use crate::process::signals::signal_name;
use crate::process::wait::Exit;
use crate::run::restart_policy::RestartPolicy;
use crate::run::state::action::{Action, ListedProcess, Recipient};
use crate::run::state::event::{ClientId, Ended, Event, Jitter, NotStarted, Observations, Started};
use crate::run::state::{Options, State};
use procfile::launch_spec::SignalTarget;
use rustix::process::{Pid, Signal};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A formation of `web` and `worker`. Signals for `worker` go to its process group. Processes get
/// the numbers 101, 102 and so on.
pub(super) struct Rig {
    pub(super) state: State,
    pub(super) now: Instant,
    next_process: i32,
    /// Process types whose processes do not start.
    pub(super) broken_types: HashSet<&'static str>,
    /// Process groups that keep a member when their process has ended.
    pub(super) lingering_groups: HashSet<i32>,
    /// Processes that begin with exec.d programs.
    pub(super) preparing: HashSet<i32>,
    pub(super) listened_ports: HashSet<u16>,
    pub(super) orphans: Vec<i32>,
    /// Stopped members of each process group, other than its leader.
    pub(super) stopped_members: HashMap<i32, i32>,
}

impl Rig {
    /// `TYPE=N` each; `options` change what is not the default.
    pub(super) fn with(quantities: &[(&str, u16)], options: impl FnOnce(&mut Options)) -> Self {
        let mut image = Image::of_types(&["web", "worker"]);
        image.processes[1].spec.signals = SignalTarget::Group;
        let mut all = Options {
            base_port: 5000,
            grace: Grace(Duration::from_secs(8)),
            restart_policy: RestartPolicy::default(),
            attached: None,
        };
        options(&mut all);
        let now = Instant::now();
        Self {
            state: State::new(Rc::new(image), all, quantities.iter().copied(), now),
            now,
            next_process: 101,
            broken_types: HashSet::new(),
            lingering_groups: HashSet::new(),
            preparing: HashSet::new(),
            listened_ports: HashSet::new(),
            orphans: Vec::new(),
            stopped_members: HashMap::new(),
        }
    }

    /// A formation whose processes have all started.
    pub(super) fn started(quantities: &[(&str, u16)]) -> Self {
        let mut rig = Self::with(quantities, |_| {});
        rig.pass(0.0);
        rig
    }

    /// The same, with `--restart all --restart-delay 2`.
    pub(super) fn started_with_restarts(quantities: &[(&str, u16)], limit: Option<u32>) -> Self {
        let mut rig = Self::with(quantities, |options| {
            options.restart_policy = RestartPolicy {
                types: vec!["all".into()],
                delay: Duration::from_secs(2),
                limit,
                may_end: Vec::new(),
            };
        });
        rig.pass(0.0);
        rig
    }

    /// Lets an event happen, and processes start as the formation wants it. What is to be done, in
    /// words.
    pub(super) fn handle(&mut self, event: Event) -> Vec<String> {
        let mut actions = VecDeque::from(self.state.step(self.now, event));
        let mut shown = Vec::new();
        while let Some(action) = actions.pop_front() {
            shown.push(self.shown(&action));
            if let Action::Start(start) = action {
                let instance = start.instance;
                let event = if self.broken_types.contains(&*start.name.process_type) {
                    Event::NotStarted(NotStarted {
                        instance,
                        report: "no such program".into(),
                        status: 127,
                        jitter: Jitter(0.5),
                    })
                } else {
                    let process = self.next_process;
                    self.next_process += 1;
                    Event::Started(Started {
                        instance,
                        process: pid(process),
                        is_preparing: self.preparing.contains(&process),
                    })
                };
                actions.extend(self.state.step(self.now, event));
            }
        }
        shown
    }

    /// Lets seconds pass.
    pub(super) fn pass(&mut self, seconds: f64) -> Vec<String> {
        self.now += Duration::from_secs_f64(seconds);
        let questions = self.state.questions(self.now);
        let number = |process: &Pid| process.as_raw_nonzero().get();
        let is_empty = |group: &Pid| !self.lingering_groups.contains(&number(group));
        let is_prepared = |process: &Pid| !self.preparing.contains(&number(process));
        let listens = |port: u16| (port, self.listened_ports.contains(&port));
        let orphans = self.orphans.iter().map(|orphan| pid(*orphan));
        let observed = Observations {
            empty_groups: questions.groups.into_iter().filter(is_empty).collect(),
            prepared: questions
                .preparing
                .into_iter()
                .filter(is_prepared)
                .collect(),
            stopped: (questions.groups_with_stops.iter())
                .filter_map(|group| self.stopped_members.get(&number(group)))
                .map(|member| pid(*member))
                .collect(),
            ports: questions.ports.into_iter().map(listens).collect(),
            children: questions.children.then(|| orphans.collect()),
        };
        self.handle(Event::Time(observed))
    }

    pub(super) fn ended(&mut self, process: i32, exit: Exit) -> Vec<String> {
        self.handle(Event::Ended(Ended {
            process: pid(process),
            exit,
            jitter: Jitter(0.5),
        }))
    }

    pub(super) fn signal(&mut self, signal: Signal) -> Vec<String> {
        self.handle(Event::Signal(signal))
    }

    pub(super) fn scale(&mut self, words: &str) -> Vec<String> {
        self.request(Request::Scale(vec![words.into()]))
    }

    pub(super) fn restart(&mut self, name: &str) -> Vec<String> {
        self.request(Request::Restart(vec![name.into()]))
    }

    pub(super) fn ps(&mut self) -> Vec<String> {
        self.request(Request::Ps)
    }

    fn request(&mut self, request: Request) -> Vec<String> {
        let client = ClientId(7);
        self.handle(Event::Request { client, request })
    }

    /// In how many seconds the next moment is to be looked at.
    pub(super) fn next_time(&self) -> Option<f64> {
        let at = self.state.next_time(self.now)?;
        Some(at.saturating_duration_since(self.now).as_secs_f64())
    }

    fn shown(&self, action: &Action) -> String {
        match action {
            Action::Start(start) => {
                let attached = if start.is_attached { ", attached" } else { "" };
                format!("start {} on {}{attached}", start.name, start.port)
            }
            Action::Signal { recipient, signal } => {
                let (kind, process) = match recipient {
                    Recipient::Process(process) => ("process", process),
                    Recipient::Group(group) => ("group", group),
                };
                let name = signal_name(signal.as_raw());
                format!("{name} to {kind} {process}")
            }
            Action::Say(text) => format!("say: {}", text.replace('\n', " ")),
            Action::SettleOutput(id) => {
                let instance = self.state.instances.get(*id).unwrap();
                format!("settle {}", instance.name)
            }
            Action::List { client, processes } => {
                let listed: Vec<_> = processes.iter().map(listed).collect();
                format!("list for {}: {}", client.0, listed.join(", "))
            }
            Action::Refuse { client, report } => {
                let first = report.lines().find(|line| !line.trim().is_empty()).unwrap();
                format!("refuse {}: {}", client.0, first.trim())
            }
            Action::StopThisProcess { wants_terminal } => {
                let unless = if *wants_terminal {
                    " without a terminal"
                } else {
                    ""
                };
                format!("stop{unless}")
            }
            Action::Exit {
                status,
                flush_until,
            } => {
                let flush = flush_until.saturating_duration_since(self.now);
                format!("exit {status} within {} s", flush.as_secs_f64())
            }
            Action::Fail(error) => format!("fail: {error}"),
        }
    }
}

fn listed(process: &ListedProcess) -> String {
    let info = &process.info;
    let state = match info.state {
        ProcessState::Running => "running",
        ProcessState::Starting => "starting",
        ProcessState::Ending => "ending",
        ProcessState::Waiting => "waiting",
    };
    let pid = info.pid.map(|pid| format!(" as {pid}"));
    format!("{} {state}{}", info.name, pid.unwrap_or_default())
}

pub(super) fn pid(process: i32) -> Pid {
    Pid::from_raw(process).unwrap()
}

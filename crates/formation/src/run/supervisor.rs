//! The loop of `formation run`: reads what happens, lets [`State`] decide, and carries out what it
//! decides.

use super::clients::Clients;
use super::observation::{memory_of_groups, observe};
use super::output::{Output, StreamId};
use super::poller::{Poller, Source};
use super::spawner::{Files, OutputPipes, SpawnError, Spawner};
use super::state::State;
use super::state::action::{Action, ListedProcess, Recipient, Start};
use super::state::event::{ClientId, Ended, Event, Jitter, NotStarted, Started};
use super::state::instance_id::InstanceId;
use crate::control::protocol::Answer;
use crate::control::server::Server;
use crate::process::group;
use crate::process::signals::{Signals, may_be_a_job};
use crate::process::terminal::{Terminal, has_hung_up};
use crate::process::wait::{Exit, adopt_orphans, next_change};
use procfile::report;
use rustix::process::{Pid, Signal, WaitOptions, kill_process};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// A formation that runs, with all that it needs of the system.
pub(super) struct Supervisor<'a> {
    state: State,
    signals: &'a Signals,
    spawner: Spawner,
    output: Output,
    /// The output streams of each instance whose process has not ended.
    streams: HashMap<InstanceId, [StreamId; 2]>,
    clients: Clients,
    /// The terminal, if a process is to have it.
    terminal: Option<Terminal>,
    /// The process that has the standard streams of this one.
    attached: Option<(InstanceId, Pid)>,
    poller: Poller,
    /// Set when the loop is over.
    outcome: Option<io::Result<Finish>>,
}

/// How `formation run` ends.
struct Finish {
    /// Its exit status.
    status: u8,
    /// How long the last lines may take to be read.
    flush_until: Instant,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(
        state: State,
        spawner: Spawner,
        output: Output,
        signals: &'a Signals,
    ) -> io::Result<Self> {
        adopt_orphans();
        let poller = Poller::new()?;
        poller.add(signals, Source::Signals)?;
        poller.add(output.wakeup(), Source::Outlets)?;
        Ok(Self {
            state,
            signals,
            spawner,
            output,
            streams: HashMap::new(),
            clients: Clients::default(),
            terminal: None,
            attached: None,
            poller,
            outcome: None,
        })
    }

    /// Takes requests from clients of this socket.
    pub(super) fn listen(&mut self, server: Server) -> io::Result<()> {
        self.clients.listen(server, &self.poller)
    }

    /// Lets the attached process have the terminal, if there is one.
    pub(super) fn with_terminal(self, terminal: Option<Terminal>) -> Self {
        Self { terminal, ..self }
    }

    /// Writes to the log.
    pub(super) fn say(&mut self, text: &str) {
        self.output.say(text);
    }

    /// Runs until all processes have ended. Returns the exit status.
    pub(super) fn run(mut self) -> io::Result<u8> {
        let finish = loop {
            self.pass_time();
            if let Some(outcome) = self.outcome.take() {
                break outcome?;
            }
            match self.poller.wait(self.time_to_wait()) {
                Ok(sources) => sources.into_iter().for_each(|source| self.read(source)),
                Err(error) => self.handle(Event::KernelError(error)),
            }
        };
        drop(self.clients);
        self.output.finish(&self.poller, finish.flush_until);
        Ok(finish.status)
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        self.clients.time_has_passed(now, &self.poller);
        let observed = observe(&self.state.questions(now));
        self.handle(Event::Time(observed));
    }

    fn time_to_wait(&self) -> Option<Duration> {
        let now = Instant::now();
        let next = [self.state.next_time(now), self.clients.next_time()];
        let next = next.into_iter().flatten().min();
        next.map(|at| at.saturating_duration_since(now))
    }

    /// Turns what can be read into events.
    fn read(&mut self, source: Source) {
        let result = match source {
            Source::Signals => self.read_signals(),
            Source::Outlets => self.output.resume(&self.poller).map(|()| {
                if let Some(errno) = self.output.broken() {
                    self.handle(Event::OutputBroken(errno));
                }
            }),
            Source::Stream(number) => {
                self.output.read(&self.poller, StreamId(number));
                Ok(())
            }
            Source::Control => {
                self.clients.accept(&self.poller);
                Ok(())
            }
            Source::Client(number) => {
                let client = ClientId(number);
                if let Some(request) = self.clients.read(client, &self.poller) {
                    self.handle(Event::Request { client, request });
                }
                Ok(())
            }
        };
        if let Err(error) = result {
            self.handle(Event::KernelError(error));
        }
    }

    fn read_signals(&mut self) -> io::Result<()> {
        while let Some(received) = self.signals.receive(Some(Duration::ZERO))? {
            match received.signal {
                Signal::CHILD => self.reap()?,
                Signal::TSTP if received.is_from_kernel => {
                    // Of the leader of a session, the kernel would not stop anything either.
                    if may_be_a_job() {
                        self.handle(Event::StopKey);
                    }
                }
                Signal::HUP if has_hung_up() => self.handle(Event::HungUp),
                Signal::CONT => {
                    // The `fg` of a shell puts this process in the foreground first.
                    self.lend_terminal();
                    self.handle(Event::Signal(Signal::CONT));
                }
                signal => self.handle(Event::Signal(signal)),
            }
        }
        Ok(())
    }

    /// Reaps all children that have ended, also orphans that were adopted; and sees which were
    /// stopped.
    fn reap(&mut self) -> io::Result<()> {
        while let Some((process, status)) = next_change(WaitOptions::UNTRACED)? {
            self.handle(match status.stopping_signal() {
                Some(signal) => Event::Stopped { process, signal },
                None => Event::Ended(Ended {
                    process,
                    exit: Exit::of(status),
                    jitter: jitter(),
                }),
            });
        }
        Ok(())
    }

    /// Carries out what follows from an event, and from the events that this leads to.
    fn handle(&mut self, event: Event) {
        let mut actions = VecDeque::from(self.state.step(Instant::now(), event));
        while let Some(action) = actions.pop_front() {
            if let Some(event) = self.perform(action) {
                actions.extend(self.state.step(Instant::now(), event));
            }
        }
    }

    /// Carries out one action. The event that it leads to, if there is one.
    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Start(start) => return Some(self.start(&start)),
            Action::Signal { recipient, signal } => send(recipient, signal),
            Action::Say(text) => self.output.say(&text),
            Action::SettleOutput(instance) => {
                if let Some(streams) = self.streams.remove(&instance) {
                    self.output.settle(&self.poller, &streams);
                }
                if self
                    .attached
                    .is_some_and(|(attached, _)| attached == instance)
                {
                    self.take_terminal_back();
                    self.attached = None;
                }
            }
            Action::List { client, processes } => {
                self.clients.answer(client, &with_memory(processes));
            }
            Action::Refuse { client, report } => {
                self.clients.answer(client, &Answer::Refused(report));
            }
            Action::StopThisProcess { wants_terminal } => {
                return self
                    .stop_this_process(wants_terminal)
                    .unwrap_or_else(|error| Some(Event::KernelError(error)));
            }
            Action::Exit {
                status,
                flush_until,
            } => {
                self.outcome = Some(Ok(Finish {
                    status,
                    flush_until,
                }));
            }
            Action::Fail(error) => self.outcome = Some(Err(error)),
        }
        None
    }

    /// Stops this process, unless it can lend a terminal that is wanted: the `fg` of a shell may have
    /// come right after the attached process was stopped. Without the terminal, that would be stopped
    /// again and again.
    fn stop_this_process(&mut self, wants_terminal: bool) -> io::Result<Option<Event>> {
        if wants_terminal && self.lend_terminal() {
            return Ok(Some(Event::Continued));
        }
        let was_lent = self.terminal.as_ref().is_some_and(Terminal::is_lent);
        self.take_terminal_back();
        let was_stopped = self.signals.stop_this_process(was_lent)?;
        let has_terminal = self.lend_terminal() || self.terminal.is_none();
        Ok((was_stopped || has_terminal).then_some(Event::Continued))
    }

    /// Whether the attached process has the terminal now.
    fn lend_terminal(&mut self) -> bool {
        match (&mut self.terminal, self.attached) {
            (Some(terminal), Some((_, process))) => terminal.lend_to(process),
            _ => false,
        }
    }

    fn take_terminal_back(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.take_back();
        }
    }

    fn start(&mut self, start: &Start) -> Event {
        match self.try_start(start) {
            Ok(started) => Event::Started(started),
            Err(error) => Event::NotStarted(NotStarted {
                instance: start.instance,
                report: report::plain(&error),
                status: error.exit_code(),
                jitter: jitter(),
            }),
        }
    }

    fn try_start(&mut self, start: &Start) -> Result<Started, SpawnError> {
        let Start {
            instance,
            name,
            port,
            is_attached,
        } = start;
        if *is_attached {
            return self.start_attached(start);
        }
        let no_pipes = |source| SpawnError::Pipes {
            instance: name.to_string(),
            source,
        };
        let OutputPipes { readers, writers } = OutputPipes::open().map_err(no_pipes)?;
        // Where the process does not start, nothing writes to them, and they end.
        let streams = self.output.add_streams(&self.poller, name, readers);
        let streams = streams.map_err(no_pipes)?;
        let spawned = self.spawner.start(name, *port, Files::Own(&writers))?;
        self.streams.insert(*instance, streams);
        Ok(Started {
            instance: *instance,
            process: spawned.process,
            is_preparing: spawned.is_preparing,
        })
    }

    fn start_attached(&mut self, start: &Start) -> Result<Started, SpawnError> {
        let has_terminal = (self.terminal.as_ref()).is_some_and(Terminal::is_in_foreground);
        let files = Files::Attached { has_terminal };
        let spawned = self.spawner.start(&start.name, start.port, files)?;
        self.attached = Some((start.instance, spawned.process));
        if let Some(terminal) = self.terminal.as_mut().filter(|_| has_terminal) {
            terminal.lend_to_entering(spawned.process);
        }
        Ok(Started {
            instance: start.instance,
            process: spawned.process,
            is_preparing: spawned.is_preparing,
        })
    }
}

fn jitter() -> Jitter {
    Jitter(fastrand::f64())
}

/// No other process can be hit: a child keeps its number until it is reaped, and a process group as
/// long as it has a member.
fn send(recipient: Recipient, signal: Signal) {
    match recipient {
        Recipient::Process(process) => {
            // The only possible error is that it has just ended.
            let _ = kill_process(process, signal);
        }
        Recipient::Group(group) => group::send(group, signal),
    }
}

fn with_memory(processes: Vec<ListedProcess>) -> Answer {
    let memory = memory_of_groups();
    let complete = |ListedProcess { mut info, group }| {
        let group = group.map(|group| group.as_raw_nonzero().get());
        let found = group.and_then(|group| memory.get(&group));
        info.memory = found.copied().unwrap_or_default();
        info
    };
    Answer::Processes(processes.into_iter().map(complete).collect())
}

//! What happens, and what follows from it: the loop in which `formation run` lives.

use super::clients::Clients;
use super::ending::Ending;
use super::environment::Environment;
use super::instance::Instance;
use super::lines::Label;
use super::output::Output;
use super::poller::{Poller, Source};
use super::{Run, RunError};
use crate::control::{Answer, Server};
use crate::image::Image;
use crate::process::signals::{Signals, is_stop_by_terminal};
use crate::process::wait::adopt_orphans;
use fs_err::File;
use procfile::report;
use rustix::io::Errno;
use rustix::process::Signal;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, io};

/// How long the last lines may take to be read after the time that everybody had to end: what Docker leaves of its ten seconds.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A formation that runs.
pub(super) struct Supervisor<'a> {
    pub(super) run: Run,
    pub(super) image: Image,
    pub(super) instances: Vec<Instance>,
    pub(super) ending: Option<Ending>,
    pub(super) output: Output,
    pub(super) poller: Poller,
    /// What every process type finds in its environment.
    pub(super) environment: Environment,
    /// The app's folder.
    pub(super) folder: PathBuf,
    /// Standard input of every process.
    pub(super) dev_null: File,
    width: usize,
    signals: &'a Signals,
    pub(super) clients: Clients,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(run: Run, image: Image, signals: &'a Signals) -> Result<Self, RunError> {
        adopt_orphans();
        let poller = Poller::new()?;
        poller.add(signals, Source::Signals)?;
        let longest = image.processes.iter().map(|p| p.process_type.len()).max();
        // `worker.12`
        let width = longest.unwrap_or_default() + ".12".len();
        let mut output = Output::new(run.prefix, width, &poller)?;
        let server = match Server::open(run.socket.as_deref()) {
            Ok(server) => Some(server),
            Err(error) if run.socket.is_some() => return Err(error.into()),
            Err(error) => {
                output.say(&report::plain(&error));
                None
            }
        };
        let clients = Clients::of(server, &poller)?;
        Ok(Self {
            run,
            image,
            instances: Vec::new(),
            ending: None,
            output,
            poller,
            environment: env::vars_os().collect(),
            folder: env::current_dir()?,
            dev_null: File::open("/dev/null")?,
            width,
            signals,
            clients,
        })
    }

    /// Starts so many of each, and goes on until all have ended. The exit status.
    pub(super) fn run(mut self, quantities: &[(String, u16)]) -> Result<u8, RunError> {
        for (process_type, number) in quantities {
            self.check_ports(process_type, *number)?;
        }
        for (process_type, number) in quantities {
            self.set_number(process_type, *number);
        }
        let status = loop {
            let next = self.see_to_what_is_due();
            if let Some(status) = self.status() {
                break status;
            }
            for source in self.poller.wait(next)? {
                if let Err(error) = self.see_to(source) {
                    self.cannot_go_on(error)?;
                }
            }
        };
        drop(self.clients);
        let until = self.ending.map_or_else(Instant::now, |ending| ending.until);
        let left = until.saturating_duration_since(Instant::now());
        self.output.finish(&self.poller, left + LAST_LINES);
        Ok(status)
    }

    fn see_to(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Signals => {
                while let Some(signal) = self.signals.next(Some(Duration::ZERO))? {
                    self.hear(signal)?;
                }
            }
            Source::Outlets => {
                self.output.resume(&self.poller)?;
                if let Some(errno) = self.output.broken() {
                    self.nobody_reads(errno);
                }
            }
            Source::Stream(number) => self.output.read(&self.poller, number),
            Source::Control => self.clients.let_in(&self.poller),
            Source::Client(number) => self.answer(number),
        }
        Ok(())
    }

    /// The kernel denies something: the processes end in order, unless it goes on denying.
    fn cannot_go_on(&mut self, error: io::Error) -> io::Result<()> {
        if self.ending.is_some() {
            return Err(error);
        }
        self.output
            .say(&format!("asking all to end, because of an error: {error}"));
        self.end_all(126, Signal::TERM);
        Ok(())
    }

    fn hear(&mut self, signal: Signal) -> io::Result<()> {
        if signal == Signal::CHILD {
            return self.reap();
        }
        if [Signal::TERM, Signal::INT, Signal::QUIT].contains(&signal) {
            self.asked_to_end(signal);
        } else if is_stop_by_terminal(signal.as_raw()) {
            self.stop_likewise()?;
        } else {
            for instance in self.instances.iter().filter(|it| it.is_running()) {
                instance.signal(signal);
            }
        }
        Ok(())
    }

    /// A shell's job with all that belongs to it.
    fn stop_likewise(&self) -> io::Result<()> {
        let tell_all = |signal| {
            for instance in &self.instances {
                instance.signal_group(signal);
            }
        };
        tell_all(Signal::TSTP);
        self.signals.stop_here()?;
        tell_all(Signal::CONT);
        Ok(())
    }

    /// As for a program whose reader goes away, which SIGPIPE ends.
    fn nobody_reads(&mut self, errno: Errno) {
        if self.ending.is_none() {
            // Standard error may still have somebody.
            self.output.say(&format!(
                "nobody reads standard output any more ({errno}): asking all to end"
            ));
            self.end_all(128 + 13, Signal::TERM);
        }
    }

    fn answer(&mut self, number: u32) {
        let Some((client, question)) = self.clients.question(number, &self.poller) else {
            return;
        };
        let answer = match question {
            Ok(request) => self.handle(&request),
            Err(_) => {
                Answer::Refused("this version of `formation` does not know what is asked\n".into())
            }
        };
        // Who does not wait for the answer has none; what was asked for is done all the same.
        let _ = client.answer(&answer);
    }

    pub(super) fn label(&self, name: &str, colour: usize) -> Rc<Label> {
        Rc::new(Label::new(name, self.width, colour))
    }
}

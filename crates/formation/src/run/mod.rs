//! `formation run`: several process types in one container.
//!
//! | module | what it does |
//! |---|---|
//! | [`state`] | decides: a function from events to actions, without input or output |
//! | [`supervisor`] | the loop: turns what happens into events, and carries out actions |
//! | [`observation`] | looks up process groups, ports, orphans and memory |
//! | [`spawner`], [`environment`], [`preparation`] | starts the process of an instance |
//! | [`output`], [`lines`], [`outlet`] | passes on what processes write, line by line |
//! | [`clients`] | the connections to the control socket |
//! | [`poller`] | waits for all of these at once |
//! | [`instance_name`], [`ports`], [`restart_policy`] | names, ports, options |
//!
//! One thread does all of this; two more only write, because a write may block.

mod clients;
mod environment;
mod instance_name;
mod lines;
mod observation;
mod outlet;
mod output;
mod poller;
mod ports;
pub mod preparation;
mod restart_policy;
mod spawner;
mod state;
mod supervisor;

pub use lines::Prefix;
pub use ports::NoPort;
pub use restart_policy::ALL;

use crate::control::server::{ControlSocketError, Server};
use crate::image::quantities::{Quantities, QuantitiesError, QuantityProblem};
use crate::image::{Image, ImageError};
use crate::process::grace::Grace;
use crate::process::signals::Signals;
use miette::Diagnostic;
use output::Output;
use ports::check_ports;
use procfile::{ProcessType, report};
use restart_policy::RestartPolicy;
use spawner::Spawner;
use state::{Options, State};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use supervisor::Supervisor;
use thiserror::Error;

/// Process types that run once and end, as Heroku names them. They are not started unless they are
/// named.
pub const TASKS: [&str; 3] = [ProcessType::RELEASE, "console", "rake"];

/// Several process types to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// `TYPE=N` each; none for every type once.
    pub quantities: Vec<String>,
    /// A Procfile to take the process types from, instead of the image.
    pub procfile: Option<PathBuf>,
    /// Process types that are started again when they end, or [`ALL`].
    pub restart: Vec<String>,
    /// The delay before the first restart.
    pub restart_delay: Duration,
    /// Restarts of one process in a row, without a minute of health in between; one more death
    /// ends all.
    pub restart_limit: Option<u32>,
    /// How long a process may take to end.
    pub grace: Grace,
    /// What stands before each line.
    pub prefix: Prefix,
    /// The port of `web.1`.
    pub port: u16,
    /// The control socket, if it is not to be in one of the usual places.
    pub socket: Option<PathBuf>,
}

/// Nothing was started, or the system denies what every kernel grants.
#[derive(Debug, Diagnostic, Error)]
pub enum RunError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Quantities(#[from] QuantitiesError),
    #[error("there is no process to run")]
    #[diagnostic(help(
        "Name process types with a number of instances, as in `formation run worker=1`. Without \
         any, every type is run once, but for the tasks `release`, `console` and `rake`."
    ))]
    NoProcess,
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoPort(#[from] NoPort),
    /// The control socket cannot be created where the user wants it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    ControlSocket(#[from] ControlSocketError),
    #[error("processes cannot be supervised")]
    #[diagnostic(help(
        "Ask whoever runs this container: a limit on open files or processes, or a seccomp policy, \
         keeps epoll, signalfd, pipes or threads from working."
    ))]
    Kernel(#[from] io::Error),
}

impl RunError {
    /// The exit status of `formation`: 2 where the command line is wrong, 126 where the system
    /// denies something.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Kernel(_) => 126,
            _ => 2,
        }
    }
}

impl Run {
    /// Runs the process types until all processes have ended. Returns the exit status: that of the
    /// process whose end has ended all the others; 0 where a signal has asked for the end, and 137
    /// where a process had to be killed then.
    pub fn run(self, signals: &Signals) -> Result<u8, RunError> {
        let image = Rc::new(match &self.procfile {
            Some(procfile) => Image::of_procfile(procfile)?,
            None => Image::read()?,
        });
        let quantities = self.quantities(&image)?;
        let quantities = || {
            quantities
                .iter()
                .map(|(name, count)| (name.as_str(), *count))
        };
        check_ports(&image, self.port, quantities())?;
        let state = State::new(image.clone(), self.options(), quantities(), Instant::now());
        let output = Output::new(self.prefix, label_width(&image))?;
        let spawner = Spawner::new(image)?;
        let mut supervisor = Supervisor::new(state, spawner, output, signals)?;
        match Server::open(self.socket.as_deref()) {
            Ok(server) => supervisor.listen(server)?,
            Err(error) if self.socket.is_some() => return Err(error.into()),
            Err(error) => supervisor.say(&report::plain(&error)),
        }
        Ok(supervisor.run()?)
    }

    fn options(&self) -> Options {
        Options {
            base_port: self.port,
            grace: self.grace,
            restart_policy: RestartPolicy {
                types: self.restart.clone(),
                delay: self.restart_delay,
                limit: self.restart_limit,
            },
        }
    }

    /// The number of instances of each process type. One error has all mistakes.
    fn quantities(&self, image: &Image) -> Result<Vec<(String, u16)>, RunError> {
        let named = Quantities::read(self.quantities.iter().map(String::as_str), image);
        let unknown: Vec<_> = (self.restart.iter())
            .filter(|name| !name.is_empty() && *name != ALL)
            .filter_map(|name| match image.process(name) {
                None => Some(QuantityProblem::unknown_restart(name, image)),
                Some(_) if name == ProcessType::RELEASE => Some(QuantityProblem::Release),
                Some(_) => None,
            })
            .collect();
        let named = match named {
            Ok(named) if unknown.is_empty() => named,
            named => {
                let mut problems = named.err().map(|error| error.problems).unwrap_or_default();
                problems.extend(unknown);
                return Err(QuantitiesError { problems }.into());
            }
        };
        let every = image.processes.iter().map(|process| &process.process_type);
        let quantities: Vec<_> = every
            .map(|name| {
                let by_default = named.is_empty() && !TASKS.contains(&name.as_str());
                let number = named.of(name).unwrap_or(u16::from(by_default));
                (name.clone(), number)
            })
            .collect();
        if quantities.iter().all(|(_, number)| *number == 0) {
            return Err(RunError::NoProcess);
        }
        Ok(quantities)
    }
}

/// The width of names such as `worker.12`, in characters.
fn label_width(image: &Image) -> usize {
    let types = image.processes.iter();
    let longest = types.map(|process| process.process_type.len()).max();
    longest.unwrap_or_default() + ".12".len()
}

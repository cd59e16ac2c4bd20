//! `formation run`: several process types in one container.
//!
//! | module | what it does |
//! |---|---|
//! | [`state`] | decides: a function from events to actions, without input or output |
//! | [`supervisor`] | the loop: turns what happens into events, and carries out actions |
//! | [`observation`] | looks up process groups, ports, orphans and memory |
//! | [`spawner`], [`environment`], [`preparation`] | starts the process of an instance |
//! | [`env_file`] | `.env`, for local development |
//! | [`output`], [`lines`], [`outlet`] | passes on what processes write, line by line |
//! | [`clients`] | the connections to the control socket |
//! | [`poller`] | waits for all of these at once |
//! | [`instance_name`], [`ports`], [`restart_policy`] | names, ports, options |
//!
//! One thread does all of this; two more only write, because a write may block.

mod clients;
mod env_file;
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

pub use env_file::EnvFileError;
pub use lines::Prefix;
pub use ports::NoPort;
pub use restart_policy::ALL;

use crate::control::server::{ControlSocketError, Server};
use crate::image::quantities::{Quantities, QuantitiesError, QuantityProblem};
use crate::image::{Image, ImageError, TASKS};
use crate::process::grace::Grace;
use crate::process::signals::Signals;
use crate::process::terminal::Terminal;
use env_file::Variable;
use instance_name::InstanceName;
use miette::Diagnostic;
use output::Output;
use ports::check_ports;
use procfile::{ProcessType, report};
use restart_policy::RestartPolicy;
use spawner::{Spawner, StandardInput};
use state::{Options, State};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use supervisor::Supervisor;
use thiserror::Error;

/// The port of `web.1` where nobody says another one.
pub const PORT: u16 = 8080;

/// Several process types to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// `TYPE=N` each; none for every type once.
    pub quantities: Vec<String>,
    /// A Procfile to take the process types from, instead of the image.
    pub procfile: Option<PathBuf>,
    /// Process types that are started again when they end, or [`ALL`].
    pub restart: Vec<String>,
    /// Process types whose end ends no other process, or [`ALL`].
    pub may_end: Vec<String>,
    /// The delay before the first restart.
    pub restart_delay: Duration,
    /// Restarts of one process in a row, without a minute of health in between; one more death
    /// ends all.
    pub restart_limit: Option<u32>,
    /// How long a process may take to end.
    pub grace: Grace,
    /// What stands before each line.
    pub prefix: Prefix,
    /// The port of `web.1`; `None` for that of `.env`, or else [`PORT`].
    pub port: Option<u16>,
    /// Files of variables, for what the environment does not have. None for the file `.env` beside
    /// the Procfile.
    pub env_files: Vec<PathBuf>,
    /// The process, or the first one of a process type, that has the standard streams and the
    /// terminal of this process.
    pub attach: Option<String>,
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
    #[error(transparent)]
    #[diagnostic(transparent)]
    EnvFile(#[from] EnvFileError),
    #[error("`--attach {name}`: there is no such process")]
    #[diagnostic(help("Name one that is to run, as in `--attach web` or `--attach worker.2`."))]
    NothingToAttach {
        /// As the user has named it.
        name: String,
    },
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
        self.check_attached(&image, quantities())?;
        let variables = self.variables()?;
        let port = (self.port.or_else(|| env_file::port_of(&variables))).unwrap_or(PORT);
        check_ports(&image, port, quantities())?;
        let options = self.options(port);
        let state = State::new(image.clone(), options, quantities(), Instant::now());
        let output = Output::new(self.prefix, label_width(&image))?;
        let spawner = Spawner::new(image, &variables, self.standard_input()?)?;
        let terminal = self.attach.as_ref().and_then(|_| Terminal::of_stdin());
        let mut supervisor =
            Supervisor::new(state, spawner, output, signals)?.with_terminal(terminal);
        match Server::open(self.socket.as_deref()) {
            Ok(server) => supervisor.listen(server)?,
            Err(error) if self.socket.is_some() => return Err(error.into()),
            Err(error) => supervisor.say(&report::plain(&error)),
        }
        Ok(supervisor.run()?)
    }

    /// What the files of variables say. Of two that say the same, the last one counts.
    fn variables(&self) -> Result<Vec<Variable>, EnvFileError> {
        let beside = self
            .procfile
            .as_ref()
            .map(|path| path.with_file_name(env_file::DEFAULT));
        let default = beside.filter(|path| self.env_files.is_empty() && path.exists());
        let mut variables = Vec::new();
        for path in self.env_files.iter().chain(&default) {
            variables.extend(env_file::read(path)?);
        }
        Ok(variables)
    }

    fn standard_input(&self) -> io::Result<StandardInput> {
        if self.procfile.is_some() {
            StandardInput::endless()
        } else {
            StandardInput::empty()
        }
    }

    /// Makes sure that the process that is to be attached runs.
    fn check_attached<'a>(
        &self,
        image: &Image,
        quantities: impl IntoIterator<Item = (&'a str, u16)>,
    ) -> Result<(), RunError> {
        let Some(name) = &self.attach else {
            return Ok(());
        };
        let mut instances = quantities.into_iter().flat_map(|(process_type, count)| {
            (1..=count).map(move |number| InstanceName::new(image, process_type, number))
        });
        if instances.any(|instance| instance.is_meant(name)) {
            return Ok(());
        }
        Err(RunError::NothingToAttach { name: name.clone() })
    }

    fn options(&self, base_port: u16) -> Options {
        Options {
            base_port,
            attached: self.attach.clone(),
            grace: self.grace,
            restart_policy: RestartPolicy {
                types: self.restart.clone(),
                delay: self.restart_delay,
                limit: self.restart_limit,
                may_end: self.may_end.clone(),
            },
        }
    }

    /// The number of instances of each process type. One error has all mistakes.
    fn quantities(&self, image: &Image) -> Result<Vec<(String, u16)>, RunError> {
        let named = Quantities::read(self.quantities.iter().map(String::as_str), image);
        let options = (self.restart.iter().map(|name| ("--restart", name)))
            .chain(self.may_end.iter().map(|name| ("--may-end", name)));
        let unknown: Vec<_> = options
            .filter(|(_, name)| !name.is_empty() && *name != ALL)
            .filter_map(|(option, name)| match image.process(name) {
                None => Some(QuantityProblem::unknown_in_option(option, name, image)),
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
        // `worker=0` alone says what not to run.
        let are_all_0 = named.iter().all(|(_, number)| number == 0);
        let every = image.processes.iter().map(|process| &process.process_type);
        let quantities: Vec<_> = every
            .map(|name| {
                let by_default = are_all_0 && !TASKS.contains(&name.as_str());
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

//! `formation run`: several process types in one container.
//!
//! | module | question |
//! |---|---|
//! | `supervisor` | what happens, and what follows from it? |
//! | `instance` | what is one process, and where in its life is it? |
//! | `lifecycle`, `ending` | how do processes start, die, come back, and end all together? |
//! | `commands` | what do `ps`, `scale` and `restart` do? |
//! | `clients` | who has connected to the control socket? |
//! | `environment`, [`exec_d`] | what does a process type find in its environment? |
//! | `backoff` | how long does a process that died wait? |
//! | `output`, `lines`, `outlet` | how do lines get from the processes to whoever reads them? |
//! | `poller` | what is there to be done? |
//!
//! One thread decides everything; two more do nothing but write, because a write may block.

mod backoff;
mod clients;
mod commands;
mod ending;
mod environment;
pub mod exec_d;
mod instance;
mod lifecycle;
mod lines;
mod outlet;
mod output;
mod poller;
mod supervisor;

pub use lines::Prefix;

use crate::control::ControlError;
use crate::image::quantities::{Quantities, QuantitiesError, QuantityProblem};
use crate::image::{Image, ImageError};
use crate::process::grace::Grace;
use crate::process::signals::Signals;
use miette::Diagnostic;
use procfile::ProcessType;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use supervisor::Supervisor;
use thiserror::Error;

/// Types that are run once when somebody asks for them, and end: Heroku's classic ones. None of them is started unless it is named.
pub const TASKS: [&str; 3] = [ProcessType::RELEASE, "console", "rake"];

/// Stands for every type.
pub const ALL: &str = "all";

/// Several process types to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// `TYPE=N` each, or none for every type once.
    pub quantities: Vec<String>,
    /// A Procfile to take the process types from, instead of the image.
    pub procfile: Option<PathBuf>,
    /// Process types that are started again when they end, or [`ALL`].
    pub restart: Vec<String>,
    /// The delay before a first restart.
    pub restart_delay: Duration,
    /// Restarts of one process in a row, without a minute of health in between; one more death ends all.
    pub restart_limit: Option<u32>,
    /// How long a process may take to end.
    pub grace: Grace,
    /// What stands before each line.
    pub prefix: Prefix,
    /// The port of the first `web`.
    pub port: u16,
    /// The control socket, if not in the usual place.
    pub socket: Option<PathBuf>,
}

/// Nothing was started, or the kernel denies what every kernel grants.
#[derive(Debug, Diagnostic, Error)]
pub enum RunError {
    /// There is no process table.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    /// It cannot be done as it was asked for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Quantities(#[from] QuantitiesError),
    /// There is nothing to do.
    #[error("there is no process to run")]
    #[diagnostic(help(
        "Name process types with a number of instances, as in `formation run worker=1`. Without any, every type is run once, but for the \
         tasks `release`, `console` and `rake`."
    ))]
    Nothing,
    /// Too many processes for the ports that there are.
    #[error("there is no port {port} for `{instance}`")]
    #[diagnostic(help(
        "`web` gets PORT, which is {base}; each further process type begins 100 above. Set a smaller PORT."
    ))]
    NoPort {
        /// The first process without one.
        instance: String,
        /// What it would get.
        port: u32,
        /// What they are counted from.
        base: u16,
    },
    /// The control socket cannot be made where the user wants it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Control(#[from] ControlError),
    /// The kernel denies it.
    #[error("processes cannot be supervised")]
    #[diagnostic(help(
        "Ask whoever runs this container: a limit on open files or processes, or a seccomp policy, keeps epoll, signalfd, pipes or threads \
         from working."
    ))]
    Kernel(#[from] io::Error),
}

impl RunError {
    /// What `formation` exits with: 2 where the command line is wrong, 126 where the system denies it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Kernel(_) => 126,
            _ => 2,
        }
    }
}

impl Run {
    /// Runs them until all have ended. The exit status: that of the process whose end has ended all the others; 0 where somebody has asked
    /// for the end, and 137 where a process had to be killed then.
    ///
    /// # Errors
    /// Nothing is started where the image, the quantities or the place of the control socket are wrong.
    pub fn run(self, signals: &Signals) -> Result<u8, RunError> {
        let image = match &self.procfile {
            Some(procfile) => Image::of_procfile(procfile)?,
            None => Image::read()?,
        };
        let quantities = self.quantities(&image)?;
        Supervisor::new(self, image, signals)?.run(&quantities)
    }

    /// How many of each; all that is wrong with what was asked for is in one error.
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
            return Err(RunError::Nothing);
        }
        Ok(quantities)
    }
}

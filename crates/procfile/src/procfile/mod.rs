//! The Procfile: one process type a line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: nothing vanishes. All errors come in one report.

mod lines;
mod problem;
mod process_type;

pub use problem::{Problem, ProcfileError, ProcfileWarnings};
pub use process_type::{NotAProcessType, ProcessType};

use crate::command::{self, CommandSyntaxError};
use crate::launch_spec::LaunchSpec;
use crate::text::BYTE_ORDER_MARK;
use miette::Diagnostic;
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use thiserror::Error;

/// The name that the platforms know: case matters, there is no extension.
pub const FILE_NAME: &str = "Procfile";

/// Where process types were read from, as the log names it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProcfileSource {
    /// The file in the app.
    #[default]
    File,
    /// The service binding of this name, which replaces the file.
    Binding(String),
}

impl Display for ProcfileSource {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => formatter.write_str(FILE_NAME),
            Self::Binding(name) => write!(formatter, "service binding `{name}`"),
        }
    }
}

/// The process types of an app, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Procfile {
    /// Each type once: of repeated ones the last.
    pub entries: Vec<Entry>,
    /// What was accepted, but perhaps not meant.
    pub warnings: Option<ProcfileWarnings>,
    /// Where it is from.
    pub source: ProcfileSource,
}

/// One process type and how it is started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The type.
    pub process_type: ProcessType,
    /// The command as written, without the space around it; never empty.
    pub command: String,
    /// What is launched for it.
    pub launch: LaunchSpec,
}

impl Entry {
    /// Reads one entry's command; `is_shell_script` is [`command::decide`]'s.
    ///
    /// # Errors
    /// Bash would not accept the command.
    pub fn new(
        process_type: ProcessType,
        command: &str,
        is_shell_script: &dyn Fn(&Path) -> bool,
    ) -> Result<Self, CommandSyntaxError> {
        Ok(Self {
            process_type,
            command: command.to_string(),
            launch: command::decide(command, is_shell_script)?,
        })
    }
}

/// A Procfile that names no process type.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("the Procfile names no process type")]
#[diagnostic(
    severity(Warning),
    help(
        "Write one line for each, such as `web: bundle exec puma`; until then the image has the framework's usual ones."
    )
)]
pub struct NoEntries;

/// What was read, whether it can be used or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Each type once: of repeated ones the last.
    pub entries: Vec<Entry>,
    /// What is wrong, in the order of the file.
    pub errors: Vec<Problem>,
    /// What may not be meant, in the order of the file.
    pub warnings: Vec<Problem>,
    text: String,
}

impl Reading {
    /// Reads the bytes of a Procfile; `is_shell_script` is [`command::decide`]'s.
    #[must_use]
    pub fn of(bytes: &[u8], is_shell_script: &dyn Fn(&Path) -> bool) -> Self {
        lines::Reader::read(bytes, &String::from_utf8_lossy(bytes), is_shell_script)
    }

    /// Whether there is neither an entry nor a mistake.
    #[must_use]
    pub fn names_nothing(&self) -> bool {
        self.entries.is_empty() && self.errors.is_empty()
    }

    /// Line and column of a place, both from 1, the column in characters. A byte-order mark, which no editor shows, is none.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            (before[line_start..].trim_start_matches(BYTE_ORDER_MARK))
                .chars()
                .count()
                + 1,
        )
    }

    /// A report of what is wrong, where something is; `name` is what the user knows the file by.
    #[must_use]
    pub fn report_errors(&self, name: &str) -> Option<ProcfileError> {
        let problems = Some(&self.errors).filter(|errors| !errors.is_empty())?;
        Some(ProcfileError::new(problems.clone(), name, &self.text))
    }

    /// A report of what may not be meant, likewise.
    #[must_use]
    pub fn report_warnings(&self, name: &str) -> Option<ProcfileWarnings> {
        let problems = Some(&self.warnings).filter(|warnings| !warnings.is_empty())?;
        Some(ProcfileWarnings::new(problems.clone(), name, &self.text))
    }

    /// The Procfile, where it can be used.
    ///
    /// # Errors
    /// Something in it is neither an entry, blank, nor a comment: all of it.
    pub fn into_procfile(self, source: ProcfileSource) -> Result<Procfile, ProcfileError> {
        let name = source.to_string();
        match self.report_errors(&name) {
            Some(error) => Err(error),
            None => Ok(Procfile {
                warnings: self.report_warnings(&name),
                entries: self.entries,
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests;

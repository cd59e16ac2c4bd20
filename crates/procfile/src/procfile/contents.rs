//! A whole Procfile: its contents with their mistakes, and without.

use super::entry::Entry;
use super::file_name::FILE_NAME;
use super::lines::{Lines, read_lines};
use super::problem::{Problem, ProcfileError, ProcfileWarnings};
use super::suspicions::scripts_that_do_not_start;
use crate::command::FileStart;
use crate::text::{with_line_feeds, without_byte_order_mark};
use miette::Diagnostic;
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use thiserror::Error;

/// Where the Procfile comes from. The build log shows it.
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

/// A Procfile without mistakes.
#[derive(Clone, Debug, Default)]
pub struct Procfile {
    /// Each type once, in the order of the file: the last entry of a repeated type.
    pub entries: Vec<Entry>,
    pub warnings: Option<ProcfileWarnings>,
    pub source: ProcfileSource,
}

#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("the Procfile names no process type")]
#[diagnostic(
    severity(Warning),
    help(
        "Write one line for each process type, such as `web: bundle exec puma`. Until then the \
         image has the framework's default process types."
    )
)]
pub struct NoEntries;

/// The contents of a Procfile, which may have mistakes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Each type once, in the order of the file: the last entry of a repeated type.
    pub entries: Vec<Entry>,
    /// In the order of the file.
    pub errors: Vec<Problem>,
    /// In the order of the file.
    pub warnings: Vec<Problem>,
    /// Where the command of each entry starts: bytes from the start of the file.
    commands_at: Vec<usize>,
    text: String,
}

impl Reading {
    /// Reads the bytes of a Procfile. `is_shell_script` is as for
    /// [`command::decide`](crate::command::decide).
    #[must_use]
    pub fn of(bytes: &[u8], is_shell_script: &dyn Fn(&Path) -> bool) -> Self {
        let text = with_line_feeds(&String::from_utf8_lossy(bytes));
        let Lines {
            entries,
            commands_at,
            errors,
            warnings,
        } = read_lines(bytes, &text, is_shell_script);
        Self {
            entries,
            errors,
            warnings,
            commands_at,
            text,
        }
    }

    /// With a warning for each script of the app that a command names and that would not start.
    /// `read` gives the start of a file, by its path from the app's folder: [`FileStart::read`] for
    /// an app on disk.
    #[must_use]
    pub fn with_scripts(mut self, read: &dyn Fn(&Path) -> Option<FileStart>) -> Self {
        for (entry, command_at) in self.entries.iter().zip(&self.commands_at) {
            let problems = scripts_that_do_not_start(&entry.command, *command_at, read);
            self.warnings.extend(problems);
        }
        self.warnings.sort_by_key(|problem| problem.offset);
        self
    }

    /// Whether there is neither an entry nor an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.errors.is_empty()
    }

    /// Line and column of an offset in bytes. Both count from 1; the column counts characters,
    /// without a byte-order mark, which editors do not show.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            without_byte_order_mark(&before[line_start..])
                .chars()
                .count()
                + 1,
        )
    }

    /// The report of all errors, if there are any. It calls the file `name`.
    #[must_use]
    pub fn error_report(&self, name: &str) -> Option<ProcfileError> {
        let problems = Some(&self.errors).filter(|errors| !errors.is_empty())?;
        Some(ProcfileError::new(problems.clone(), name, &self.text))
    }

    /// The report of all warnings, if there are any. It calls the file `name`.
    #[must_use]
    pub fn warning_report(&self, name: &str) -> Option<ProcfileWarnings> {
        let problems = Some(&self.warnings).filter(|warnings| !warnings.is_empty())?;
        Some(ProcfileWarnings::new(problems.clone(), name, &self.text))
    }

    /// # Errors
    /// The Procfile has errors: the report has all of them.
    pub fn into_procfile(self, source: ProcfileSource) -> Result<Procfile, ProcfileError> {
        let name = source.to_string();
        match self.error_report(&name) {
            Some(error) => Err(error),
            None => Ok(Procfile {
                warnings: self.warning_report(&name),
                entries: self.entries,
                source,
            }),
        }
    }
}

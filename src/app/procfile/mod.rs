//! The Procfile: one process type a line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: nothing vanishes. All errors come in one report.

mod lines;
mod problem;
mod process_type;

pub use problem::{Problem, ProcfileError, ProcfileWarnings};
pub use process_type::{NotAProcessType, ProcessType};

use std::fmt::{self, Display, Formatter};

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
}

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
    /// Reads the bytes of a Procfile.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        lines::Reader::read(bytes, &String::from_utf8_lossy(bytes))
    }

    /// The Procfile, where it can be used.
    ///
    /// # Errors
    /// Something in it is neither an entry, blank, nor a comment: all of it.
    pub fn into_procfile(self, source: ProcfileSource) -> Result<Procfile, ProcfileError> {
        if !self.errors.is_empty() {
            return Err(ProcfileError::new(self.errors, &self.text));
        }
        Ok(Procfile {
            entries: self.entries,
            warnings: (!self.warnings.is_empty())
                .then(|| ProcfileWarnings::new(self.warnings, &self.text)),
            source,
        })
    }
}

#[cfg(test)]
mod tests;

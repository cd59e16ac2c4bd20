//! What may be wrong in a Procfile, and the reports that show it.

use crate::report::counted;
use miette::{Diagnostic, LabeledSpan, NamedSource};
use thiserror::Error;

/// Something in a Procfile that is wrong, or may not be meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// What it is.
    pub message: String,
    /// What to write instead, as it could be pasted; or what to do.
    pub help: Option<String>,
    /// Where: bytes from the start of the file.
    pub offset: usize,
    /// How many bytes.
    pub length: usize,
}

impl Problem {
    fn label(&self) -> LabeledSpan {
        let text = match &self.help {
            Some(help) => format!("{}: {help}", self.message),
            None => self.message.clone(),
        };
        LabeledSpan::new_with_span(Some(text), (self.offset, self.length))
    }
}

/// The Procfile cannot be used: every mistake in it.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile", counted(problems.len(), "mistake"))]
#[diagnostic(help(
    "Each line is `TYPE: COMMAND`, such as `web: bundle exec puma`, a comment (`#`), or blank."
))]
pub struct ProcfileError {
    /// Each mistake, in the order of the file.
    pub problems: Vec<Problem>,
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

/// The Procfile is usable, but something in it may not be meant.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile may not be meant", counted(problems.len(), "line"))]
#[diagnostic(severity(Warning))]
pub struct ProcfileWarnings {
    /// Each of them, in the order of the file.
    pub problems: Vec<Problem>,
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

impl ProcfileError {
    pub(super) fn new(problems: Vec<Problem>, name: &str, text: &str) -> Self {
        Self {
            labels: problems.iter().map(Problem::label).collect(),
            problems,
            source_code: NamedSource::new(name, text.to_string()),
        }
    }
}

impl ProcfileWarnings {
    pub(super) fn new(problems: Vec<Problem>, name: &str, text: &str) -> Self {
        Self {
            labels: problems.iter().map(Problem::label).collect(),
            problems,
            source_code: NamedSource::new(name, text.to_string()),
        }
    }
}

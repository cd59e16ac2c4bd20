//! Errors and warnings about the lines of a Procfile, and the reports that show them.

use crate::report::counted;
use miette::{Diagnostic, LabeledSpan, NamedSource};
use std::collections::BTreeSet;
use thiserror::Error;

/// An error in a Procfile, or something suspicious.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    pub message: String,
    /// What to write instead, ready to be pasted; or what to do.
    pub help: Option<String>,
    /// Bytes from the start of the file.
    pub offset: usize,
    /// In bytes.
    pub length: usize,
}

/// A line that a Procfile may have, ready to be pasted.
pub(super) fn as_line(process_type: &str, command: &str) -> String {
    format!("`{process_type}: {command}`")
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

/// Every mistake in a Procfile.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile", counted(problems.len(), "mistake"))]
#[diagnostic(help(
    "Each line is `TYPE: COMMAND`, such as `web: bundle exec puma`, a comment (`#`), or blank."
))]
pub struct ProcfileError {
    /// In the order of the file.
    pub problems: Vec<Problem>,
    #[source_code]
    pub source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

/// Every line that is accepted, but is probably not what its author wanted.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile", counted(lines, "suspicious line"))]
#[diagnostic(severity(Warning))]
pub struct ProcfileWarnings {
    /// In the order of the file.
    pub problems: Vec<Problem>,
    /// How many lines have them.
    lines: usize,
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
        let line = |problem: &Problem| text[..problem.offset].matches('\n').count();
        let lines: BTreeSet<usize> = problems.iter().map(line).collect();
        Self {
            lines: lines.len(),
            labels: problems.iter().map(Problem::label).collect(),
            problems,
            source_code: NamedSource::new(name, text.to_string()),
        }
    }
}

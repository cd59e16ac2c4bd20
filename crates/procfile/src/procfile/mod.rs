//! The Procfile: one process type per line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: no line is ignored silently. One report
//! shows all errors.

mod contents;
mod entry;
mod lines;
mod problem;
mod process_type;

#[cfg(test)]
mod tests;

pub use contents::{FILE_NAME, NoEntries, Procfile, ProcfileSource, Reading};
pub use entry::Entry;
pub use problem::{Problem, ProcfileError, ProcfileWarnings};
pub use process_type::{NotAProcessType, ProcessType};

//! The Procfile: one process type per line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: no line is ignored silently. One report
//! shows all errors.

mod characters;
mod contents;
mod entry;
mod file_name;
mod lines;
mod problem;
mod process_type;
mod suspicions;

#[cfg(test)]
mod tests;

pub use contents::{NoEntries, Procfile, ProcfileSource, Reading};
pub use entry::Entry;
pub use file_name::{FILE_NAME, MisnamedProcfile, named_procfile};
pub use problem::{Problem, ProcfileError, ProcfileWarnings};
pub use process_type::{NotAProcessType, ProcessType};

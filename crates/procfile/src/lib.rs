//! What the buildpack and the program in its images share.
//!
//! | module | question |
//! |---|---|
//! | [`app_json`] | how many instances of each process type, and which scheduled tasks? |
//! | `procfile` | which process types does a Procfile name? |
//! | [`command`] | how is the command of a process type launched? |
//! | [`launch_spec`] | what is a launch, and how is it written as a command line? |
//! | [`report`] | how are errors and warnings shown? |
//! | [`text`] | what do editors and Git leave in text files? |
//!
//! Each module imports only from those below it in this table. `procfile` is private: what it has
//! is re-exported here.

pub mod app_facts;
pub mod app_json;
pub mod command;
pub mod launch_spec;
mod procfile;
pub mod report;
pub mod text;

pub use procfile::{
    Entry, FILE_NAME, MisnamedProcfile, NoEntries, NotAProcessType, Problem, ProcessType, Procfile,
    ProcfileError, ProcfileSource, ProcfileWarnings, Reading, named_procfile,
};

//! What the buildpack and the program in its images share.
//!
//! | module | question |
//! |---|---|
//! | `procfile` | which process types does a Procfile name? |
//! | [`command`] | what is launched for a command of a Procfile? |
//! | [`launch_spec`] | how is a process launched, and where do its signals go? |
//! | [`app_json`] | how many processes of each type, and which scheduled tasks? |
//! | [`report`] | how are errors and warnings shown? |
//! | [`text`] | what do editors and merges leave in text files? |

pub mod app_json;
pub mod command;
pub mod launch_spec;
mod procfile;
pub mod report;
pub mod text;

pub use procfile::{
    Entry, FILE_NAME, NoEntries, NotAProcessType, Problem, ProcessType, Procfile, ProcfileError,
    ProcfileSource, ProcfileWarnings, Reading,
};

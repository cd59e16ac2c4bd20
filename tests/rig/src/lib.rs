//! What the tests and the benchmarks share. A function panics when something does not work, which
//! fails the test that calls it.
//!
//! Builds, containers and the servers beside them need what `script/bootstrap` makes; programs,
//! files and the faulty server need this machine alone.

pub mod build;
pub mod command;
pub mod container;
pub mod docker;
pub mod environment;
pub mod files;
pub mod gem;
pub mod http;
pub mod image;
pub mod median;
pub mod process_table;
pub mod program;
pub mod server;
pub mod wait;

//! Processes: how they are started, signalled and waited for. Nothing here supervises.

pub mod grace;
pub mod group;
mod lookup;
pub mod program;
pub mod signals;
pub mod start_error;
pub mod stops;
pub mod table;
pub mod terminal;
pub mod wait;

//! Processes: how they are started, signalled and waited for. Nothing here supervises.

pub mod grace;
mod lookup;
pub mod program;
pub mod signals;
pub mod start_error;
pub mod terminal;
pub mod wait;

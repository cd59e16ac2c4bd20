//! The decisions of `formation run`, tested without processes.

mod deaths;
mod ends;
mod restarts;
mod rig;
mod scaling;
mod signals;

//! What `formation`, the program in the image, is made of.
//!
//! | module | question |
//! |---|---|
//! | [`ask`] | what do the processes of a running formation do? |
//! | [`check`] | what would the build say of a Procfile? |
//! | [`exec`] | how does one command run under a well-behaved PID 1? |
//! | [`export`] | how does an orchestrator run the process types in many containers? |
//! | [`image`] | which process types does the image have? |
//! | [`probe`] | does `web` answer? |
//! | [`program`] | how does a command start? |
//! | [`quantities`] | how many of each? |
//! | [`run`] | how do several process types run in one container? |
//! | [`signals`] | what is this process told, and whom does it tell? |
//! | [`start_error`] | why does a command not start? |
//! | [`terminal`] | who may read the keyboard? |
//!
//! No runtime, and one thread that decides: signals are held back from the first line on and read one after the other, so there is no moment at which
//! one could be lost, and nothing that a handler could interrupt.

pub mod ask;
pub mod check;
pub mod exec;
pub mod export;
pub mod image;
pub mod probe;
pub mod program;
pub mod quantities;
pub mod run;
pub mod signals;
pub mod start_error;
pub mod terminal;

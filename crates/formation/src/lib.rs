//! The program in the image.
//!
//! | module | question |
//! |---|---|
//! | [`process`] | how are processes started, signalled and waited for? |
//! | [`image`] | which process types does the image have, and how many of each are asked for? |
//! | [`exec`] | how does one command run under a well-behaved PID 1? |
//! | [`control`] | how do `ps`, `scale` and `restart` reach a running formation? |
//! | [`run`] | how do several process types run in one container? |
//! | [`probe`] | does `web` answer? |
//! | [`export`] | how does an orchestrator run the process types in many containers? |
//! | [`check`] | what would the build say of a Procfile? |
//! | [`cli`] | what can be asked for on the command line? |
//!
//! No runtime, and one thread that decides: signals are held back from the first line on and read one after the other, so there is
//! no moment at which one could be lost, and nothing that a handler could interrupt.

pub mod check;
pub mod cli;
pub mod control;
pub mod exec;
pub mod export;
pub mod image;
pub mod probe;
pub mod process;
pub mod run;

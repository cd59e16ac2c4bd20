//! `formation`, the program in the image.
//!
//! | module | question |
//! |---|---|
//! | [`process`] | how are processes started, signalled and waited for? |
//! | [`image`] | which process types does the image have, and how many of each are wanted? |
//! | [`environment`] | what is to be set in a container because of what its image has? |
//! | [`exec`] | how does one command run under a well-behaved PID 1? |
//! | [`control`] | how do `ps`, `scale` and `restart` reach a running formation? |
//! | [`run`] | how do several process types run in one container? |
//! | [`probe`] | does `web` answer? |
//! | [`export`] | how does an orchestrator run the process types in many containers? |
//! | [`check`] | what would the build say about a Procfile? |
//! | [`cli`] | what does the command line offer? |
//!
//! There is no async runtime, and one thread decides everything: signals are blocked from the first
//! line on and read one after the other, so that none is lost and no handler interrupts anything.

pub mod check;
pub mod cli;
pub mod control;
pub mod environment;
pub mod exec;
pub mod export;
pub mod image;
pub mod probe;
pub mod process;
pub mod run;

//! Runs `formation`, the program in the image, as a container, a shell or an editor does. Needs bash and Perl, and nothing else.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

mod check;
mod exec;
mod export;
mod formation;
mod run;
mod terminal;

//! Runs `formation`, the program in the image, as a container, a shell or an editor does. Needs
//! bash and Perl, and nothing else.

// A panic fails the test, also in a function that several tests call.
#![allow(clippy::unwrap_used)]

mod check;
mod cli;
mod environment;
mod exec;
mod export;
mod formation;
mod probe;
mod run {
    mod app;
    mod control;
    mod end;
    mod exec_d;
    mod orphans;
    mod output;
    mod replace;
    mod restart;
    mod signals;
    mod start;
}
mod terminal;

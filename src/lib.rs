//! The buildpack: a folder for each question, in the order in which a build asks them. A module may
//! use those above it, never one below.
//!
//! | module | question |
//! |---|---|
//! | [`disk`] | which errors are the disk's, and what helps? |
//! | [`report`] | how are errors, warnings and the build log shown? |
//! | [`app`] | what do the app's files hold, and what is wrong with them? |
//! | [`platform`] | what does the platform give, and how are layers kept? |
//! | [`fetch`] | where are files downloaded from, and are they the published ones? |
//! | [`ruby`] | which Ruby does the app get, and how is it installed? |
//! | [`gems`] | which gems does the app get, and how are they installed? |
//! | [`launch`] | how is the image run? |
//! | [`inputs`] | what do all inputs say, before anything is downloaded? |

pub mod app;
pub mod disk;
pub mod fetch;
pub mod gems;
pub mod inputs;
pub mod launch;
pub mod platform;
pub mod rails;
pub mod report;
pub mod ruby;

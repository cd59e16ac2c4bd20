//! The buildpack: a folder for each question, in the order in which a build asks them. A module uses those above it, never one below.
//!
//! | module | question |
//! |---|---|
//! | [`report`] | how are errors, warnings and the build log shown? |
//! | [`app`] | what do the app's files hold, and what is wrong with them? |
//! | [`platform`] | what does the platform give, and how does it keep layers? |
//! | [`fetch`] | how do bytes get here, and are they the right ones? |
//! | [`ruby`] | which Ruby, and its layer |
//! | [`gems`] | which gems, and their layers |
//! | [`launch`] | how is the image run? |
//! | [`inputs`] | every input, read before anything is downloaded |

pub mod app;
pub mod fetch;
pub mod gems;
pub mod inputs;
pub mod launch;
pub mod platform;
pub mod report;
pub mod ruby;

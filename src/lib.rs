//! Formation: a Cloud Native Buildpack for Ruby apps.
//!
//! The modules stand in the order in which a build goes through them. Each knows only what stands before it:
//!
//! | module | question | does |
//! |---|---|---|
//! | [`app`] | what does the app ask for? | reads and checks every input; no network, no layers |
//! | [`supply`] | where do the bytes come from? | inventory, download, verification, unpacking |
//! | [`layers`] | what is in the image? | one file for each layer: its contents, and when they are thrown away |
//! | [`launch`] | how is it run? | process types and their environment |
//! | [`supervisor`] | what runs it? | `formation`, the program in the image |
//!
//! [`report`] shows what they have to say; none of them knows how.

pub mod app;
pub mod launch;
pub mod layers;
pub mod report;
pub mod supervisor;
pub mod supply;

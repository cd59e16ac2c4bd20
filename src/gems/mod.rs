//! Gems: what Gemfile, lockfile and Bundler's settings say, and installing it.
//!
//! [`install()`] decides, carries out and tells. The installer does what it can side by side;
//! Bundler installs the rest and has the last word.

pub mod bundle;
pub mod bundler;
mod bundler_output;
mod cache;
mod compiled_libraries;
mod decision;
mod environment;
mod failed_extension;
mod file_pattern;
pub mod gemfile;
mod git_lfs;
mod git_repositories;
mod inputs;
mod install;
mod installed;
mod installer;
mod launch_check;
mod left_overs;
pub mod lockfile;
mod messages;
mod metadata;
mod missing;
mod mkmf_log;
mod mutex;
mod other_lockfile;
mod permissions;
pub mod platform;
mod programs;
mod question;
mod selected;
pub mod servers;
pub mod settings;
mod stage;
mod tree_digest;
mod update;
mod vendored;

pub use install::install;
pub use installed::InstalledGems;
pub use installer::fetch::prefetch;
pub use launch_check::LaunchCheckError;
pub use stage::{GemsLayerError, GemsStage};

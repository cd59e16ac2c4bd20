//! Ruby: every file that may ask for a version, the inventory, the choice, the layer.

pub mod choice;
mod decision;
mod files;
pub mod gem_version;
pub mod gemfile;
pub mod inventory;
pub mod layer;
pub mod locked;
pub mod mise;
pub mod requests;
pub mod requirement;
pub mod ruby_version_file;
pub mod spanned;
mod static_libraries;
pub mod tool_versions;
pub mod vendor;

pub use layer::{InstalledRuby, RubyLayer, RubyLayerError, RubyOutcome, RubyPlan, install, plan};

use std::path::Path;

/// Whether a file name is that of a lockfile of Bundler.
#[must_use]
pub fn is_lockfile(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension == "lock" || extension == "locked")
}

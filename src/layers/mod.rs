//! What is in the image: one file for each layer, with what it holds and when it is thrown away.

mod bundle_inputs;
pub mod bundle_install;
mod compiled_libraries;
mod failed_extension;
pub mod formation;
pub mod gem_cache;
mod gem_environment;
pub mod gems;
mod gems_archive;
mod gems_metadata;
mod git_repositories;
mod installed_gems;
mod launch_layer;
mod left_overs;
mod missing;
pub mod ruby;
mod ruby_files;
mod unpacked_gems;
mod vendored_gems;

pub use launch_layer::NeededBy;

use fs_err as fs;
use libcnb::build::BuildContext;
use libcnb::data::layer::LayerName;
use libcnb::layer::{
    CachedLayerDefinition, InvalidMetadataAction, LayerState, RestoredLayerAction,
};
use libcnb::{Buildpack, Target};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a layer is thrown away that another version of Formation made, or that was never finished.
const UNKNOWN_METADATA: &str = "this version of Formation cannot tell what is in the layer";

/// The platform that a layer's compiled code was made for. Code for another is never reused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltFor {
    arch: String,
    distro_name: String,
    distro_version: String,
}

impl BuiltFor {
    /// The target of this build.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        Self {
            arch: target.arch.clone(),
            distro_name: target.distro_name.clone(),
            distro_version: target.distro_version.clone(),
        }
    }

    /// What is different now, in words; empty where nothing is.
    fn changes_to(&self, now: &Self) -> Vec<String> {
        let Self {
            arch,
            distro_name,
            distro_version,
        } = self;
        let mut changes = Vec::new();
        if *arch != now.arch {
            changes.push(changed("architecture", arch, &now.arch));
        }
        if (distro_name, distro_version) != (&now.distro_name, &now.distro_version) {
            changes.push(changed(
                "distribution",
                &format!("{distro_name} {distro_version}"),
                &format!("{} {}", now.distro_name, now.distro_version),
            ));
        }
        changes
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CacheMetadata {
    layout: String,
}

/// The folder of a layer that is in the cache alone, as the last build left it. What is in it is judged file by file: it is kept whatever
/// happened to that build.
fn cache_folder<B: Buildpack>(
    context: &BuildContext<B>,
    name: &LayerName,
) -> libcnb::Result<PathBuf, B::Error> {
    let layer = context.cached_layer(
        name,
        CachedLayerDefinition {
            build: false,
            launch: false,
            invalid_metadata_action: &|_| InvalidMetadataAction::DeleteLayer,
            restored_layer_action: &|_: &CacheMetadata, _| RestoredLayerAction::KeepLayer,
        },
    )?;
    if matches!(layer.state, LayerState::Empty { .. }) {
        layer.write_metadata(CacheMetadata {
            layout: "1".to_string(),
        })?;
    }
    Ok(layer.path())
}

/// Removes a file, if it is there.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes every file of a folder but these: what belongs to an older build, or is a killed one's.
fn remove_others(folder: &Path, kept: &[&Path]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !kept.contains(&path.as_path()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Locks a mutex. A thread that panicked under it has ended the build anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One reason for throwing a layer away.
fn changed(what: &str, before: &str, now: &str) -> String {
    format!("{what} changed from {before} to {now}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_named() {
        let built_for = |arch: &str, distro_version: &str| BuiltFor {
            arch: arch.into(),
            distro_name: "debian".into(),
            distro_version: distro_version.into(),
        };
        let before = built_for("amd64", "12");
        assert!(before.changes_to(&before).is_empty());
        assert_eq!(
            before.changes_to(&built_for("arm64", "13")),
            [
                "architecture changed from amd64 to arm64",
                "distribution changed from debian 12 to debian 13"
            ]
        );
    }
}

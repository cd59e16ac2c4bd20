//! Layer `ruby` (build, launch, cache): the Ruby runtime, exactly as its archive holds it.
//!
//! It is keyed on the archive's checksum, the folder of it that is wanted, and the platform.

use crate::app::gem_version::GemVersion;
use crate::layers::{BuiltFor, UNKNOWN_METADATA, changed};
use crate::report;
use crate::supply::Shown;
use crate::supply::archive::ArchiveError;
use crate::supply::inventory::Ruby;
use fs_err as fs;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::{
    CachedLayerDefinition, EmptyLayerCause, InvalidMetadataAction, LayerRef, LayerState,
    RestoredLayerAction,
};
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use libcnb::{Buildpack, Env};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An installed Ruby.
#[derive(Clone, Debug)]
pub struct RubyLayer {
    /// The layer's folder: `bin`, `lib` and so on stand in it.
    pub path: PathBuf,
    /// The whole version.
    pub version: GemVersion,
    /// What compiled gems are compatible with, such as `3.3.0` for every 3.3: the name of the folder that RubyGems keeps them in.
    pub abi: String,
    /// The environment in which its programs are found.
    pub env: Env,
}

/// Ruby could not be installed.
#[derive(Debug, Diagnostic, Error)]
pub enum RubyLayerError {
    /// The archive did not get here.
    #[error("Ruby {version} could not be installed")]
    Archive {
        /// Which was wanted.
        version: GemVersion,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    /// The archive holds something else.
    #[error("the archive of Ruby {version} holds no Ruby that can be used: {reason}")]
    #[diagnostic(help(
        "The inventory's `root` has to be the folder in the archive that holds `bin/ruby` and `lib/ruby`."
    ))]
    NoRuby {
        /// Which was wanted.
        version: GemVersion,
        /// What is missing.
        reason: String,
    },
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    version: String,
    sha256: String,
    root: String,
    built_for: BuiltFor,
}

/// Puts a Ruby into its layer, or keeps the one that is there.
///
/// # Errors
/// The archive cannot be had, or holds no Ruby.
pub fn install<B>(
    context: &BuildContext<B>,
    ruby: &Ruby,
    env: &Env,
) -> libcnb::Result<RubyLayer, B::Error>
where
    B: Buildpack,
    B::Error: From<RubyLayerError>,
{
    let now = Metadata {
        version: ruby.version.to_string(),
        sha256: ruby.archive.sha256.0.clone(),
        root: ruby.archive.root.to_string_lossy().into_owned(),
        built_for: BuiltFor::new(&context.target),
    };
    let layer = context.cached_layer(
        layer_name!("ruby"),
        CachedLayerDefinition {
            build: true,
            launch: true,
            invalid_metadata_action: &|_| {
                (
                    InvalidMetadataAction::DeleteLayer,
                    UNKNOWN_METADATA.to_string(),
                )
            },
            restored_layer_action: &|before: &Metadata, _| match reasons(before, &now).as_slice() {
                [] => (RestoredLayerAction::KeepLayer, String::new()),
                reasons => (RestoredLayerAction::DeleteLayer, reasons.join(", ")),
            },
        },
    )?;
    match &layer.state {
        LayerState::Restored { .. } => {
            report::detail("Reusing it from the cache: same archive, same platform");
        }
        LayerState::Empty { cause } => {
            if let EmptyLayerCause::RestoredLayerAction { cause }
            | EmptyLayerCause::InvalidMetadataAction { cause } = cause
            {
                report::detail(format!("Not reusing the cached one: {cause}"));
            }
            fill(&layer, ruby).map_err(|error| libcnb::Error::BuildpackError(error.into()))?;
        }
    }
    let abi =
        abi(&layer.path(), ruby).map_err(|error| libcnb::Error::BuildpackError(error.into()))?;
    // Only what has proved to be a Ruby is kept for the next build.
    layer.write_metadata(&now)?;
    layer.write_env(layer_env())?;
    Ok(RubyLayer {
        env: layer.read_env()?.apply(Scope::Build, env),
        path: layer.path(),
        version: ruby.version.clone(),
        abi,
    })
}

/// Why a cached Ruby is not the one that is wanted.
fn reasons(before: &Metadata, now: &Metadata) -> Vec<String> {
    let Metadata {
        version,
        sha256,
        root,
        built_for,
    } = before;
    let mut reasons = built_for.changes_to(&now.built_for);
    if *version != now.version {
        reasons.push(changed("version", version, &now.version));
    } else if *sha256 != now.sha256 && reasons.is_empty() {
        reasons.push(changed("archive", start(sha256), start(&now.sha256)));
    } else if *root != now.root && reasons.is_empty() {
        reasons.push(changed("folder in the archive", root, &now.root));
    }
    reasons
}

/// Enough of a digest to tell it from another.
fn start(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn fill<B, M, R>(layer: &LayerRef<B, M, R>, ruby: &Ruby) -> Result<(), RubyLayerError>
where
    B: Buildpack,
{
    let url = &ruby.archive.url;
    let installed = report::timed(format!("Installing it from {}", Shown(url)), || {
        ruby.archive.install(&layer.path())
    });
    installed.map_err(|source| RubyLayerError::Archive {
        version: ruby.version.clone(),
        source,
    })?;
    report::detail(format!("Verified: SHA-256 {}", ruby.archive.sha256.0));
    Ok(())
}

/// Ruby's ABI version, from the one folder below `lib/ruby/gems`: every patch release of a series has the same.
fn abi(layer: &Path, ruby: &Ruby) -> Result<String, RubyLayerError> {
    let no_ruby = |reason: String| RubyLayerError::NoRuby {
        version: ruby.version.clone(),
        reason,
    };
    if !layer.join("bin/ruby").exists() {
        return Err(no_ruby("it has no bin/ruby".into()));
    }
    let names = folders_in(&layer.join("lib/ruby/gems")).map_err(|e| no_ruby(e.to_string()))?;
    match names.as_slice() {
        [abi] => Ok(abi.clone()),
        [] => Err(no_ruby("its lib/ruby/gems has no folder".into())),
        names => Err(no_ruby(format!(
            "its lib/ruby/gems has {} folders, {}, where a Ruby has one",
            names.len(),
            names.join(", ")
        ))),
    }
}

/// The names of the folders in a folder, sorted.
fn folders_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn layer_env() -> LayerEnv {
    // Ruby takes its default encoding from the locale, and base images have none: source files and output would be US-ASCII.
    LayerEnv::new().chainable_insert(Scope::All, ModificationBehavior::Default, "LANG", "C.UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use crate::supply::archive::Archive;
    use crate::supply::download::Sha256Hex;

    fn metadata(version: &str, sha256: char, distro_version: &str) -> Metadata {
        Metadata {
            version: version.into(),
            sha256: sha256.to_string().repeat(64),
            root: "ruby".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: distro_version.into(),
            },
        }
    }

    #[test]
    fn reasons_to_throw_a_ruby_away() {
        let before = metadata("3.3.8", 'a', "12");
        assert!(reasons(&before, &before).is_empty());
        assert_eq!(
            reasons(&before, &metadata("3.1.2", 'b', "13")),
            [
                "distribution changed from debian 12 to debian 13",
                "version changed from 3.3.8 to 3.1.2"
            ]
        );
        assert_eq!(
            reasons(&before, &metadata("3.3.8", 'b', "12")),
            ["archive changed from aaaaaaaaaaaa to bbbbbbbbbbbb"]
        );
        let elsewhere = Metadata {
            root: ".".into(),
            ..before.clone()
        };
        assert_eq!(
            reasons(&before, &elsewhere),
            ["folder in the archive changed from ruby to ."]
        );
    }

    #[test]
    fn an_archive_without_ruby_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let ruby = Ruby {
            version: "3.3.8".parse().unwrap(),
            archive: Archive {
                url: "https://example.com/ruby.tgz".parse().unwrap(),
                sha256: Sha256Hex(String::new()),
                root: ".".into(),
            },
        };
        assert_report!(abi(folder.path(), &ruby).unwrap_err());
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin/ruby"), "").unwrap();
        fs::create_dir_all(folder.path().join("lib/ruby/gems/3.3.0")).unwrap();
        fs::write(folder.path().join("lib/ruby/gems/readme"), "").unwrap();
        assert_eq!(abi(folder.path(), &ruby).unwrap(), "3.3.0");
        fs::create_dir_all(folder.path().join("lib/ruby/gems/3.4.0")).unwrap();
        assert_report!("two_rubies", abi(folder.path(), &ruby).unwrap_err());
    }

    #[test]
    fn an_archive_that_cannot_be_had_is_shown() {
        let archive = Archive {
            url: "file:///nowhere/ruby-3.3.8.tar.gz".parse().unwrap(),
            sha256: Sha256Hex(String::new()),
            root: ".".into(),
        };
        assert_report!(RubyLayerError::Archive {
            version: "3.3.8".parse().unwrap(),
            source: archive.install(Path::new("/nowhere/ruby")).unwrap_err(),
        });
    }
}

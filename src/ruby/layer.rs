//! Layer `ruby` (launch): the Ruby runtime, without files that neither an app nor the compilation
//! of a gem uses. Layer `ruby-archive` (cache): the verified archive that the layer is made from.
//!
//! The layer is keyed on the archive's checksum, the folder in the archive, and the platform. A
//! layer that is reused from the last image has no files in this build, until something needs them.

use crate::fetch::Fetcher;
use crate::platform::built_for::{BuiltFor, changed};
use crate::platform::cache_layer::cache_folder;
use crate::platform::launch_layer::{LastMetadata, LaunchLayer, NeededBy, UNREADABLE_METADATA};
use crate::report;
pub use crate::ruby::files::{RubyLayerError, fill};
use crate::ruby::files::{abi, has_yjit, kept_archive};
use crate::ruby::gem_version::GemVersion;
use crate::ruby::inventory::Ruby;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer_env::{LayerEnv, Scope};
use libcnb::{Buildpack, Env, Target};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Raised whenever Formation leaves other files out of the archive: older layers are then made
/// anew.
const LAYOUT: &str = "2";

/// The Ruby of the image.
#[derive(Clone, Debug)]
pub struct RubyLayer {
    /// The layer's folder, with `bin`, `lib` and so on. It may not exist in this build.
    pub path: PathBuf,
    pub version: GemVersion,
    /// The digest of its archive, in hexadecimal: Rubies of one version may be built differently.
    pub sha256: String,
    /// Compiled gems work with every Ruby of the same ABI version, such as `3.3.0` for every 3.3.
    /// RubyGems keeps them in a folder of this name.
    pub abi: String,
}

/// The metadata of the layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct RubyLayerMetadata {
    layout: String,
    version: String,
    sha256: String,
    root: String,
    built_for: BuiltFor,
    /// Found in the layer's files, which a later build may not have.
    abi: String,
    has_yjit: bool,
}

/// What is going to happen to the layer.
#[derive(Debug, Eq, PartialEq)]
enum RubyDecision {
    /// It stays as it is. Where `restores_files`, a later buildpack needs the files, which only the
    /// last image has: they are unpacked again.
    Reuse {
        metadata: RubyLayerMetadata,
        restores_files: bool,
    },
    /// It is made again. There are reasons where the last build had a layer.
    Install { reasons: Vec<String> },
}

/// The Ruby that [`install`] puts into the image, and how.
pub struct RubyPlan<'a> {
    layer: LaunchLayer,
    files: RubyFiles<'a>,
    wanted: RubyLayerMetadata,
    decision: RubyDecision,
}

/// What [`install`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RubyOutcome {
    /// The layer is that of the last build. Its files may be in the last image alone.
    Reused,
    /// The layer was made again.
    Installed,
}

/// The Ruby of the image, after the Ruby stage.
pub struct InstalledRuby<'a> {
    pub layer: RubyLayer,
    pub outcome: RubyOutcome,
    files: RubyFiles<'a>,
}

/// Where the layer's files come from.
struct RubyFiles<'a> {
    ruby: &'a Ruby,
    fetcher: &'a Fetcher,
    /// The folder of the cached archive.
    archives: PathBuf,
}

/// Decides whether the layer of the last build can be used.
pub fn plan<'a, B>(
    context: &BuildContext<B>,
    ruby: &'a Ruby,
    fetcher: &'a Fetcher,
    needed_by: NeededBy,
) -> libcnb::Result<RubyPlan<'a>, B::Error>
where
    B: Buildpack,
    B::Error: From<RubyLayerError>,
{
    let files = RubyFiles {
        ruby,
        fetcher,
        archives: cache_folder(context, &layer_name!("ruby-archive"))?,
    };
    LaunchLayer::open(&context.layers_dir, &layer_name!("ruby"), needed_by)
        .map_err(RubyLayerError::Layer)
        .and_then(|layer| RubyPlan::new(layer, files, &context.target))
        .map_err(|error| libcnb::Error::BuildpackError(error.into()))
}

/// Puts Ruby into the layer, or keeps the layer of the last build.
pub fn install(plan: RubyPlan<'_>) -> Result<InstalledRuby<'_>, RubyLayerError> {
    let RubyPlan {
        layer,
        files,
        wanted,
        decision,
    } = plan;
    let version = &wanted.version;
    let (outcome, metadata) = match decision {
        RubyDecision::Reuse {
            metadata,
            restores_files,
        } => {
            report::detail(format!("Using cached Ruby {version}"));
            if restores_files {
                files.unpack_into(&layer.path)?;
            }
            (RubyOutcome::Reused, metadata)
        }
        RubyDecision::Install { reasons } => {
            if !reasons.is_empty() {
                let reasons = reasons.join(", ");
                report::detail(format!("Not using the cached Ruby: {reasons}"));
            }
            layer.remove_metadata().map_err(RubyLayerError::Layer)?;
            files.unpack_into(&layer.path)?;
            let abi = abi(&layer.path, files.ruby)?;
            let has_yjit = has_yjit(&layer.path, &abi);
            let metadata = RubyLayerMetadata {
                abi,
                has_yjit,
                ..wanted
            };
            (RubyOutcome::Installed, metadata)
        }
    };
    if metadata.has_yjit {
        report::detail("Ruby has its just-in-time compiler, YJIT");
    }
    // Written last: the archive has proved to hold a Ruby.
    layer
        .write_metadata(&metadata)
        .map_err(RubyLayerError::Layer)?;
    Ok(InstalledRuby {
        layer: RubyLayer {
            path: layer.path,
            version: files.ruby.version.clone(),
            sha256: metadata.sha256,
            abi: metadata.abi,
        },
        outcome,
        files,
    })
}

impl<'a> RubyPlan<'a> {
    fn new(
        layer: LaunchLayer,
        files: RubyFiles<'a>,
        target: &Target,
    ) -> Result<Self, RubyLayerError> {
        let wanted = RubyLayerMetadata::of(files.ruby, target);
        let last = layer.last_metadata().map_err(RubyLayerError::Layer)?;
        Ok(Self {
            decision: decide(last, &wanted, layer.has_needed_files()),
            layer,
            files,
            wanted,
        })
    }

    /// Whether [`install`] is going to download Ruby's archive.
    #[must_use]
    pub fn needs_download(&self) -> bool {
        let is_used_as_it_is = matches!(
            self.decision,
            RubyDecision::Reuse {
                restores_files: false,
                ..
            }
        );
        !is_used_as_it_is && !self.files.has_archive()
    }
}

impl InstalledRuby<'_> {
    /// Whether [`Self::restore_files`] is going to download Ruby's archive.
    #[must_use]
    pub fn needs_download(&self) -> bool {
        !self.layer.path.is_dir() && !self.files.has_archive()
    }

    /// Puts the files of a Ruby that is reused from the last image into its layer, where they are
    /// missing: its programs are going to run.
    pub fn restore_files(&self) -> Result<(), RubyLayerError> {
        match self.outcome {
            RubyOutcome::Reused if !self.layer.path.is_dir() => {
                self.files.unpack_into(&self.layer.path)
            }
            RubyOutcome::Reused | RubyOutcome::Installed => Ok(()),
        }
    }

    /// `env` with the variables that Ruby's programs need. Its files have to be in the layer.
    pub fn env(&self, env: &Env) -> Result<Env, RubyLayerError> {
        let layer_env =
            LayerEnv::read_from_layer_dir(&self.layer.path).map_err(RubyLayerError::Layer)?;
        Ok(layer_env.apply(Scope::Build, env))
    }
}

impl RubyFiles<'_> {
    fn has_archive(&self) -> bool {
        kept_archive(&self.archives, self.ruby).is_file()
    }

    fn unpack_into(&self, layer: &Path) -> Result<(), RubyLayerError> {
        fill(layer, self.ruby, self.fetcher, &self.archives)
    }
}

impl RubyLayerMetadata {
    /// What a layer of this Ruby has in its metadata, but for what only its files tell.
    fn of(ruby: &Ruby, target: &Target) -> Self {
        Self {
            layout: LAYOUT.to_string(),
            version: ruby.version.to_string(),
            sha256: ruby.archive.sha256.0.clone(),
            root: ruby.archive.root.to_string_lossy().into_owned(),
            built_for: BuiltFor::new(target),
            abi: String::new(),
            has_yjit: false,
        }
    }
}

fn decide(
    last: LastMetadata<RubyLayerMetadata>,
    wanted: &RubyLayerMetadata,
    has_needed_files: bool,
) -> RubyDecision {
    match last {
        LastMetadata::Missing => RubyDecision::Install {
            reasons: Vec::new(),
        },
        LastMetadata::Unreadable => RubyDecision::Install {
            reasons: vec![UNREADABLE_METADATA.to_string()],
        },
        LastMetadata::Known(metadata) => {
            let reasons = differences(&metadata, wanted);
            if reasons.is_empty() {
                RubyDecision::Reuse {
                    metadata,
                    restores_files: !has_needed_files,
                }
            } else {
                RubyDecision::Install { reasons }
            }
        }
    }
}

/// Why the last build's Ruby is not the one that is wanted.
fn differences(last: &RubyLayerMetadata, wanted: &RubyLayerMetadata) -> Vec<String> {
    let RubyLayerMetadata {
        layout,
        version,
        sha256,
        root,
        built_for,
        abi: _,
        has_yjit: _,
    } = last;
    let mut reasons = built_for.changes_to(&wanted.built_for);
    if *layout != wanted.layout {
        reasons.push("another version of Formation unpacked it".into());
    }
    if *version != wanted.version {
        reasons.push(changed("version", version, &wanted.version));
    } else if *sha256 != wanted.sha256 && reasons.is_empty() {
        let [last, wanted] = [sha256, &wanted.sha256].map(|digest| first_digits(digest));
        reasons.push(changed("archive", last, wanted));
    } else if *root != wanted.root && reasons.is_empty() {
        reasons.push(changed("folder in the archive", root, &wanted.root));
    }
    reasons
}

/// Enough of a digest to tell it from another.
fn first_digits(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
use crate::fetch::{archive::Archive, digest::Sha256Hex};

#[cfg(test)]
impl<'a> InstalledRuby<'a> {
    /// For tests: a Ruby that is reused from the last image, and cannot be downloaded.
    pub(crate) fn for_tests(layers: &Path, ruby: &'a Ruby, fetcher: &'a Fetcher) -> Self {
        Self {
            layer: RubyLayer {
                path: layers.join("ruby"),
                version: ruby.version.clone(),
                sha256: ruby.archive.sha256.0.clone(),
                abi: "3.3.0".into(),
            },
            outcome: RubyOutcome::Reused,
            files: RubyFiles {
                ruby,
                fetcher,
                archives: layers.join("ruby-archive"),
            },
        }
    }
}

#[cfg(test)]
impl Ruby {
    /// For tests: a Ruby 3.3.8 that cannot be downloaded.
    pub(crate) fn for_tests() -> Self {
        Self {
            version: "3.3.8".parse().expect("a version"),
            archive: Archive {
                url: "file:///nowhere/ruby.tar.gz".parse().expect("a URL"),
                sha256: Sha256Hex("0".repeat(64)),
                root: "ruby".into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(version: &str, sha256: char, distro_version: &str) -> RubyLayerMetadata {
        RubyLayerMetadata {
            layout: LAYOUT.into(),
            version: version.into(),
            sha256: sha256.to_string().repeat(64),
            root: "ruby".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: distro_version.into(),
            },
            abi: "3.3.0".into(),
            has_yjit: false,
        }
    }

    #[test]
    fn reasons_not_to_use_a_cached_ruby() {
        let last = metadata("3.3.8", 'a', "12");
        assert!(differences(&last, &last).is_empty());
        assert_eq!(
            differences(&last, &metadata("3.1.2", 'b', "13")),
            [
                "distribution changed from debian 12 to debian 13",
                "version changed from 3.3.8 to 3.1.2"
            ]
        );
        assert_eq!(
            differences(&last, &metadata("3.3.8", 'b', "12")),
            ["archive changed from aaaaaaaaaaaa to bbbbbbbbbbbb"]
        );
        let other_root = RubyLayerMetadata {
            root: ".".into(),
            ..last.clone()
        };
        assert_eq!(
            differences(&last, &other_root),
            ["folder in the archive changed from ruby to ."]
        );
        let other_layout = RubyLayerMetadata {
            layout: "1".into(),
            ..last.clone()
        };
        assert_eq!(
            differences(&other_layout, &last),
            ["another version of Formation unpacked it"]
        );
    }

    #[test]
    fn a_layer_is_reused_or_made_again() {
        let last = metadata("3.3.8", 'a', "12");
        let wanted = RubyLayerMetadata {
            abi: String::new(),
            ..last.clone()
        };
        let reuse = |restores_files| RubyDecision::Reuse {
            metadata: last.clone(),
            restores_files,
        };
        let install = |reasons: &[&str]| RubyDecision::Install {
            reasons: reasons.iter().map(ToString::to_string).collect(),
        };
        let known = || LastMetadata::Known(last.clone());
        let newer = metadata("3.3.9", 'b', "12");
        for (last, wanted, has_needed_files, expected) in [
            (known(), &wanted, true, reuse(false)),
            (known(), &wanted, false, reuse(true)),
            (
                known(),
                &newer,
                true,
                install(&["version changed from 3.3.8 to 3.3.9"]),
            ),
            (LastMetadata::Missing, &wanted, true, install(&[])),
            (
                LastMetadata::Unreadable,
                &wanted,
                true,
                install(&[UNREADABLE_METADATA]),
            ),
        ] {
            let context = format!("{last:?} {has_needed_files}");
            assert_eq!(
                decide(last, wanted, has_needed_files),
                expected,
                "{context}"
            );
        }
    }

    #[test]
    fn the_files_of_a_reused_ruby_are_restored_only_where_they_are_needed() {
        let layers = tempfile::tempdir().unwrap();
        let ruby = Ruby::for_tests();
        let fetcher = Fetcher::default();
        let target = Target {
            os: "linux".into(),
            arch: "amd64".into(),
            arch_variant: None,
            distro_name: "debian".into(),
            distro_version: "12".into(),
        };
        let plan = |needed_by| {
            let name = layer_name!("ruby");
            let layer = LaunchLayer::open(layers.path(), &name, needed_by).unwrap();
            let files = RubyFiles {
                ruby: &ruby,
                fetcher: &fetcher,
                archives: layers.path().join("ruby-archive"),
            };
            RubyPlan::new(layer, files, &target).unwrap()
        };
        assert!(plan(NeededBy::TheImage).needs_download(), "a first build");
        let last = RubyLayerMetadata {
            abi: "3.3.0".into(),
            ..RubyLayerMetadata::of(&ruby, &target)
        };
        let layer = plan(NeededBy::TheImage).layer;
        layer.write_metadata(&last).unwrap();

        let unchanged = plan(NeededBy::TheImage);
        assert!(!unchanged.needs_download());
        let installed = install(unchanged).unwrap();
        assert_eq!(installed.outcome, RubyOutcome::Reused);
        assert_eq!(installed.layer.abi, "3.3.0");
        assert!(!installed.layer.path.exists(), "nothing was unpacked");
        assert!(installed.needs_download());
        installed.restore_files().unwrap_err();

        let needed = plan(NeededBy::LaterBuildpacks);
        assert!(needed.needs_download());
        assert!(install(needed).is_err(), "its files cannot be restored");

        std::fs::create_dir(&installed.layer.path).unwrap();
        assert!(!installed.needs_download());
        installed.restore_files().unwrap();
    }
}

//! Layer `ruby` (launch): the Ruby runtime, without files that neither an app nor the compilation
//! of a gem uses. Layer `ruby-archive` (cache): the verified archive that the layer is made from.
//!
//! The layer is keyed on the archive's checksum, the folder in the archive, and the platform. A
//! layer that is reused from the last image has no files in this build, until something needs them.

use crate::fetch::Fetcher;
use crate::platform::cache_layer::cache_folder;
use crate::platform::launch_layer::{LaunchLayer, NeededBy};
use crate::report;
use crate::ruby::decision::{RubyDecision, RubyLayerMetadata, decide};
pub use crate::ruby::files::{RubyLayerError, fill};
use crate::ruby::files::{abi, has_yjit, kept_archive};
use crate::ruby::gem_version::GemVersion;
use crate::ruby::inventory::Ruby;
use crate::ruby::static_libraries;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer_env::{LayerEnv, Scope};
use libcnb::{Buildpack, Env, Target};
use std::path::{Path, PathBuf};

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
        .and_then(|()| static_libraries::keep(&layer.path, layer.needed_by))
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
        let has_needed_files = layer.has_needed_files()
            && (!layer.has_files() || static_libraries::are_here(&layer.path));
        let last = layer.last_metadata().map_err(RubyLayerError::Layer)?;
        Ok(Self {
            decision: decide(last, &wanted, has_needed_files),
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
        self.lacks_files() && !self.files.has_archive()
    }

    /// Puts the files of a Ruby that is reused from the last image into its layer, where they are
    /// missing: its programs are going to run.
    pub fn restore_files(&self) -> Result<(), RubyLayerError> {
        match self.outcome {
            RubyOutcome::Reused if self.lacks_files() => self.files.unpack_into(&self.layer.path),
            RubyOutcome::Reused | RubyOutcome::Installed => Ok(()),
        }
    }

    fn lacks_files(&self) -> bool {
        !(self.layer.path.is_dir() && static_libraries::are_here(&self.layer.path))
    }

    /// `env` with the variables that Ruby's programs need, and compilers of gems. Its files have to
    /// be in the layer.
    pub fn env(&self, env: &Env) -> Result<Env, RubyLayerError> {
        let layer_env =
            LayerEnv::read_from_layer_dir(&self.layer.path).map_err(RubyLayerError::Layer)?;
        let for_compilers =
            static_libraries::env(&self.layer.path).map_err(RubyLayerError::Layer)?;
        Ok(for_compilers.apply(Scope::Build, &layer_env.apply(Scope::Build, env)))
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

        let lib = installed.layer.path.join("lib");
        std::fs::create_dir_all(&lib).unwrap();
        assert!(installed.needs_download(), "no library to compile with");
        std::fs::write(lib.join("libruby.so.3.3"), "").unwrap();
        assert!(!installed.needs_download());
        installed.restore_files().unwrap();
    }
}

//! Layer `ruby` (launch): the Ruby runtime, without what neither an app nor the compilation of a gem has a use for. Layer `ruby-archive`
//! (cache): the verified archive that it is made of.
//!
//! It is keyed on the archive's checksum, the folder of it that is wanted, and the platform. Where the last image has it, it need not be
//! here, until gems are to be installed.

use crate::fetch::Fetcher;
use crate::platform::built_for::{BuiltFor, changed};
use crate::platform::cache_layer::cache_folder;
use crate::platform::launch_layer::{Last, LaunchLayer, NeededBy, UNKNOWN_METADATA};
use crate::report;
pub use crate::ruby::files::{RubyLayerError, fill};
use crate::ruby::files::{abi, has_yjit, kept_archive};
use crate::ruby::gem_version::GemVersion;
use crate::ruby::inventory::Ruby;
use crate::ruby::static_libraries;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer_env::{LayerEnv, Scope};
use libcnb::{Buildpack, Env, Target};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised whenever Formation leaves other things out of the archive: older layers are then thrown away.
const LAYOUT: &str = "3";

/// The Ruby of the image.
#[derive(Clone, Debug)]
pub struct RubyLayer {
    /// The layer's folder: `bin`, `lib` and so on stand in it.
    pub path: PathBuf,
    /// The whole version.
    pub version: GemVersion,
    /// Of its archive, in hexadecimal: Rubies of one version can be built in more than one way.
    pub sha256: String,
    /// What compiled gems are compatible with, such as `3.3.0` for every 3.3: the name of the folder that RubyGems keeps them in.
    pub abi: String,
}

/// Gets a Ruby here when it is needed.
pub struct RubySupply<'a> {
    /// Which Ruby to put into the layer.
    pub ruby: &'a Ruby,
    /// Gets its archive.
    pub supply: &'a Fetcher,
    /// Runs while it is fetched; ends when it is told to stop.
    pub meanwhile: &'a (dyn Fn(&AtomicBool) + Sync),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    layout: String,
    version: String,
    sha256: String,
    root: String,
    built_for: BuiltFor,
    /// What its files say of it: they need not be here.
    abi: String,
    has_yjit: bool,
}

/// Puts a Ruby into its layer, or keeps the last image's.
///
/// # Errors
/// The archive cannot be had, or holds no Ruby.
pub fn install<'a, B>(
    context: &BuildContext<B>,
    supply: RubySupply<'a>,
    needed_by: NeededBy,
) -> libcnb::Result<InstalledRuby<'a>, B::Error>
where
    B: Buildpack,
    B::Error: From<RubyLayerError>,
{
    let archives = cache_folder(context, &layer_name!("ruby-archive"))?;
    let layer = LaunchLayer::new(&context.layers_dir, &layer_name!("ruby"), needed_by);
    let target = &context.target;
    install_into(&layer, archives, supply, target)
        .and_then(|installed| {
            static_libraries::keep(&layer.path, needed_by).map_err(RubyLayerError::Layer)?;
            Ok(installed)
        })
        .map_err(|error| libcnb::Error::BuildpackError(error.into()))
}

fn install_into<'a>(
    layer: &LaunchLayer,
    archives: PathBuf,
    supply: RubySupply<'a>,
    target: &Target,
) -> Result<InstalledRuby<'a>, RubyLayerError> {
    let ruby = supply.ruby;
    let mut now = Metadata {
        layout: LAYOUT.to_string(),
        version: ruby.version.to_string(),
        sha256: ruby.archive.sha256.0.clone(),
        root: ruby.archive.root.to_string_lossy().into_owned(),
        built_for: BuiltFor::new(target),
        abi: String::new(),
        has_yjit: false,
    };
    let reasons = match layer.last().map_err(RubyLayerError::Layer)? {
        Last::Known(before) => {
            let reasons = reasons(&before, &now);
            now.abi = before.abi;
            now.has_yjit = before.has_yjit;
            Some(reasons)
        }
        Last::Unknown => Some(vec![UNKNOWN_METADATA.to_string()]),
        Last::Nothing => None,
    };
    let is_kept = reasons.as_ref().is_some_and(Vec::is_empty);
    let mut installed = InstalledRuby {
        layer: RubyLayer {
            path: layer.path.clone(),
            version: ruby.version.clone(),
            sha256: now.sha256.clone(),
            abi: now.abi.clone(),
        },
        archives,
        supply,
    };
    if is_kept {
        report::detail("Reusing it: same archive, same platform");
        let is_here_in_part = layer.is_here() && !static_libraries::are_here(&layer.path);
        if is_here_in_part || !layer.is_where_it_is_needed() {
            installed.fill()?;
        }
    } else {
        if let Some(reasons) = reasons {
            report::detail(format!("Not reusing the last one: {}", reasons.join(", ")));
        }
        layer.forget().map_err(RubyLayerError::Layer)?;
        installed.fill()?;
        now.abi = abi(&layer.path, ruby)?;
        now.has_yjit = has_yjit(&layer.path, &now.abi);
        installed.layer.abi.clone_from(&now.abi);
    }
    if now.has_yjit {
        report::detail("It has YJIT");
    }
    // Only what has proved to be a Ruby is kept for the next build.
    layer.write(&now).map_err(RubyLayerError::Layer)?;
    Ok(installed)
}

/// A Ruby that is in the image; its files may be here.
pub struct InstalledRuby<'a> {
    /// What is known of it.
    pub layer: RubyLayer,
    /// Where its archive is kept.
    archives: PathBuf,
    supply: RubySupply<'a>,
}

impl InstalledRuby<'_> {
    /// Sees to it that its files are here. Returns `env` with what its programs need.
    ///
    /// # Errors
    /// The archive cannot be had (any more), or the layer cannot be written.
    pub fn bring_here(&self, env: &Env) -> Result<Env, RubyLayerError> {
        let path = &self.layer.path;
        if !path.is_dir() {
            self.fill()?;
        }
        let layer_env = LayerEnv::read_from_layer_dir(path).map_err(RubyLayerError::Layer)?;
        let for_compilers = static_libraries::env(path).map_err(RubyLayerError::Layer)?;
        Ok(for_compilers.apply(Scope::Build, &layer_env.apply(Scope::Build, env)))
    }

    fn fill(&self) -> Result<(), RubyLayerError> {
        let RubySupply {
            ruby,
            supply,
            meanwhile,
        } = &self.supply;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // What is fetched meanwhile is for a first build: later ones know better what they need.
            if !kept_archive(&self.archives, ruby).is_file() {
                scope.spawn(|| meanwhile(&stop));
            }
            let filled = fill(&self.layer.path, ruby, supply, &self.archives);
            stop.store(true, Ordering::Relaxed);
            filled
        })
    }
}

/// Why a cached Ruby is not the one that is wanted.
fn reasons(before: &Metadata, now: &Metadata) -> Vec<String> {
    let Metadata {
        layout,
        version,
        sha256,
        root,
        built_for,
        abi: _,
        has_yjit: _,
    } = before;
    let mut reasons = built_for.changes_to(&now.built_for);
    if *layout != now.layout {
        reasons.push("it was laid out by another version of Formation".into());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(version: &str, sha256: char, distro_version: &str) -> Metadata {
        Metadata {
            layout: "1".into(),
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
}

//! Layer `ruby` (build, launch, cache): the Ruby runtime, without what neither an app nor the compilation of a gem has a use for.
//!
//! It is keyed on the archive's checksum, the folder of it that is wanted, and the platform.

use crate::app::gem_version::GemVersion;
use crate::layers::{BuiltFor, UNKNOWN_METADATA, changed};
use crate::report;
use crate::supply::archive::ArchiveError;
use crate::supply::inventory::Ruby;
use crate::supply::{Shown, Supply};
use fs_err as fs;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::{
    CachedLayerDefinition, EmptyLayerCause, InvalidMetadataAction, LayerState, RestoredLayerAction,
};
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use libcnb::{Buildpack, Env};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// Raised whenever Formation leaves other things out of the archive: older layers are then thrown away.
const LAYOUT: &str = "1";

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
    /// What is not needed cannot be removed.
    #[error("the Ruby layer cannot be written")]
    Layer(#[source] io::Error),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    layout: String,
    version: String,
    sha256: String,
    root: String,
    built_for: BuiltFor,
}

/// Puts a Ruby into its layer, or keeps the one that is there. While it is downloaded, `meanwhile` runs; it ends when it is told to stop.
///
/// # Errors
/// The archive cannot be had, or holds no Ruby.
pub fn install<B>(
    context: &BuildContext<B>,
    ruby: &Ruby,
    supply: &Supply,
    env: &Env,
    meanwhile: &(dyn Fn(&AtomicBool) + Sync),
) -> libcnb::Result<RubyLayer, B::Error>
where
    B: Buildpack,
    B::Error: From<RubyLayerError>,
{
    let now = Metadata {
        layout: LAYOUT.to_string(),
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
            let stop = AtomicBool::new(false);
            let filled = std::thread::scope(|scope| {
                scope.spawn(|| meanwhile(&stop));
                let filled = fill(&layer.path(), ruby, supply);
                stop.store(true, Ordering::Relaxed);
                filled
            });
            filled.map_err(|error| libcnb::Error::BuildpackError(error.into()))?;
        }
    }
    let abi =
        abi(&layer.path(), ruby).map_err(|error| libcnb::Error::BuildpackError(error.into()))?;
    if has_yjit(&layer.path(), &abi) {
        report::detail("It has YJIT");
    }
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
        layout,
        version,
        sha256,
        root,
        built_for,
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

/// Fetches, verifies and unpacks a Ruby into a layer's folder, without what is not needed.
///
/// # Errors
/// The archive cannot be had, or the layer cannot be written.
pub fn fill(layer: &Path, ruby: &Ruby, supply: &Supply) -> Result<(), RubyLayerError> {
    let place = supply.place_of(&ruby.archive);
    let what = match place.instead {
        Some(whose) => format!("Installing it from {} ({whose})", Shown(&place.url)),
        None => format!("Installing it from {}", Shown(&place.url)),
    };
    let installed = report::timed(what, || {
        ruby.archive
            .install(&supply.downloader, &place.url, layer, &is_wanted)
    });
    let length = installed.map_err(|source| RubyLayerError::Archive {
        version: ruby.version.clone(),
        source,
    })?;
    remove_static_libraries(layer).map_err(RubyLayerError::Layer)?;
    report::detail(format!(
        "Verified: {length} bytes with SHA-256 {}",
        ruby.archive.sha256.0
    ));
    Ok(())
}

/// Whether an app, or the compilation of a gem, may have a use for a file of a Ruby: not for documentation, archives of gems that are
/// installed, logs of compilations, and the tests of the gems that come with Ruby.
fn is_wanted(path: &Path) -> bool {
    let names: Vec<_> = path
        .iter()
        .map(|name| name.to_str().unwrap_or_default())
        .collect();
    match names.as_slice() {
        ["share", "doc" | "man" | "ri" | "info" | "gtk-doc", ..]
        | [
            "lib",
            "ruby",
            "gems",
            _,
            "cache" | "doc" | "build_info",
            _,
            ..,
        ]
        | [.., "mkmf.log" | "gem_make.out"] => false,
        ["lib", "ruby", "gems", _, "gems", _, folder, ..] => !matches!(
            *folder,
            "test" | "tests" | "spec" | "specs" | "doc" | "docs" | "sample" | "samples"
        ),
        _ => true,
    }
}

/// Where Ruby is a shared library, compiled gems are linked to that. (Where it is not, they need `libruby-static.a`.)
fn remove_static_libraries(layer: &Path) -> io::Result<()> {
    let mut archives = Vec::new();
    let mut is_shared = false;
    let lib = layer.join("lib");
    if !lib.is_dir() {
        return Ok(()); // It is no Ruby, and that is told elsewhere.
    }
    for entry in fs::read_dir(lib)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        is_shared |= name.starts_with("libruby") && name.contains(".so");
        if name.ends_with(".a") {
            archives.push(path);
        }
    }
    if is_shared {
        archives.iter().try_for_each(fs::remove_file)?;
    }
    Ok(())
}

/// Whether Ruby's just-in-time compiler is in it, as its own configuration says: Ruby need not be started to know.
fn has_yjit(layer: &Path, abi: &str) -> bool {
    let folder = layer.join("lib/ruby").join(abi);
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let configurations = entries
        .flatten()
        .map(|entry| entry.path().join("rbconfig.rb"));
    configurations
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>())
        .any(|line| line.contains("\"YJIT_SUPPORT\"") && line.trim_end().ends_with("\"yes\""))
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
            layout: "1".into(),
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
    fn what_is_left_out() {
        for (path, expected) in [
            ("bin/ruby", true),
            ("lib/ruby/3.3.0/rdoc.rb", true),
            ("lib/ruby/3.3.0/rdoc/doc/x.rb", true),
            ("include/ruby-3.3.0/ruby.h", true),
            ("lib/ruby/gems/3.3.0/cache", true),
            ("lib/ruby/gems/3.3.0/cache/rake-13.1.0.gem", false),
            ("lib/ruby/gems/3.3.0/gems/rake-13.1.0/lib/rake.rb", true),
            (
                "lib/ruby/gems/3.3.0/gems/test-unit-3.6.1/lib/test/unit.rb",
                true,
            ),
            ("lib/ruby/gems/3.3.0/gems/rbs-3.4.0/core/array.rbs", true),
            ("lib/ruby/gems/3.3.0/gems/rexml-3.2.8/doc/index.md", false),
            (
                "lib/ruby/gems/3.3.0/gems/net-ftp-0.3.4/test/net/ftp.rb",
                false,
            ),
            (
                "lib/ruby/gems/3.3.0/extensions/x86_64-linux/3.3.0/rbs-3.4.0/mkmf.log",
                false,
            ),
            ("share/man/man1/ruby.1", false),
            ("share/ri/3.3.0/system/Array/cdesc-Array.ri", false),
        ] {
            assert_eq!(is_wanted(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn static_libraries_are_for_a_static_ruby() {
        for (others, expected) in [(&[][..], true), (&["libruby.so.3.3"][..], false)] {
            let layer = tempfile::tempdir().unwrap();
            let lib = layer.path().join("lib");
            fs::create_dir(&lib).unwrap();
            for name in others.iter().chain(&["libruby-static.a"]) {
                fs::write(lib.join(name), "").unwrap();
            }
            remove_static_libraries(layer.path()).unwrap();
            assert_eq!(lib.join("libruby-static.a").exists(), expected);
        }
    }

    #[test]
    fn yjit_is_known_from_the_configuration() {
        for (line, expected) in [
            ("  CONFIG[\"YJIT_SUPPORT\"] = \"yes\"\n", true),
            ("  CONFIG[\"YJIT_SUPPORT\"] = \"no\"\n", false),
            ("", false),
        ] {
            let layer = tempfile::tempdir().unwrap();
            let folder = layer.path().join("lib/ruby/3.3.0/x86_64-linux");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("rbconfig.rb"), line).unwrap();
            assert_eq!(has_yjit(layer.path(), "3.3.0"), expected, "{line}");
        }
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
        let layer = tempfile::tempdir().unwrap();
        let ruby = Ruby {
            version: "3.3.8".parse().unwrap(),
            archive: Archive {
                url: "file:///nowhere/ruby-3.3.8.tar.gz".parse().unwrap(),
                sha256: Sha256Hex(String::new()),
                root: ".".into(),
            },
        };
        let destination = layer.path().join("ruby");
        assert_report!(fill(&destination, &ruby, &Supply::default()).unwrap_err());
    }
}

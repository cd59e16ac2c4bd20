//! The files of a Ruby: how they get from the archive into the layer, and what they tell of it.

use crate::fetch::Fetcher;
use crate::fetch::archive::{ArchiveError, Installation};
use crate::fetch::masked::Shown;
use crate::platform::files::remove_others;
use crate::report;
use crate::ruby::gem_version::GemVersion;
use crate::ruby::inventory::Ruby;
use crate::ruby::static_libraries;
use fs_err as fs;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use url::Url;

#[derive(Debug, Diagnostic, Error)]
pub enum RubyLayerError {
    #[error("Ruby {version} could not be installed")]
    Archive {
        version: GemVersion,
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    #[error("the archive of Ruby {version} does not contain a usable Ruby: {reason}")]
    #[diagnostic(help(
        "The inventory's `root` must be the folder in the archive that contains `bin/ruby` and \
         `lib/ruby`."
    ))]
    NoRuby { version: GemVersion, reason: String },
    #[error("the Ruby layer cannot be written")]
    Layer(#[source] io::Error),
}

/// Verifies and unpacks a Ruby into a layer's folder, without the files that are not needed. Its
/// archive is taken from the folder `archives`, or is downloaded and kept there; any other archive
/// there is removed.
///
/// # Errors
/// The archive cannot be downloaded, or the layer cannot be written. The layer is then as it was.
pub fn fill(
    layer: &Path,
    ruby: &Ruby,
    fetcher: &Fetcher,
    archives: &Path,
) -> Result<(), RubyLayerError> {
    let kept = kept_archive(archives, ruby);
    let length = match unpack_kept(layer, ruby, fetcher, &kept) {
        Some(length) => length,
        None => download_and_unpack(layer, ruby, fetcher, &kept).map_err(|source| {
            RubyLayerError::Archive {
                version: ruby.version.clone(),
                source,
            }
        })?,
    };
    remove_others(archives, &[&kept]).map_err(RubyLayerError::Layer)?;
    report::detail(format!(
        "Verified: {length} bytes with SHA-256 {}",
        ruby.archive.sha256.0
    ));
    Ok(())
}

/// The path at which the archive of a Ruby is kept, whether it is there or not.
pub(super) fn kept_archive(archives: &Path, ruby: &Ruby) -> PathBuf {
    archives.join(format!("{}.tar.gz", ruby.archive.sha256.0))
}

/// None where the archive is not there, or is damaged.
fn unpack_kept(layer: &Path, ruby: &Ruby, fetcher: &Fetcher, kept: &Path) -> Option<u64> {
    let url = Url::from_file_path(kept).ok()?;
    if !kept.is_file() {
        return None;
    }
    let what = format!("Unpacking Ruby {} from the cache", ruby.version);
    let unpacked = report::timed(what, || install(layer, ruby, fetcher, &url, None));
    unpacked
        .inspect_err(|error| {
            report::detail(format!("The archive in the cache cannot be used: {error}"));
        })
        .ok()
}

fn download_and_unpack(
    layer: &Path,
    ruby: &Ruby,
    fetcher: &Fetcher,
    kept: &Path,
) -> Result<u64, ArchiveError> {
    let location = fetcher.location_of(&ruby.archive);
    let mut what = format!(
        "Installing Ruby {} from {}",
        ruby.version,
        Shown(&location.url)
    );
    if let Some(replacement) = location.instead {
        what = format!("{what} ({replacement})");
    }
    // An archive on this disk is not kept a second time.
    let copy = (location.url.scheme() != "file").then_some(kept);
    report::timed(what, || install(layer, ruby, fetcher, &location.url, copy))
}

fn install(
    layer: &Path,
    ruby: &Ruby,
    fetcher: &Fetcher,
    url: &Url,
    copy: Option<&Path>,
) -> Result<u64, ArchiveError> {
    let finish = |unpacked: &Path| {
        static_libraries::take_out(unpacked, layer)?;
        layer_env().write_to_layer_dir(unpacked)
    };
    let installation = Installation {
        destination: layer,
        is_wanted: &is_wanted,
        finish: &finish,
        copy,
    };
    ruby.archive
        .install(&fetcher.downloader, url, &installation)
}

/// Whether an app, or the compilation of a gem, may need a file of a Ruby. Left out are
/// documentation, archives of installed gems, logs of compilations, and the tests of the gems that
/// come with Ruby.
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

/// Whether Ruby has its just-in-time compiler, by its `rbconfig.rb`: Ruby is not started.
pub(super) fn has_yjit(layer: &Path, abi: &str) -> bool {
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

/// Ruby's ABI version, from the one folder below `lib/ruby/gems`. Every patch release of a series
/// has the same.
pub(super) fn abi(layer: &Path, ruby: &Ruby) -> Result<String, RubyLayerError> {
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
            "its lib/ruby/gems has {} folders instead of one: {}",
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
    // Ruby takes its default encoding from the locale. Base images set none, and US-ASCII would be
    // it.
    LayerEnv::new().chainable_insert(Scope::All, ModificationBehavior::Default, "LANG", "C.UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::archive::Archive;
    use crate::fetch::digest::Sha256Hex;
    use procfile::assert_report;

    #[test]
    fn files_that_no_app_needs_are_left_out() {
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
    fn an_archive_that_cannot_be_downloaded_is_shown() {
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
        let filled = fill(&destination, &ruby, &Fetcher::default(), layer.path());
        assert_report!(filled.unwrap_err());
    }
}

//! Installed gems, as RubyGems and Bundler lay them out.

use crate::gems::lockfile::{GemfileLock, GitSource, SourceKind, Spec};
use crate::platform::files::{remove_dir, remove_file};
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The folder of gems from git, below the gem home: `NAME-REVISION`, each a checkout.
pub(super) const CHECKOUTS: &str = "bundler/gems";

/// How many characters of a revision Bundler shows.
const SHORT_REVISION: usize = 12;

/// The gem home: the folder where RubyGems keeps the gems of one ABI.
pub(super) fn gem_home(layer: &Path, ruby: &RubyLayer) -> PathBuf {
    layer.join("ruby").join(&ruby.abi)
}

fn specification(gem_home: &Path, full_name: &str) -> PathBuf {
    gem_home.join(format!("specifications/{full_name}.gemspec"))
}

/// Whether a gem from a gem server is installed. RubyGems writes its specification last, and in
/// place: a killed build may leave the beginning of it.
pub(super) fn is_installed(gem_home: &Path, full_name: &str) -> bool {
    let is_whole = |text: Vec<u8>| text.ends_with(b"\nend\n");
    fs::read(specification(gem_home, full_name)).is_ok_and(is_whole)
        && gem_home.join("gems").join(full_name).is_dir()
}

/// The gems of the image.
#[derive(Clone, Debug)]
pub struct InstalledGems<'a> {
    pub(super) lockfile: &'a GemfileLock,
    /// As [`full_names`] gives them.
    pub(super) full_names: Vec<String>,
}

impl InstalledGems<'_> {
    /// The version of an installed gem, as `[major, minor]`.
    #[must_use]
    pub fn version_of(&self, name: &str) -> Option<[u64; 2]> {
        let spec = self.lockfile.specs().find(|spec| spec.name == name)?;
        let version = [spec.version.number(0), spec.version.number(1)];
        self.has(name).then_some(version)
    }

    /// Whether a gem of this name is installed, or in a folder of the app. One of a group that is not
    /// installed is locked all the same.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.lockfile.sources.iter().any(|source| {
            let is_there = |spec: &&Spec| {
                let full_name = format!("{}-{}", spec.name, spec.version);
                let of_platform = format!("{full_name}-");
                let mut installed = self.full_names.iter();
                match &source.kind {
                    SourceKind::Gem(_) => installed
                        .any(|found| *found == full_name || found.starts_with(&of_platform)),
                    SourceKind::Git(git) => installed.any(|found| is_checkout_of(found, git)),
                    SourceKind::Path(_) | SourceKind::Plugin(_) => true,
                }
            };
            let mut specs = source.specs.iter().filter(|spec| spec.name == name);
            specs.any(|spec| is_there(&spec))
        })
    }
}

/// Whether a checkout has the name that Bundler gives it: `NAME-REVISION`, the first 12 characters of
/// the revision.
fn is_checkout_of(checkout: &str, git: &GitSource) -> bool {
    let short = git.revision.get(..SHORT_REVISION);
    let revision = short.unwrap_or(&git.revision);
    let rest = checkout.strip_suffix(revision);
    rest.is_some_and(|name| name.ends_with('-'))
}

#[cfg(test)]
impl<'a> InstalledGems<'a> {
    /// For tests: every locked gem is installed.
    pub(crate) fn all_of(lockfile: &'a GemfileLock) -> Self {
        Self {
            lockfile,
            full_names: lockfile.specs().map(Spec::full_name).collect(),
        }
    }
}

/// The installed gems, sorted: from gem servers, by their specifications, such as `rack-3.1.20`; and
/// from git, by their checkouts.
pub(super) fn full_names(gem_home: &Path) -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(gem_home.join(folder)).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        names.map(|name| name.to_string_lossy().into_owned())
    };
    let specifications = names("specifications");
    let gems = specifications.filter_map(|name| name.strip_suffix(".gemspec").map(String::from));
    let checkouts = names(CHECKOUTS).filter(|name| name != "extensions");
    let mut all: Vec<_> = gems.chain(checkouts).collect();
    all.sort();
    all
}

/// Removes all gems from git, with their compiled extensions.
pub(super) fn remove_checkouts(gem_home: &Path) -> io::Result<()> {
    remove_dir(&gem_home.join(CHECKOUTS))
}

/// Removes a gem. Its specification goes first: without that, it does not count as installed.
pub(super) fn remove_gem(gem_home: &Path, full_name: &str) -> io::Result<()> {
    remove_file(&specification(gem_home, full_name))?;
    remove_file(&gem_home.join(format!("build_info/{full_name}.info")))?;
    remove_dir(&gem_home.join("gems").join(full_name))?;
    // extensions/x86_64-linux/3.3.0/NAME-VERSION
    let extensions = WalkDir::new(gem_home.join("extensions"))
        .min_depth(3)
        .max_depth(3);
    for entry in extensions.into_iter().flatten() {
        if entry.file_name() == full_name {
            remove_dir(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gem_is_installed_when_its_specification_is_whole() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["gems/rack-3.1.20", "specifications"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let whole = "Gem::Specification.new do |s|\n  s.name = \"rack\".freeze\nend\n";
        for length in 0..=whole.len() {
            let path = specification(home.path(), "rack-3.1.20");
            fs::write(path, &whole[..length]).unwrap();
            let is_whole = length == whole.len();
            assert_eq!(
                is_installed(home.path(), "rack-3.1.20"),
                is_whole,
                "{length}"
            );
        }
        assert!(!is_installed(home.path(), "rack-3.1.19"));
    }

    #[test]
    fn one_gem_is_removed_and_its_neighbours_stay() {
        let home = tempfile::tempdir().unwrap();
        let files = |gem: &str| {
            [
                format!("build_info/{gem}.info"),
                format!("extensions/x86_64-linux/3.3.0/{gem}/a.so"),
                format!("gems/{gem}/lib/a.rb"),
                format!("specifications/{gem}.gemspec"),
            ]
            .map(|file| home.path().join(file))
        };
        for file in ["pg-1.5.9", "pg-1.5.9.1"].iter().flat_map(|gem| files(gem)) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(full_names(home.path()).len(), 2);
        for _ in 0..2 {
            remove_gem(home.path(), "pg-1.5.9").unwrap();
            assert!(!is_installed(home.path(), "pg-1.5.9"));
            assert!(files("pg-1.5.9").iter().all(|file| !file.exists()));
            assert!(files("pg-1.5.9.1").iter().all(|file| file.exists()));
        }
        assert_eq!(full_names(home.path()).len(), 1);
    }

    #[test]
    fn a_gem_of_a_group_that_is_not_installed_is_locked_and_not_there() {
        let lockfile = "GIT\n  remote: x\n  revision: f2045f706e32121d75a5\n  specs:\n    hi (1)\n\nGIT\n  \
                        remote: y\n  revision: 2aaa5f706e32\n  specs:\n    ho (1)\n\nPATH\n  \
                        remote: .\n  specs:\n    shop (1.0)\n\nGEM\n  specs:\n    \
                        nokogiri (1.18.2)\n    puma (6.6.0)\n    rack (3.1.20)\n    rack (3.1)\n";
        let lockfile = GemfileLock::parse("Gemfile.lock", lockfile).unwrap();
        let gems = InstalledGems {
            lockfile: &lockfile,
            full_names: [
                "hi-f2045f706e32",
                "nokogiri-1.18.2-x86_64-linux",
                "rack-3.1.20",
                "tilt-2",
            ]
            .map(String::from)
            .into(),
        };
        let found =
            ["hi", "ho", "nokogiri", "puma", "rack", "shop", "tilt"].map(|name| gems.has(name));
        assert_eq!(found, [true, false, true, false, true, true, false]);
    }
}

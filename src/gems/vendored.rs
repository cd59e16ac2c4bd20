//! Gems that the app brings along in `vendor/cache`, as `bundle cache` puts them there.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::{Source, SourceKind};
use std::path::PathBuf;

/// Bundler's setting for the folder, relative to the Gemfile.
const CACHE_PATH: &str = "BUNDLE_CACHE_PATH";

/// The folder, where it holds every locked gem: Bundler then needs no network. Where one is missing, it does, and finds those that are
/// there by itself.
pub(super) fn complete_cache(bundle: &Bundle) -> Option<PathBuf> {
    let name = bundle
        .settings
        .env
        .get(CACHE_PATH)
        .unwrap_or("vendor/cache");
    let folder = bundle.paths.gemfile.with_file_name(name);
    let names: Vec<String> = folder
        .read_dir()
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let sources = &bundle.lockfile.sources;
    let has_gems = sources
        .iter()
        .any(|source| matches!(source.kind, SourceKind::Gem(_)));
    (has_gems && sources.iter().all(|source| holds(&names, source))).then_some(folder)
}

/// Whether the folder's files hold the gems of a source. A gem that is locked for several platforms may be there for one.
fn holds(names: &[String], source: &Source) -> bool {
    match source.kind {
        SourceKind::Path(_) => true,
        SourceKind::Git(_) | SourceKind::Plugin(_) => false, // Where Bundler keeps these depends on more than the lockfile.
        SourceKind::Gem(_) => source.specs.iter().all(|spec| {
            let gem = format!("{}-{}", spec.name, spec.version);
            names.iter().any(|name| {
                name.strip_prefix(gem.as_str())
                    .and_then(|rest| rest.strip_suffix(".gem"))
                    .is_some_and(|platform| platform.is_empty() || platform.starts_with('-'))
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;

    const LOCKFILE: &str = "GEM\n  specs:\n    nokogiri (1.18.2-arm64-darwin)\n    nokogiri (1.18.2-x86_64-linux-gnu)\n    rack (3.1.20)\n";

    fn is_complete(lockfile: &str, gems: &[&str]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("vendor/cache");
        fs_err::create_dir_all(&cache).unwrap();
        fs_err::write(dir.path().join("Gemfile"), "").unwrap();
        fs_err::write(dir.path().join("Gemfile.lock"), lockfile).unwrap();
        for gem in gems {
            fs_err::write(cache.join(gem), "").unwrap();
        }
        complete_cache(&Bundle::at(dir.path(), &BuildVariables::default())).is_some()
    }

    #[test]
    fn every_gem_has_to_be_there_for_some_platform() {
        let nokogiri = "nokogiri-1.18.2-x86_64-linux-gnu.gem";
        assert!(is_complete(LOCKFILE, &[nokogiri, "rack-3.1.20.gem"]));
        assert!(!is_complete(LOCKFILE, &[nokogiri]));
        assert!(!is_complete(LOCKFILE, &[nokogiri, "rack-3.1.2.gem"]));
        assert!(!is_complete(LOCKFILE, &[nokogiri, "rack-3.1.20.1.gem"]));
        assert!(!is_complete("", &[]));
    }

    #[test]
    fn gems_of_git_need_the_network() {
        let lockfile = format!(
            "GIT\n  remote: https://example.com/a.git\n  revision: 1\n  specs:\n    a (1)\n\n{LOCKFILE}"
        );
        assert!(!is_complete(
            &lockfile,
            &[
                "nokogiri-1.18.2-x86_64-linux-gnu.gem",
                "rack-3.1.20.gem",
                "a-1.gem"
            ]
        ));
    }
}

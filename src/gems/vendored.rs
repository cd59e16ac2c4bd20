//! Gem archives in the app, in `vendor/cache`, where `bundle cache` puts them.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::{Source, SourceKind};
use std::path::PathBuf;

/// Bundler's setting for the folder, relative to the Gemfile.
const CACHE_PATH: &str = "BUNDLE_CACHE_PATH";

/// The folder, if it has every locked gem: Bundler then needs no network. If a gem is missing,
/// Bundler needs the servers, and finds the folder by itself.
pub(super) fn complete_cache(bundle: &Bundle) -> Option<PathBuf> {
    let name = bundle.settings.get(CACHE_PATH).unwrap_or("vendor/cache");
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

/// Whether files with these names hold the gems of a source. For a gem that is locked for several
/// platforms, one of them is enough.
fn holds(names: &[String], source: &Source) -> bool {
    match source.kind {
        SourceKind::Path(_) => true,
        // Where Bundler keeps these depends on more than the lockfile.
        SourceKind::Git(_) | SourceKind::Plugin(_) => false,
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
    use indoc::indoc;

    const LOCKFILE: &str = indoc! {"
        GEM
          specs:
            nokogiri (1.18.2-arm64-darwin)
            nokogiri (1.18.2-x86_64-linux-gnu)
            rack (3.1.20)
    "};

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
    fn every_gem_has_to_be_there_for_at_least_one_platform() {
        let nokogiri = "nokogiri-1.18.2-x86_64-linux-gnu.gem";
        assert!(is_complete(LOCKFILE, &[nokogiri, "rack-3.1.20.gem"]));
        assert!(!is_complete(LOCKFILE, &[nokogiri]));
        assert!(!is_complete(LOCKFILE, &[nokogiri, "rack-3.1.2.gem"]));
        assert!(!is_complete(LOCKFILE, &[nokogiri, "rack-3.1.20.1.gem"]));
        assert!(!is_complete("", &[]));
    }

    #[test]
    fn the_apps_own_setting_names_the_folder_before_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let lockfile = "GEM\n  specs:\n    rack (3.1.20)\n";
        for (file, text) in [
            ("Gemfile", ""),
            ("Gemfile.lock", lockfile),
            (".bundle/config", "BUNDLE_CACHE_PATH: \"vendor/gems\"\n"),
            ("vendor/gems/rack-3.1.20.gem", ""),
        ] {
            let path = dir.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let mut env = libcnb::Env::new();
        env.insert(CACHE_PATH, "vendor/other");
        let bundle = Bundle::at(dir.path(), &BuildVariables::new(&env));
        let expected = dir.path().join("vendor/gems");
        assert_eq!(complete_cache(&bundle), Some(expected));
    }

    #[test]
    fn gems_from_git_need_the_network() {
        let lockfile = format!(
            "GIT\n  remote: https://example.com/a.git\n  revision: 1\n  specs:\n    \
             a (1)\n\n{LOCKFILE}"
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

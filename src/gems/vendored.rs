//! Gem archives in the app, in `vendor/cache`, where `bundle cache` puts them.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::{SelectedGem, SourceKind};
use crate::gems::platform::GemPlatform;
use crate::gems::selected::{platform_of, selected_gems};
use libcnb::Target;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `vendor/cache` holds of the locked gems for a target.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Vendored {
    /// Every gem, so that Bundler needs no network: the folder.
    All(PathBuf),
    /// Every gem, but some in a variant that the lockfile ranks lower. Whether that can be
    /// installed is the lockfile's own Bundler's to say.
    OtherVariants,
    /// Not every gem: Bundler needs the servers, and finds the folder by itself.
    Some,
}

impl Vendored {
    pub(super) fn find(bundle: &Bundle, target: &Target) -> Self {
        let folder = bundle.cache_folder();
        let names = gems_in(&folder);
        let choice = selected_gems(&bundle.lockfile, &bundle.settings, target);
        let gems = || choice.gems.iter();
        let is_gem = |gem: &&SelectedGem<'_>| gem.servers().is_some();
        // Where Bundler keeps the others depends on more than the lockfile.
        let is_elsewhere = |gem: &SelectedGem<'_>| {
            matches!(gem.source.kind, SourceKind::Git(_) | SourceKind::Plugin(_))
        };
        if gems().any(is_elsewhere) || gems().filter(is_gem).count() == 0 {
            return Self::Some;
        }
        let local = platform_of(target);
        let has_fitting = |gem: &SelectedGem<'_>| {
            let start = format!("{}-{}", gem.spec.name, gem.spec.version);
            names
                .iter()
                .filter_map(|name| name.strip_prefix(start.as_str()))
                .filter(|platform| platform.is_empty() || platform.starts_with('-'))
                .any(|platform| {
                    GemPlatform::parse(platform.trim_start_matches('-')).runs_on(&local)
                })
        };
        let has_selected = |gem: &SelectedGem<'_>| names.contains(&gem.spec.full_name());
        if gems().filter(is_gem).all(has_selected) {
            Self::All(folder)
        } else if !gems().filter(is_gem).all(has_fitting) {
            Self::Some
        } else if choice.servers_decide {
            Self::All(folder)
        } else {
            Self::OtherVariants
        }
    }
}

/// The full names of the gems whose archives a folder holds.
fn gems_in(folder: &Path) -> BTreeSet<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter_map(|name| name.strip_suffix(".gem").map(String::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use indoc::indoc;

    const LOCKFILE: &str = indoc! {"
        GEM
          specs:
            nokogiri (1.18.2)
            nokogiri (1.18.2-arm64-darwin)
            nokogiri (1.18.2-x86_64-linux-gnu)
            rack (3.1.20)

        PLATFORMS
          arm64-darwin
          ruby
          x86_64-linux

        DEPENDENCIES
          nokogiri
          rack
    "};

    fn target() -> Target {
        Target {
            os: "linux".into(),
            arch: "amd64".into(),
            arch_variant: None,
            distro_name: "debian".into(),
            distro_version: "13".into(),
        }
    }

    fn vendored(lockfile: &str, gems: &[&str]) -> &'static str {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("vendor/cache");
        fs_err::create_dir_all(&cache).unwrap();
        fs_err::write(dir.path().join("Gemfile"), "").unwrap();
        fs_err::write(dir.path().join("Gemfile.lock"), lockfile).unwrap();
        for gem in gems {
            fs_err::write(cache.join(gem), "").unwrap();
        }
        let bundle = Bundle::at(dir.path(), &BuildVariables::default());
        match Vendored::find(&bundle, &target()) {
            Vendored::All(_) => "all",
            Vendored::OtherVariants => "other variants",
            Vendored::Some => "some",
        }
    }

    #[test]
    fn the_variant_for_the_target_has_to_be_there() {
        let rack = "rack-3.1.20.gem";
        let linux = "nokogiri-1.18.2-x86_64-linux-gnu.gem";
        let (darwin, source) = ("nokogiri-1.18.2-arm64-darwin.gem", "nokogiri-1.18.2.gem");
        for (gems, expected) in [
            (vec![linux, rack], "all"),
            (vec![linux, darwin, source, rack], "all"),
            (vec![darwin, rack], "some"),
            (vec![source, rack], "other variants"),
            (vec![linux], "some"),
            (vec![linux, "rack-3.1.2.gem"], "some"),
            (vec![linux, "rack-3.1.20.1.gem"], "some"),
        ] {
            assert_eq!(vendored(LOCKFILE, &gems), expected, "{gems:?}");
        }
        assert_eq!(vendored("", &[]), "some");
    }

    #[test]
    fn for_a_lockfile_without_platforms_of_its_own_any_variant_will_do() {
        let lockfile = "GEM\n  specs:\n    pg (1.5.4)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  pg\n";
        assert_eq!(vendored(lockfile, &["pg-1.5.4-x86_64-linux.gem"]), "all");
        assert_eq!(vendored(lockfile, &["pg-1.5.4-arm64-darwin.gem"]), "some");
    }

    #[test]
    fn the_apps_own_setting_names_the_folder_before_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let lockfile = "GEM\n  specs:\n    rack (3.1.20)\n\nDEPENDENCIES\n  rack\n";
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
        env.insert("BUNDLE_CACHE_PATH", "vendor/other");
        let bundle = Bundle::at(dir.path(), &BuildVariables::new(&env));
        let expected = dir.path().join("vendor/gems");
        assert_eq!(Vendored::find(&bundle, &target()), Vendored::All(expected));
    }

    #[test]
    fn gems_from_git_need_the_network() {
        let lockfile = format!(
            "GIT\n  remote: https://example.com/a.git\n  revision: 1\n  specs:\n    \
             a (1)\n\n{LOCKFILE}"
        );
        let lockfile = format!("{lockfile}  a!\n");
        let gems = [
            "nokogiri-1.18.2-x86_64-linux-gnu.gem",
            "rack-3.1.20.gem",
            "a-1.gem",
        ];
        assert_eq!(vendored(&lockfile, &gems), "some");
    }
}

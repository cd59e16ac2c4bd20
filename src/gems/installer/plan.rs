//! Which archives have to be installed.

use crate::fetch::digest::Sha256Hex;
use crate::gems::installer::archive::GemArchive;
use crate::gems::lockfile::{Checksum, GemfileLock};
use crate::gems::selected::selected_gems;
use crate::gems::servers::GemServers;
use crate::gems::settings::BundlerSettings;
use libcnb::Target;
use std::collections::BTreeSet;

/// Bundler's setting that ignores the checksums of the lockfile.
const NO_CHECKSUMS: &str = "BUNDLE_DISABLE_CHECKSUM_VALIDATION";

/// Bundler's setting for the version of Bundler that is used.
const BUNDLER_VERSION: &str = "BUNDLE_VERSION";

/// The name of the gem that is Bundler itself.
const BUNDLER: &str = "bundler";

/// The server of Bundler's own releases.
const RUBYGEMS: &str = "https://rubygems.org/";

/// Settings of Bundler that change how gems are installed. With one of them, Bundler installs all
/// gems itself.
const LEFT_TO_BUNDLER: [&str; 4] = [
    "BUNDLE_NO_BUILD_EXTENSION",
    "BUNDLE_TRUST___POLICY",
    "BUNDLE_NO_INSTALL",
    "BUNDLE_PLUGINS",
];

/// The archives of the lockfile's gems for a target. None where the settings leave the gems to
/// Bundler, or where only the gem servers can tell which variant of a gem is installed.
pub(super) fn locked_archives(
    lockfile: &GemfileLock,
    settings: &BundlerSettings,
    target: &Target,
) -> Option<Vec<GemArchive>> {
    if LEFT_TO_BUNDLER.iter().any(|name| settings.sets(name)) {
        return None;
    }
    let choice = selected_gems(lockfile, settings, target);
    if choice.servers_decide {
        return None;
    }
    let servers = GemServers(settings);
    let archives = choice.gems.iter().filter_map(|gem| {
        let full_name = gem.spec.full_name();
        let sources = gem.servers()?;
        // The name becomes the name of a file.
        (!full_name.contains('/')).then(|| GemArchive {
            name: gem.spec.name.clone(),
            // Bundler tries the last one first.
            urls: sources
                .iter()
                .rev()
                .filter_map(|source| servers.archive(source, &full_name))
                .collect(),
            checksums: if settings.is_true(NO_CHECKSUMS) {
                Vec::new()
            } else {
                sha256s(gem.checksums)
            },
            full_name,
        })
    });
    Some(archives.collect())
}

/// The archive of the Bundler that the lockfile names, unless the settings name another.
pub(super) fn locked_bundler(
    lockfile: &GemfileLock,
    settings: &BundlerSettings,
) -> Option<GemArchive> {
    if settings.sets(BUNDLER_VERSION) {
        return None;
    }
    let full_name = format!("{BUNDLER}-{}", lockfile.bundled_with.as_ref()?);
    let checksums = lockfile.checksums.as_ref();
    let url = GemServers(settings).archive(RUBYGEMS, &full_name);
    Some(GemArchive {
        name: BUNDLER.to_string(),
        urls: url.into_iter().collect(),
        checksums: sha256s(checksums.and_then(|checksums| checksums.of(&full_name))),
        full_name,
    })
}

/// SHA-256 is the only digest that Bundler knows.
fn sha256s(checksums: Option<&[Checksum]>) -> Vec<Sha256Hex> {
    let checksums = checksums.unwrap_or_default().iter();
    checksums
        .filter(|checksum| checksum.algorithm == "sha256")
        .map(|checksum| Sha256Hex(checksum.digest.clone()))
        .collect()
}

/// What one install does.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct InstallPlan {
    /// The full names of all gems that the app needs.
    pub(super) needed: BTreeSet<String>,
    /// Those that are not installed.
    pub(super) gems: Vec<GemArchive>,
    /// The lockfile's own Bundler, where it is not installed.
    pub(super) bundler: Option<GemArchive>,
}

impl InstallPlan {
    /// Of all archives, those of the gems with these names (gems of groups that are not chosen are
    /// left out), and of the lockfile's own Bundler, if there is one.
    pub(super) fn new(
        archives: Vec<GemArchive>,
        bundler: Option<GemArchive>,
        names: &BTreeSet<String>,
        is_installed: impl Fn(&str) -> bool,
    ) -> Self {
        let mut plan = Self::default();
        for archive in archives {
            if !names.contains(&archive.name) {
                continue;
            }
            plan.needed.insert(archive.full_name.clone());
            if !is_installed(&archive.full_name) {
                plan.gems.push(archive);
            }
        }
        plan.needed
            .extend(bundler.iter().map(|archive| archive.full_name.clone()));
        plan.bundler = bundler.filter(|archive| !is_installed(&archive.full_name));
        plan
    }

    /// How many archives have no checksum in the lockfile.
    pub(super) fn without_checksum(&self) -> usize {
        self.archives()
            .filter(|archive| archive.checksums.is_empty())
            .count()
    }

    /// Every archive that is installed.
    pub(super) fn archives(&self) -> impl Iterator<Item = &GemArchive> {
        self.gems.iter().chain(&self.bundler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::settings::bundle_config::BundleConfig;
    use indoc::indoc;

    const LOCKFILE: &str = indoc! {"
        GEM
          remote: https://rubygems.org/
          remote: https://gems.example.com/
          specs:
            nokogiri (1.18.2-arm64-darwin)
            nokogiri (1.18.2-x86_64-linux-gnu)
            rack (3.1.20)

        PATH
          remote: engines/billing
          specs:
            billing (0.1.0)

        PLATFORMS
          arm64-darwin
          x86_64-linux

        DEPENDENCIES
          billing!
          nokogiri
          rack

        CHECKSUMS
          rack (3.1.20) sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

        BUNDLED WITH
           2.6.7
    "};

    const RACK_SHA256: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn settings(config: &str) -> BundlerSettings {
        BundlerSettings {
            config: BundleConfig::parse(config),
            ..BundlerSettings::default()
        }
    }

    fn archives(lockfile: &str, config: &str) -> Option<Vec<GemArchive>> {
        let lockfile = GemfileLock::parse("Gemfile.lock", lockfile).unwrap();
        let target = Target {
            os: "linux".into(),
            arch: "amd64".into(),
            arch_variant: None,
            distro_name: "debian".into(),
            distro_version: "13".into(),
        };
        locked_archives(&lockfile, &settings(config), &target)
    }

    fn archive(name: &str, full_name: &str, checksums: &[&str]) -> GemArchive {
        let servers = ["https://gems.example.com", "https://rubygems.org"];
        let urls = servers.map(|server| format!("{server}/gems/{full_name}.gem"));
        let checksums = checksums.iter();
        GemArchive {
            name: name.into(),
            full_name: full_name.into(),
            urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
            checksums: checksums.map(|hex| Sha256Hex(hex.to_string())).collect(),
        }
    }

    #[test]
    fn checksums_of_the_lockfile_can_be_turned_off() {
        for (config, checksums) in [
            ("BUNDLE_DISABLE_CHECKSUM_VALIDATION: \"true\"\n", vec![]),
            (
                "BUNDLE_DISABLE_CHECKSUM_VALIDATION: \"false\"\n",
                vec![RACK_SHA256],
            ),
        ] {
            let archives = archives(LOCKFILE, config).unwrap();
            assert_eq!(archives[1], archive("rack", "rack-3.1.20", &checksums));
        }
    }

    #[test]
    fn gems_of_servers_in_the_variant_for_the_target() {
        let expected = [
            archive("nokogiri", "nokogiri-1.18.2-x86_64-linux-gnu", &[]),
            archive("rack", "rack-3.1.20", &[RACK_SHA256]),
        ];
        assert_eq!(archives(LOCKFILE, "").unwrap(), expected);
        let without_plugins = "BUNDLE_JOBS: \"4\"\n";
        assert_eq!(archives(LOCKFILE, without_plugins).unwrap(), expected);
    }

    #[test]
    fn some_settings_and_lockfiles_are_left_to_bundler() {
        for setting in LEFT_TO_BUNDLER {
            assert_eq!(archives(LOCKFILE, &format!("{setting}: \"x\"\n")), None);
        }
        let for_ruby = LOCKFILE.replace("  arm64-darwin\n  x86_64-linux\n", "  ruby\n");
        assert_eq!(archives(&for_ruby, ""), None);
        let forced = "BUNDLE_FORCE_RUBY_PLATFORM: \"true\"\n";
        let names = archives(&for_ruby, forced).unwrap();
        let names: Vec<_> = names.iter().map(|gem| gem.full_name.as_str()).collect();
        assert_eq!(names, ["rack-3.1.20"]);
    }

    #[test]
    fn the_lockfiles_own_bundler_unless_the_settings_name_another() {
        let lockfile = GemfileLock::parse("Gemfile.lock", LOCKFILE).unwrap();
        let bundler = locked_bundler(&lockfile, &settings("")).unwrap();
        assert_eq!(bundler.full_name, "bundler-2.6.7");
        let urls: Vec<_> = bundler.urls.iter().map(url::Url::as_str).collect();
        assert_eq!(urls, ["https://rubygems.org/gems/bundler-2.6.7.gem"]);
        let other = settings("BUNDLE_VERSION: \"system\"\n");
        assert_eq!(locked_bundler(&lockfile, &other), None);
        let without = GemfileLock::parse("Gemfile.lock", "GEM\n").unwrap();
        assert_eq!(locked_bundler(&without, &settings("")), None);
    }

    #[test]
    fn what_is_needed_and_not_installed_is_installed() {
        let rack = archive("rack", "rack-3.1.20", &[RACK_SHA256]);
        let puma = archive("puma", "puma-6.6.0", &[]);
        let minitest = archive("minitest", "minitest-5.25.4", &[]);
        let bundler = archive("bundler", "bundler-2.6.7", &[]);
        let all = vec![rack, puma.clone(), minitest];
        let names = ["rack", "puma"].map(String::from).into();
        let is_installed = |gem: &str| gem == "rack-3.1.20";
        let plan = InstallPlan::new(all, Some(bundler.clone()), &names, is_installed);
        assert_eq!(plan.without_checksum(), 2);
        let needed = ["rack-3.1.20", "puma-6.6.0", "bundler-2.6.7"];
        let expected = InstallPlan {
            needed: needed.map(String::from).into(),
            gems: vec![puma],
            bundler: Some(bundler),
        };
        assert_eq!(plan, expected);
    }
}

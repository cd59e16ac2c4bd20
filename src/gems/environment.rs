//! The environment that the layer gives to an app and to Bundler: variables, and Bundler's
//! settings.

use crate::gems::bundle::Bundle;
use crate::gems::installed::gem_home;
use crate::gems::other_lockfile;
use crate::gems::settings::BundlerSettings;
use crate::gems::settings::bundle_config::BundleConfig;
use crate::gems::tree_digest::tree_digest;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use std::io;
use std::path::{Path, PathBuf};

/// Groups that a production image does not need, unless `BUNDLE_WITHOUT` or the app's
/// `.bundle/config` chooses others.
pub(super) const DEFAULT_WITHOUT: &str = "development:test";

/// The settings by which Bundler chooses gems when it loads them.
const DECIDE_AT_LAUNCH: [&str; 5] = [
    "BUNDLE_FORCE_RUBY_PLATFORM",
    "BUNDLE_ONLY",
    "BUNDLE_SPECIFIC_PLATFORM",
    "BUNDLE_WITH",
    "BUNDLE_WITHOUT",
];

fn config_folder(layer: &Path) -> PathBuf {
    layer.join("bundle-config")
}

/// The variables that make programs find the gems, and Bundler find them as they were installed.
pub(super) fn layer_env(layer: &Path, ruby: &RubyLayer, bundle: &Bundle) -> LayerEnv {
    let gem_home = gem_home(layer, ruby);
    let mut env = LayerEnv::new()
        // The programs of gems are found by name: `web: puma` works like `web: bundle exec puma`.
        .chainable_insert(
            Scope::All,
            ModificationBehavior::Prepend,
            "PATH",
            gem_home.join("bin"),
        )
        .chainable_insert(Scope::All, ModificationBehavior::Delimiter, "PATH", ":");
    let fixed = [
        ("BUNDLE_APP_CONFIG", config_folder(layer)),
        ("BUNDLE_FROZEN", "1".into()),
        ("BUNDLE_GEMFILE", bundle.paths.gemfile.clone()),
        ("BUNDLE_PATH", layer.to_path_buf()),
        ("GEM_PATH", gem_home),
    ];
    for (name, value) in fixed {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    if let Some(lockfile) = bundle.paths.other_lockfile() {
        let name = other_lockfile::SETTING;
        env.insert(Scope::All, ModificationBehavior::Override, name, lockfile);
        // RubyGems would choose the Bundler that locked the file beside the Gemfile.
        if let Some(version) = &bundle.lockfile.bundled_with {
            let (name, version) = ("BUNDLER_VERSION", version.to_string());
            env.insert(Scope::All, ModificationBehavior::Override, name, version);
        }
    }
    for (name, value) in chosen_gems(&bundle.settings) {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    env
}

/// The variables that choose groups and variants of gems, for the container too: the app loads those
/// that were installed, whatever variables the container has. An empty `BUNDLE_WITHOUT` chooses every group.
/// `BUNDLE_WITH` only adds to the default. The app's own settings are in its `.bundle/config`.
fn chosen_gems(settings: &BundlerSettings) -> Vec<(&'static str, String)> {
    let variables = &settings.env;
    let mut chosen: Vec<_> = DECIDE_AT_LAUNCH
        .into_iter()
        .filter(|name| variables.sets(name))
        .map(|name| (name, variables.get(name).unwrap_or_default().to_string()))
        .collect();
    let replace_default = ["BUNDLE_WITHOUT", "BUNDLE_ONLY"];
    if !replace_default.iter().any(|name| settings.sets(name)) {
        chosen.push(("BUNDLE_WITHOUT", DEFAULT_WITHOUT.to_string()));
    }
    chosen
}

/// Writes the app's settings, without those that say where gems are installed.
pub(super) fn write_config(layer: &Path, config: &BundleConfig) -> io::Result<()> {
    fs::create_dir_all(config_folder(layer))?;
    fs::write(config_folder(layer).join("config"), config.for_image())
}

/// The digest of the files that hold the environment in a layer.
pub(super) fn digest_of(env: &LayerEnv) -> io::Result<String> {
    let folder = tempfile::tempdir()?;
    env.write_to_layer_dir(folder.path())?;
    tree_digest(folder.path(), |_| true, |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use libcnb::Env;

    #[test]
    fn groups_are_chosen_by_the_user_or_by_default() {
        for (variables, config, expected) in [
            (vec![], "", vec![("BUNDLE_WITHOUT", DEFAULT_WITHOUT)]),
            (
                vec![("BUNDLE_WITHOUT", "")],
                "",
                vec![("BUNDLE_WITHOUT", "")],
            ),
            (
                vec![("BUNDLE_WITH", "staging")],
                "",
                vec![
                    ("BUNDLE_WITH", "staging"),
                    ("BUNDLE_WITHOUT", DEFAULT_WITHOUT),
                ],
            ),
            (
                vec![("BUNDLE_ONLY", "web")],
                "",
                vec![("BUNDLE_ONLY", "web")],
            ),
            (vec![], "BUNDLE_WITHOUT: \"ci\"\n", vec![]),
            (
                vec![],
                "BUNDLE_WITH: \"staging\"\n",
                vec![("BUNDLE_WITHOUT", DEFAULT_WITHOUT)],
            ),
        ] {
            let mut env = Env::new();
            for (name, value) in &variables {
                env.insert(name, value);
            }
            let chosen = chosen_gems(&BundlerSettings {
                env: BuildVariables::new(&env),
                config: BundleConfig::parse(config),
            });
            let chosen: Vec<_> = chosen.iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(chosen, expected, "{variables:?} {config:?}");
        }
    }
}

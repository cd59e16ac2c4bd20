//! What an app, and Bundler, need to find the gems of the layer: variables, and Bundler's settings.

use crate::gems::bundle::Bundle;
use crate::gems::settings::bundle_config::BundleConfig;
use crate::platform::variables::BuildVariables;
use fs_err as fs;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Groups that a production image has no use for; `BUNDLE_WITHOUT` or the app's `.bundle/config` says otherwise.
const DEFAULT_WITHOUT: &str = "development:test";

fn config_folder(layer: &Path) -> PathBuf {
    layer.join("bundle-config")
}

/// In which the gems are found, and Bundler finds them as they were installed.
pub(super) fn layer_env(
    layer: &Path,
    gem_home: &Path,
    bundle: &Bundle,
    user: &BuildVariables,
) -> LayerEnv {
    let mut env = LayerEnv::new()
        // Programs of gems are found by their name: `web: puma` works as well as `web: bundle exec puma`.
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
        ("GEM_PATH", gem_home.to_path_buf()),
    ];
    for (name, value) in fixed {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    for (name, value) in chosen_groups(user, &bundle.settings.config) {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    env
}

/// The settings that choose groups, for the container too: the app finds those groups that were installed here, whatever the
/// container's environment says. Set to nothing is a choice as well: every group. `BUNDLE_WITH` only adds to the default.
fn chosen_groups(user: &BuildVariables, config: &BundleConfig) -> Vec<(&'static str, String)> {
    let mut chosen: Vec<_> = ["BUNDLE_WITHOUT", "BUNDLE_WITH", "BUNDLE_ONLY"]
        .into_iter()
        .filter(|name| user.sets(name))
        .map(|name| (name, user.get(name).unwrap_or_default().to_string()))
        .collect();
    let replaces_default = |name: &&str| user.sets(name) || config.sets(name);
    if !["BUNDLE_WITHOUT", "BUNDLE_ONLY"]
        .iter()
        .any(replaces_default)
    {
        chosen.push(("BUNDLE_WITHOUT", DEFAULT_WITHOUT.to_string()));
    }
    chosen
}

/// The app's settings, but for those that say where gems go.
pub(super) fn write_config(layer: &Path, config: &BundleConfig) -> io::Result<()> {
    fs::create_dir_all(config_folder(layer))?;
    fs::write(config_folder(layer).join("config"), config.for_image())
}

/// Of the files that say it to the platform.
pub(super) fn digest_of(env: &LayerEnv) -> io::Result<String> {
    let folder = tempfile::tempdir()?;
    env.write_to_layer_dir(folder.path())?;
    let mut digest = Sha256::new();
    for entry in WalkDir::new(folder.path()).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(folder.path());
            digest.update(name.unwrap_or(entry.path()).as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(fs::read(entry.path())?));
        }
    }
    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let chosen = chosen_groups(&BuildVariables::new(&env), &BundleConfig::parse(config));
            let chosen: Vec<_> = chosen.iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(chosen, expected, "{variables:?} {config:?}");
        }
    }
}

//! Everything that decides what Bundler installs: if none of it has changed, Bundler need not run.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::Source;
use crate::gems::tree_digest::tree_digest;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::Path;
use walkdir::DirEntry;

/// The name of an input that is there after every install that was finished.
const RUBY: &str = "Ruby";

/// The prefix of settings that hold the compiler flags of a gem: `BUNDLE_BUILD__PG`.
const FLAGS: &str = "BUNDLE_BUILD__";

/// The suffix of inputs that are settings of the app's own file.
const IN_CONFIG: &str = " in .bundle/config";

/// Each input, by a name that the user knows, with its digest. Digests are public, in the image's
/// labels, so none is the digest of a secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct BundleInputs(BTreeMap<String, String>);

impl BundleInputs {
    /// The inputs of this build.
    pub(super) fn of(bundle: &Bundle, ruby: &RubyLayer) -> io::Result<Self> {
        let mut inputs = BTreeMap::new();
        // Each patch release has its own default gems, which Bundler need not install.
        inputs.insert(RUBY.to_string(), ruby.version.to_string());
        for path in [&bundle.paths.gemfile, &bundle.paths.lockfile] {
            inputs.insert(bundle.app.name_of(path), digest_of(fs::read(path)?));
        }
        for (name, lines) in bundle.settings.config.settings_for_image() {
            inputs.insert(format!("{name}{IN_CONFIG}"), digest_of(lines));
        }
        for (name, value) in bundle.settings.variables_that_decide() {
            inputs.insert(name.to_string(), digest_of(value));
        }
        for name in bundle.lockfile.sources.iter().filter_map(Source::folder) {
            let folder = bundle.paths.lockfile.with_file_name(name);
            inputs.insert(
                format!("path gem `{name}`"),
                digest_of_gem(&folder, &[&bundle.app.dir, gemfile_folder(bundle)])?,
            );
        }
        Ok(Self(inputs))
    }

    /// The inputs that are different now, each in words.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<String> {
        if !before.0.contains_key(RUBY) {
            return vec!["the last install was not finished".into()];
        }
        self.differences(before)
            .map(|(name, how)| format!("{name} {how}"))
            .collect()
    }

    /// The inputs of a layer while an install is under way in it, which began with gems installed
    /// from the inputs `before`. All that is known is the compiler flags of gems. Flags that have
    /// changed get an empty digest: a gem may have been compiled with the old ones or the new ones.
    pub(super) fn unfinished_since(&self, before: &Self) -> Self {
        let mut known = before.clone();
        let unknown = self.differences(before);
        known
            .0
            .extend(unknown.map(|(name, _)| (name.to_string(), String::new())));
        known.0.retain(|name, _| name.starts_with(FLAGS));
        known
    }

    /// Whether the compiler flags of a gem have changed.
    pub(super) fn have_other_flags(&self, before: &Self, gem: &str) -> bool {
        // As Bundler writes the name of a gem in a setting.
        let gem = gem.replace('.', "__").replace('-', "___").to_uppercase();
        let setting = format!("{FLAGS}{gem}");
        self.differences(before)
            .any(|(name, _)| name.strip_suffix(IN_CONFIG).unwrap_or(name) == setting)
    }

    fn differences<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a str, &'static str)> {
        let added_or_changed =
            self.0
                .iter()
                .filter_map(|(name, digest)| match before.0.get(name) {
                    None => Some((name.as_str(), "is new")),
                    Some(old) if old != digest => Some((name.as_str(), "has changed")),
                    Some(_) => None,
                });
        let gone = before
            .0
            .keys()
            .filter(|name| !self.0.contains_key(*name))
            .map(|name| (name.as_str(), "is gone"));
        added_or_changed.chain(gone)
    }
}

#[cfg(test)]
impl BundleInputs {
    /// For tests: inputs by name, each with a digest.
    pub(super) fn for_tests(inputs: &[(&str, &str)]) -> Self {
        let inputs = inputs.iter();
        Self(
            inputs
                .map(|(name, digest)| (name.to_string(), digest.to_string()))
                .collect(),
        )
    }
}

impl Display for BundleInputs {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys().map(String::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

fn digest_of(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn gemfile_folder(bundle: &Bundle) -> &Path {
    let gemfile = &bundle.paths.gemfile;
    gemfile.parent().unwrap_or(gemfile)
}

/// The digest of a gem that lives in the app. Every file counts. But where the app itself is the
/// gem (the gem's folder is one of `app_folders`), only its gemspecs and `ext` do: Ruby reads the
/// rest from the app, not from the layer.
fn digest_of_gem(folder: &Path, app_folders: &[&Path]) -> io::Result<String> {
    let resolved = fs::canonicalize(folder)?;
    let mut is_app = false;
    for app in app_folders {
        is_app |= fs::canonicalize(app)? == resolved;
    }
    let is_gemspec = |name: &Path| name.extension().is_some_and(|found| found == "gemspec");
    tree_digest(
        folder,
        |entry| !is_temporary(entry),
        |name| !is_app || name.starts_with("ext") || is_gemspec(name),
    )
}

/// Folders that are no part of a gem, although they may be in its folder: they change with every
/// checkout or test run.
fn is_temporary(entry: &DirEntry) -> bool {
    let is_called = |names: [&str; 2]| names.iter().any(|name| entry.file_name() == *name);
    let anywhere = entry.depth() > 0 && is_called([".git", "node_modules"]);
    let at_the_top = entry.depth() == 1 && is_called(["tmp", "log"]);
    entry.file_type().is_dir() && (anywhere || at_the_top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use libcnb::Env;

    fn app_dir() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("Gemfile", "gem 'billing', path: 'engines/billing'\n"),
            (
                "Gemfile.lock",
                "PATH\n  remote: engines/billing\n  specs:\n    billing (0.1.0)\n",
            ),
            ("engines/billing/billing.gemspec", "spec"),
            ("engines/billing/lib/billing.rb", "code"),
            ("app.rb", "code"),
        ] {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    fn inputs_of(dir: &Path, variables: &[(&str, &str)], version: &str) -> BundleInputs {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let bundle = Bundle::at(dir, &BuildVariables::new(&env));
        let ruby = RubyLayer {
            path: "/layers/ruby".into(),
            version: version.parse().unwrap(),
            sha256: String::new(),
            abi: "3.3.0".into(),
        };
        BundleInputs::of(&bundle, &ruby).unwrap()
    }

    #[test]
    fn each_change_that_matters_is_noticed() {
        let dir = app_dir();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        };
        let before = inputs_of(dir.path(), &[], "3.3.8");
        let changes = |variables: &[(&str, &str)], version: &str| {
            inputs_of(dir.path(), variables, version).changes_since(&before)
        };
        assert!(changes(&[], "3.3.8").is_empty());
        assert_eq!(changes(&[], "3.3.9"), ["Ruby has changed"]);
        assert_eq!(
            changes(&[("BUNDLE_WITHOUT", "ci")], "3.3.8"),
            ["BUNDLE_WITHOUT is new"]
        );
        assert!(changes(&[("BUNDLE_MIRROR__ALL", "http://m")], "3.3.8").is_empty());
        write("app.rb", "other code");
        assert!(changes(&[], "3.3.8").is_empty());
        write("engines/billing/lib/billing.rb", "other code");
        assert_eq!(
            changes(&[], "3.3.8"),
            ["path gem `engines/billing` has changed"]
        );
        write("engines/billing/lib/billing.rb", "code");
        write(".bundle/config", "BUNDLE_FORCE_RUBY_PLATFORM: \"true\"\n");
        assert_eq!(
            changes(&[], "3.3.8"),
            ["BUNDLE_FORCE_RUBY_PLATFORM in .bundle/config is new"]
        );
        write(".bundle/config", "BUNDLE_PATH: \"vendor\"\n");
        assert!(changes(&[], "3.3.8").is_empty());
        write("Gemfile", "gem 'billing', path: 'engines/billing' # note\n");
        assert_eq!(changes(&[], "3.3.8"), ["Gemfile has changed"]);
    }

    #[test]
    fn an_install_that_was_not_finished_is_done_again() {
        let dir = app_dir();
        let now = inputs_of(dir.path(), &[], "3.3.8");
        assert_eq!(
            now.changes_since(&BundleInputs::default()),
            ["the last install was not finished"]
        );
    }

    #[test]
    fn flags_of_a_gem_have_it_compiled_again() {
        let dir = app_dir();
        let with = |variables: &[(&str, &str)]| inputs_of(dir.path(), variables, "3.3.8");
        let none = with(&[]);
        let flags = with(&[("BUNDLE_BUILD__PG___QUERY", "--with-x")]);
        for (before, now, expected) in [
            (&none, &flags, true),
            (&flags, &none, true),
            (&flags, &flags, false),
        ] {
            assert_eq!(now.have_other_flags(before, "pg-query"), expected);
            // Nobody knows with which flags an install that was not finished has compiled the gem.
            let unfinished = now.unfinished_since(before);
            let unfinished = now.unfinished_since(&unfinished);
            for next in [&none, &flags] {
                let unknown = expected || next != now;
                assert_eq!(next.have_other_flags(&unfinished, "pg-query"), unknown);
            }
            assert!(!now.have_other_flags(before, "pg"));
        }
        fs::create_dir(dir.path().join(".bundle")).unwrap();
        let config = "BUNDLE_BUILD__PG: \"--with-x\"\nBUNDLE_BUILD__OTHER__COM: \"user:secret\"\n";
        fs::write(dir.path().join(".bundle/config"), config).unwrap();
        assert!(with(&[]).have_other_flags(&none, "pg"));
        assert!(!with(&[]).have_other_flags(&none, "other.com"));
        let now = with(&[]);
        assert_eq!(
            now.changes_since(&now.unfinished_since(&now)),
            ["the last install was not finished"]
        );
    }

    #[test]
    fn folders_that_are_no_part_of_a_gem_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let gem = dir.path().join("log"); // The name of the gem itself does not matter.
        let write = |name: &str, text: &str| {
            let path = gem.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Gemfile", "gemspec");
        write("lib/billing.rb", "code");
        let digest = || digest_of_gem(&gem, &[dir.path()]).unwrap();
        let before = digest();
        for file in [".git/HEAD", "node_modules/x.js", "tmp/x", "log/test.log"] {
            write(file, "x");
            assert_eq!(digest(), before, "{file}");
        }
        write("lib/log/x.rb", "code");
        assert_ne!(digest(), before);
        let before = digest();
        // A gem with a Gemfile of its own is still not the app.
        write("lib/billing.rb", "other code");
        assert_ne!(digest(), before);
    }

    #[test]
    fn the_app_itself_counts_by_its_gemspec_and_extensions() {
        let dir = tempfile::tempdir().unwrap();
        let digest = || digest_of_gem(&dir.path().join("."), &[dir.path()]).unwrap();
        fs::write(dir.path().join("app.gemspec"), "spec").unwrap();
        let before = digest();
        fs::write(dir.path().join("app.rb"), "code").unwrap();
        assert_eq!(digest(), before);
        fs::write(dir.path().join("app.gemspec"), "other spec").unwrap();
        assert_ne!(digest(), before);
    }
}

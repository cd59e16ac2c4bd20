//! Everything that decides what Bundler installs: where none of it has changed, Bundler need not run.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::Source;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// The input that every finished install has.
const RUBY: &str = "Ruby";

/// How settings begin that are the flags of a gem: `BUNDLE_BUILD__PG`.
const FLAGS: &str = "BUNDLE_BUILD__";

/// How inputs end that are the app's own settings.
const IN_CONFIG: &str = " in .bundle/config";

/// Each input by a name that the user knows, with a digest of it. No digest is one of a secret: they stand in the image's labels.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct BundleInputs(BTreeMap<String, String>);

impl BundleInputs {
    /// Those of this build.
    pub(super) fn of(bundle: &Bundle, ruby: &RubyLayer) -> io::Result<Self> {
        let mut inputs = BTreeMap::new();
        // A patch release may ship other default gems, which Bundler need not install.
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

    /// Which of them are different now, in words; none if nothing is.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<String> {
        if !before.0.contains_key(RUBY) {
            return vec!["the last install was not finished".into()];
        }
        self.differences(before)
            .map(|(name, how)| format!("{name} {how}"))
            .collect()
    }

    /// What is known while gems that were installed from the inputs of before are being replaced: the flags that gems are compiled with,
    /// but for those of which nobody can tell whether they are the old or the new.
    pub(super) fn unfinished_since(&self, before: &Self) -> Self {
        let mut known = before.clone();
        let unknown = self.differences(before);
        known
            .0
            .extend(unknown.map(|(name, _)| (name.to_string(), String::new())));
        known.0.retain(|name, _| name.starts_with(FLAGS));
        known
    }

    /// Whether the flags that a gem is compiled with are different now.
    pub(super) fn compile_differently(&self, before: &Self, gem: &str) -> bool {
        // Bundler's spelling.
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

/// The files of a gem that lives in the app: all of them, or where the app itself is the gem (one of the folders `app`), its gemspecs and
/// `ext`: Ruby reads the rest where it stands.
fn digest_of_gem(folder: &Path, app: &[&Path]) -> io::Result<String> {
    let folder_itself = fs::canonicalize(folder)?;
    let mut is_app = false;
    for app in app {
        is_app |= fs::canonicalize(app)? == folder_itself;
    }
    let mut digest = Sha256::new();
    let entries = WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_left_over(entry));
    for entry in entries {
        let entry = entry?;
        let name = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let counts = !is_app
            || name.starts_with("ext")
            || name
                .extension()
                .is_some_and(|extension| extension == "gemspec");
        if counts && let Some(contents) = contents_of(&entry)? {
            digest.update(name.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(contents));
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// Folders that are no part of a gem, though they may stand in its folder: they change with every checkout or test run.
fn is_left_over(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let anywhere = [".git", "node_modules"].iter().any(|left| name == *left);
    let at_the_top = ["tmp", "log"].iter().any(|left| name == *left);
    entry.file_type().is_dir()
        && ((entry.depth() > 0 && anywhere) || (entry.depth() == 1 && at_the_top))
}

/// What a file, or the file that a link leads to, holds. Of a link to anything else, where it leads to; of a folder, nothing.
fn contents_of(entry: &DirEntry) -> io::Result<Option<Vec<u8>>> {
    let path = entry.path();
    if path.is_file() {
        fs::read(path).map(Some)
    } else if entry.path_is_symlink() {
        let target = fs::read_link(path)?;
        Ok(Some(target.into_os_string().into_encoded_bytes()))
    } else {
        Ok(None)
    }
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
    fn each_thing_that_matters_is_noticed() {
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
        for (before, now, differently) in [
            (&none, &flags, true),
            (&flags, &none, true),
            (&flags, &flags, false),
        ] {
            assert_eq!(now.compile_differently(before, "pg-query"), differently);
            // Whatever is asked for after an install that was not finished, nobody knows with what it had compiled the gem.
            let unfinished = now.unfinished_since(before);
            let unfinished = now.unfinished_since(&unfinished);
            for next in [&none, &flags] {
                let differs = differently || next != now;
                assert_eq!(next.compile_differently(&unfinished, "pg-query"), differs);
            }
            assert!(!now.compile_differently(before, "pg"));
        }
        fs::create_dir(dir.path().join(".bundle")).unwrap();
        let config = "BUNDLE_BUILD__PG: \"--with-x\"\nBUNDLE_BUILD__OTHER__COM: \"user:secret\"\n";
        fs::write(dir.path().join(".bundle/config"), config).unwrap();
        assert!(with(&[]).compile_differently(&none, "pg"));
        assert!(!with(&[]).compile_differently(&none, "other.com"));
        let now = with(&[]);
        assert_eq!(
            now.changes_since(&now.unfinished_since(&now)),
            ["the last install was not finished"]
        );
    }

    #[test]
    fn what_is_no_part_of_a_gem_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let gem = dir.path().join("log"); // Its own name does not matter.
        let write = |name: &str, text: &str| {
            let path = gem.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Gemfile", "gemspec");
        write("lib/billing.rb", "code");
        let digest = || digest_of_gem(&gem, &[dir.path()]).unwrap();
        let before = digest();
        for left_over in [".git/HEAD", "node_modules/x.js", "tmp/x", "log/test.log"] {
            write(left_over, "x");
            assert_eq!(digest(), before, "{left_over}");
        }
        write("lib/log/x.rb", "code");
        assert_ne!(digest(), before);
        let before = digest();
        write("lib/billing.rb", "other code"); // A gem with a Gemfile of its own is still not the app.
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

    #[test]
    fn a_linked_file_counts_by_what_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let gem = dir.path().join("gem");
        fs::create_dir(&gem).unwrap();
        fs::write(dir.path().join("shared.rb"), "code").unwrap();
        for (link, target) in [("a.rb", "../shared.rb"), ("b.rb", "nowhere")] {
            std::os::unix::fs::symlink(target, gem.join(link)).unwrap();
        }
        let before = digest_of_gem(&gem, &[dir.path()]).unwrap();
        fs::write(dir.path().join("shared.rb"), "other code").unwrap();
        assert_ne!(digest_of_gem(&gem, &[dir.path()]).unwrap(), before);
    }
}

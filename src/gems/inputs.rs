//! Everything that decides what Bundler installs: if none of it has changed, Bundler need not run.

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::Source;
use crate::gems::question::{Answers, Question, UNKNOWN};
use crate::gems::tree_digest::tree_digest;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
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

/// More observed inputs than this are counted, not named.
const NAMED_AT_MOST: usize = 12;

/// Each input, by a name that the user knows, with its digest. Digests are public, in the image's
/// labels, so none is the whole digest of a secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct BundleInputs {
    /// What every bundle depends on.
    known: BTreeMap<String, String>,
    /// What this Gemfile and its gemspecs asked for when they were evaluated: each question, with
    /// its answer.
    observed: BTreeMap<String, String>,
}

impl BundleInputs {
    /// The inputs of this build that are known before the Gemfile is evaluated.
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
            let folder = bundle.paths.gemfile.with_file_name(name);
            inputs.insert(
                format!("path gem `{name}`"),
                digest_of_gem(&folder, &[&bundle.app.dir, gemfile_folder(bundle)])?,
            );
        }
        Ok(Self {
            known: inputs,
            observed: BTreeMap::new(),
        })
    }

    /// Asks again what was asked when the inputs `last` were observed.
    pub(super) fn ask_again(&mut self, last: &Self, bundle: &Bundle) {
        self.observed = last.answers(last.observed.keys(), bundle);
    }

    /// Sets what the Gemfile and its gemspecs have asked for now.
    pub(super) fn observe(&mut self, questions: &BTreeSet<String>, bundle: &Bundle) {
        let covered = covered_paths(bundle);
        let counts = |text: &&String| {
            let question = Question::parse(text);
            let is_read = matches!(question, Question::Presence(path)
                if questions.contains(&format!("file {path}")));
            let is_covered = question
                .path()
                .is_some_and(|path| covered.iter().any(|covered| covered.covers(path)));
            !(question.is_settled() || is_read || is_covered)
        };
        self.observed = self.answers(questions.iter().filter(counts), bundle);
    }

    /// What has Bundler run on every build, because only Ruby can ask for it again.
    pub(super) fn unwatched(&self) -> Vec<&str> {
        let observed = self.observed.iter();
        observed
            .filter(|(_, answer)| *answer == UNKNOWN)
            .map(|(question, _)| question.as_str())
            .collect()
    }

    fn answers<'a>(
        &self,
        questions: impl Iterator<Item = &'a String>,
        bundle: &Bundle,
    ) -> BTreeMap<String, String> {
        let answers = Answers {
            app: &bundle.app.dir,
            variable: &|name| value_of(name, bundle),
            salt: digest_of(format!("{:?}", self.known)),
        };
        questions
            .map(|text| (text.clone(), answers.to(Question::parse(text))))
            .collect()
    }

    /// The inputs that are different now, each in words.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<String> {
        if !before.known.contains_key(RUBY) {
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
        let mut known = before.known.clone();
        let unknown = differences(&self.known, &before.known);
        known.extend(unknown.map(|(name, _)| (name.to_string(), String::new())));
        known.retain(|name, _| name.starts_with(FLAGS));
        Self {
            known,
            observed: BTreeMap::new(),
        }
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
        differences(&self.known, &before.known).chain(differences(&self.observed, &before.observed))
    }
}

/// The names of inputs that are not as before, and how.
fn differences<'a>(
    now: &'a BTreeMap<String, String>,
    before: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, &'static str)> {
    let added_or_changed = now
        .iter()
        .filter_map(|(name, digest)| match before.get(name) {
            None => Some((name.as_str(), "is new")),
            Some(_) if digest == UNKNOWN => Some((name.as_str(), "may have another answer")),
            Some(old) if old != digest => Some((name.as_str(), "has changed")),
            Some(_) => None,
        });
    let gone = before
        .keys()
        .filter(|name| !now.contains_key(*name))
        .map(|name| (name.as_str(), "is gone"));
    added_or_changed.chain(gone)
}

#[cfg(test)]
impl BundleInputs {
    /// For tests: inputs by name, each with a digest.
    pub(super) fn for_tests(inputs: &[(&str, &str)]) -> Self {
        let inputs = inputs.iter();
        Self {
            known: inputs
                .map(|(name, digest)| (name.to_string(), digest.to_string()))
                .collect(),
            observed: BTreeMap::new(),
        }
    }

    /// For tests: the same, with answers to questions.
    pub(super) fn with_answers(mut self, answers: &[(&str, &str)]) -> Self {
        let answers = answers.iter();
        self.observed = answers
            .map(|(question, answer)| (question.to_string(), answer.to_string()))
            .collect();
        self
    }
}

impl Display for BundleInputs {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let observed = self.observed.keys().take(NAMED_AT_MOST);
        let names: Vec<_> = self
            .known
            .keys()
            .chain(observed)
            .map(String::as_str)
            .collect();
        formatter.write_str(&names.join(", "))?;
        match self.observed.len().saturating_sub(NAMED_AT_MOST) {
            0 => Ok(()),
            more => write!(formatter, ", {more} more"),
        }
    }
}

/// A part of the app that is a known input, so that no question about it has to be asked again.
enum Covered {
    File(String),
    /// With everything in it, but for [temporary folders](is_temporary).
    Folder(String),
    /// Of a folder that is the app itself: what [`digest_of_gem`] counts there.
    AppAsGem(String),
}

impl Covered {
    fn covers(&self, path: &str) -> bool {
        match self {
            Self::File(file) => path == file,
            Self::Folder(folder) => Path::new(path).strip_prefix(folder).is_ok_and(|inside| {
                let mut names = inside.iter();
                let is_at_the_top = inside.starts_with("tmp") || inside.starts_with("log");
                !is_at_the_top && !names.any(|name| name == ".git" || name == "node_modules")
            }),
            Self::AppAsGem(folder) => Path::new(path)
                .strip_prefix(folder)
                .is_ok_and(counts_in_app),
        }
    }
}

fn covered_paths(bundle: &Bundle) -> Vec<Covered> {
    let files = [&bundle.paths.gemfile, &bundle.paths.lockfile];
    let files = files.map(|path| Covered::File(bundle.app.name_of(path)));
    let sources = bundle.lockfile.sources.iter().filter_map(Source::folder);
    let folders = sources.filter_map(|name| {
        let folder = fs::canonicalize(bundle.paths.gemfile.with_file_name(name)).ok()?;
        let app = fs::canonicalize(&bundle.app.dir).ok()?;
        let inside = folder.strip_prefix(app).ok()?;
        let is_app = fs::canonicalize(gemfile_folder(bundle)).ok()? == folder;
        let is_app = is_app || inside.as_os_str().is_empty();
        let folder = inside.display().to_string();
        Some(if is_app {
            Covered::AppAsGem(folder)
        } else {
            Covered::Folder(folder)
        })
    });
    files.into_iter().chain(folders).collect()
}

/// The value of a variable for Bundler: the user's, else that of the build itself.
fn value_of(name: &str, bundle: &Bundle) -> Option<String> {
    let mut variables = bundle.settings.env.iter();
    match variables.find(|(known, _)| *known == name) {
        Some((_, value)) => Some(value.to_string()),
        None => std::env::var(name).ok(),
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
    tree_digest(
        folder,
        |entry| !is_temporary(entry),
        |name| !is_app || counts_in_app(name),
    )
}

/// Whether a file counts, by its path in the app's folder, where the app itself is the gem.
fn counts_in_app(name: &Path) -> bool {
    name.starts_with("ext") || name.extension().is_some_and(|found| found == "gemspec")
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

    fn bundle_with(dir: &Path, variables: &[(&str, &str)]) -> Bundle {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        Bundle::at(dir, &BuildVariables::new(&env))
    }

    #[test]
    fn what_the_gemfile_asked_for_is_asked_again() {
        let dir = app_dir();
        let mut last = inputs_of(dir.path(), &[], "3.3.8");
        let questions = [
            "file Gemfile.shared",
            "presence Gemfile.shared",
            "list plugins/*/Gemfile",
            "variable WITH_POOL",
            // Known otherwise, or always the same.
            "file Gemfile",
            "presence Gemfile.lock",
            "presence .",
            "variable BUNDLE_PATH",
            "file engines/billing/lib/billing.rb",
            "list engines/billing/lib/**/*.rb",
        ];
        let questions = questions.map(String::from).into();
        last.observe(&questions, &bundle_with(dir.path(), &[]));
        assert_eq!(
            last.to_string(),
            "Gemfile, Gemfile.lock, Ruby, path gem `engines/billing`, file Gemfile.shared, \
             list plugins/*/Gemfile, variable WITH_POOL"
        );
        let changes = |variables: &[(&str, &str)]| {
            let mut now = inputs_of(dir.path(), &[], "3.3.8");
            now.ask_again(&last, &bundle_with(dir.path(), variables));
            now.changes_since(&last)
        };
        assert!(changes(&[("OTHER", "1")]).is_empty());
        assert_eq!(
            changes(&[("WITH_POOL", "1")]),
            ["variable WITH_POOL has changed"]
        );
        fs::write(dir.path().join("Gemfile.shared"), "").unwrap();
        assert_eq!(changes(&[]), ["file Gemfile.shared has changed"]);
    }

    #[test]
    fn temporary_folders_of_a_path_gem_are_no_known_input() {
        let covered = Covered::Folder("engines/billing".into());
        for (path, expected) in [
            ("engines/billing/lib/billing.rb", true),
            ("engines/billing/{,*}.gemspec", true),
            ("engines/billing/lib/log/x", true),
            ("engines/billing/log/x", false),
            ("engines/billing/.git/HEAD", false),
            ("engines/billing2/x", false),
        ] {
            assert_eq!(covered.covers(path), expected, "{path}");
        }
        let app = Covered::AppAsGem("backend".into());
        for (path, expected) in [
            ("backend/backend.gemspec", true),
            ("backend/ext/x/extconf.rb", true),
            ("backend/lib/backend/version.rb", false),
            ("other.gemspec", false),
        ] {
            assert_eq!(app.covers(path), expected, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_asked_again_may_have_changed() {
        let last = BundleInputs::for_tests(&[(RUBY, "3.3.8")]);
        let last = last.with_answers(&[("program git", UNKNOWN), ("file VERSION", "1")]);
        assert_eq!(last.unwatched(), ["program git"]);
        assert_eq!(
            last.changes_since(&last),
            ["program git may have another answer"]
        );
    }

    #[test]
    fn many_questions_are_counted() {
        let names: Vec<_> = (10..30).map(|number| format!("file {number}")).collect();
        let answers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let inputs = BundleInputs::for_tests(&[(RUBY, "3.3.8")]).with_answers(&answers);
        let text = inputs.to_string();
        assert!(
            text.starts_with("Ruby, file 10, ") && text.ends_with("file 21, 8 more"),
            "{text}"
        );
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

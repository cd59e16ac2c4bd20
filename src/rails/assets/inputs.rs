//! What compiled assets depend on: the app's files, because views and helpers decide what a CSS
//! framework emits; its build variables; Ruby; and Node.js. In doubt something counts.

use crate::app::App;
use crate::gems::bundle::Bundle;
use crate::platform::variables::BuildVariables;
use crate::ruby::gem_version::GemVersion;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::{self, available_parallelism};
use std::{env, io};
use walkdir::{DirEntry, WalkDir};

/// What holds nothing for assets wherever it is. Of packages, their lockfile tells.
const ANYWHERE: [&str; 2] = [".git", "node_modules"];

/// Folders that hold nothing for assets.
const OTHER_FOLDERS: [&str; 13] = [
    ".bundle",
    ".github",
    ".idea",
    ".vscode",
    "coverage",
    "doc",
    "features",
    "log",
    "spec",
    "storage",
    "test",
    "tmp",
    "vendor/cache",
];

/// Files at the app's top that hold nothing for assets.
const OTHER_FILES: [&str; 9] = [
    ".dockerignore",
    ".gitattributes",
    ".rspec",
    ".rubocop.yml",
    "Dockerfile",
    "Procfile",
    "Procfile.dev",
    "app.json",
    "project.toml",
];

/// Build variables that other stages heed, and decide nothing here.
const OTHER_VARIABLES: [&str; 3] = ["BP_", "BUNDLE_", "CNB_"];

/// Words in the name of a variable that may hold a secret. So few digits of its digest are kept that no secret can be
/// found out from them, and a change is noticed all the same.
const DIGITS_OF_SECRET: usize = 3;
const SECRET: [&str; 9] = [
    "AUTH",
    "CREDENTIAL",
    "DSN",
    "KEY",
    "PASS",
    "PIN",
    "SALT",
    "SECRET",
    "TOKEN",
];

/// Programs that compile assets besides Ruby.
const PROGRAMS: [&str; 2] = ["bun", "node"];

/// How many changed inputs the log names.
const NAMED_AT_MOST: usize = 3;

/// Each input, with the digest of its value.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct AssetsInputs(BTreeMap<String, String>);

impl AssetsInputs {
    pub(super) fn of(
        bundle: &Bundle,
        ruby: &GemVersion,
        variables: &BuildVariables,
    ) -> io::Result<Self> {
        let app = &bundle.app;
        let mut inputs = digests_of(&app.dir, &files_of(app)?)?;
        inputs.insert("Gemfile's name".to_string(), bundle.gemfile_name());
        inputs.insert("lockfile's name".to_string(), bundle.lockfile_name());
        for (name, value) in bundle.settings.variables_that_decide() {
            inputs.insert(format!("variable {name}"), digest_of(value));
        }
        for (name, lines) in bundle.settings.config.settings_for_image() {
            inputs.insert(format!("{name} in .bundle/config"), digest_of(lines));
        }
        inputs.insert("Ruby".to_string(), ruby.to_string());
        let variables = variables
            .iter()
            .filter(|(name, _)| !OTHER_VARIABLES.iter().any(|start| name.starts_with(start)));
        for (name, value) in variables {
            let is_secret = is_of_secret(name) || value.contains('@');
            let mut value = digest_of(value);
            if is_secret {
                value.truncate(DIGITS_OF_SECRET);
            }
            inputs.insert(format!("variable {name}"), value);
        }
        let path = env::var_os("PATH").unwrap_or_default();
        for name in PROGRAMS {
            inputs.extend(program(&path, name).map(|value| (format!("program {name}"), value)));
        }
        Ok(Self(inputs))
    }

    /// The names of what has changed.
    pub(super) fn changed_since<'a>(&'a self, last: &'a Self) -> Vec<&'a String> {
        let (new, old) = (&self.0, &last.0);
        let changed = new
            .iter()
            .filter(|(name, value)| old.get(*name) != Some(value));
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        let mut all: Vec<_> = changed.map(|(name, _)| name).chain(gone).collect();
        all.sort();
        all
    }

    /// What has changed, in words. None if nothing has.
    pub(super) fn changes_since(&self, last: &Self) -> Option<String> {
        let all = self.changed_since(last);
        let first: Vec<_> = all
            .iter()
            .take(NAMED_AT_MOST)
            .map(|name| name.as_str())
            .collect();
        match (first.as_slice(), all.len() - first.len()) {
            ([], _) => None,
            ([name], _) => Some(format!("{name} has changed")),
            (first, 0) => Some(format!("{} have changed", first.join(", "))),
            (first, rest) => Some(format!("{} and {rest} more have changed", first.join(", "))),
        }
    }
}

/// The names of the app's files that count.
fn files_of(app: &App) -> io::Result<Vec<PathBuf>> {
    let entries = WalkDir::new(&app.dir).min_depth(1).into_iter();
    let counts = |entry: &DirEntry| {
        let name = entry.path().strip_prefix(&app.dir).unwrap_or(entry.path());
        !is_other(name, entry.file_type().is_dir())
    };
    let mut files = Vec::new();
    for entry in entries.filter_entry(counts) {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let name = entry.path().strip_prefix(&app.dir);
            files.push(name.unwrap_or(entry.path()).to_path_buf());
        }
    }
    Ok(files)
}

/// Whether a file or folder holds nothing for assets, by its name relative to the app.
fn is_other(name: &Path, is_folder: bool) -> bool {
    let last = name.file_name().unwrap_or_default();
    let is_at_top = name.parent() == Some(Path::new(""));
    ANYWHERE.iter().any(|other| last == *other)
        || (is_folder && OTHER_FOLDERS.iter().any(|other| name == Path::new(other)))
        || (is_at_top
            && !is_folder
            && (OTHER_FILES.iter().any(|other| last == *other)
                || name.extension() == Some(OsStr::new("md"))))
}

fn is_of_secret(variable: &str) -> bool {
    let name = variable.to_uppercase();
    SECRET.iter().any(|word| name.contains(word))
}

/// Files that hold secrets: variables for an app, and keys.
fn is_secret_file(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(".env") || file.extension() == Some(OsStr::new("key"))
}

/// The digests of files, by their names. They are read side by side: waiting for the disk is most of
/// it.
fn digests_of(folder: &Path, files: &[PathBuf]) -> io::Result<BTreeMap<String, String>> {
    let threads = available_parallelism().map_or(1, NonZero::get);
    let read = |files: &[PathBuf]| -> io::Result<Vec<(String, String)>> {
        let digests = files.iter().map(|file| {
            let mut digest = digest_of_file(&folder.join(file))?;
            if is_secret_file(file) {
                digest.truncate(DIGITS_OF_SECRET);
            }
            Ok((file.display().to_string(), digest))
        });
        digests.collect()
    };
    thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let mut digests = BTreeMap::new();
        for thread in threads {
            let part = thread.join();
            let part = part.unwrap_or_else(|_| Err(io::Error::other("a file cannot be read")));
            digests.extend(part?);
        }
        Ok(digests)
    })
}

/// Of a link that leads to no file, of the path that it leads to. A file may be larger than the memory.
fn digest_of_file(path: &Path) -> io::Result<String> {
    const PIECE: usize = 1 << 16;
    if !path.is_file() {
        let target = fs::read_link(path).unwrap_or_default(); // Empty for a socket or a pipe.
        return Ok(digest_of(target.as_os_str().as_encoded_bytes()));
    }
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(half(&digest.finalize())),
            length => digest.update(&piece[..length]),
        }
    }
}

/// Where a program is, and its size: what tells versions apart without starting it.
fn program(path: &OsStr, name: &str) -> Option<String> {
    let file = env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())?;
    let file = fs::canonicalize(file).ok()?;
    Some(format!(
        "{}, {} bytes",
        file.display(),
        file.metadata().ok()?.len()
    ))
}

/// Half of a SHA-256: nobody attacks an app by its own files, and there are thousands.
fn digest_of(value: impl AsRef<[u8]>) -> String {
    half(&Sha256::digest(value))
}

fn half(digest: &[u8]) -> String {
    hex::encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;

    fn inputs(dir: &Path, variables: &[(&str, &str)]) -> AssetsInputs {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let variables = BuildVariables::new(&env);
        for name in ["Gemfile", "Gemfile.lock"] {
            write(dir, name, "");
        }
        let bundle = Bundle::at(dir, &variables);
        AssetsInputs::of(&bundle, &"3.3.8".parse().unwrap(), &variables).unwrap()
    }

    fn write(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn which_changes_count() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "app/views/x.erb", "");
        let first = inputs(dir.path(), &[]);
        assert_eq!(inputs(dir.path(), &[]).changes_since(&first), None);
        for name in [
            "test/x.rb",
            "spec/deep/x.rb",
            "log/x.log",
            "tmp/cache/x",
            "node_modules/x/index.js",
            "client/node_modules/x/index.js",
            "README.md",
            "Procfile",
            "vendor/cache/x.gem",
        ] {
            write(dir.path(), name, "new");
            assert_eq!(
                inputs(dir.path(), &[]).changes_since(&first),
                None,
                "{name}"
            );
        }
        for name in [
            "app/views/x.erb",
            "app/helpers/x.rb",
            "app/test/x.rb",
            "lib/doc/x.md",
            "config/x.yml",
            "public/robots.txt",
            "package-lock.json",
            "tailwind.config.js",
            "vendor/javascript/x.js",
            ".gitignore",
        ] {
            let before = inputs(dir.path(), &[]);
            write(dir.path(), name, "new");
            let changes = inputs(dir.path(), &[]).changes_since(&before);
            assert_eq!(changes, Some(format!("{name} has changed")));
        }
        let before = inputs(dir.path(), &[]);
        fs::remove_file(dir.path().join("config/x.yml")).unwrap();
        let changes = inputs(dir.path(), &[]).changes_since(&before);
        assert_eq!(changes.unwrap(), "config/x.yml has changed");
    }

    #[test]
    fn many_changes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let before = inputs(dir.path(), &[]);
        for (count, expected) in [
            (1, "1 has changed"),
            (3, "1, 2, 3 have changed"),
            (5, "1, 2, 3 and 2 more have changed"),
        ] {
            for number in 1..=count {
                write(dir.path(), &number.to_string(), "");
            }
            assert_eq!(
                inputs(dir.path(), &[]).changes_since(&before).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn variables_count_and_secrets_leave_few_digits() {
        let dir = tempfile::tempdir().unwrap();
        let none = inputs(dir.path(), &[]);
        let change =
            |variables: &[(&str, &str)]| inputs(dir.path(), variables).changes_since(&none);
        let cdn = change(&[("CDN_HOST", "a")]);
        assert_eq!(cdn.unwrap(), "variable CDN_HOST has changed");
        assert_eq!(
            change(&[("BP_RUBY_VERSION", "3.3"), ("BUNDLE_JOBS", "1")]),
            None
        );
        for (name, value) in [
            ("GOOGLE_MAPS_KEY", "canary"),
            ("DATABASE_URL", "postgres://user:canary@db/app"),
        ] {
            let first = inputs(dir.path(), &[(name, value)]);
            let kept = &first.0[&format!("variable {name}")];
            assert_eq!(kept.len(), DIGITS_OF_SECRET);
            let other = inputs(dir.path(), &[(name, "other@x")]);
            assert!(other.changes_since(&first).is_some());
        }
    }
}

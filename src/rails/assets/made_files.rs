//! The files that a task makes in the app, and those that go again.

use crate::app::App;
use crate::platform::files::{remove_any, remove_file};
use fs_err as fs;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The folder that a web server serves.
const PUBLIC: &str = "public";

/// What a task does not make for the image.
const NOT_MADE: [&str; 8] = [
    ".bundle",
    ".git",
    "log",
    "node_modules",
    "storage",
    "test",
    "tmp",
    "vendor/bundle",
];

/// What Rails writes besides, and no process of the image needs: caches, a secret of its own where
/// it got none, its log.
const LEFT_BEHIND: [&str; 3] = ["log", "tmp/cache", "tmp/local_secret.txt"];

/// The state of a file: its size, and when it was written.
type State = (u64, i64, i64);

/// The files of an app before a task runs.
pub(super) struct Before {
    files: BTreeMap<PathBuf, State>,
    left_behind: BTreeMap<PathBuf, State>,
}

impl Before {
    pub(super) fn of(app: &App) -> io::Result<Self> {
        let mut left_behind = BTreeMap::new();
        for name in LEFT_BEHIND {
            left_behind.extend(states(&app.dir, name, &|_| true)?);
        }
        Ok(Self {
            files: states(&app.dir, "", &may_be_made)?,
            left_behind,
        })
    }

    /// The files that are new or were written since, by their names in the app: in `public`, and what the app
    /// reads of them elsewhere, such as a manifest.
    pub(super) fn made(&self, app: &App) -> io::Result<BTreeSet<PathBuf>> {
        let now = states(&app.dir, "", &may_be_made)?;
        let made = now
            .into_iter()
            .filter(|(name, state)| self.files.get(name) != Some(state));
        Ok(made.map(|(name, _)| name).collect())
    }

    /// Removes what was left behind.
    pub(super) fn remove_left_behind(&self, app: &App) -> io::Result<()> {
        for name in LEFT_BEHIND {
            for (file, state) in states(&app.dir, name, &|_| true)? {
                if self.left_behind.get(&file) != Some(&state) {
                    remove_file(&app.dir.join(file))?;
                }
            }
            remove_empty_folders(&app.dir.join(name))?;
        }
        Ok(())
    }
}

fn may_be_made(name: &Path) -> bool {
    NOT_MADE.iter().all(|other| name != Path::new(other))
        && name.file_name() != Some(OsStr::new("node_modules"))
}

/// Of everything below the folder `name` of the app, but for files and folders that do not count, by their names in the
/// app.
fn states(
    app: &Path,
    name: &str,
    counts: &dyn Fn(&Path) -> bool,
) -> io::Result<BTreeMap<PathBuf, State>> {
    let top = app.join(name);
    // A link leads where the app wants to write at launch.
    if top.symlink_metadata().is_err() || (top.is_symlink() && !name.is_empty()) {
        return Ok(BTreeMap::new());
    }
    let name_of = |path: &Path| path.strip_prefix(app).unwrap_or(path).to_path_buf();
    let entries = WalkDir::new(&top).into_iter();
    let mut states = BTreeMap::new();
    for entry in entries.filter_entry(|entry| counts(&name_of(entry.path()))) {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let metadata = entry.metadata()?;
            let state = (metadata.size(), metadata.mtime(), metadata.mtime_nsec());
            states.insert(name_of(entry.path()), state);
        }
    }
    Ok(states)
}

/// Folders below this one that hold nothing.
fn remove_empty_folders(top: &Path) -> io::Result<()> {
    for entry in WalkDir::new(top)
        .min_depth(1)
        .contents_first(true)
        .into_iter()
        .flatten()
    {
        if entry.file_type().is_dir() && fs::read_dir(entry.path())?.next().is_none() {
            remove_any(entry.path())?;
        }
    }
    Ok(())
}

/// What Sprockets writes besides the assets differs from build to build: its manifest, in its name and by the times
/// of files; and compressed files, by their times. Two builds are to give the same image.
pub(super) fn make_the_same(app: &App, files: BTreeSet<PathBuf>) -> io::Result<BTreeSet<PathBuf>> {
    let rewrite = |file: PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(SPROCKETS_MANIFEST) && name.ends_with(".json") {
            return rewrite_manifest(app, &file);
        }
        if file.extension() == Some(OsStr::new("gz")) {
            remove_time(&app.dir.join(&file))?;
        }
        Ok(file)
    };
    files.into_iter().map(rewrite).collect()
}

const SPROCKETS_MANIFEST: &str = ".sprockets-manifest-";

/// The time of every file in an image.
const TIME: &str = "1980-01-01T00:00:01+00:00";

/// Writes it in order, with the time that its files have in the image, and names it by its contents.
fn rewrite_manifest(app: &App, file: &Path) -> io::Result<PathBuf> {
    let path = app.dir.join(file);
    let mut bytes = fs::read(&path)?;
    if let Ok(mut manifest) = serde_json::from_slice::<Value>(&bytes) {
        let files = manifest.get_mut("files").and_then(Value::as_object_mut);
        for file in files.into_iter().flat_map(|files| files.values_mut()) {
            if let Some(time) = file.get_mut("mtime") {
                *time = TIME.into();
            }
        }
        bytes = serde_json::to_vec(&manifest)?;
    }
    let digest = hex::encode(&Sha256::digest(&bytes)[..16]);
    let renamed = file.with_file_name(format!("{SPROCKETS_MANIFEST}{digest}.json"));
    remove_file(&path)?;
    fs::write(app.dir.join(&renamed), bytes)?;
    Ok(renamed)
}

/// Source: RFC 1952, chapter 2.3.1: two bytes that say it is gzip, and the time from the fifth on.
fn remove_time(path: &Path) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    if bytes.starts_with(&[0x1f, 0x8b])
        && let Some(time) = bytes.get_mut(4..8)
        && time != [0; 4]
    {
        time.fill(0);
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Whether a file stays beside those of later builds: a page of an earlier image may still ask for it. A
/// manifest must not stay beside its successor, and a page of its own has no digest in its name.
pub(super) fn outlives(file: &Path) -> bool {
    const REPLACED: [&str; 4] = ["html", "json", "txt", "xml"];
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let extension = file.extension().unwrap_or_default();
    file.starts_with(PUBLIC)
        && !name.starts_with('.')
        && !REPLACED.iter().any(|other| extension == *other)
}

/// The folders that those of these files are in that a web server serves, each directly below `public`; files
/// that are there themselves by their own names.
pub(super) fn tops<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<String> {
    let top = |file: &PathBuf| {
        file.iter()
            .take(2)
            .collect::<PathBuf>()
            .display()
            .to_string()
    };
    let served = files.into_iter().filter(|file| file.starts_with(PUBLIC));
    served.map(top).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(app: &App, name: &str, text: &str) {
        let path = app.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_made_stays_and_what_is_left_behind_goes() {
        let dir = tempfile::tempdir().unwrap();
        let app = App::new(dir.path());
        for name in [
            "public/robots.txt",
            "public/404.html",
            "log/.keep",
            "tmp/cache/kept",
        ] {
            write(&app, name, "");
        }
        let before = Before::of(&app).unwrap();
        for name in [
            "public/404.html",
            "public/assets/application-0123abcd.css",
            "config/manifest.json",
            "node_modules/x/y",
            "log/production.log",
            "tmp/cache/assets/x/y",
            "tmp/local_secret.txt",
        ] {
            write(&app, name, "new");
        }
        let made = before.made(&app).unwrap();
        let expected = [
            "config/manifest.json",
            "public/404.html",
            "public/assets/application-0123abcd.css",
        ];
        assert_eq!(made, expected.map(PathBuf::from).into());
        let expected = ["public/404.html", "public/assets"];
        assert_eq!(tops(&made), expected.map(String::from).into());

        before.remove_left_behind(&app).unwrap();
        for (name, stays) in [
            ("log/.keep", true),
            ("tmp/cache/kept", true),
            ("log/production.log", false),
            ("tmp/cache/assets", false),
            ("tmp/local_secret.txt", false),
        ] {
            assert_eq!(app.dir.join(name).exists(), stays, "{name}");
        }
    }

    #[test]
    fn manifests_and_pages_are_replaced() {
        for (name, expected) in [
            ("public/assets/application-6109388a.css", true),
            ("public/assets/trix-5fe19f2f.js.gz", true),
            ("public/vite/assets/index-BcDeFgHi.js", true),
            ("public/packs/manifest.json", false),
            ("public/assets/.manifest.json", false),
            ("public/404.html", false),
            ("app/assets/builds/site-0123.css", false),
        ] {
            assert_eq!(outlives(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_differs_by_chance_is_made_the_same() {
        let contents = |chance: &str, time: &str, stamp: u8| {
            let dir = tempfile::tempdir().unwrap();
            let app = App::new(dir.path());
            let manifest = format!("public/assets/.sprockets-manifest-{chance}.json");
            let text =
                format!(r#"{{"files":{{"b.js":{{"mtime":"{time}","size":1}}}},"assets":{{}}}}"#);
            write(&app, &manifest, &text);
            let packed = app.dir.join("public/assets/b.js.gz");
            fs::write(&packed, [0x1f, 0x8b, 8, 0, stamp, stamp, 0, 0, 7, 7]).unwrap();
            let made = [manifest.as_str(), "public/assets/b.js.gz"].map(PathBuf::from);
            let made = make_the_same(&app, made.into()).unwrap();
            let contents = made
                .iter()
                .map(|file| fs::read(app.dir.join(file)).unwrap());
            let contents: Vec<_> = contents.collect();
            (made, contents)
        };
        let first = contents("0", "2026-11-28T14:41:55+00:00", 1);
        assert_eq!(contents("1", "2026-11-28T14:42:29+00:00", 2), first);
        assert!(String::from_utf8_lossy(&first.1[0]).contains(TIME));
        assert_eq!(first.1[1], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 7, 7]);
    }
}

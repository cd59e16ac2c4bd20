//! What Sprockets keeps from compilation to compilation, in `tmp/cache/assets`. It is keyed on names and times of
//! files, so the times of assets are made of their contents. What else a template asks for, such as a variable or a
//! file below `config`, it does not know: the cache is used only where nothing but assets has changed.

use crate::app::App;
use crate::platform::files::remove_dir;
use crate::platform::layer_archive::LayerArchive;
use crate::report::{self, megabytes};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use walkdir::WalkDir;

const FOLDER: &str = "tmp/cache/assets";

/// The folders of assets.
const ASSETS: [&str; 6] = [
    "app/assets",
    "app/javascript",
    "lib/assets",
    "lib/javascript",
    "vendor/assets",
    "vendor/javascript",
];

/// In bytes. Sprockets itself removes old entries from 50 MB on.
const AT_MOST: u64 = 200_000_000;

/// Has to be raised when the archive's contents mean something else.
const LAYOUT: &str = "1";

/// Layer `assets-cache` (cache).
pub(super) struct CompilerCache(pub(super) LayerArchive);

#[derive(Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    layout: String,
}

impl CompilerCache {
    fn metadata() -> Metadata {
        Metadata {
            layout: LAYOUT.to_string(),
        }
    }

    /// Puts it into the app.
    pub(super) fn restore(&self, app: &App) -> io::Result<()> {
        let folder = folder_in(app);
        if self.0.metadata() != Some(Self::metadata()) {
            return Ok(());
        }
        fs::create_dir_all(folder.parent().unwrap_or(&app.dir))?;
        // An archive that is damaged is no loss.
        self.0.unpack(&folder).or_else(|_| self.0.clear())
    }

    /// Keeps it for the next build, and removes it from the app.
    pub(super) fn keep(&self, app: &App) -> io::Result<()> {
        let folder = folder_in(app);
        if !folder.is_dir() {
            return Ok(());
        }
        let size = size_of(&folder)?;
        if size > AT_MOST {
            report::detail(format!(
                "Not keeping the compiler's cache for the next build: it has {} MB",
                megabytes(size)
            ));
            self.0.clear()?;
        } else {
            self.0.keep(&folder, &Self::metadata(), None)?;
        }
        remove_dir(&folder)
    }
}

/// Whether a changed input is a file among the assets.
pub(super) fn is_asset(input: &str) -> bool {
    ASSETS
        .iter()
        .any(|folder| Path::new(input).starts_with(folder))
}

/// Gives each file among the assets a time that its contents decide.
pub(super) fn set_times(app: &App) -> io::Result<()> {
    for entry in ASSETS
        .iter()
        .flat_map(|name| WalkDir::new(app.dir.join(name)))
        .flatten()
    {
        if entry.file_type().is_file() {
            let digest = Sha256::digest(fs::read(entry.path())?);
            let seconds = u32::from_be_bytes([0, digest[0], digest[1], digest[2]]);
            let time = UNIX_EPOCH + YEAR + Duration::from_secs(seconds.into());
            // A file of somebody else is left as it is, and so is its time.
            let _ = fs::OpenOptions::new()
                .append(true)
                .open(entry.path())
                .and_then(|file| file.into_parts().0.set_modified(time));
        }
    }
    Ok(())
}

/// No file is of the first year: programs take such times for missing ones.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn folder_in(app: &App) -> PathBuf {
    app.dir.join(FOLDER)
}

fn size_of(folder: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in WalkDir::new(folder) {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_restored() {
        let (dir, layer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let app = App::new(dir.path());
        let cache = CompilerCache(LayerArchive {
            folder: layer.path().to_path_buf(),
            name: "cache",
        });
        cache.restore(&app).unwrap();
        cache.keep(&app).unwrap();
        let file = folder_in(&app).join("sprockets/v4/x");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "compiled").unwrap();
        cache.keep(&app).unwrap();
        assert!(!folder_in(&app).exists());
        cache.restore(&app).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "compiled");
    }

    #[test]
    fn the_times_of_assets_are_made_of_their_contents() {
        let dir = tempfile::tempdir().unwrap();
        let app = App::new(dir.path());
        let file = dir.path().join("app/assets/a.css");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut times = [
            "h1 { color: red }",
            "h1 { color: tan }",
            "h1 { color: red }",
        ]
        .map(|text| {
            fs::write(&file, text).unwrap();
            set_times(&app).unwrap();
            file.metadata().unwrap().modified().unwrap()
        });
        assert_eq!(times[0], times[2]);
        assert_ne!(times[0], times[1]);
        times.sort();
        assert!(
            is_asset("app/assets/a.css") && !is_asset("config/x.yml") && !is_asset("variable X")
        );
    }
}

//! What Sprockets keeps from compilation to compilation, in `tmp/cache/assets`: keyed on contents, so
//! it is right whatever has changed.
//!
//! Other caches below `tmp/cache` are keyed on the times of files, which are all the same in a build: they are
//! not kept.

use crate::app::App;
use crate::platform::files::remove_dir;
use crate::platform::layer_archive::LayerArchive;
use crate::report::{self, megabytes};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use walkdir::WalkDir;

const FOLDER: &str = "tmp/cache/assets";

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

    /// Puts it into the app, unless the app has one already.
    pub(super) fn restore(&self, app: &App) -> io::Result<()> {
        let folder = folder_in(app);
        if folder.exists() || self.0.metadata() != Some(Self::metadata()) {
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

fn folder_in(app: &App) -> PathBuf {
    app.dir.join(FOLDER)
}

fn size_of(folder: &PathBuf) -> io::Result<u64> {
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
}

//! The folder in which a folder is made before one rename puts it in place.

use crate::platform::files::{beside, remove_dir, replace_dir};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `.NAME.new` beside the destination, on the same disk. It is removed when it is dropped, and what
/// a killed build left of it when the next one begins.
pub(super) struct Staging<'a> {
    folder: TempDir,
    destination: &'a Path,
}

impl<'a> Staging<'a> {
    /// An empty folder.
    pub(super) fn beside(destination: &'a Path) -> io::Result<Self> {
        let path = beside(destination, "new");
        remove_dir(&path)?;
        let name = path.file_name().unwrap_or_default();
        let folder = tempfile::Builder::new()
            .prefix(name)
            .rand_bytes(0)
            .tempdir_in(path.parent().unwrap_or(Path::new("/")))?;
        Ok(Self {
            folder,
            destination,
        })
    }

    /// The folder, without what a try before this one put into it.
    pub(super) fn emptied(&self) -> io::Result<&Path> {
        let path = self.folder.path();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(path)
    }

    /// The absolute path of something in the folder.
    pub(super) fn path_of(&self, path: &Path) -> PathBuf {
        self.folder.path().join(path).components().collect() // Without a final `.`.
    }

    /// Whether a path in the folder leads to a folder by folders alone: a link may lead elsewhere.
    pub(super) fn has_real_folder(&self, path: &Path) -> bool {
        let mut reached = self.folder.path().to_path_buf();
        path.components().all(|component| {
            reached.push(component);
            reached
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_dir())
        })
    }

    /// Replaces the destination by a folder of the staging folder.
    pub(super) fn put_in_place(self, root: &Path) -> io::Result<()> {
        replace_dir(&self.path_of(root), self.destination)
    }
}

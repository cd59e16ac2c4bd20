//! File operations on layers: whatever is killed in the middle of one leaves the old state or the new one.

use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes every file of a folder but these: what belongs to an older build, or is a killed one's.
pub(crate) fn remove_others(folder: &Path, kept: &[&Path]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !kept.contains(&path.as_path()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes a folder, if it is there. It is renamed first, so that a half-deleted folder is never taken for a whole one.
pub(crate) fn remove_dir(folder: &Path) -> io::Result<()> {
    let removed = beside(folder, "removed");
    remove_dir_if_there(&removed)?; // A killed build's.
    match fs::rename(folder, &removed) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => remove_dir_if_there(&removed),
    }
}

/// Puts one folder in the place of another on the same disk.
pub(crate) fn replace_dir(new: &Path, folder: &Path) -> io::Result<()> {
    remove_dir(folder)?;
    fs::rename(new, folder)
}

/// The name of a folder that stands in for `folder` while that is filled or removed: `.NAME.PURPOSE`, so that the next build finds
/// what a killed one left.
pub(crate) fn beside(folder: &Path, purpose: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{purpose}"))
}

fn remove_dir_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

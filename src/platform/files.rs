//! File operations on layers and caches. A build that is killed in the middle of one leaves the old
//! state or the new one. Besides, it may leave a folder `.NAME.removed` or `.NAME.new`, which later
//! builds remove.

use fs_err as fs;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is being deleted is renamed to `.NAME.removed` first.
const REMOVED: &str = "removed";

/// A folder that is being filled is called `.NAME.new`.
const NEW: &str = "new";

/// Removes a file, if it exists.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    if_found(fs::remove_file(path))
}

/// Removes a file, a link, or a folder with everything in it, if it exists.
pub(crate) fn remove_any(path: &Path) -> io::Result<()> {
    if path.is_dir() && !path.is_symlink() {
        remove_dir(path)
    } else {
        remove_file(path)
    }
}

/// Removes everything in a folder but these entries: what an older build needed, or a killed build
/// left.
pub(crate) fn remove_others(folder: &Path, kept: &[&Path]) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !kept.contains(&path.as_path()) {
            remove_any(&path)?;
        }
    }
    Ok(())
}

/// Removes a folder, if it exists. It is renamed first, so that a folder that is only half deleted
/// is never taken for a complete one.
pub(crate) fn remove_dir(folder: &Path) -> io::Result<()> {
    let removed = beside(folder, REMOVED);
    if_found(fs::remove_dir_all(&removed))?; // A killed build left it.
    if_found(fs::rename(folder, &removed))?;
    if_found(fs::remove_dir_all(&removed))
}

/// Renames the folder `new` to `folder`, in the place of a folder that has that name. Both have to
/// be on the same disk.
pub(crate) fn replace_dir(new: &Path, folder: &Path) -> io::Result<()> {
    remove_dir(folder)?;
    fs::rename(new, folder)
}

/// The name of a folder that is filled before [`replace_dir`] puts it in the place of `folder`.
pub(crate) fn new_beside(folder: &Path) -> PathBuf {
    beside(folder, NEW)
}

/// `.NAME.PURPOSE` beside a folder `NAME`.
pub(crate) fn beside(folder: &Path, purpose: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{purpose}"))
}

/// Removes what a killed build left beside a folder.
pub(crate) fn remove_unfinished_beside(folder: &Path) -> io::Result<()> {
    [REMOVED, NEW]
        .into_iter()
        .try_for_each(|purpose| if_found(fs::remove_dir_all(beside(folder, purpose))))
}

/// Whether a folder of this name was being filled or removed when a build was killed.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let purpose = name
        .strip_prefix('.')
        .and_then(|name| name.rsplit_once('.'));
    purpose.is_some_and(|(name, purpose)| !name.is_empty() && [REMOVED, NEW].contains(&purpose))
}

fn if_found(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files below a folder, by their names relative to it.
    fn files(folder: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
        entries
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| {
                let name = entry.path().strip_prefix(folder).unwrap();
                name.display().to_string()
            })
            .collect()
    }

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn what_does_not_exist_is_removed_without_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        remove_file(&missing).unwrap();
        remove_any(&missing).unwrap();
        remove_dir(&missing).unwrap();
        remove_unfinished_beside(&missing).unwrap();
    }

    #[test]
    fn other_errors_are_reported() {
        let folder = folder_with(&["file", "folder/x"]);
        remove_file(&folder.path().join("folder")).unwrap_err();
        remove_dir(&folder.path().join("file/x")).unwrap_err();
        assert_eq!(files(folder.path()), ["file", "folder/x"]);
    }

    #[test]
    fn a_folder_is_removed_with_what_a_killed_build_left() {
        let folder = folder_with(&[".gems.removed/half", "gems/a", "ruby/b"]);
        remove_dir(&folder.path().join("gems")).unwrap();
        assert_eq!(files(folder.path()), ["ruby/b"]);
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let folder = folder_with(&[".gems.removed/half", "gems/old"]);
        let gems = folder.path().join("gems");
        let new = new_beside(&gems);
        for name in ["one", "two"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join(name), "").unwrap();
            replace_dir(&new, &gems).unwrap();
            assert_eq!(files(folder.path()), [format!("gems/{name}")]);
        }
    }

    #[test]
    fn only_what_is_named_is_kept() {
        let folder = folder_with(&["kept/x", "old", ".tmpAbCdEf", ".git.removed/half", "x/y"]);
        let outside = folder_with(&["file"]);
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        remove_others(folder.path(), &[&folder.path().join("kept")]).unwrap();
        assert_eq!(files(folder.path()), ["kept/x"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(files(outside.path()), ["file"], "links are not followed");
    }

    #[test]
    fn what_a_killed_build_left_has_names_of_its_own() {
        let folder = folder_with(&[".a.new/x", ".a.removed/x", ".b.new/x", "a/x"]);
        remove_unfinished_beside(&folder.path().join("a")).unwrap();
        assert_eq!(files(folder.path()), [".b.new/x", "a/x"]);
        for (name, expected) in [
            (".rack-3.1.20.new", true),
            (".rack-3.1.20.removed", true),
            ("rack-3.1.20.new", false),
            (".removed", false),
            (".new.rb", false),
            (".bundle", false),
        ] {
            assert_eq!(is_unfinished(OsStr::new(name)), expected, "{name}");
            let path = Path::new("/gems").join(name);
            let original = path.with_file_name("rack-3.1.20");
            let is_beside = [beside(&original, REMOVED), new_beside(&original)].contains(&path);
            assert_eq!(is_beside, expected, "{name}");
        }
    }
}

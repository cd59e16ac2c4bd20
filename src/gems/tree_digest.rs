//! The digest of a folder: it is another one where a file below the folder was added, renamed,
//! changed or removed. Permissions and times do not count.

use fs_err as fs;
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// The SHA-256, in hexadecimal, of the names and contents of the files below a folder. Left out
/// are entries for which `is_visited` is false, with everything below them, and files for which
/// `counts` is false, given the path relative to the folder.
pub(super) fn tree_digest(
    folder: &Path,
    is_visited: impl Fn(&DirEntry) -> bool,
    counts: impl Fn(&Path) -> bool,
) -> io::Result<String> {
    let mut digest = Sha256::new();
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(is_visited) {
        let entry = entry?;
        let name = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        if counts(name)
            && let Some(contents) = contents_of(&entry)?
        {
            digest.update(name.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(Sha256::digest(contents));
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// The contents of a file, or of the file that a link leads to. For any other link, the path that
/// it leads to; none for a folder.
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

    fn digest(folder: &Path) -> String {
        tree_digest(folder, |_| true, |_| true).unwrap()
    }

    #[test]
    fn names_and_contents_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut digests = vec![digest(folder.path())];
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(file("a"), "").unwrap(),
            &|| fs::write(file("a"), "x").unwrap(),
            &|| fs::rename(file("a"), file("b")).unwrap(),
            &|| fs::write(file("a"), "x").unwrap(),
            &|| std::os::unix::fs::symlink("nowhere", file("c")).unwrap(),
        ];
        for change in changes {
            change();
            digests.push(digest(folder.path()));
        }
        fs::create_dir(file("folder")).unwrap();
        assert_eq!(digests.last(), Some(&digest(folder.path())));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn a_linked_file_counts_by_its_contents() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let shared = parent.path().join("shared.rb");
        fs::write(&shared, "code").unwrap();
        std::os::unix::fs::symlink("../shared.rb", folder.join("a.rb")).unwrap();
        let before = digest(&folder);
        fs::write(&shared, "other code").unwrap();
        assert_ne!(digest(&folder), before);
    }

    #[test]
    fn what_is_not_visited_or_does_not_count_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let digest = || {
            let is_visited = |entry: &DirEntry| entry.file_name() != ".git";
            tree_digest(folder.path(), is_visited, |name| name.starts_with("lib"))
        };
        let before = digest().unwrap();
        for (file, changes) in [(".git/HEAD", false), ("x.rb", false), ("lib/x.rb", true)] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
            assert_eq!(digest().unwrap() != before, changes, "{file}");
        }
    }
}

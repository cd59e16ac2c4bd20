//! Files that Git LFS keeps elsewhere: where they were not fetched, a pointer is in their place.

use fs_err as fs;
use std::io::Read;
use std::path::Path;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The names of the gem archives in a folder that are pointers, sorted.
pub(super) fn pointers_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter(|entry| entry.path().extension().is_some_and(|found| found == "gem"))
        .filter(|entry| is_pointer(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn is_pointer(path: &Path) -> bool {
    let mut start = [0; POINTER.len()];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == POINTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_archives() {
        let folder = tempfile::tempdir().unwrap();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
        for (name, text) in [
            ("b-1.gem", pointer),
            ("a-1.gem", pointer),
            ("c-1.gem", "data.tar.gz"),
            ("notes.txt", pointer),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(pointers_in(folder.path()), ["a-1.gem", "b-1.gem"]);
        assert!(pointers_in(Path::new("/nowhere")).is_empty());
    }
}

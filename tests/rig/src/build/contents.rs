//! What two folders have in common.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// Everything below a folder, by its path: the mode, and a file's digest; or a link's target.
pub fn contents_of(folder: &Path) -> BTreeMap<String, String> {
    entries_of(folder)
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below the folder");
            (name.display().to_string(), content_of(&entry))
        })
        .collect()
}

fn content_of(entry: &DirEntry) -> String {
    let path = entry.path();
    let metadata = entry.metadata().expect("metadata");
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() {
        format!("link to {}", fs::read_link(path).expect("a link").display())
    } else if metadata.is_file() {
        let digest = Sha256::digest(fs::read(path).expect("a file"));
        format!("{mode:o} {}", hex::encode(digest))
    } else {
        format!("{mode:o}")
    }
}

/// The files below a folder that hold a text.
pub fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let holds = |path: &Path| {
        let bytes = fs::read(path).expect("a file");
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    entries_of(folder)
        .filter(|entry| entry.file_type().is_file() && holds(entry.path()))
        .map(|entry| entry.path().display().to_string())
        .collect()
}

fn entries_of(folder: &Path) -> impl Iterator<Item = DirEntry> {
    let entries = WalkDir::new(folder).min_depth(1).into_iter();
    entries.map(|entry| entry.expect("a folder that can be read"))
}

/// What is in only one of two folders, or differs between them.
pub fn differences(
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) -> Vec<String> {
    let names = left.keys().chain(right.keys());
    let mut different: Vec<_> = names
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{name}: {:?} / {:?}", left.get(name), right.get(name)))
        .collect();
    different.sort();
    different.dedup();
    different
}

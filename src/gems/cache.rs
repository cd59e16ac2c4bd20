//! Layer `gem-cache` (cache): the verified `.gem` archives of the installed gems, and the
//! repositories of gems from git.

use crate::platform::files::remove_any;
use fs_err as fs;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The folder of the repositories.
const GIT: &str = "git";

/// The archives that the last build left, with those that this build downloads. An archive gets
/// there only when it is verified, so it can be used even if that build failed.
pub(super) struct GemCache {
    pub(super) folder: PathBuf,
    /// How many archives this build has downloaded, and their bytes.
    downloaded: AtomicUsize,
    bytes: AtomicU64,
}

impl GemCache {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            downloaded: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The folder of the repositories of gems from git.
    pub(super) fn git_repositories(&self) -> PathBuf {
        self.folder.join(GIT)
    }

    pub(super) fn add_downloaded(&self, count: usize, bytes: u64) {
        self.downloaded.fetch_add(count, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many archives this build has downloaded, and their bytes.
    pub(super) fn downloaded(&self) -> (usize, u64) {
        let count = self.downloaded.load(Ordering::Relaxed);
        (count, self.bytes.load(Ordering::Relaxed))
    }

    /// Removes every archive but those of these gems, and what a killed build left.
    pub(super) fn keep_only(&self, full_names: &BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == GIT {
                continue;
            }
            let gem = name.to_str().and_then(|name| name.strip_suffix(".gem"));
            if !gem.is_some_and(|gem| full_names.contains(gem)) {
                remove_any(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_archives_of_needed_gems_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rack-3.1.20.gem", "rack-3.1.19.gem", ".tmpAbCdEf"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let cache = GemCache::at(folder.path().to_path_buf());
        fs::create_dir(cache.git_repositories()).unwrap();
        fs::create_dir(folder.path().join(".git.removed")).unwrap();
        let locked = BTreeSet::from(["rack-3.1.20".to_string()]);
        cache.keep_only(&locked).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["git", "rack-3.1.20.gem"]);
    }
}

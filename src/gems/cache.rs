//! Layer `gem-cache` (cache): the verified `.gem` archives of the installed gems, and the repositories of those in git. They are in no image.

use crate::gems::archive::Fetched;
use crate::gems::lock;
use crate::platform::cache_layer::cache_folder;
use fs_err as fs;
use libcnb::Buildpack;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

const GIT: &str = "git";

/// The archives that are here, and what was fetched in this build.
pub struct GemCache {
    /// Where they are.
    pub folder: PathBuf,
    fetched: Mutex<Fetched>,
}

impl GemCache {
    /// The archives of a folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            fetched: Mutex::default(),
        }
    }

    /// Where the repositories of gems in git are kept.
    pub(super) fn git_repositories(&self) -> PathBuf {
        self.folder.join(GIT)
    }

    /// Counts what was fetched.
    pub(super) fn count(&self, fetched: &Fetched) {
        let mut so_far = lock(&self.fetched);
        so_far.count += fetched.count;
        so_far.bytes += fetched.bytes;
    }

    /// How many archives were fetched in this build, and their bytes.
    pub(super) fn fetched(&self) -> (usize, u64) {
        let fetched = lock(&self.fetched);
        (fetched.count, fetched.bytes)
    }

    /// Removes every archive but those of these gems, and what a killed build left.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub(super) fn keep_only(&self, full_names: &BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == GIT {
                continue;
            }
            let gem = name.to_str().and_then(|name| name.strip_suffix(".gem"));
            if !gem.is_some_and(|gem| full_names.contains(gem)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The folder of the archives, as the last build left it. An archive gets into it only when it is verified, so it is kept whatever
/// happened to that build.
///
/// # Errors
/// The layer cannot be made.
pub fn open<B: Buildpack>(context: &BuildContext<B>) -> libcnb::Result<GemCache, B::Error> {
    let folder = cache_folder(context, &layer_name!("gem-cache"))?;
    Ok(GemCache::at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_lockfile_no_longer_names_goes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rack-3.1.20.gem", "rack-3.1.19.gem", ".tmpAbCdEf"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let cache = GemCache::at(folder.path().to_path_buf());
        fs::create_dir(cache.git_repositories()).unwrap();
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

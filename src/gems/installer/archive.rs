//! Which `.gem` archive holds a locked gem, and which servers have it.

use crate::fetch::digest::Sha256Hex;
use fs_err as fs;
use std::path::{Path, PathBuf};
use url::Url;

/// The archive of a gem from a gem server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GemArchive {
    /// Such as `nokogiri`.
    pub(super) name: String,
    /// Such as `nokogiri-1.18.2-x86_64-linux-gnu`.
    pub(super) full_name: String,
    /// The addresses to try, in this order.
    pub(super) urls: Vec<Url>,
    /// From the lockfile's CHECKSUMS: the archive has to have one of them, unless there are none.
    pub(super) checksums: Vec<Sha256Hex>,
}

impl GemArchive {
    /// Its path in a folder of archives.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.gem", self.full_name))
    }

    /// Whether the file at a path is this archive, as far as the lockfile tells.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        if self.checksums.is_empty() {
            return path.is_file();
        }
        fs::read(path).is_ok_and(|bytes| self.checksums.contains(&Sha256Hex::of(bytes)))
    }
}

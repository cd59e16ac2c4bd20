//! Where the files of a build are downloaded from, and with which limits.

use crate::fetch::archive::Archive;
use crate::fetch::download::{Downloader, Patience};
use crate::fetch::settings::DownloadSettings;
use std::path::{Path, PathBuf};
use url::Url;

/// The folder of a packaged buildpack that holds the archives that it brings along: each named by
/// its SHA-256, and the inventory of them.
pub(crate) const VENDORED: &str = "dependencies";

/// The inventory's name in that folder.
pub(crate) const VENDORED_INVENTORY: &str = "inventory.toml";

/// Downloads what a build needs, from where the platform wants it taken.
#[derive(Debug, Default)]
pub struct Fetcher {
    /// For what the build cannot do without.
    pub downloader: Downloader,
    /// For what can be downloaded later as well: it waits for no server for long, and has one try.
    pub prefetch_downloader: Downloader,
    pub settings: DownloadSettings,
    /// The folder [`VENDORED`] of the buildpack.
    vendored: Option<PathBuf>,
}

/// The address that an archive is downloaded from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    pub url: Url,
    /// What replaces the publisher's address, in words that follow "from"; none where nothing does.
    pub instead: Option<&'static str>,
}

impl Fetcher {
    /// For the buildpack in this folder.
    #[must_use]
    pub fn new(settings: &DownloadSettings, buildpack_dir: &Path) -> Self {
        Self {
            downloader: Downloader::new(settings),
            prefetch_downloader: Downloader::new(settings).with_patience(Patience::short()),
            settings: settings.clone(),
            vendored: Some(buildpack_dir.join(VENDORED)),
        }
    }

    /// The first of: a dependency mapping of its digest, the buildpack's own copy, the mirror of
    /// its server, the publisher.
    #[must_use]
    pub fn location_of(&self, archive: &Archive) -> Location {
        let digest = &archive.sha256.0;
        let replaced = if let Some(url) = self.settings.mappings.of(digest) {
            Some((url.clone(), "a dependency mapping"))
        } else if let Some(path) = self.vendored_file(digest) {
            let url = Url::from_file_path(path).ok();
            url.map(|url| (url, "the buildpack itself"))
        } else {
            let url = self.settings.mirrors.of(&archive.url);
            url.map(|url| (url, "a dependency mirror"))
        };
        match replaced {
            Some((url, replacement)) => Location {
                url,
                instead: Some(replacement),
            },
            None => Location {
                url: archive.url.clone(),
                instead: None,
            },
        }
    }

    /// The inventory of the archives that the buildpack brings along, if it brings any.
    #[must_use]
    pub fn vendored_inventory(&self) -> Option<PathBuf> {
        self.vendored_file(VENDORED_INVENTORY)
    }

    fn vendored_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.vendored.as_ref()?.join(name);
        path.is_file().then_some(path)
    }
}

//! Getting bytes: which archive, from where, and proof that it is the one that was published.

pub mod archive;
pub mod digest;
pub mod download;
pub mod file;
pub mod masked;
pub mod settings;
pub(crate) mod unpack;

use crate::fetch::settings::DownloadSettings;
use archive::Archive;
use download::{Downloader, Patience};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Where a buildpack that brings its dependencies along keeps them, in its own folder: each file named by its SHA-256, and the
/// inventory of them.
pub(crate) const VENDORED: &str = "dependencies";

/// The inventory's name in that folder.
pub(crate) const VENDORED_INVENTORY: &str = "inventory.toml";

/// Gets what a build needs, from where the platform wants it taken.
#[derive(Debug, Default)]
pub struct Fetcher {
    /// Gets single URLs.
    pub downloader: Downloader,
    /// Gets what can be had later as well: it waits for no server for long, and tries nothing again.
    pub prefetcher: Downloader,
    /// Mirrors, mappings, certificates and proxies.
    pub settings: DownloadSettings,
    /// Where the buildpack keeps what it brings along.
    vendored: Option<PathBuf>,
}

/// Where an archive is taken from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The address.
    pub url: Url,
    /// Whose it is, where it is not the publisher's own: in words that follow "from".
    pub instead: Option<&'static str>,
}

impl Fetcher {
    /// A supply by these settings, for the buildpack in this folder.
    #[must_use]
    pub fn new(settings: &DownloadSettings, buildpack_dir: &Path) -> Self {
        Self {
            downloader: Downloader::new(settings),
            prefetcher: Downloader::new(settings).with_patience(Patience {
                connect: Duration::from_secs(5),
                stall: Duration::from_secs(5),
                tries: 1,
                ..Patience::default()
            }),
            settings: settings.clone(),
            vendored: Some(buildpack_dir.join(VENDORED)),
        }
    }

    /// Where an archive is taken from: a service binding maps its digest, the buildpack has it, a mirror stands for its server, or the
    /// publisher.
    #[must_use]
    pub fn place_of(&self, archive: &Archive) -> Place {
        let digest = &archive.sha256.0;
        let vendored = self.vendored_file(digest);
        let elsewhere = if let Some(url) = self.settings.mappings.of(digest) {
            Some((url.clone(), "a dependency mapping"))
        } else if let Some(path) = vendored {
            let url = Url::from_file_path(path).ok();
            url.map(|url| (url, "the buildpack itself"))
        } else {
            let url = self.settings.mirrors.of(&archive.url);
            url.map(|url| (url, "a dependency mirror"))
        };
        match elsewhere {
            Some((url, whose)) => Place {
                url,
                instead: Some(whose),
            },
            None => Place {
                url: archive.url.clone(),
                instead: None,
            },
        }
    }

    /// The inventory of what the buildpack brings along, if it does.
    #[must_use]
    pub fn vendored_inventory(&self) -> Option<PathBuf> {
        self.vendored_file(VENDORED_INVENTORY)
    }

    fn vendored_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.vendored.as_ref()?.join(name);
        path.is_file().then_some(path)
    }
}

//! Getting bytes: which archive, from where, and proof that it is the one that was published.

pub mod archive;
pub mod choose;
pub mod download;
pub mod file;
pub mod gem_archive;
pub mod inventory;
pub(crate) mod masked_lines;
mod unpack;
pub mod vendor;

use crate::app::download_settings::DownloadSettings;
use archive::Archive;
use download::{Downloader, Patience};
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Where a buildpack that brings its dependencies along keeps them, in its own folder: each file named by its SHA-256, and the
/// inventory of them.
const VENDORED: &str = "dependencies";

/// The inventory's name in that folder.
const VENDORED_INVENTORY: &str = "inventory.toml";

/// Gets what a build needs, from where the platform wants it taken.
#[derive(Debug, Default)]
pub struct Supply {
    /// Gets single URLs.
    pub downloader: Downloader,
    /// Gets what can be had later as well: it waits for no server for long, and tries nothing again.
    pub prefetcher: Downloader,
    settings: DownloadSettings,
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

impl Supply {
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

/// A URL as it may be shown: without the name and password that it may hold, and without its query, which may be a signature.
pub struct Shown<'a>(pub &'a Url);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0.cannot_be_a_base() {
            return write!(formatter, "{}:…", self.0.scheme()); // `user:password@host` is such a URL.
        }
        let mut url = self.0.clone();
        // Both refuse only URLs that cannot hold credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let has_query = url.query().is_some();
        url.set_query(None);
        url.set_fragment(None);
        write!(formatter, "{url}{}", if has_query { "?…" } else { "" })
    }
}

/// Millions of bytes, with one digit behind the point.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// A text as it may be shown: with stars, as many as there are bytes, for names, passwords and queries of the URLs in it.
pub(crate) fn masked(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
        .map(|word| match word.find("://") {
            Some(colon) => masked_url(word, colon + "://".len()),
            None => word.to_string(),
        })
        .collect()
}

fn masked_url(word: &str, start: usize) -> String {
    let end = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'));
    let secret_end = word.rfind('@').unwrap_or(start).max(start);
    let query = end[secret_end..]
        .find('?')
        .map_or(end.len(), |place| secret_end + place + 1);
    [
        &word[..start],
        &"*".repeat(secret_end - start),
        &word[secret_end..query],
        &"*".repeat(end.len() - query),
        &word[end.len()..],
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_millions() {
        for (bytes, expected) in [
            (0, "0.0"),
            (99_999, "0.0"),
            (9_024_686, "9.0"),
            (38_250_000, "38.2"),
        ] {
            assert_eq!(megabytes(bytes), expected);
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("https://user:secret@example.com/a", "https://example.com/a"),
            (
                "http://token@example.com:8080/a?b=c",
                "http://example.com:8080/a?…",
            ),
            ("user:secret@host/a", "user:…"),
            ("file:///srv/inventory.toml", "file:///srv/inventory.toml"),
        ] {
            assert_eq!(Shown(&url.parse().unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn a_text_keeps_its_length_and_loses_its_secrets() {
        for (text, shown) in [
            (
                "url = \"https://user:p?s@example.com/a?k=v\"\nx = 1",
                "url = \"https://********@example.com/a?***\"\nx = 1",
            ),
            ("https://example.com/é?é", "https://example.com/é?**"),
            ("a@b, no URL", "a@b, no URL"),
            ("https://", "https://"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}

//! Getting bytes: which archive, from where, and proof that it is the one that was published.

pub mod archive;
pub mod download;
pub mod inventory;

use std::fmt::{self, Display, Formatter};
use url::Url;

/// A URL as it may be shown: without the name and password that it may hold.
pub struct Shown<'a>(pub &'a Url);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Both refuse only URLs that cannot hold credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("https://user:secret@example.com/a", "https://example.com/a"),
            (
                "http://token@example.com:8080/a?b=c",
                "http://example.com:8080/a?b=c",
            ),
            ("file:///srv/inventory.toml", "file:///srv/inventory.toml"),
        ] {
            assert_eq!(Shown(&url.parse().unwrap()).to_string(), shown);
        }
    }
}

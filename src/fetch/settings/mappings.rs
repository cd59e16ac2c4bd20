//! Bindings of type `dependency-mapping`: which URL has the file with a SHA-256.

use super::{DownloadSettingsError, entries};
use crate::platform::bindings::Binding;
use std::collections::BTreeMap;
use url::Url;

/// The URLs of files by their SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct DependencyMappings(BTreeMap<String, Url>);

impl DependencyMappings {
    pub(super) fn read(bindings: &[Binding], errors: &mut Vec<DownloadSettingsError>) -> Self {
        let mut mappings = BTreeMap::new();
        for (name, entry, bytes) in entries(bindings, "dependency-mapping", errors) {
            if entry == "provider" {
                continue;
            }
            let is_digest = entry.len() == 64 && entry.bytes().all(|byte| byte.is_ascii_hexdigit());
            let url = String::from_utf8_lossy(&bytes).trim().parse::<Url>().ok();
            match url.filter(|url| matches!(url.scheme(), "https" | "http" | "file")) {
                _ if !is_digest => errors.push(DownloadSettingsError::NotADigest { name }),
                None => errors.push(DownloadSettingsError::NotAUrl {
                    name,
                    example: "https://files.example.com/ruby-3.3.8.tgz",
                }),
                Some(url) => {
                    mappings.insert(entry.to_ascii_lowercase(), url);
                }
            }
        }
        Self(mappings)
    }

    /// The URL of the file with this SHA-256.
    #[must_use]
    pub fn of(&self, sha256: &str) -> Option<&Url> {
        self.0.get(sha256)
    }
}

#[cfg(test)]
mod tests {
    use crate::fetch::settings::tests::read;

    #[test]
    fn a_file_is_found_by_its_digest() {
        let digest = "AB".repeat(32);
        let settings = read(
            &[],
            &[
                ("mapping/type", "dependency-mapping"),
                (
                    &format!("mapping/{digest}"),
                    "https://example.com/ruby.tgz\n",
                ),
            ],
        )
        .unwrap();
        let url = settings.mappings.of(&"ab".repeat(32)).unwrap();
        assert_eq!(url.as_str(), "https://example.com/ruby.tgz");
        assert!(settings.mappings.of(&"cd".repeat(32)).is_none());
    }
}

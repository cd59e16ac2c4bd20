//! The SHA-256 that a file must have, and the error of a file that has another one.

use crate::fetch::digest::Sha256Hex;
use crate::fetch::masked::Shown;
use miette::Diagnostic;
use std::fmt::{self, Display, Formatter};
use thiserror::Error;
use url::Url;

/// The digests that a file may have, and the document that names them. Without digests any file
/// will do.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    digests: &'a [Sha256Hex],
    named_by: Document,
}

/// What names the digest of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Document {
    /// `inventory.toml`, or the inventory of `BP_RUBY_INVENTORY`.
    Inventory,
    /// CHECKSUMS in `Gemfile.lock`.
    Lockfile,
}

impl Display for Document {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Inventory => "inventory",
            Self::Lockfile => "lockfile",
        })
    }
}

/// The file has a SHA-256 that it must not have.
#[derive(Debug, Diagnostic, Error)]
#[error(
    "{url} is not the file that the {named_by} {}: its SHA-256 differs\n  expected {expected}\n  \
     got      {actual}",
    verb(*named_by)
)]
#[diagnostic(help(
    "The file was changed or damaged, on the server or on the way. It was not kept. Try again; if \
     the error stays, ask the operator of that server. Change the {named_by} only if you know why \
     the file changed."
))]
pub struct ChecksumError {
    /// Without credentials.
    url: String,
    named_by: Document,
    expected: String,
    actual: String,
}

fn verb(named_by: Document) -> &'static str {
    match named_by {
        Document::Inventory => "lists",
        Document::Lockfile => "names",
    }
}

impl<'a> Expected<'a> {
    /// A file without a published digest, such as an inventory.
    pub const ANYTHING: Expected<'static> = Expected {
        digests: &[],
        named_by: Document::Inventory,
    };

    #[must_use]
    pub fn by_inventory(digest: &'a Sha256Hex) -> Self {
        Self {
            digests: std::slice::from_ref(digest),
            named_by: Document::Inventory,
        }
    }

    /// Any of the digests; none where the lockfile has no checksum of the file.
    #[must_use]
    pub fn by_lockfile(digests: &'a [Sha256Hex]) -> Self {
        Self {
            digests,
            named_by: Document::Lockfile,
        }
    }

    /// Whether any file will do.
    pub(super) fn is_anything(&self) -> bool {
        self.digests.is_empty()
    }

    pub(super) fn check(&self, url: &Url, actual: &Sha256Hex) -> Result<(), ChecksumError> {
        if self.is_anything() || self.digests.contains(actual) {
            return Ok(());
        }
        let digests: Vec<_> = self
            .digests
            .iter()
            .map(|digest| digest.0.as_str())
            .collect();
        Err(ChecksumError {
            url: Shown(url).to_string(),
            named_by: self.named_by,
            expected: digests.join(" or "),
            actual: actual.0.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_wrong_digest_is_shown_with_the_document_that_names_the_right_one() {
        let digests = [Sha256Hex("0".repeat(64))];
        let wrong = Sha256Hex("1".repeat(64));
        let check = |expected: Expected<'_>, url: &str| {
            let url = url.parse().unwrap();
            assert!(expected.check(&url, &digests[0]).is_ok());
            expected.check(&url, &wrong).unwrap_err()
        };
        let ruby = "https://user:secret@example.com/ruby-3.3.8.tgz?token=secret";
        let error = check(Expected::by_inventory(&digests[0]), ruby);
        assert_report!("inventory", error);
        let gem = "https://rubygems.org/gems/rack-3.1.20.gem";
        let error = check(Expected::by_lockfile(&digests), gem);
        assert_report!("lockfile", error);
    }

    #[test]
    fn without_a_digest_any_file_will_do() {
        let url = "https://example.com/a".parse().unwrap();
        let actual = Sha256Hex("1".repeat(64));
        assert!(Expected::ANYTHING.check(&url, &actual).is_ok());
        assert!(Expected::by_lockfile(&[]).check(&url, &actual).is_ok());
    }
}

//! Names that every orchestrator accepts: DNS labels (RFC 1123) of lower-case letters, digits and
//! `-`, at most 63 characters.

use sha2::{Digest, Sha256};
use std::fmt::{self, Display, Formatter};

const MAX_LENGTH: usize = 63;

/// The longest name of an app, in characters. Kubernetes allows 52 for a `CronJob`, whose name is
/// the app's name and a suffix.
pub(super) const MAX_APP_LENGTH: usize = 40;

/// The name of an app if none was given.
pub(super) const DEFAULT_APP: &str = "app";

/// The name of an app: a DNS label that starts with a letter, at most [`MAX_APP_LENGTH`]
/// characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppName(String);

impl AppName {
    /// `None` if the text is not a valid name.
    pub(super) fn valid(text: &str) -> Option<Self> {
        (Self::nearest(text).0 == text).then(|| Self(text.into()))
    }

    /// From an image name: the part after the last slash, without tag and digest.
    pub(super) fn of_image(image: &str) -> Self {
        let without_digest = image.split('@').next().unwrap_or_default();
        let last = without_digest.rsplit('/').next().unwrap_or_default();
        Self::nearest(last.split(':').next().unwrap_or_default())
    }

    /// The valid name that is nearest to the text.
    pub(super) fn nearest(text: &str) -> Self {
        let dashed = dashed(text);
        let name = if dashed.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{DEFAULT_APP}-{dashed}")
        } else {
            dashed
        };
        let name = name[..name.len().min(MAX_APP_LENGTH)].trim_end_matches('-');
        Self(if name.is_empty() { DEFAULT_APP } else { name }.into())
    }

    /// The name of an object that belongs to the app: `shop-worker`. Not unique: `a.b` and `a-b`
    /// get the same name.
    pub(super) fn with(&self, part: &str) -> String {
        shortened(&format!("{self}-{}", label(part)), part)
    }
}

impl Display for AppName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether an image name stands for another image each time: it has neither a digest nor a tag, or
/// the tag `latest`.
pub(super) fn has_no_tag_of_its_own(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    !image.contains('@') && tag.is_none_or(|tag| tag == "latest")
}

/// A process type as a DNS label, for names and for the values of labels.
pub(super) fn label(process_type: &str) -> String {
    match dashed(process_type).as_str() {
        // The type may be `_`: other buildpacks have other rules for types.
        "" => short_hash(process_type),
        label => shortened(label, process_type),
    }
}

/// Whether a Kubernetes object can have this name: a DNS subdomain, which is DNS labels with dots
/// between them, at most 253 characters.
pub(super) fn is_object_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        !label.is_empty()
            && label.bytes().all(is_inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// In lower case, with dashes for all characters that are not letters or digits, and no dash at the
/// ends.
fn dashed(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        })
        .collect();
    dashed.trim_matches('-').into()
}

/// A label that is too long is cut, and ends with a hash of the whole name, which keeps it unique.
fn shortened(label: &str, whole_name: &str) -> String {
    if label.len() <= MAX_LENGTH {
        return label.into();
    }
    let hash = short_hash(whole_name);
    let kept = &label[..MAX_LENGTH - hash.len() - 1];
    format!("{}-{hash}", kept.trim_end_matches('-'))
}

/// Eight hexadecimal digits.
pub(super) fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gives_the_app_its_name() {
        for (image, name) in [
            ("shop", "shop"),
            ("shop:42", "shop"),
            (
                "registry.example:5000/team/Shop_API:v1@sha256:abc",
                "shop-api",
            ),
            ("example/7eleven", "app-7eleven"),
            ("--", "app"),
            (&"a".repeat(50), &"a".repeat(40)),
        ] {
            assert_eq!(AppName::of_image(image).to_string(), name);
        }
    }

    #[test]
    fn object_names_are_dns_subdomains() {
        for good in ["shop", "7", "a.b-c.d", &"a".repeat(253)] {
            assert!(is_object_name(good), "{good}");
        }
        for bad in [
            "",
            "Shop",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a b",
            &"a".repeat(254),
        ] {
            assert!(!is_object_name(bad), "{bad}");
        }
    }

    #[test]
    fn app_names_are_short_dns_labels() {
        for good in ["shop", "s", "shop-2", &"a".repeat(40)] {
            assert!(AppName::valid(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "Shop",
            "2shop",
            "shop_2",
            "-shop",
            "shop-",
            &"a".repeat(41),
        ] {
            assert!(AppName::valid(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_type_becomes_a_dns_label() {
        let app = AppName::nearest("shop");
        for (process_type, name) in [
            ("web", "shop-web"),
            ("My_Worker", "shop-my-worker"),
            ("node.repl", "shop-node-repl"),
            ("1", "shop-1"),
        ] {
            assert_eq!(app.with(process_type), name);
        }
        assert_eq!(app.with("_"), format!("shop-{}", short_hash("_")));
        let long = "w".repeat(63);
        assert_eq!(label(&long), long);
        let name = app.with(&long);
        assert_eq!(
            name,
            format!("shop-{}-{}", "w".repeat(49), short_hash(&long))
        );
        assert_eq!(name.len(), 63);
        assert_ne!(name, app.with(&format!("{}v", "w".repeat(62))));
    }
}

//! Names as an orchestrator takes them: DNS labels (RFC 1123), of lower-case letters, digits and `-`, at most 63 characters.

use sha2::{Digest, Sha256};
use std::fmt::{self, Display, Formatter};

const LONGEST: usize = 63;

/// The longest name of an app: Kubernetes takes 52 characters for a `CronJob`, and something stands behind the app's name.
pub(super) const LONGEST_APP: usize = 40;

/// What an app is called that nobody gave a name.
pub(super) const DEFAULT_APP: &str = "app";

/// The name of an app: a DNS label that starts with a letter, at most [`LONGEST_APP`] characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppName(String);

impl AppName {
    /// A name as it was given; none where it cannot be used.
    pub(super) fn given(text: &str) -> Option<Self> {
        (Self::nearest(text).0 == text).then(|| Self(text.into()))
    }

    /// Of an image: what stands behind the last slash, without tag and digest.
    pub(super) fn of_image(image: &str) -> Self {
        let without_digest = image.split('@').next().unwrap_or_default();
        let last = without_digest.rsplit('/').next().unwrap_or_default();
        Self::nearest(last.split(':').next().unwrap_or_default())
    }

    /// The nearest one to any text.
    pub(super) fn nearest(text: &str) -> Self {
        let dashed = dashed(text);
        let name = if dashed.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{DEFAULT_APP}-{dashed}")
        } else {
            dashed
        };
        let name = name[..name.len().min(LONGEST_APP)].trim_end_matches('-');
        Self(if name.is_empty() { DEFAULT_APP } else { name }.into())
    }

    /// The name of something that belongs to the app: `shop-worker`. Two types may get the same one.
    pub(super) fn with(&self, part: &str) -> String {
        shortened(&format!("{self}-{}", label(part)), part)
    }
}

impl Display for AppName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A process type as the value of a label.
pub(super) fn label(process_type: &str) -> String {
    match dashed(process_type).as_str() {
        // Other buildpacks may call a type `_`.
        "" => short_hash(process_type),
        label => shortened(label, process_type),
    }
}

/// Whether an object of Kubernetes can have this name: a DNS subdomain, labels with dots between them, of 253 characters at most.
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

/// Lower case, everything else a dash, and none at the ends.
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

/// What is too long ends with a hash of what it stands for, so that it stays another than its neighbours.
fn shortened(label: &str, of: &str) -> String {
    if label.len() <= LONGEST {
        return label.into();
    }
    let hash = short_hash(of);
    let kept = &label[..LONGEST - hash.len() - 1];
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
    fn names_of_objects() {
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
    fn names_that_can_be_used() {
        for good in ["shop", "s", "shop-2", &"a".repeat(40)] {
            assert!(AppName::given(good).is_some(), "{good}");
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
            assert!(AppName::given(bad).is_none(), "{bad}");
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

//! The name of a process type: the rules for it, and the nearest valid name to any text.

use super::characters::{Deceptive, deceptive, described};
use crate::launch_spec::FORMATION;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use thiserror::Error;

/// In characters: the longest name that Kubernetes allows for an object.
const MAX_LENGTH: usize = 63;

/// Process types that every image has already.
const RESERVED: [&str; 2] = ["launcher", FORMATION];

/// A valid process type: letters, digits, `-` and `_`, with a letter or digit at both ends, at
/// most 63 characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProcessType(String);

impl ProcessType {
    /// The type that receives HTTP traffic. It is the image's default process.
    pub const WEB: &str = "web";
    /// The task that runs once before each release.
    pub const RELEASE: &str = "release";

    /// A process type that is valid by construction, such as [`Self::WEB`].
    #[must_use]
    pub fn known(name: &'static str) -> Self {
        debug_assert!(name.parse::<Self>().is_ok());
        Self(name.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ProcessType {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is not a valid process type.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{message}")]
pub struct NotAProcessType {
    message: String,
    /// The nearest valid process type.
    pub suggestion: String,
}

impl FromStr for ProcessType {
    type Err = NotAProcessType;

    fn from_str(text: &str) -> Result<Self, NotAProcessType> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let has_valid_ends = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        let message = if text.is_empty() {
            "no type before the colon".to_string()
        } else if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
            format!(
                "a type may contain letters, digits, `-` and `_`, but not {}",
                described(bad)
            )
        } else if !has_valid_ends {
            "a type starts and ends with a letter or a digit".to_string()
        } else if text.len() > MAX_LENGTH {
            format!(
                "a type has at most {MAX_LENGTH} characters, but this one has {}",
                text.len()
            )
        } else if RESERVED.contains(&text) {
            format!("the type `{text}` is reserved")
        } else {
            return Ok(Self(text.to_string()));
        };
        Err(NotAProcessType {
            message,
            suggestion: nearest_valid(text),
        })
    }
}

/// The nearest valid type: what is not seen is left out, invalid characters become dashes, dashes
/// at the ends are removed, and a long text is cut.
fn nearest_valid(text: &str) -> String {
    if RESERVED.contains(&text) {
        return format!("app-{text}");
    }
    let dashed: String = text
        .chars()
        .filter_map(|c| match deceptive(c) {
            Some(Deceptive { looks_like, .. }) => looks_like,
            None => Some(c),
        })
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let trimmed = dashed.trim_matches(['-', '_']);
    let short = &trimmed[..trimmed.len().min(MAX_LENGTH)];
    match short.trim_end_matches(['-', '_']) {
        "" => "worker".into(),
        valid => valid.into(),
    }
}

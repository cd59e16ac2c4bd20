//! The name of a process type.

use crate::launch_spec::FORMATION;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use thiserror::Error;

/// The longest type that Kubernetes takes as a name.
const LONGEST_TYPE: usize = 63;

/// Types that have a meaning of their own in the image.
const RESERVED: [&str; 2] = ["launcher", FORMATION];

/// A valid process type: letters, digits, `-` and `_`, with a letter or digit at both ends, 63 characters at most.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProcessType(String);

impl ProcessType {
    /// The type that receives HTTP traffic, and the default process where there is one.
    pub const WEB: &str = "web";
    /// The type that runs once before a release and never serves.
    pub const RELEASE: &str = "release";

    /// A type that this program itself names.
    #[must_use]
    pub fn known(name: &'static str) -> Self {
        debug_assert!(name.parse::<Self>().is_ok());
        Self(name.into())
    }

    /// As written.
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

/// The text is no process type.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("{message}")]
pub struct NotAProcessType {
    message: String,
    /// The nearest valid type.
    pub better: String,
}

impl FromStr for ProcessType {
    type Err = NotAProcessType;

    fn from_str(text: &str) -> Result<Self, NotAProcessType> {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let ends_well = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        let message = if text.is_empty() {
            "no type before the colon".to_string()
        } else if let Some(bad) = text.chars().find(|c| !valid(*c)) {
            format!(
                "a type has letters, digits, `-` and `_`, but not {}",
                printable(bad)
            )
        } else if !ends_well {
            "a type starts and ends with a letter or a digit".to_string()
        } else if text.len() > LONGEST_TYPE {
            format!(
                "a type has {LONGEST_TYPE} characters at most, and this one {}",
                text.len()
            )
        } else if RESERVED.contains(&text) {
            format!("every image has a `{text}` of its own")
        } else {
            return Ok(Self(text.to_string()));
        };
        Err(NotAProcessType {
            message,
            better: better_type(text),
        })
    }
}

/// A character as a message can show it.
fn printable(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        c if c.is_control() => format!("`{}`", c.escape_default()),
        c => format!("`{c}`"),
    }
}

/// The nearest valid type: other characters become dashes, none stands at an end, and what is too long is cut.
fn better_type(text: &str) -> String {
    if RESERVED.contains(&text) {
        return format!("app-{text}");
    }
    let dashed: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let trimmed = dashed.trim_matches(['-', '_']);
    let short = &trimmed[..trimmed.len().min(LONGEST_TYPE)];
    match short.trim_end_matches(['-', '_']) {
        "" => "worker".into(),
        better => better.into(),
    }
}

//! A value that an input holds, with its place, so that a message can point at it.

use miette::SourceSpan;

/// A value, and where it stands in its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The value, without quotes.
    pub value: String,
    /// Its place, in bytes.
    pub span: SourceSpan,
}

impl Written {
    /// A part of a text, which it has to be a slice of.
    #[must_use]
    pub fn within(text: &str, part: &str) -> Self {
        let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        Self {
            value: part.to_string(),
            span: (offset.min(text.len()), part.len()).into(),
        }
    }
}

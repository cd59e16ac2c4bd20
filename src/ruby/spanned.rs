//! A value of an input with its place in the text, so that a message can point at it.

use miette::SourceSpan;

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spanned {
    /// Without quotes.
    pub value: String,
    /// In bytes of the text.
    pub span: SourceSpan,
}

impl Spanned {
    /// A part of a text. `part` must be a slice of `text`.
    #[must_use]
    pub fn within(text: &str, part: &str) -> Self {
        let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        Self {
            value: part.to_string(),
            span: (offset.min(text.len()), part.len()).into(),
        }
    }
}

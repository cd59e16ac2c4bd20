//! What editors and merges leave in text files, and no reader of such a file wants.

/// What some editors put before a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The lines that git leaves around the sides of a merge conflict begin with one of these.
pub const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];

/// The text without a byte-order mark before it.
#[must_use]
pub fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches(BYTE_ORDER_MARK)
}

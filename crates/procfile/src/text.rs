//! Byte-order marks, line ends and merge conflict markers, which editors and Git leave in text files.

/// The character that some editors write at the start of a UTF-8 file.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// How the lines begin that Git writes around the sides of a merge conflict.
pub const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];

/// The text without the byte-order marks at its start.
#[must_use]
pub fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches(BYTE_ORDER_MARK)
}

/// The text with a line feed for each carriage return that stands alone: some editors end lines
/// with it. Its length stays the same.
#[must_use]
pub fn with_line_feeds(text: &str) -> String {
    let mut characters = text.chars().peekable();
    let mut changed = String::with_capacity(text.len());
    while let Some(c) = characters.next() {
        let stands_alone = c == '\r' && characters.peek() != Some(&'\n');
        changed.push(if stands_alone { '\n' } else { c });
    }
    changed
}

/// Whether Git wrote this line into a file with a merge conflict.
#[must_use]
pub fn is_conflict_marker(line: &str) -> bool {
    CONFLICT_MARKERS
        .iter()
        .any(|marker| line.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_removed_from_the_start_only() {
        assert_eq!(without_byte_order_mark("\u{feff}a\u{feff}"), "a\u{feff}");
        assert_eq!(without_byte_order_mark("a"), "a");
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line() {
        assert_eq!(with_line_feeds("a\rb\r\nc\n\r"), "a\nb\r\nc\n\n");
    }

    #[test]
    fn conflict_markers_are_recognized() {
        for line in ["<<<<<<< HEAD", "||||||| base", "=======", ">>>>>>> main"] {
            assert!(is_conflict_marker(line), "{line}");
        }
        for line in ["", "======", " <<<<<<< HEAD", "web: cat <<<<<<<"] {
            assert!(!is_conflict_marker(line), "{line}");
        }
    }
}

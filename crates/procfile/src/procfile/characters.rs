//! Characters that look like others, or like nothing: word processors, chats and web pages put them
//! into commands.

/// A character that a reader takes for another one, or does not see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Deceptive {
    /// With an article: `a no-break space`.
    pub(super) name: &'static str,
    /// What it looks like; `None` if it is not seen.
    pub(super) looks_like: Option<char>,
}

/// `None` for a character that looks like itself.
pub(super) fn deceptive(c: char) -> Option<Deceptive> {
    let (name, looks_like) = match c {
        '\u{a0}' | '\u{202f}' => ("a no-break space", Some(' ')),
        '\u{200b}' => ("a zero-width space", None),
        '\u{200c}' | '\u{200d}' | '\u{2060}' => ("a zero-width joiner", None),
        '\u{ad}' => ("a soft hyphen", None),
        '\u{feff}' => ("a byte-order mark", None),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            ("a mark of the direction of text", None)
        }
        '\u{2018}'..='\u{201b}' => ("a curly quote", Some('\'')),
        '\u{201c}'..='\u{201f}' => ("a curly quote", Some('"')),
        '\u{2010}' | '\u{2011}' => ("a typographic hyphen", Some('-')),
        '\u{2013}' => ("an en dash", Some('-')),
        '\u{2012}' | '\u{2014}' | '\u{2015}' => ("a dash", Some('-')),
        '\u{2212}' => ("a minus sign", Some('-')),
        '\u{ff01}'..='\u{ff5e}' => ("a full-width character", full_width(c)),
        '\t' => return None,
        c if c.is_control() => ("a control character", None),
        c if c.is_whitespace() && !c.is_ascii() => ("a wide or narrow space", Some(' ')),
        _ => return None,
    };
    Some(Deceptive { name, looks_like })
}

/// The ASCII character of a full-width one, which stand in the same order.
fn full_width(c: char) -> Option<char> {
    char::from_u32(u32::from(c) - 0xfee0)
}

/// A character in a message: by its code point too, where it may look like another.
pub(super) fn described(c: char) -> String {
    match deceptive(c) {
        Some(Deceptive { name, .. }) => format!("{name} ({})", code_point(c)),
        None if c == ' ' => "a space".into(),
        None if c == '\t' => "a tab".into(),
        None if c.is_ascii() => format!("`{c}`"),
        // Letters of other scripts look like Latin ones.
        None => format!("`{c}` ({})", code_point(c)),
    }
}

/// `U+00A0`.
fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// The characters of a command that are neither quoted nor in a comment, with their offsets in
/// bytes.
pub(super) fn unquoted(command: &str) -> Vec<(usize, char)> {
    let mut unquoted = Vec::new();
    let mut quote = None;
    let mut is_escaped = false;
    let mut is_word_start = true;
    for (offset, c) in command.char_indices() {
        if is_escaped {
            is_escaped = false;
            is_word_start = false;
            continue;
        }
        match quote {
            None if c == '#' && is_word_start => break,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None | Some('"') if c == '\\' => is_escaped = true,
            None => unquoted.push((offset, c)),
            Some(open) if c == open => quote = None,
            Some(_) => {}
        }
        is_word_start = quote.is_none() && (c.is_ascii_whitespace() || ";&|()".contains(c));
    }
    unquoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_described_so_that_they_can_be_found() {
        for (c, text) in [
            (' ', "a space"),
            ('.', "`.`"),
            ('\u{f6}', "`\u{f6}` (U+00F6)"),
            ('\u{435}', "`\u{435}` (U+0435)"),
            ('\u{a0}', "a no-break space (U+00A0)"),
            ('\u{200b}', "a zero-width space (U+200B)"),
            ('\u{201d}', "a curly quote (U+201D)"),
            ('\u{2013}', "an en dash (U+2013)"),
            ('\u{ff1a}', "a full-width character (U+FF1A)"),
            ('\u{1b}', "a control character (U+001B)"),
        ] {
            assert_eq!(described(c), text);
        }
        assert_eq!(deceptive('\u{ff1a}').unwrap().looks_like, Some(':'));
    }

    #[test]
    fn quotes_escapes_and_comments_hide_characters() {
        for (command, expected) in [
            ("a b", "a b"),
            ("a 'b\\' c", "a  c"),
            (r#"a "b \" 'c" d"#, "a  d"),
            (r"a \'b", "a b"),
            ("a # it's", "a "),
            ("a#b;# c", "a#b;"),
            ("a \"# b\" c", "a  c"),
        ] {
            let found: String = unquoted(command).into_iter().map(|(_, c)| c).collect();
            assert_eq!(found, expected, "{command}");
        }
    }
}

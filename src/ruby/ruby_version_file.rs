//! `.ruby-version`, the file of rbenv, chruby and RVM; and how Bundler reads the file that
//! `ruby file: "…"` names.

use crate::ruby::spanned::Spanned;
use procfile::text::without_byte_order_mark;

pub const FILE_NAME: &str = ".ruby-version";

/// The first line that is neither blank nor a comment, as rbenv and chruby read it.
#[must_use]
pub fn version(text: &str) -> Option<Spanned> {
    text.lines()
        .map(without_byte_order_mark)
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .find(|line| !line.is_empty())
        .map(|line| Spanned::within(text, line))
}

/// Bundler's rule for `ruby file: "…"`: a line that starts with `ruby` holds the version (`ruby
/// 3.3.8` in `.tool-versions`, `ruby = "3.3.8"` in `mise.toml`, `ruby-3.3.8`); without such a line
/// the whole text is the version.
///
/// Source: `normalize_ruby_file` in <https://github.com/ruby/rubygems/blob/master/bundler/lib/bundler/ruby_dsl.rb>
#[must_use]
pub fn version_by_bundler(text: &str) -> Spanned {
    text.lines()
        .find_map(version_of_ruby_line)
        .map_or_else(|| whole_text(text), |part| Spanned::within(text, part))
}

/// The whole text without the space around it: what `File.read(…).strip` gives.
#[must_use]
pub fn whole_text(text: &str) -> Spanned {
    Spanned::within(text, without_byte_order_mark(text).trim())
}

/// The (first) version of `ruby 3.3.8 3.2.9`, `ruby-3.3.8` and `ruby = "3.3.8"`.
fn version_of_ruby_line(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("ruby")?;
    let value = rest
        .strip_prefix('-')
        .unwrap_or(rest)
        .trim_start()
        .trim_start_matches('=');
    if value.len() == rest.len() {
        return None; // `rubygems …`
    }
    let value = value.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => Some(value[1..].split_once(quote)?.0),
        _ => value
            .split(|c: char| c.is_whitespace() || c == '#')
            .next()
            .filter(|version| !version.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_is_neither_blank_nor_a_comment() {
        for (text, expected) in [
            ("3.3.8\n", Some("3.3.8")),
            ("\n  ruby-3.3.8  \r\n", Some("ruby-3.3.8")),
            ("# the newest\n3.3 # note\n", Some("3.3")),
            ("\u{feff}3.3.8", Some("3.3.8")),
            ("\n# nothing\n", None),
        ] {
            let found = version(text).map(|version| version.value);
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_named_file_is_read_as_bundler_does() {
        for (text, expected) in [
            ("3.3.8\n", "3.3.8"),
            ("nodejs 22.1.0\nruby 3.3.8 3.2.9 # note\n", "3.3.8"),
            ("ruby\t3.3.8\n", "3.3.8"),
            ("ruby-3.3.8p144\n", "3.3.8p144"),
            ("[tools]\nnode = \"22\"\nruby = \"3.3.8\"\n", "3.3.8"),
            ("[tools]\nruby='3.3'\n", "3.3"),
            ("[tools]\nruby = { version = \"3.3.8\" }\n", "{"),
            ("rubygems 3.6\nruby 3.3.8", "3.3.8"),
        ] {
            let found = version_by_bundler(text);
            assert_eq!(found.value, expected, "{text:?}");
            let (start, length) = (found.span.offset(), found.span.len());
            assert_eq!(&text[start..start + length], expected);
        }
    }
}

//! `.tool-versions`, the file of asdf: a line for each tool, with its name and its versions.
//!
//! Source: <https://asdf-vm.com/manage/configuration.html#tool-versions>

use crate::ruby::spanned::Spanned;
use procfile::text::without_byte_order_mark;

pub const FILE_NAME: &str = ".tool-versions";

/// The versions of Ruby in their order: asdf takes the first that is installed.
#[must_use]
pub fn ruby(text: &str) -> Vec<Spanned> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .find_map(|line| {
            let mut words = without_byte_order_mark(line).split_whitespace();
            (words.next() == Some("ruby")).then_some(words)
        })
        .into_iter()
        .flatten()
        .map(|version| Spanned::within(text, version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_all_their_spellings() {
        for (text, expected) in [
            ("ruby 3.3.8\n", vec!["3.3.8"]),
            (
                "ruby 3.3.8 3.2.9 system # note\n",
                vec!["3.3.8", "3.2.9", "system"],
            ),
            ("nodejs 22.1.0\r\nruby\t3.3.8\r\n", vec!["3.3.8"]),
            ("# ruby 3.2.9\nruby 3.3.8", vec!["3.3.8"]),
            ("rubygems 3.6\n", vec![]),
            ("ruby\n", vec![]),
            ("ruby # 3.3.8\n", vec![]),
            ("", vec![]),
        ] {
            let found = ruby(text);
            let values: Vec<_> = found.iter().map(|version| &version.value).collect();
            assert_eq!(values, expected, "{text:?}");
            for version in found {
                let (start, length) = (version.span.offset(), version.span.len());
                assert_eq!(text[start..start + length], version.value);
            }
        }
    }
}

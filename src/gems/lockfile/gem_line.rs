//! The lines of specs, dependencies and checksums. All have one grammar:
//! `name (version-platform)! checksum`, where only the name is required.

/// The parts of such a line. Lines are read as by Bundler's regular expression `NAME_VERSION`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct GemLine<'a> {
    /// The number of spaces before it: 2, 4 or 6.
    pub(super) indent: usize,
    pub(super) name: &'a str,
    /// A version, or the requirements of a dependency: the text in the brackets, up to the first
    /// dash.
    pub(super) version: Option<&'a str>,
    pub(super) platform: Option<&'a str>,
    pub(super) is_pinned: bool,
    pub(super) checksum: Option<&'a str>,
}

/// The part behind the name and the brackets.
#[derive(Clone, Copy)]
struct Tail<'a> {
    is_pinned: bool,
    checksum: Option<&'a str>,
}

impl<'a> GemLine<'a> {
    /// None for a line with another indentation.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if ![2, 4, 6].contains(&indent) {
            return None;
        }
        let bare = Self::without_brackets(indent, text);
        // The name ends as early as it can.
        let with_brackets = text
            .match_indices(" (")
            .map_while(|(end, _)| (end <= bare.name.len()).then_some(end))
            .find_map(|end| Self::with_brackets(indent, text, end));
        Some(with_brackets.unwrap_or(bare))
    }

    fn with_brackets(indent: usize, text: &'a str, name_end: usize) -> Option<Self> {
        let inside = &text[name_end + 2..];
        let dash = inside.find('-').unwrap_or(inside.len());
        // The last closing bracket, behind the dash rather than before it.
        let closings = || inside.rmatch_indices(')');
        let closing = |(end, _): (usize, &str)| Some((end, Tail::read(&inside[end + 1..])?));
        let (end, tail) = closings().find_map(closing)?;
        let (version, platform) = if end > dash {
            (&inside[..dash], Some(&inside[dash + 1..end]))
        } else {
            (&inside[..end], None)
        };
        Some(Self {
            indent,
            name: &text[..name_end],
            version: Some(version),
            platform,
            is_pinned: tail.is_pinned,
            checksum: tail.checksum,
        })
    }

    fn without_brackets(indent: usize, text: &'a str) -> Self {
        let (before, checksum) = match text.rsplit_once(' ') {
            Some((before, checksum)) if !checksum.is_empty() => (before, Some(checksum)),
            _ => (text, None),
        };
        let name = before.strip_suffix('!');
        Self {
            indent,
            name: name.unwrap_or(before),
            version: None,
            platform: None,
            is_pinned: name.is_some(),
            checksum,
        }
    }
}

impl<'a> Tail<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('!').unwrap_or(text);
        let checksum = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(' ')?),
        };
        let is_word =
            checksum.is_none_or(|checksum| !checksum.is_empty() && !checksum.contains(' '));
        is_word.then_some(Self {
            is_pinned: rest.len() < text.len(),
            checksum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    /// Bundler's own expression. The regex crate has no look-ahead; a filter replaces it.
    fn by_expression(line: &str) -> Option<GemLine<'_>> {
        let expression = Regex::new(
            r"^( {2}| {4}| {6})((?:[^ ].*?)??)(?: \(([^-]*)(?:-(.*))?\))?(!)?(?: ([^ ]+))?$",
        )
        .unwrap();
        let captures = expression.captures(line)?;
        let group = |index| captures.get(index).map(|group| group.as_str());
        Some(GemLine {
            indent: group(1)?.len(),
            name: group(2)?,
            version: group(3),
            platform: group(4),
            is_pinned: group(5).is_some(),
            checksum: group(6),
        })
        .filter(|found| !line[found.indent..].starts_with(' '))
    }

    #[test]
    fn lines_in_all_their_spellings() {
        for line in [
            "    rack (3.1.20)",
            "    nokogiri (1.18.2-x86_64-linux-gnu)",
            "      rack (>= 2.2.4, < 3.2)",
            "      json",
            "  billing!",
            "  rails (~> 8.0)!",
            "  rack (3.1.20) sha256=abc",
            "  rack (3.1.20) sha256=ab-c_d,sha512=f",
            "  rack (3.1.20-java) sha256=ab-c)d",
            "  bundler sha256=abc",
            "  name with (brackets) (1.0)",
            "  rack! (1.0)",
            "  !",
            "  rack ",
            "   rack (3.1.20)",
            "        rack",
            "rack",
            "\track",
        ] {
            assert_eq!(GemLine::read(line), by_expression(line), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_are_read_as_by_bundlers_expression(line in "( {0,8})[a-c() !,=.-]{0,14}") {
            prop_assert_eq!(GemLine::read(&line), by_expression(&line));
        }
    }
}

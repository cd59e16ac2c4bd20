//! URLs and texts without the credentials in them.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use url::Url;

/// A URL as it may be shown: without name and password, and without its query, which may be a
/// signature.
pub struct Shown<'a>(pub &'a Url);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.0.cannot_be_a_base() {
            // `user:password@host` is such a URL.
            return write!(formatter, "{}:…", self.0.scheme());
        }
        let mut url = self.0.clone();
        // Both refuse only URLs that cannot hold credentials.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let has_query = url.query().is_some();
        url.set_query(None);
        url.set_fragment(None);
        write!(formatter, "{url}{}", if has_query { "?…" } else { "" })
    }
}

/// A text as it may be shown: every byte of names, passwords and queries in its URLs is a star.
pub(crate) fn masked(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'))
        .map(|word| match word.find("://") {
            Some(colon) => masked_url(word, colon + "://".len()),
            None => word.to_string(),
        })
        .collect()
}

fn masked_url(word: &str, start: usize) -> String {
    let end = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`'));
    let secret_end = word.rfind('@').unwrap_or(start).max(start);
    let query = end[secret_end..]
        .find('?')
        .map_or(end.len(), |place| secret_end + place + 1);
    [
        &word[..start],
        &"*".repeat(secret_end - start),
        &word[secret_end..query],
        &"*".repeat(end.len() - query),
        &word[end.len()..],
    ]
    .concat()
}

/// A writer that masks every line: Bundler shows the credentials of a git repository when it tries
/// again.
pub(crate) struct MaskedLines<W: Write> {
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> MaskedLines<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            line: Vec::new(),
        }
    }

    fn write_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let line = masked(&String::from_utf8_lossy(&line));
        self.inner.write_all(line.as_bytes())
    }
}

impl<W: Write> Write for MaskedLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    /// Flushes whole lines only: a URL may be cut anywhere.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for MaskedLines<W> {
    fn drop(&mut self) {
        // An error cannot be reported from here.
        let _ = self.write_line().and_then(|()| self.inner.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("https://user:secret@example.com/a", "https://example.com/a"),
            (
                "http://token@example.com:8080/a?b=c",
                "http://example.com:8080/a?…",
            ),
            ("user:secret@host/a", "user:…"),
            ("file:///srv/inventory.toml", "file:///srv/inventory.toml"),
        ] {
            assert_eq!(Shown(&url.parse().unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn a_text_loses_its_secrets_but_not_its_length() {
        for (text, shown) in [
            (
                "url = \"https://user:p?s@example.com/a?k=v\"\nx = 1",
                "url = \"https://********@example.com/a?***\"\nx = 1",
            ),
            ("https://example.com/é?é", "https://example.com/é?**"),
            ("a@b, no URL", "a@b, no URL"),
            ("https://", "https://"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn no_url_shows_its_password_however_it_is_cut() {
        let text = "Retrying `git clone -- https://user:secret@example.com/a.git /tmp/a`\n\
                    no end: https://token@example.com/";
        let expected = "Retrying `git clone -- https://***********@example.com/a.git /tmp/a`\n\
                        no end: https://*****@example.com/";
        for size in [1, 7, 40, text.len()] {
            let mut shown = Vec::new();
            let mut lines = MaskedLines::new(&mut shown);
            for part in text.as_bytes().chunks(size) {
                lines.write_all(part).unwrap();
                lines.flush().unwrap();
            }
            drop(lines);
            assert_eq!(String::from_utf8(shown).unwrap(), expected, "{size}");
        }
    }
}

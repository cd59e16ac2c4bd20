//! The output of other programs, without the credentials that they may show.

use crate::supply::masked;
use std::io::{self, Write};

/// Passes on what is written, line by line, with stars for names, passwords and queries of the URLs in it: Bundler shows those of a git
/// repository when it tries again.
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

    fn pass_on(&mut self) -> io::Result<()> {
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
                self.pass_on()?;
            }
        }
        Ok(bytes.len())
    }

    /// Of whole lines: a URL may be cut anywhere.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for MaskedLines<W> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.pass_on().and_then(|()| self.inner.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_shows_its_password_however_it_is_cut() {
        let text = "Retrying `git clone -- https://user:secret@example.com/a.git /tmp/a`\nno end: https://token@example.com/";
        let expected = "Retrying `git clone -- https://***********@example.com/a.git /tmp/a`\nno end: https://*****@example.com/";
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

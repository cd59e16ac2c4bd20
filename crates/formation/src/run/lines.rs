//! From the bytes that a process writes to whole lines, each with the name of its process.

use memchr::memchr;
use serde::Serialize;

/// The most bytes of a line; a longer one is passed on in pieces, so that no process can fill the
/// memory.
pub(super) const LONGEST: usize = 64 * 1024;

/// What stands before each line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Prefix {
    /// Type and number: `worker.2 | `
    #[default]
    Name,
    /// Nothing: lines as they are
    None,
    /// Each line is a JSON object with `process`, `stream` and `line`
    Json,
}

/// One of the two streams that a process writes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StreamName {
    Stdout,
    Stderr,
}

/// A stream's bytes, cut into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has yet to come.
    partial: Vec<u8>,
}

impl Lines {
    /// Takes what was read, and passes on each complete line, without its line feed.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.partial.is_empty() && end <= LONGEST {
                line(&bytes[..end]);
            } else {
                self.append(&bytes[..end], &mut line);
                self.end(&mut line);
            }
            bytes = &bytes[end + 1..];
        }
        self.append(bytes, &mut line);
    }

    /// Passes on a last line that has no line feed.
    pub(super) fn end(&mut self, line: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }

    /// Passes on a piece only when more has come: a line of exactly that length is not cut.
    fn append(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8])) {
        while self.partial.len() + bytes.len() > LONGEST {
            let (piece, rest) = bytes.split_at(LONGEST - self.partial.len());
            self.partial.extend_from_slice(piece);
            line(&self.partial);
            self.partial.clear();
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }
}

/// What stands before each line of a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Label {
    name: String,
    /// With the escape sequences of a terminal.
    coloured: Vec<u8>,
    plain: Vec<u8>,
}

impl Label {
    /// `width` is that of the longest name, in characters; each number `colour` has its colour.
    pub(super) fn new(name: &str, width: usize, colour: usize) -> Self {
        let style = COLOURS[colour % COLOURS.len()].on_default();
        Self {
            name: name.into(),
            coloured: format!("{style}{name:width$} |{style:#} ").into_bytes(),
            plain: format!("{name:width$} | ").into_bytes(),
        }
    }
}

/// Colours that can be read on a dark and on a light background.
const COLOURS: [anstyle::AnsiColor; 6] = [
    anstyle::AnsiColor::Cyan,
    anstyle::AnsiColor::Yellow,
    anstyle::AnsiColor::Green,
    anstyle::AnsiColor::Magenta,
    anstyle::AnsiColor::Red,
    anstyle::AnsiColor::Blue,
];

#[derive(Serialize)]
struct JsonLine<'a> {
    process: &'a str,
    stream: StreamName,
    line: &'a str,
}

/// Appends one line to `output`, as it is shown.
pub(super) fn write_line(
    output: &mut Vec<u8>,
    prefix: Prefix,
    colours: bool,
    label: &Label,
    stream: StreamName,
    line: &[u8],
) {
    match prefix {
        Prefix::Name if colours => output.extend_from_slice(&label.coloured),
        Prefix::Name => output.extend_from_slice(&label.plain),
        Prefix::None => {}
        Prefix::Json => {
            let line = JsonLine {
                process: &label.name,
                stream,
                line: &String::from_utf8_lossy(line),
            };
            serde_json::to_writer(&mut *output, &line).expect("text in a buffer");
            output.push(b'\n');
            return;
        }
    }
    output.extend_from_slice(line);
    output.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines_of(chunks: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut given = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, |line| given.push(line.to_vec()));
        }
        lines.end(|line| given.push(line.to_vec()));
        given
    }

    #[test]
    fn a_line_is_passed_on_when_it_is_complete() {
        let mut lines = Lines::default();
        let mut given = Vec::new();
        lines.feed(b"one\ntw", |line| given.push(line.to_vec()));
        assert_eq!(given, [b"one"]);
        lines.feed(b"o\n\nthree", |line| given.push(line.to_vec()));
        assert_eq!(given, [&b"one"[..], b"two", b""]);
        lines.end(|line| given.push(line.to_vec()));
        assert_eq!(given, [&b"one"[..], b"two", b"", b"three"]);
        lines.end(|_| panic!("nothing is left"));
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let long = vec![b'x'; LONGEST * 2 + 1];
        let line = [&long[..], b"\nshort\n"].concat();
        for chunk in [1000, LONGEST, line.len()] {
            let chunks: Vec<_> = line.chunks(chunk).map(<[u8]>::to_vec).collect();
            let lengths: Vec<_> = lines_of(&chunks).iter().map(Vec::len).collect();
            assert_eq!(lengths, [LONGEST, LONGEST, 1, 5], "{chunk}");
        }
        let just = [&long[..LONGEST], b"\n"].concat();
        assert_eq!(lines_of(&[just]).len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_comes(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
            cuts in proptest::collection::vec(0usize..300, 0..10),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = (cuts.windows(2))
                .map(|pair| text[pair[0]..pair[1]].to_vec())
                .collect();
            let mut expected: Vec<_> = (text.split(|byte| *byte == b'\n'))
                .map(<[u8]>::to_vec)
                .collect();
            expected.pop_if(|last| last.is_empty());
            prop_assert_eq!(lines_of(&chunks), expected);
        }
    }

    #[test]
    fn every_prefix() {
        let label = Label::new("web.1", 8, 0);
        let shown = |prefix, colours, line: &[u8]| {
            let mut output = Vec::new();
            write_line(
                &mut output,
                prefix,
                colours,
                &label,
                StreamName::Stderr,
                line,
            );
            String::from_utf8_lossy(&output).into_owned()
        };
        assert_eq!(shown(Prefix::Name, false, b"text"), "web.1    | text\n");
        assert_eq!(
            shown(Prefix::Name, true, b"text"),
            "\u{1b}[36mweb.1    |\u{1b}[0m text\n"
        );
        assert_eq!(shown(Prefix::None, true, b"text"), "text\n");
        assert_eq!(
            shown(Prefix::Json, true, b"a \"b\"\r \xff"),
            "{\"process\":\"web.1\",\"stream\":\"stderr\",\"line\":\"a \\\"b\\\"\\r \u{fffd}\"}\n"
        );
    }
}

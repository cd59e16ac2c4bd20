//! Reading a Procfile line by line.

use super::entry::Entry;
use super::problem::{Problem, as_line};
use super::process_type::{NotAProcessType, ProcessType};
use super::suspicions::{Place, suspicions};
use crate::text::{is_conflict_marker, without_byte_order_mark};
use std::path::Path;

/// What users write between type and command instead of a colon, besides white space.
const SEPARATORS: [char; 8] = [
    '=', ';', ',', '>', '\u{ff1a}', '\u{2192}', '\u{2013}', '\u{2014}',
];

/// The same as a word of its own: a type may have a dash, and a command an option.
const SEPARATING_WORDS: [&str; 3] = ["-", "--", "->"];

/// What the lines of a Procfile say.
#[derive(Default)]
pub(super) struct Lines {
    /// Each type once, in the order of the file: the last entry of a repeated type.
    pub(super) entries: Vec<Entry>,
    /// Where the command of each entry starts: bytes from the start of the file.
    pub(super) commands_at: Vec<usize>,
    /// In the order of the file.
    pub(super) errors: Vec<Problem>,
    /// In the order of the file.
    pub(super) warnings: Vec<Problem>,
}

/// Reads a whole file. `text` is `bytes` as UTF-8, with replacement characters for bytes that are
/// not valid.
pub(super) fn read_lines(
    bytes: &[u8],
    text: &str,
    is_shell_script: &dyn Fn(&Path) -> bool,
) -> Lines {
    if let Some(problem) = encoding_problem(bytes) {
        return Lines {
            errors: vec![problem],
            ..Lines::default()
        };
    }
    let mut reader = Reader {
        lines: source_lines(text).collect(),
        next: 0,
        entries: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
        is_shell_script,
    };
    reader.read();
    // A repeated type warns about an earlier line.
    reader.warnings.sort_by_key(|problem| problem.offset);
    let (entries, commands_at) = (reader.entries.into_iter())
        .map(|(entry, line)| {
            let place = line.place_of(&entry);
            (entry, place.command)
        })
        .unzip();
    Lines {
        entries,
        commands_at,
        errors: reader.errors,
        warnings: reader.warnings,
    }
}

/// A single pass over the lines of a file.
struct Reader<'a> {
    lines: Vec<SourceLine<'a>>,
    /// The index of the next line to read.
    next: usize,
    entries: Vec<(Entry, SourceLine<'a>)>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    is_shell_script: &'a dyn Fn(&Path) -> bool,
}

/// A line without its line ending and without the white space around it.
#[derive(Clone, Copy)]
struct SourceLine<'a> {
    /// Where the text starts: bytes from the start of the file.
    offset: usize,
    text: &'a str,
    indented: bool,
}

fn source_lines(text: &str) -> impl Iterator<Item = SourceLine<'_>> {
    let mut offset = 0;
    text.split_inclusive('\n').map(move |raw| {
        let start = offset;
        offset += raw.len();
        let unmarked = without_byte_order_mark(raw);
        let text = unmarked.trim_start();
        SourceLine {
            offset: start + raw.len() - text.len(),
            text: text.trim_end(),
            indented: text.len() < unmarked.len(),
        }
    })
}

impl<'a> SourceLine<'a> {
    fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    fn problem(&self, message: impl Into<String>, help: Option<String>) -> Problem {
        self.problem_at(0, self.text.len(), message, help)
    }

    fn problem_at(
        &self,
        start: usize,
        length: usize,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Problem {
        Problem {
            message: message.into(),
            help,
            offset: self.offset + start,
            length,
        }
    }

    /// Where the type and the command of its entry start.
    fn place_of(&self, entry: &Entry) -> Place {
        Place {
            process_type: self.offset,
            command: self.offset + self.text.len() - entry.command.len(),
        }
    }

    /// The text before and after the first colon, without the white space around the colon.
    fn split(&self) -> Option<(&'a str, &'a str)> {
        let (process_type, command) = self.text.split_once(':')?;
        Some((process_type.trim_end(), command.trim_start()))
    }
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(line) = self.take_line() {
            match self.read_line(line) {
                Ok(Some(entry)) => self.add(entry, line),
                Ok(None) => {}
                Err(problem) => self.errors.push(problem),
            }
        }
    }

    fn take_line(&mut self) -> Option<SourceLine<'a>> {
        let line = self.lines.get(self.next).copied();
        self.next += 1;
        line
    }

    /// The entry of a line; `None` for a comment or a blank line.
    fn read_line(&mut self, line: SourceLine<'a>) -> Result<Option<Entry>, Problem> {
        if line.is_blank() || line.text.starts_with('#') {
            return Ok(None);
        }
        if line.text.starts_with("//") {
            self.warnings
                .push(line.problem("ignored as a comment, but comments start with `#`", None));
            return Ok(None);
        }
        if let Some(nul) = line.text.find('\0') {
            return Err(line.problem_at(nul, 1, "a NUL byte", Some("delete it".into())));
        }
        if is_conflict_marker(line.text) {
            return Err(line.problem(
                "a merge conflict",
                Some("keep one side and delete the markers".into()),
            ));
        }
        if line.text.chars().all(|c| c == '-') {
            return Err(line.problem("a Procfile is not YAML", Some("delete this line".into())));
        }
        let Some((written_type, command)) = line.split() else {
            return Err(missing_colon(line));
        };
        let command = self.whole_command(line, command)?;
        let process_type: ProcessType =
            written_type.parse().map_err(|error: NotAProcessType| {
                let help = as_line(&error.suggestion, &command);
                line.problem_at(0, written_type.len().max(1), error.to_string(), Some(help))
            })?;
        if command.is_empty() {
            return Err(self.no_command(line, &process_type));
        }
        let entry = Entry::new(process_type, &command, self.is_shell_script);
        entry.map(Some).map_err(|error| {
            let start = line.text.len() - command.len() + error.span.offset();
            line.problem_at(start, error.span.len(), error.to_string(), None)
        })
    }

    /// In a shell, a command that ends with a backslash continues in the next line. Not in a
    /// Procfile.
    fn whole_command(&mut self, line: SourceLine<'a>, command: &str) -> Result<String, Problem> {
        let Some(first) = command.strip_suffix('\\') else {
            return Ok(command.to_string());
        };
        let mut parts = vec![first.trim()];
        while let Some(next) = self.take_line() {
            let part = next.text.strip_suffix('\\');
            parts.push(part.unwrap_or(next.text).trim());
            if part.is_none() {
                break;
            }
        }
        let process_type = line.split().map_or("", |(process_type, _)| process_type);
        let whole = parts.join(" ");
        Err(line.problem_at(
            line.text.len() - 1,
            1,
            "an entry is a single line, without a backslash at its end",
            Some(as_line(process_type, whole.trim())),
        ))
    }

    /// The problem of `web:` without a command. If YAML follows, the help has the command from it.
    fn no_command(&mut self, line: SourceLine<'a>, process_type: &ProcessType) -> Problem {
        let Some(yaml) = self.lines.get(self.next).filter(|next| next.indented) else {
            return line.problem(
                "no command",
                Some(as_line(process_type.as_str(), "COMMAND")),
            );
        };
        let command = match yaml.split() {
            Some(("command", command)) => command,
            _ => yaml.text.trim_start_matches("- "),
        };
        let help = as_line(process_type.as_str(), command.trim_matches(['"', '\'']));
        self.next += 1;
        line.problem(
            "a Procfile is not YAML: the command follows the colon",
            Some(help),
        )
    }

    fn add(&mut self, entry: Entry, line: SourceLine<'a>) {
        let process_type = &entry.process_type;
        if let Some(index) = self
            .entries
            .iter()
            .position(|(earlier, _)| earlier.process_type == *process_type)
        {
            let (_, earlier) = self.entries.remove(index);
            self.warnings.push(earlier.problem(
                format!("not used: `{process_type}` is defined again below"),
                None,
            ));
            self.warnings
                .push(line.problem(format!("this definition of `{process_type}` is used"), None));
        }
        self.warnings
            .extend(suspicions(&entry, line.place_of(&entry)));
        self.entries.push((entry, line));
    }
}

/// The first reason why the bytes are not UTF-8 text.
fn encoding_problem(bytes: &[u8]) -> Option<Problem> {
    let help = || Some("save the file as UTF-8".to_string());
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some(Problem {
            message: "the file is UTF-16 text".into(),
            help: help(),
            offset: 0,
            length: 1,
        });
    }
    let error = std::str::from_utf8(bytes).err()?;
    let offset = error.valid_up_to();
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Some(Problem {
        message: format!(
            "the byte {:#04x} in column {column} is not UTF-8",
            bytes[offset]
        ),
        help: help(),
        offset,
        // The report shows a replacement character.
        length: char::REPLACEMENT_CHARACTER.len_utf8(),
    })
}

fn missing_colon(line: SourceLine<'_>) -> Problem {
    let end = line.text.find(is_separator).unwrap_or(line.text.len());
    let (first, rest) = line.text.split_at(end);
    let command = after_separators(rest);
    match first.parse::<ProcessType>() {
        Ok(process_type) if command.is_empty() => line.problem(
            "no colon and no command",
            Some(as_line(process_type.as_str(), "COMMAND")),
        ),
        Ok(process_type) => line.problem(
            "no colon after the type",
            Some(as_line(process_type.as_str(), command)),
        ),
        Err(_) => line.problem(
            "not an entry",
            Some("write `TYPE: COMMAND`, or `#` before a comment".into()),
        ),
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || SEPARATORS.contains(&c)
}

fn after_separators(text: &str) -> &str {
    let text = text.trim_start_matches(is_separator);
    match text.split_once(char::is_whitespace) {
        Some((word, command)) if SEPARATING_WORDS.contains(&word) => command.trim_start(),
        _ => text,
    }
}

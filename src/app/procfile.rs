//! The Procfile: one process type a line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: nothing vanishes. All errors come in one report.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};
use std::fmt::{self, Display, Formatter};
use thiserror::Error;

/// The name that the platforms know: case matters, there is no extension.
pub const FILE_NAME: &str = "Procfile";

/// The longest type that Kubernetes takes as a name.
const LONGEST_TYPE: usize = 63;

/// Types that have a meaning of their own in the image.
const RESERVED: [&str; 2] = ["launcher", "formation"];

/// The process types of an app, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Procfile {
    /// Each type once: of repeated ones the last.
    pub entries: Vec<Entry>,
    /// What was accepted, but perhaps not meant.
    pub warnings: Option<ProcfileWarnings>,
}

/// One process type and how it is started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The type.
    pub process_type: ProcessType,
    /// The command as written, without the space around it; never empty.
    pub command: String,
}

/// A valid process type: letters, digits, `-` and `_`, with a letter or digit at both ends, 63 characters at most.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProcessType(String);

impl ProcessType {
    /// The type that receives HTTP traffic, and the default process where there is one.
    pub const WEB: &str = "web";
    /// The type that runs once before a release and never serves.
    pub const RELEASE: &str = "release";

    /// A type that this program itself names.
    pub(crate) fn known(name: &'static str) -> Self {
        debug_assert!(read_type(name).is_ok());
        Self(name.into())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ProcessType {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The Procfile cannot be used: every mistake in it.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile", counted(labels.len(), "mistake"))]
#[diagnostic(help(
    "Each line is `TYPE: COMMAND`, such as `web: bundle exec puma`, a comment (`#`), or blank."
))]
pub struct ProcfileError {
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    /// The place of each mistake, with what to write there.
    #[label(collection)]
    pub labels: Vec<LabeledSpan>,
}

/// The Procfile is usable, but something in it may not be meant.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile may not be meant", counted(labels.len(), "line"))]
#[diagnostic(severity(Warning))]
pub struct ProcfileWarnings {
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    /// Each place, with what becomes of it.
    #[label(collection)]
    pub labels: Vec<LabeledSpan>,
}

/// The Procfile is not UTF-8 text.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("the Procfile is not UTF-8 text: byte {byte:#04x} in line {line}, column {column}")]
#[diagnostic(help("Save it as UTF-8 (not UTF-16 or Latin-1) and build again."))]
pub struct NotUtf8 {
    /// The first byte that is not.
    pub byte: u8,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

/// Either way in which a Procfile can fail.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum ReadProcfileError {
    /// It is no text.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotUtf8(#[from] NotUtf8),
    /// Its lines are wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lines(#[from] ProcfileError),
}

impl Procfile {
    /// Reads the bytes of a Procfile.
    ///
    /// # Errors
    /// The bytes are no UTF-8 text, or there are lines that are neither an entry, blank, nor a comment.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadProcfileError> {
        Ok(Self::parse_text(utf8(bytes)?)?)
    }

    fn parse_text(text: &str) -> Result<Self, ProcfileError> {
        let mut entries: Vec<(Entry, SourceSpan)> = Vec::new();
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        for line in lines(text) {
            let span = SourceSpan::from((line.offset, line.text.len()));
            match read_line(line.text) {
                Ok(Line::Nothing) => {}
                Ok(Line::SlashComment) => warnings.push(LabeledSpan::new_with_span(
                    Some("taken for a comment; comments start with `#`".into()),
                    span,
                )),
                Ok(Line::Entry(entry)) => {
                    if let Some(index) = entries
                        .iter()
                        .position(|(earlier, _)| earlier.process_type == entry.process_type)
                    {
                        let (earlier, place) = entries.remove(index);
                        warnings.push(LabeledSpan::new_with_span(
                            Some(format!(
                                "`{}` is set again below: not used",
                                earlier.process_type
                            )),
                            place,
                        ));
                        warnings.push(LabeledSpan::new_with_span(Some("used".into()), span));
                    }
                    entries.push((entry, span));
                }
                Err(mistake) => errors.push(LabeledSpan::new_with_span(
                    Some(mistake.message),
                    (line.offset + mistake.start, mistake.length),
                )),
            }
        }
        let source_code = || NamedSource::new(FILE_NAME, text.to_string());
        if !errors.is_empty() {
            return Err(ProcfileError {
                source_code: source_code(),
                labels: errors,
            });
        }
        Ok(Self {
            entries: entries.into_iter().map(|(entry, _)| entry).collect(),
            warnings: (!warnings.is_empty()).then(|| ProcfileWarnings {
                source_code: source_code(),
                labels: warnings,
            }),
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, NotUtf8> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let before = valid.rsplit('\n').next().unwrap_or_default();
        NotUtf8 {
            byte: bytes[error.valid_up_to()],
            line: valid.matches('\n').count() + 1,
            column: before.chars().count() + 1,
        }
    })
}

/// A line without its ending and without the space around it.
struct SourceLine<'a> {
    /// Where the text starts, in bytes from the start of the file.
    offset: usize,
    text: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = SourceLine<'_>> {
    let mut offset = 0;
    text.split_inclusive('\n').map(move |raw| {
        let start = offset;
        offset += raw.len();
        let text = raw.trim_start_matches('\u{feff}').trim_start();
        SourceLine {
            offset: start + raw.len() - text.len(),
            text: text.trim_end(),
        }
    })
}

enum Line {
    Nothing,
    SlashComment,
    Entry(Entry),
}

/// What is wrong in a line, and where: bytes from the start of the line's text.
struct Mistake {
    message: String,
    start: usize,
    length: usize,
}

fn read_line(text: &str) -> Result<Line, Mistake> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Nothing);
    }
    if text.starts_with("//") {
        return Ok(Line::SlashComment);
    }
    let Some((process_type, command)) = text.split_once(':') else {
        return Err(missing_colon(text));
    };
    let type_length = process_type.trim_end().len();
    let process_type = read_type(&text[..type_length]).map_err(|message| Mistake {
        message,
        start: 0,
        length: type_length.max(1),
    })?;
    let command = command.trim();
    if command.is_empty() {
        return Err(Mistake {
            message: format!("`{process_type}` has no command: `{process_type}: COMMAND`"),
            start: 0,
            length: text.len(),
        });
    }
    if let Some(nul) = text.find('\0') {
        return Err(Mistake {
            message: "a NUL byte: delete it".into(),
            start: nul,
            length: 1,
        });
    }
    Ok(Line::Entry(Entry {
        process_type,
        command: command.to_string(),
    }))
}

fn missing_colon(text: &str) -> Mistake {
    let (first, rest) = text
        .split_once(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or((text, ""));
    let message = match read_type(first) {
        Ok(process_type) if rest.trim().is_empty() => {
            format!("no colon and no command: `{process_type}: COMMAND`")
        }
        Ok(process_type) => format!(
            "no colon after the type: `{process_type}: {}`",
            rest.trim().trim_start_matches('=').trim()
        ),
        Err(_) => "no entry: a line is `TYPE: COMMAND`, a comment (`#`), or blank".into(),
    };
    Mistake {
        message,
        start: 0,
        length: text.len(),
    }
}

fn read_type(text: &str) -> Result<ProcessType, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ends_well = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if text.is_empty() {
        return Err("no type before the colon: `TYPE: COMMAND`".into());
    }
    if let Some(bad) = text.chars().find(|c| !valid(*c)) {
        let suggestion = suggested_type(text);
        return Err(format!(
            "a type has letters, digits, `-` and `_`, but not `{}`: `{suggestion}`",
            printable(bad)
        ));
    }
    if !ends_well(text) {
        return Err(format!(
            "a type starts and ends with a letter or a digit: `{}`",
            suggested_type(text)
        ));
    }
    if text.len() > LONGEST_TYPE {
        return Err(format!(
            "a type has {LONGEST_TYPE} characters at most, this one {}",
            text.len()
        ));
    }
    if RESERVED.contains(&text) {
        return Err(format!(
            "`{text}` is reserved: every image has one of its own; choose another, such as `{text}-app`"
        ));
    }
    Ok(ProcessType(text.to_string()))
}

/// A character as a message can show it.
fn printable(c: char) -> String {
    if c.is_control() {
        c.escape_default().to_string()
    } else {
        c.to_string()
    }
}

/// The nearest valid type: other characters become dashes, and none stands at an end.
fn suggested_type(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    match dashed.trim_matches(['-', '_']) {
        "" => "worker".into(),
        trimmed => trimmed.into(),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("one {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use indoc::indoc;
    use proptest::prelude::*;

    fn entries(text: &str) -> Vec<(String, String)> {
        Procfile::parse(text.as_bytes())
            .unwrap()
            .entries
            .into_iter()
            .map(|entry| (entry.process_type.to_string(), entry.command))
            .collect()
    }

    #[test]
    fn entries_in_the_order_of_the_file() {
        let text = indoc! {"
            # What this app runs
            web: bundle exec ruby app.rb -p $PORT

            worker:bundle exec ruby worker.rb
              my_Clock-2 :\truby clock.rb: now  "};
        assert_eq!(
            entries(text),
            [
                ("web", "bundle exec ruby app.rb -p $PORT"),
                ("worker", "bundle exec ruby worker.rb"),
                ("my_Clock-2", "ruby clock.rb: now")
            ]
            .map(|(process_type, command)| (process_type.to_string(), command.to_string()))
        );
    }

    #[test]
    fn line_endings_and_a_byte_order_mark_do_not_matter() {
        let expected = entries("web: puma\nworker: sidekiq\n");
        assert_eq!(entries("web: puma\r\nworker: sidekiq"), expected);
        assert_eq!(
            entries("\u{feff}web: puma\n\n\nworker: sidekiq   "),
            expected
        );
    }

    #[test]
    fn no_entries_is_no_error() {
        for text in ["", "\n\n", "# only a comment", "   \n\t"] {
            assert!(entries(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn every_mistake_is_shown() {
        assert_report!(
            Procfile::parse(
                indoc! {"
            web bundle exec puma
            worker = sidekiq
            \"clock\": ruby clock.rb
            my.worker: ruby worker.rb
            -x-: true
            release:
            launcher: ruby launch.rb
            : nothing
            && what is this
            ok: fine
        "}
                .as_bytes()
            )
            .unwrap_err()
        );
    }

    #[test]
    fn a_type_of_64_characters_is_shown() {
        let text = format!("{}: x\n", "a".repeat(64));
        assert_report!(Procfile::parse(text.as_bytes()).unwrap_err());
        assert_eq!(entries(&text[1..]).len(), 1);
    }

    #[test]
    fn warnings_are_shown() {
        let procfile = Procfile::parse(
            b"web: puma\n// the worker\nworker: sidekiq\nweb: puma -C config/puma.rb\n",
        )
        .unwrap();
        assert_eq!(
            procfile
                .entries
                .iter()
                .map(|entry| entry.command.as_str())
                .collect::<Vec<_>>(),
            ["sidekiq", "puma -C config/puma.rb"]
        );
        assert_report!(procfile.warnings.unwrap());
    }

    #[test]
    fn what_is_no_text_is_shown() {
        assert_report!(Procfile::parse(b"web: puma\nworker: caf\xe9\n").unwrap_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(?s).{0,200}") {
            let _ = Procfile::parse(&bytes);
            let _ = Procfile::parse(text.as_bytes());
        }

        #[test]
        fn what_is_written_is_read(lines in prop::collection::btree_map("[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?", "[!-~]([ -~]{0,20}[!-~])?", 0..6)) {
            prop_assume!(lines.keys().all(|name| !RESERVED.contains(&name.as_str())));
            let text = lines.iter().map(|(name, command)| format!("{name}: {command}")).collect::<Vec<_>>().join("
    ");
            prop_assert_eq!(entries(&text), lines.into_iter().collect::<Vec<_>>());
        }
    }
}

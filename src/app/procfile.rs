//! The Procfile: one process type a line, `TYPE: COMMAND`.
//!
//! Every line is an entry, blank, a comment, or an error: nothing vanishes. All errors come in one report.

use miette::{Diagnostic, LabeledSpan, NamedSource};
use std::fmt::{self, Display, Formatter};
use thiserror::Error;

/// The name that the platforms know: case matters, there is no extension.
pub const FILE_NAME: &str = "Procfile";

/// The longest type that Kubernetes takes as a name.
const LONGEST_TYPE: usize = 63;

/// Types that have a meaning of their own in the image.
const RESERVED: [&str; 2] = ["launcher", "formation"];

/// Types that a person would expect to be programs, as in `docker run --entrypoint bash IMAGE`.
const PROGRAMS: [&str; 5] = ["bash", "bundle", "rake", "ruby", "sh"];

/// Where process types were read from, as the log names it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProcfileSource {
    /// The file in the app.
    #[default]
    File,
    /// The service binding of this name, which replaces the file.
    Binding(String),
}

impl Display for ProcfileSource {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => formatter.write_str(FILE_NAME),
            Self::Binding(name) => write!(formatter, "service binding `{name}`"),
        }
    }
}

/// The process types of an app, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Procfile {
    /// Each type once: of repeated ones the last.
    pub entries: Vec<Entry>,
    /// What was accepted, but perhaps not meant.
    pub warnings: Option<ProcfileWarnings>,
    /// Where it is from.
    pub source: ProcfileSource,
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

/// Something in a Procfile that is wrong, or may not be meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// What it is.
    pub message: String,
    /// What to write instead, as it could be pasted; or what to do.
    pub help: Option<String>,
    /// Where: bytes from the start of the file.
    pub offset: usize,
    /// How many bytes.
    pub length: usize,
}

impl Problem {
    fn label(&self) -> LabeledSpan {
        let text = match &self.help {
            Some(help) => format!("{}: {help}", self.message),
            None => self.message.clone(),
        };
        LabeledSpan::new_with_span(Some(text), (self.offset, self.length))
    }
}

/// The Procfile cannot be used: every mistake in it.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile", counted(problems.len(), "mistake"))]
#[diagnostic(help(
    "Each line is `TYPE: COMMAND`, such as `web: bundle exec puma`, a comment (`#`), or blank."
))]
pub struct ProcfileError {
    /// Each mistake, in the order of the file.
    pub problems: Vec<Problem>,
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

/// The Procfile is usable, but something in it may not be meant.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{} in the Procfile may not be meant", counted(problems.len(), "line"))]
#[diagnostic(severity(Warning))]
pub struct ProcfileWarnings {
    /// Each of them, in the order of the file.
    pub problems: Vec<Problem>,
    /// The file's text.
    #[source_code]
    pub source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

impl Procfile {
    /// Reads the bytes of a Procfile.
    ///
    /// # Errors
    /// Something in it is neither an entry, blank, nor a comment: all of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProcfileError> {
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader {
            lines: lines(&text).collect(),
            next: 0,
            entries: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        match not_text(bytes) {
            Some(problem) => reader.errors.push(problem),
            None => reader.read(),
        }
        reader.finish(&text)
    }
}

/// One pass over the lines.
struct Reader<'a> {
    lines: Vec<SourceLine<'a>>,
    next: usize,
    entries: Vec<(Entry, SourceLine<'a>)>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// A line without its ending and without the space around it.
#[derive(Clone, Copy)]
struct SourceLine<'a> {
    /// Where the text starts, in bytes from the start of the file.
    offset: usize,
    text: &'a str,
    indented: bool,
}

fn lines(text: &str) -> impl Iterator<Item = SourceLine<'_>> {
    let mut offset = 0;
    text.split_inclusive('\n').map(move |raw| {
        let start = offset;
        offset += raw.len();
        let unmarked = raw.trim_start_matches('\u{feff}');
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

    /// The text before and after the first colon, without the space around them.
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

    /// An entry, or nothing for a line that has none to have.
    fn read_line(&mut self, line: SourceLine<'a>) -> Result<Option<Entry>, Problem> {
        if line.is_blank() || line.text.starts_with('#') {
            return Ok(None);
        }
        if line.text.starts_with("//") {
            self.warnings
                .push(line.problem("taken for a comment, but comments start with `#`", None));
            return Ok(None);
        }
        if let Some(nul) = line.text.find('\0') {
            return Err(line.problem_at(nul, 1, "a NUL byte", Some("delete it".into())));
        }
        if is_conflict_marker(line.text) {
            return Err(line.problem(
                "a merge conflict",
                Some("take one of the sides and delete the markers".into()),
            ));
        }
        if line.text.chars().all(|c| c == '-') {
            return Err(line.problem("a Procfile is no YAML", Some("delete this line".into())));
        }
        let Some((written_type, command)) = line.split() else {
            return Err(missing_colon(line));
        };
        let command = self.whole_command(line, command)?;
        let process_type = read_type(written_type).map_err(|(message, better)| {
            let help = better.map(|better| as_line(&better, &command));
            line.problem_at(0, written_type.len().max(1), message, help)
        })?;
        if command.is_empty() {
            return Err(self.no_command(line, &process_type));
        }
        Ok(Some(Entry {
            process_type,
            command,
        }))
    }

    /// A command that ends with a backslash goes on in the next line for a shell, but not in a Procfile.
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
            "an entry is one line, without a backslash at its end",
            Some(as_line(process_type, whole.trim())),
        ))
    }

    /// `web:` alone; where YAML follows it, with what that YAML means.
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
            "a Procfile is no YAML: the command stands behind the colon",
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
                format!("not used, for `{process_type}` is set again below"),
                None,
            ));
            self.warnings
                .push(line.problem(format!("used for `{process_type}`"), None));
        }
        if PROGRAMS.contains(&process_type.as_str()) {
            self.warnings.push(line.problem_at(
                0,
                process_type.as_str().len(),
                format!("`docker run --entrypoint {process_type} IMAGE` starts this process, not the program"),
                None,
            ));
        }
        self.entries.push((entry, line));
    }

    fn finish(mut self, text: &str) -> Result<Procfile, ProcfileError> {
        let source_code = NamedSource::new(FILE_NAME, text.to_string());
        if !self.errors.is_empty() {
            return Err(ProcfileError {
                labels: self.errors.iter().map(Problem::label).collect(),
                problems: self.errors,
                source_code,
            });
        }
        self.warnings.sort_by_key(|problem| problem.offset);
        Ok(Procfile {
            source: ProcfileSource::default(),
            entries: self.entries.into_iter().map(|(entry, _)| entry).collect(),
            warnings: (!self.warnings.is_empty()).then(|| ProcfileWarnings {
                labels: self.warnings.iter().map(Problem::label).collect(),
                problems: self.warnings,
                source_code,
            }),
        })
    }
}

/// Why bytes are no UTF-8 text, if they are not.
fn not_text(bytes: &[u8]) -> Option<Problem> {
    let save = || Some("save the file as UTF-8".to_string());
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Some(Problem {
            message: "the file is UTF-16 text".into(),
            help: save(),
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
        help: save(),
        offset,
        // It is shown as the replacement character.
        length: char::REPLACEMENT_CHARACTER.len_utf8(),
    })
}

fn is_conflict_marker(text: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|marker| text.starts_with(marker))
}

fn as_line(process_type: &str, command: &str) -> String {
    format!("`{process_type}: {command}`")
}

fn missing_colon(line: SourceLine<'_>) -> Problem {
    let (first, rest) = line
        .text
        .split_once(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or((line.text, ""));
    let command = rest
        .trim_start_matches(|c: char| c.is_whitespace() || c == '=')
        .trim_end();
    match read_type(first) {
        Ok(process_type) if command.is_empty() => line.problem(
            "no colon and no command",
            Some(as_line(process_type.as_str(), "COMMAND")),
        ),
        Ok(process_type) => line.problem(
            "no colon after the type",
            Some(as_line(process_type.as_str(), command)),
        ),
        Err(_) => line.problem(
            "no entry",
            Some("write `TYPE: COMMAND`, or `#` before a comment".into()),
        ),
    }
}

/// A valid type; or what is wrong with it and, where there is one, the nearest valid type.
fn read_type(text: &str) -> Result<ProcessType, (String, Option<String>)> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let ends_well = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    let problem = if text.is_empty() {
        "no type before the colon".to_string()
    } else if let Some(bad) = text.chars().find(|c| !valid(*c)) {
        format!(
            "a type has letters, digits, `-` and `_`, but not `{}`",
            printable(bad)
        )
    } else if !ends_well {
        "a type starts and ends with a letter or a digit".to_string()
    } else if text.len() > LONGEST_TYPE {
        format!(
            "a type has {LONGEST_TYPE} characters at most, and this one {}",
            text.len()
        )
    } else if RESERVED.contains(&text) {
        format!("every image has a `{text}` of its own")
    } else {
        return Ok(ProcessType(text.to_string()));
    };
    Err((problem, Some(better_type(text))))
}

/// A character as a message can show it.
fn printable(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        c if c.is_control() => format!("`{}`", c.escape_default()),
        c => format!("`{c}`"),
    }
}

/// The nearest valid type: other characters become dashes, none stands at an end, and what is too long is cut.
fn better_type(text: &str) -> String {
    if RESERVED.contains(&text) {
        return format!("app-{text}");
    }
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
    let trimmed = dashed.trim_matches(['-', '_']);
    let short = &trimmed[..trimmed.len().min(LONGEST_TYPE)];
    match short.trim_end_matches(['-', '_']) {
        "" => "worker".into(),
        better => better.into(),
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

    fn errors(text: &[u8]) -> ProcfileError {
        Procfile::parse(text).unwrap_err()
    }

    #[test]
    fn every_mistake_is_shown() {
        assert_report!(errors(
            indoc! {r#"
                web bundle exec puma
                worker = sidekiq
                "clock": ruby clock.rb
                my.worker: ruby worker.rb
                my mailer: ruby mailer.rb
                wörker: ruby worker.rb
                -x-: true
                release:
                launcher: ruby launch.rb
                : nothing
                && what is this
                long: bundle exec \
                  sidekiq \
                  -C config/sidekiq.yml
                ok: fine
            "#}
            .as_bytes()
        ));
    }

    #[test]
    fn yaml_and_conflicts_are_shown() {
        assert_report!(errors(
            indoc! {r#"
                ---
                web:
                  command: "bundle exec puma"
                worker:
                  - sidekiq
                <<<<<<< HEAD
                clock: ruby clock.rb
                =======
                clock: ruby timer.rb
                >>>>>>> main
            "#}
            .as_bytes()
        ));
    }

    #[test]
    fn what_is_suggested_is_accepted() {
        let problems = errors(
            "web puma\nworker=sidekiq\n\"clock\": x\nmy.worker: y\n-x: z\nformation: f\nb c: d\n_: e\nlong: a \\\n b\n".as_bytes(),
        )
        .problems;
        assert_eq!(problems.len(), 9);
        for problem in problems {
            let suggestion = problem.help.unwrap();
            let line = suggestion.trim_matches('`');
            assert!(Procfile::parse(line.as_bytes()).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_nul_byte_is_shown() {
        assert_report!(errors(b"web: pu\0ma\n"));
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
    fn types_that_shadow_programs_are_shown() {
        assert_report!(
            Procfile::parse(b"web: puma\nrake: bundle exec rake\n")
                .unwrap()
                .warnings
                .unwrap()
        );
    }

    #[test]
    fn what_is_no_text_is_shown() {
        assert_report!("latin_1", errors(b"web: puma\nworker: echo caf\xe9\n"));
        assert_report!("utf_16", errors(b"\xff\xfew\0e\0b\0:\0 \0p\0u\0m\0a\0\n\0"));
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
            prop_assume!(lines.values().all(|command| !command.ends_with('\\')));
            let text = lines.iter().map(|(name, command)| format!("{name}: {command}")).collect::<Vec<_>>().join("
    ");
            prop_assert_eq!(entries(&text), lines.into_iter().collect::<Vec<_>>());
        }
    }
}

//! `.env`: variables for local development, as foreman and dotenv read them.
//!
//! Each line is `NAME=VALUE`, `export NAME=VALUE` or `NAME: VALUE`, a comment (`#`), or blank. A
//! value may be quoted, and then have several lines; between double quotes `\n` is a line feed, and
//! a backslash keeps the next character as it is. Nothing is expanded: a password may hold a `$`.
//! Reports name lines and variables, never values.

use fs_err as fs;
use miette::Diagnostic;
use procfile::text::without_byte_order_mark;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The name of the file, beside the Procfile.
pub(super) const DEFAULT: &str = ".env";

/// A variable, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// From 1.
    line: usize,
}

/// A file of variables cannot be used.
#[derive(Debug, Diagnostic, Error)]
pub enum EnvFileError {
    #[error("{} cannot be read", path.display())]
    #[diagnostic(help("Name files of variables that exist: `--env FILE,FILE`."))]
    Unreadable {
        /// As the user has named it.
        path: PathBuf,
        source: io::Error,
    },
    /// Every mistake in it.
    #[error("{} cannot be used", path.display())]
    #[diagnostic(help(
        "Each line is `NAME=VALUE`, such as `RACK_ENV=development`, a comment (`#`), or blank. \
         Quote a value that has several lines or a ` #`."
    ))]
    Mistakes {
        /// As the user has named it.
        path: PathBuf,
        #[related]
        mistakes: Vec<Mistake>,
    },
}

/// A mistake in a line. The line itself may hold a secret.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum Mistake {
    #[error("line {line} is not of the form NAME=VALUE")]
    Form { line: usize },
    #[error("line {line}: the quote before the value of {name} is not closed")]
    OpenQuote { line: usize, name: String },
    #[error("line {line}: the value of {name} goes on behind its closing quote")]
    BehindQuote { line: usize, name: String },
    #[error("line {line}: the value of {name} has a NUL character")]
    Nul { line: usize, name: String },
    #[error("line {line} is not UTF-8 text")]
    Encoding { line: usize },
    #[error("line {line}: PORT is not a number from 1 to 65535")]
    Port { line: usize },
}

/// Reads the variables of a file, in their order.
pub(super) fn read(path: &Path) -> Result<Vec<Variable>, EnvFileError> {
    let bytes = fs::read(path).map_err(|source| EnvFileError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    variables_of(&bytes).map_err(|mistakes| EnvFileError::Mistakes {
        path: path.to_path_buf(),
        mistakes,
    })
}

/// The port that the variables give: the last PORT that is not empty.
pub(super) fn port_of(variables: &[Variable]) -> Option<u16> {
    let mut from_last = variables.iter().rev();
    from_last.find_map(|variable| variable.port()?.ok())
}

impl Variable {
    /// The port, if it is PORT and not empty.
    fn port(&self) -> Option<Result<u16, Mistake>> {
        (self.name == "PORT" && !self.value.is_empty()).then(|| {
            let port = self.value.parse().ok().filter(|port| *port > 0);
            port.ok_or(Mistake::Port { line: self.line })
        })
    }

    fn mistake(&self) -> Option<Mistake> {
        if self.value.contains('\0') {
            return Some(Mistake::Nul {
                line: self.line,
                name: self.name.clone(),
            });
        }
        self.port()?.err()
    }
}

fn variables_of(bytes: &[u8]) -> Result<Vec<Variable>, Vec<Mistake>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        vec![Mistake::Encoding { line }]
    })?;
    let text = without_byte_order_mark(text).replace("\r\n", "\n");
    let mut variables = Vec::new();
    let mut mistakes = Vec::new();
    let mut rest = text.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, behind) = entry_at_start(rest, line);
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
        match entry.transpose() {
            Ok(Some(variable)) => {
                mistakes.extend(variable.mistake());
                variables.push(variable);
            }
            Ok(None) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() {
        Ok(variables)
    } else {
        Err(mistakes)
    }
}

/// The entry with which a text begins, `None` for a blank line or a comment; and the text behind
/// it. Behind a mistake, the next line follows.
fn entry_at_start(text: &str, line: usize) -> (Option<Result<Variable, Mistake>>, &str) {
    let (first, next) = text.split_once('\n').unwrap_or((text, ""));
    let trimmed = first.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return (None, next);
    }
    let Some((name, value)) = name_at_start(first) else {
        return (Some(Err(Mistake::Form { line })), next);
    };
    let variable = |value| Variable {
        name: name.into(),
        value,
        line,
    };
    let value = value.trim_start_matches([' ', '\t']);
    let Some(quote) = value.chars().next().filter(|first| "'\"".contains(*first)) else {
        return (Some(Ok(variable(without_comment(value).into()))), next);
    };
    let from_value = &text[first.len() - value.len()..];
    let name = String::from(name);
    let Some((value, behind)) = quoted_at_start(&from_value[1..], quote) else {
        return (Some(Err(Mistake::OpenQuote { line, name })), next);
    };
    let (end, next) = behind.split_once('\n').unwrap_or((behind, ""));
    if without_comment(end).trim().is_empty() {
        (Some(Ok(variable(value))), next)
    } else {
        (Some(Err(Mistake::BehindQuote { line, name })), next)
    }
}

/// The name with which a line begins, and what follows the `=`, or the `: `.
fn name_at_start(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let exported = line.strip_prefix("export").map(str::trim_start);
    let line = exported
        .filter(|rest| rest.len() < line.len() - "export".len())
        .unwrap_or(line);
    let is_of_name =
        |character: char| character.is_ascii_alphanumeric() || "_.".contains(character);
    let end = line.find(|character| !is_of_name(character))?;
    let (name, rest) = line.split_at(end);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = rest.trim_start_matches([' ', '\t']);
    let value = rest.strip_prefix('=').or_else(|| {
        rest.strip_prefix(':')
            .filter(|value| value.is_empty() || value.starts_with([' ', '\t']))
    })?;
    is_name.then_some((name, value))
}

/// A value without quotes: a comment begins with a `#` that stands first or behind a space.
fn without_comment(value: &str) -> &str {
    let is_comment = |(at, _): &(usize, &str)| *at == 0 || value[..*at].ends_with([' ', '\t']);
    let comment = value.match_indices('#').find(is_comment);
    let end = comment.map_or(value.len(), |(at, _)| at);
    value[..end].trim_end()
}

/// The value up to its closing quote, and what follows.
fn quoted_at_start(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((value, &text[at + 1..])),
            '\\' if quote == '"' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                other => value.push(other),
            },
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn read_text(text: &str) -> Vec<(String, String)> {
        let variables = variables_of(text.as_bytes()).unwrap();
        let pair = |variable: Variable| (variable.name, variable.value);
        variables.into_iter().map(pair).collect()
    }

    #[test]
    fn a_line_is_read_as_foreman_and_dotenv_read_it() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A=''", ""),
            ("A=\"\"", ""),
            ("A= b c ", "b c"),
            ("  A = b", "b"),
            ("export A=b", "b"),
            ("export\tA=b", "b"),
            ("A: b", "b"),
            ("A:", ""),
            ("A='b \"c\" \\n $D # e'", "b \"c\" \\n $D # e"),
            (r#"A="b 'c' \"d\" \\ \$ \n # e""#, "b 'c' \"d\" \\ $ \n # e"),
            ("A='b' # comment", "b"),
            ("A=b # comment", "b"),
            ("A=# comment", ""),
            ("A=b#c", "b#c"),
            ("A=postgres://u:p@h/d?x=1&y=2", "postgres://u:p@h/d?x=1&y=2"),
            ("A=pa$$w${o}rd`s`", "pa$$w${o}rd`s`"),
            ("A=it's", "it's"),
            ("A=é", "é"),
        ] {
            assert_eq!(read_text(line), [("A".into(), value.into())], "{line}");
            let in_a_file = format!("\u{feff}# comment\r\n\r\n{line}\r\nexportB=c\r\n");
            let expected = [("A".into(), value.into()), ("exportB".into(), "c".into())];
            assert_eq!(read_text(&in_a_file), expected, "{line}");
        }
        assert!(read_text("").is_empty() && read_text("\n #\n").is_empty());
    }

    #[test]
    fn a_quoted_value_may_have_several_lines() {
        let text = "KEY=\"-----BEGIN\nx=y\n-----END\"\nA='b\nc'\nD=e";
        let expected = [
            ("KEY", "-----BEGIN\nx=y\n-----END"),
            ("A", "b\nc"),
            ("D", "e"),
        ];
        assert_eq!(
            read_text(text),
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn mistakes_are_shown_with_their_lines_and_without_values() {
        let text = "A=b\nsecret\n=secret\n1A=secret\nA-B=secret\nexport A\nB='two\nlines' secret\n\
                    <<<<<<< HEAD\nPORT=secret\nN=sec\0ret\nPORT=\nC=\"secret\nD=e\n";
        let mistakes = variables_of(text.as_bytes()).unwrap_err();
        let error = EnvFileError::Mistakes {
            path: ".env".into(),
            mistakes,
        };
        assert_report!(error);
        assert_eq!(
            variables_of(b"A=b\nC=\xff").unwrap_err(),
            [Mistake::Encoding { line: 2 }]
        );
        let no_file = io::Error::from(io::ErrorKind::NotFound);
        let path = "nowhere/.env".into();
        assert_report!(
            "no_file",
            EnvFileError::Unreadable {
                path,
                source: no_file
            }
        );
    }

    #[test]
    fn the_last_port_counts() {
        let port = |text: &str| port_of(&variables_of(text.as_bytes()).unwrap());
        assert_eq!(port("PORT=3000\nPORT='4000'\nPORT=\n"), Some(4000));
        assert_eq!(port("REPORT=1\n"), None);
    }
}

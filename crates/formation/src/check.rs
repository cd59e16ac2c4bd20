//! `formation check`: what the build would say of a Procfile, for editors, hooks and CI.

use miette::Diagnostic;
use procfile::command::is_shell_script;
use procfile::{Entry, FILE_NAME, NoEntries, Problem, Reading, report};
use serde::Serialize;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How the result is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// As the build shows it.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// A Procfile to check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// How the result is shown.
    pub format: Format,
    /// Warnings count as errors.
    pub strict: bool,
}

/// There is no answer.
#[derive(Debug, Diagnostic, Error)]
pub enum CheckError {
    /// There is nothing to check.
    #[error("{name} cannot be read")]
    #[diagnostic(help("Name the Procfile, `formation check PATH`, or `-` for standard input."))]
    Unreadable {
        /// The path, or what stands for standard input.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The answer does not reach anybody.
    #[error("the result cannot be written to standard output")]
    #[diagnostic(help(
        "Check where standard output goes: a disk may be full. The exit status says nothing of the Procfile."
    ))]
    Unwritable(#[source] io::Error),
}

#[derive(Serialize)]
struct Report<'a> {
    processes: Vec<ProcessRow<'a>>,
    diagnostics: Vec<DiagnosticRow>,
}

#[derive(Serialize)]
struct ProcessRow<'a> {
    r#type: &'a str,
    command: &'a str,
    form: String,
    argv: &'a [String],
}

#[derive(Serialize)]
struct DiagnosticRow {
    severity: &'static str,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

impl Check {
    /// Reads the Procfile and shows what there is to say. Whether it passes: no error, and where it is strict no warning.
    ///
    /// # Errors
    /// The file cannot be read, or the result not written.
    pub fn run(&self) -> Result<bool, CheckError> {
        let bytes = self.read().map_err(|source| CheckError::Unreadable {
            name: self.name(),
            source,
        })?;
        let scripts = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let has_scripts = !self.is_standard_input();
        let reading = Reading::of(&bytes, &|path| {
            has_scripts && is_shell_script(&scripts, path)
        });
        let warns = !reading.warnings.is_empty() || reading.is_empty();
        let passes = reading.errors.is_empty() && !(self.strict && warns);
        let result = match self.format {
            Format::Json => json(&reading),
            Format::Text => {
                report_problems(&reading, &self.name());
                table(&reading)
            }
        };
        match io::stdout().write_all(result.as_bytes()) {
            // Who closes the pipe has seen enough; whether the Procfile passes is as it was.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CheckError::Unwritable(error))
            }
            _ => Ok(passes),
        }
    }

    /// As reports name what is checked.
    fn name(&self) -> String {
        if self.is_standard_input() {
            "standard input".to_string()
        } else {
            self.path.display().to_string()
        }
    }

    fn is_standard_input(&self) -> bool {
        self.path == Path::new("-")
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        if self.is_standard_input() {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(&self.path)
    }
}

fn report_problems(reading: &Reading, name: &str) {
    if reading.is_empty() {
        report::error(&NoEntries);
    }
    if let Some(warnings) = reading.warning_report(name) {
        report::error(&warnings);
    }
    if let Some(errors) = reading.error_report(name) {
        report::error(&errors);
    }
}

/// One line for each process, how it is launched among them; none where the build would refuse the Procfile.
fn table(reading: &Reading) -> String {
    if !reading.errors.is_empty() {
        return String::new();
    }
    let row = |entry: &Entry| {
        format!(
            "{} ({}): {}\n",
            entry.process_type,
            entry.launch.form(),
            entry.command
        )
    };
    reading.entries.iter().map(row).collect()
}

fn json(reading: &Reading) -> String {
    let row = |severity| {
        move |problem: &Problem| {
            let (line, column) = reading.position(problem.offset);
            DiagnosticRow {
                severity,
                line,
                column,
                message: problem.message.clone(),
                help: problem.help.clone(),
            }
        }
    };
    let nothing = reading.is_empty().then(|| DiagnosticRow {
        severity: "warning",
        line: 1,
        column: 1,
        message: NoEntries.to_string(),
        help: NoEntries.help().map(|help| help.to_string()),
    });
    let report = Report {
        processes: reading
            .entries
            .iter()
            .map(|entry| ProcessRow {
                r#type: entry.process_type.as_str(),
                command: &entry.command,
                form: entry.launch.form().to_string(),
                argv: &entry.launch.argv,
            })
            .collect(),
        diagnostics: (reading.errors.iter().map(row("error")))
            .chain(reading.warnings.iter().map(row("warning")))
            .chain(nothing)
            .collect(),
    };
    let text = serde_json::to_string(&report).expect("a report has only text and numbers");
    format!("{text}\n")
}

impl Default for Check {
    fn default() -> Self {
        Self {
            path: FILE_NAME.into(),
            format: Format::default(),
            strict: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn json_of(text: &str) -> String {
        let value: serde_json::Value =
            serde_json::from_str(&json(&Reading::of(text.as_bytes(), &|path| {
                path.ends_with("start.sh")
            })))
            .unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    }

    #[test]
    fn the_json_of_a_good_procfile() {
        insta::assert_snapshot!(json_of(
            "web: bundle exec puma\nworker: sidekiq -c $N\nclock: ./start.sh now\n"
        ));
    }

    #[test]
    fn the_json_of_mistakes() {
        insta::assert_snapshot!(json_of(
            "web: puma\nworker sidekiq\nweb: puma -p 80\n  bäd: x\n"
        ));
        insta::assert_snapshot!("the_json_of_nothing", json_of("# nothing\n"));
    }

    #[test]
    fn what_keeps_a_check_from_an_answer_is_shown() {
        let check = |path: &str| Check {
            path: path.into(),
            ..Check::default()
        };
        assert_report!("no_procfile", check("/nowhere/Procfile").run().unwrap_err());
        assert_report!(
            "no_standard_input",
            CheckError::Unreadable {
                name: check("-").name(),
                source: io::Error::from(io::ErrorKind::IsADirectory),
            }
        );
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("nowhere_to_write", CheckError::Unwritable(full));
    }
}

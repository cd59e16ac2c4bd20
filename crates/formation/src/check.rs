//! `formation check`: checks a Procfile as the build would, for editors, Git hooks and CI.

use miette::Diagnostic;
use procfile::command::{FileStart, is_shell_script};
use procfile::{
    Entry, FILE_NAME, MisnamedProcfile, NoEntries, Problem, Reading, named_procfile, report,
};
use serde::Serialize;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The doc comments of the values are their help texts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum CheckFormat {
    /// As the build shows it
    #[default]
    Text,
    /// One JSON object with `processes` and `diagnostics`
    Json,
}

/// A Procfile to check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// The file, or the folder that has it; `-` is standard input.
    pub path: PathBuf,
    pub format: CheckFormat,
    /// Warnings count as errors.
    pub strict: bool,
}

/// The check has no result.
#[derive(Debug, Diagnostic, Error)]
pub enum CheckError {
    #[error("{name} cannot be read")]
    #[diagnostic(help("Name the Procfile, `formation check PATH`, or `-` for standard input."))]
    Unreadable {
        /// The path, or `standard input`.
        name: String,
        #[related]
        misnamed: Option<MisnamedProcfile>,
        source: io::Error,
    },
    #[error("the result cannot be written to standard output")]
    #[diagnostic(help(
        "Check where standard output goes: the disk may be full. This exit status says nothing \
         about the Procfile."
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
    /// Reads the Procfile and shows the result. Returns whether it passes: no error, and if
    /// `strict`, no warning.
    pub fn run(&self) -> Result<bool, CheckError> {
        let reading = if self.is_standard_input() {
            self.read_standard_input()?
        } else {
            self.read_file(&named_procfile(&self.path))?
        };
        let has_warnings = !reading.warnings.is_empty() || reading.is_empty();
        let passes = reading.errors.is_empty() && !(self.strict && has_warnings);
        let result = match self.format {
            CheckFormat::Json => json(&reading),
            CheckFormat::Text => {
                report_problems(&reading, &self.name());
                table(&reading, self.folder().as_deref())
            }
        };
        match io::stdout().write_all(result.as_bytes()) {
            // A reader that closes the pipe, like `head`, does not want the rest.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(CheckError::Unwritable(error))
            }
            _ => Ok(passes),
        }
    }

    /// The name of the checked file in reports.
    fn name(&self) -> String {
        if self.is_standard_input() {
            "standard input".to_string()
        } else {
            named_procfile(&self.path).display().to_string()
        }
    }

    /// The folder of the app, if a file is checked.
    fn folder(&self) -> Option<PathBuf> {
        let path = named_procfile(&self.path);
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        (!self.is_standard_input()).then_some(folder)
    }

    fn is_standard_input(&self) -> bool {
        self.path == Path::new("-")
    }

    fn read_standard_input(&self) -> Result<Reading, CheckError> {
        let mut bytes = Vec::new();
        let read = io::stdin().read_to_end(&mut bytes);
        read.map_err(|source| self.unreadable(None, source))?;
        Ok(Reading::of(&bytes, &|_| false))
    }

    /// With what the commands name in the Procfile's folder.
    fn read_file(&self, path: &Path) -> Result<Reading, CheckError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let bytes = std::fs::read(path)
            .map_err(|source| self.unreadable(MisnamedProcfile::instead_of(path), source))?;
        let reading = Reading::of(&bytes, &|script| is_shell_script(folder, script));
        Ok(reading.with_scripts(&|script| FileStart::read(folder, script)))
    }

    fn unreadable(&self, misnamed: Option<MisnamedProcfile>, source: io::Error) -> CheckError {
        CheckError::Unreadable {
            name: self.name(),
            misnamed,
            source,
        }
    }
}

fn report_problems(reading: &Reading, name: &str) {
    if reading.is_empty() {
        report::error(&NoEntries);
    }
    if let Some(warnings) = reading.warning_report(name) {
        report::error(&warnings);
    }
    if let Some(error) = reading.error_report(name) {
        report::error(&error);
    }
}

/// One line for each process type, with the form of its launch. Empty if the build would refuse the
/// Procfile.
fn table(reading: &Reading, folder: Option<&Path>) -> String {
    if !reading.errors.is_empty() {
        return String::new();
    }
    let row = |entry: &Entry| {
        format!(
            "{} ({}): {}{}\n",
            entry.process_type,
            entry.launch.form(),
            entry.command,
            folder.map_or_else(String::new, |folder| own_program(entry, folder))
        )
    };
    reading.entries.iter().map(row).collect()
}

/// Says where a command's program would be found, if that is the app's folder `bin`, which is the last
/// one in the `PATH` of the image.
fn own_program(entry: &Entry, folder: &Path) -> String {
    let is_own = |name: &&String| !name.contains('/') && folder.join("bin").join(name).is_file();
    let name = entry.launch.argv.first().filter(is_own);
    name.map_or_else(String::new, |name| {
        format!("\n  `{name}` is bin/{name}, unless a gem or the system has a program of this name")
    })
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
    let no_entries = reading.is_empty().then(|| DiagnosticRow {
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
            .chain(no_entries)
            .collect(),
    };
    let text = serde_json::to_string(&report).expect("text and numbers can be serialized");
    format!("{text}\n")
}

impl Default for Check {
    fn default() -> Self {
        Self {
            path: FILE_NAME.into(),
            format: CheckFormat::default(),
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
        insta::assert_snapshot!("the_json_of_no_entries", json_of("# nothing\n"));
    }

    #[test]
    fn a_program_of_the_app_itself_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(folder.path().join("bin/crunch"), "").unwrap();
        let reading = Reading::of(
            b"web: puma\nworker: crunch -v\nclock: bin/crunch\n",
            &|_| false,
        );
        insta::assert_snapshot!(table(&reading, Some(folder.path())), @r"
        web (words): puma
        worker (words): crunch -v
          `crunch` is bin/crunch, unless a gem or the system has a program of this name
        clock (words): bin/crunch
        ");
    }

    #[test]
    fn a_check_without_a_result_is_shown() {
        let check = |path: &str| Check {
            path: path.into(),
            ..Check::default()
        };
        assert_report!("no_procfile", check("/nowhere/Procfile").run().unwrap_err());
        assert_report!(
            "no_standard_input",
            CheckError::Unreadable {
                name: check("-").name(),
                misnamed: None,
                source: io::Error::from(io::ErrorKind::IsADirectory),
            }
        );
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("nowhere_to_write", CheckError::Unwritable(full));
    }
}

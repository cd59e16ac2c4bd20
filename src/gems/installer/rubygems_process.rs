//! The Ruby process that has RubyGems do its part for gems whose files are in place: it compiles
//! their extensions, and writes their programs and specifications.

use crate::fetch::masked::masked;
use crate::gems::mutex::lock;
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// The program, and the file that it requires, by their names.
const SCRIPTS: [(&str, &str); 2] = [
    ("rubygems_process.rb", include_str!("rubygems_process.rb")),
    ("observed.rb", include_str!("observed.rb")),
];

/// What the Gemfile says when it is evaluated.
#[derive(Debug, Deserialize)]
pub(super) struct Evaluated {
    /// Of the gems that it asks for in the chosen groups, and of those that they depend on.
    pub(super) names: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// What it has asked for.
    pub(super) questions: BTreeSet<String>,
}

/// A running process. It reads a line for each gem, and installs the gem.
pub(super) struct RubyGemsProcess {
    child: Child,
    stdin: Mutex<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// The file of its standard error.
    stderr: PathBuf,
}

impl RubyGemsProcess {
    /// Starts `ruby`, which has to be a command with Bundler's environment. The process keeps its
    /// files in `folder`. Returns what the Gemfile says, too.
    pub(super) fn start(mut ruby: Command, folder: &Path) -> io::Result<(Self, Evaluated)> {
        for (name, text) in SCRIPTS {
            fs::write(folder.join(name), text)?;
        }
        let script = folder.join(SCRIPTS[0].0);
        let stderr = folder.join("stderr");
        let mut child = ruby
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&stderr)?)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("Ruby has no input or output"));
        };
        let mut process = Self {
            child,
            stdin: Mutex::new(stdin),
            stdout: BufReader::new(stdout),
            stderr,
        };
        let mut line = String::new();
        process.stdout.read_line(&mut line)?;
        if let Ok(evaluated) = serde_json::from_str(&line) {
            return Ok((process, evaluated));
        }
        process.finish(|_| {})?;
        Err(io::Error::other("Ruby did not name the gems to install"))
    }

    /// Has a gem installed, given the file of its specification as YAML.
    pub(super) fn install(&self, specification: &Path) -> io::Result<()> {
        writeln!(lock(&self.stdin), "{}", specification.display())
    }

    /// Waits until every gem is installed; gives each line that the process writes to `log`. The
    /// error of a process that fails is what it said first.
    pub(super) fn finish(self, log: impl Fn(&str)) -> io::Result<()> {
        let Self {
            mut child,
            stdin,
            stdout,
            stderr,
        } = self;
        drop(stdin);
        for line in stdout.lines() {
            log(&line?);
        }
        if child.wait()?.success() {
            return Ok(());
        }
        let errors = fs::read_to_string(stderr).unwrap_or_default();
        let first = errors.lines().next().unwrap_or("Ruby ended early");
        Err(io::Error::other(masked(first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A shell in the place of Ruby, which runs this instead of the script.
    fn shell(commands: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", commands]);
        shell
    }

    #[test]
    fn gems_are_given_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let answer = r#"{"names":["rack"],"groups":[],"questions":["variable X"]}"#;
        let ruby = shell(&format!(
            "echo '{answer}'; while read -r line; do echo \"got $line\"; done"
        ));
        let (process, evaluated) = RubyGemsProcess::start(ruby, folder.path()).unwrap();
        assert_eq!(evaluated.names, BTreeSet::from(["rack".to_string()]));
        let questions = BTreeSet::from(["variable X".to_string()]);
        assert_eq!(evaluated.questions, questions);
        process.install(Path::new("/a b.yaml")).unwrap();
        let lines = RefCell::new(Vec::new());
        process
            .finish(|line| lines.borrow_mut().push(line.to_string()))
            .unwrap();
        assert_eq!(lines.into_inner(), ["got /a b.yaml"]);
    }

    #[test]
    fn a_process_that_fails_says_why() {
        let folder = tempfile::tempdir().unwrap();
        for (commands, expected) in [
            ("echo why >&2; echo more >&2; exit 1", "why"),
            ("exit 1", "Ruby ended early"),
            ("echo no JSON", "Ruby did not name the gems to install"),
        ] {
            let error = RubyGemsProcess::start(shell(commands), folder.path()).err();
            assert_eq!(error.unwrap().to_string(), expected);
        }
        let ruby = shell(
            r#"echo '{"names":[],"groups":[],"questions":[]}'; echo https://user:secret@host/ >&2; exit 1"#,
        );
        let (process, _) = RubyGemsProcess::start(ruby, folder.path()).unwrap();
        let error = process.finish(|_| {}).unwrap_err().to_string();
        assert!(
            error.contains("host") && !error.contains("secret"),
            "{error}"
        );
    }
}

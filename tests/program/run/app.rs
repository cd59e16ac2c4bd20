//! An app's folder, and a `formation` that runs it.

use crate::formation::formation;
use rig::command::text;
use rig::program::Running;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder with a Procfile.
pub(crate) struct App {
    folder: tempfile::TempDir,
}

impl App {
    pub(crate) fn with(procfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Procfile"), procfile).unwrap();
        Self { folder }
    }

    /// A Procfile with one type, whose command is a bash script: signals go to its process group.
    pub(crate) fn with_script(process_type: &str, script: &str) -> Self {
        let app = Self::with(&format!("{process_type}: . ./script; :\n"));
        fs::write(app.path("script"), script).unwrap();
        app
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `formation` with these arguments, in the app's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let socket = self.path("control/socket");
        let mut command = formation(arguments);
        command
            .current_dir(self.folder.path())
            .arg("--socket")
            .arg(socket)
            .env("PORT", "5000")
            .stderr(Stdio::null());
        command
    }

    /// `formation run` with these arguments; [`Self::run`] starts it.
    pub(crate) fn run_command(&self, arguments: &[&str]) -> Command {
        self.command(&[&["run", "--procfile", "Procfile"], arguments].concat())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.run_command(arguments))
    }

    /// What `formation run` prints until it ends.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.run_command(arguments);
        command.stderr(Stdio::piped()).output().unwrap()
    }

    /// What another `formation`, which asks the running one, prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stderr(Stdio::piped()).output().unwrap()
    }

    /// Whether `formation run` answers.
    pub(crate) fn answers(&self) -> bool {
        self.ask(&["ps"]).status.success()
    }

    /// What `formation ps` says.
    pub(crate) fn processes(&self) -> Vec<Value> {
        let output = self.ask(&["ps", "--format", "json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The process ID of the process with this name, if there is exactly one and it runs.
    pub(crate) fn process(&self, name: &str) -> Option<u32> {
        let processes = self.processes();
        let mut same = processes.iter().filter(|row| row["name"] == name);
        let row = same.next().filter(|row| row["state"] == "running")?;
        let pid = row["pid"].as_u64()?.try_into().ok()?;
        same.next().is_none().then_some(pid)
    }

    /// Whether `formation run` answers, and has so many processes.
    pub(crate) fn runs(&self, processes: usize) -> bool {
        self.answers() && self.names().len() == processes
    }

    /// The names of all processes: `web.1`, `web.2` …
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |row: &Value| row["name"].as_str().unwrap().to_string();
        self.processes().iter().map(name).collect()
    }
}

/// The lines that a process has printed, without its name.
pub(crate) fn lines_of(output: &[u8], process: &str) -> Vec<String> {
    let line = |line: &str| {
        let (name, line) = line.split_once(" | ")?;
        (name.trim_end() == process).then(|| line.to_string())
    };
    text(output).lines().filter_map(line).collect()
}

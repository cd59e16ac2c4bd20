//! The build container that all sides run in, one after the other.

use rig::command::text;
use rig::docker::env_options;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The contents of files, by their paths.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Runs a command, and prints when it began and ended, so that the start of this shell is not
/// measured.
const TIMED: &str = r#"
began=$EPOCHREALTIME
"$@" >/bench/log 2>&1 || { status=$?; cat /bench/log >&2; exit $status; }
echo $began $EPOCHREALTIME"#;

/// It ends, and is removed, when its standard input ends: so nothing of it stays, however this
/// process ends. Everything is written below `/bench`, a volume that is removed with it.
pub(crate) struct BuildContainer {
    name: String,
    /// The build user, as the image names it.
    user: String,
    process: Child,
}

impl BuildContainer {
    pub(crate) fn start(image: &str, options: &[&str]) -> Self {
        let name = format!("formation-bench-{}", std::process::id());
        let mut process = Command::new("docker")
            .args(["run", "--rm", "--interactive", "--name", &name])
            .args([
                "--user",
                "0:0",
                "--volume",
                "/bench",
                "--entrypoint",
                "bash",
            ])
            .args(options)
            .args([image, "-euc"])
            .arg("user=$CNB_USER_ID:$CNB_GROUP_ID; chown $user /bench; echo $user; exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let mut user = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut user)
            .expect("docker writes");
        assert!(!user.is_empty(), "the container does not start");
        Self {
            name,
            user: user.trim().to_string(),
            process,
        }
    }

    /// Runs a bash script, and returns what it prints.
    pub(crate) fn run(&self, script: &str) -> String {
        let output = self.exec(&[], &["bash", "-euc", script]);
        assert!(
            output.status.success(),
            "{script}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// How long a command takes in `/bench`; its output if it fails.
    pub(crate) fn time(
        &self,
        env: &[(&str, String)],
        command: &[&str],
    ) -> Result<Duration, String> {
        let output = self.exec(env, &[&["bash", "-uc", TIMED, "bash"], command].concat());
        if !output.status.success() {
            return Err(format!("{command:?}: {}", text(&output.stderr)));
        }
        let printed = text(&output.stdout);
        let mut times = printed.split_whitespace().map(|time| {
            let (seconds, fraction) = time.split_once(['.', ',']).expect("EPOCHREALTIME");
            let micros = format!("{seconds}{fraction}");
            micros.parse::<u64>().expect("six digits of a second")
        });
        let (Some(began), Some(ended)) = (times.next(), times.next()) else {
            return Err(format!("no times in {printed:?}"));
        };
        Ok(Duration::from_micros(ended - began))
    }

    /// Writes files below a folder.
    pub(crate) fn put(&self, folder: &str, files: &Files) {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, path, bytes.as_slice())
                .expect("memory");
        }
        let archive = archive.into_inner().expect("memory");
        self.run(&format!("mkdir -p {folder}"));
        let mut tar = self
            .command(&["--interactive"])
            .args(["tar", "--extract", "--no-same-owner", "--directory", folder])
            .stdin(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let mut stdin = tar.stdin.take().expect("it is piped");
        stdin.write_all(&archive).expect("tar reads");
        drop(stdin);
        assert!(tar.wait().expect("tar ends").success());
    }

    /// Reads all files below a folder.
    pub(crate) fn take(&self, folder: &str) -> Files {
        let output = self.exec(&[], &["tar", "--create", "--directory", folder, "."]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let mut archive = tar::Archive::new(output.stdout.as_slice());
        let mut files = Files::new();
        for entry in archive.entries().expect("a tar archive") {
            let mut entry = entry.expect("a tar archive");
            if entry.header().entry_type().is_file() {
                let path = entry.path().expect("a path").display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("a tar archive");
                files.insert(path.trim_start_matches("./").to_string(), bytes);
            }
        }
        files
    }

    fn exec(&self, env: &[(&str, String)], command: &[&str]) -> Output {
        let variables: Vec<_> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.command(&env_options(&variables))
            .args(command)
            .output()
            .expect("docker starts")
    }

    /// `docker exec`, to which a command is added.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(["exec", "--user", &self.user, "--workdir", "/bench"])
            .args(options)
            .arg(&self.name);
        command
    }
}

impl Drop for BuildContainer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

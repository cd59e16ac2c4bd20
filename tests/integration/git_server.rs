//! Git repositories that builds reach, made by the test.

use crate::build_phase::BuildPhase;
use crate::rig::{Container, serve_rig_files};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the fixtures' gems say that their repositories are.
const PUBLISHED: &str = "git.example.com";

/// Serves repositories as plain files, which is all that git needs, and what the rig serves.
pub(crate) struct GitServer {
    folder: tempfile::TempDir,
    server: Container,
}

impl GitServer {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Answers nobody else than these users, by their passwords.
    pub(crate) fn start_for(users: &[(&str, &str)]) -> Self {
        let users = users.iter();
        let users = users.map(|(name, password)| format!("{name}:{{PLAIN}}{password}\n"));
        Self::start_with(&users.collect::<String>())
    }

    fn start_with(users: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("git")).expect("a folder");
        fs::write(folder.path().join("users"), users).expect("a file");
        let asks = match users {
            "" => "",
            _ => "auth_basic private; auth_basic_user_file /settings/users;",
        };
        let directives = format!("listen 80; {asks} location /git/ {{ alias /settings/git/; }}");
        let server = serve_rig_files(folder.path(), 80, &directives);
        Self { folder, server }
    }

    pub(crate) fn address(&self) -> String {
        self.server.address(80)
    }

    /// Has git in a build find here what is published elsewhere; `user` is `name:password@`, or nothing.
    pub(crate) fn stand_in(&self, build: &BuildPhase, user: &str) {
        for (name, value) in self.variables(user) {
            build.set(name, &value);
        }
    }

    /// The build variables by which it stands in.
    pub(crate) fn variables(&self, user: &str) -> [(&'static str, String); 3] {
        let here = format!("http://{user}{}/git/", self.address());
        [
            ("GIT_CONFIG_COUNT", "1".to_string()),
            ("GIT_CONFIG_KEY_0", format!("url.{here}.insteadOf")),
            ("GIT_CONFIG_VALUE_0", format!("https://{user}{PUBLISHED}/")),
        ]
    }

    /// Makes the files of a folder a repository's next revision, and returns that. The same files in the same order give the same.
    pub(crate) fn commit(&self, repository: &str, files: &Path) -> String {
        let place = self
            .folder
            .path()
            .join("git")
            .join(format!("{repository}.git"));
        let files = fs::canonicalize(files).expect("a folder");
        if !place.is_dir() {
            let place = place.to_str().expect("a name in UTF-8");
            git(
                &[
                    "init",
                    "--quiet",
                    "--bare",
                    "--initial-branch",
                    "main",
                    place,
                ],
                &[],
            );
        }
        let of_files = [("GIT_DIR", &*place), ("GIT_WORK_TREE", &*files)];
        let git = |arguments: &[&str]| git(arguments, &of_files);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", "A revision"]);
        git(&["update-server-info"]);
        git(&["rev-parse", "HEAD"]).trim().to_string()
    }
}

fn git(arguments: &[&str], places: &[(&str, &Path)]) -> String {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Nobody's own settings.
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nowhere")])
        .envs(places.iter().copied());
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Formation")
            .env(format!("GIT_{who}_EMAIL"), "formation@example.com")
            .env(format!("GIT_{who}_DATE"), "2026-11-21T12:00:00Z");
    }
    let output = command.output().expect("git starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

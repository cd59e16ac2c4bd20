//! Git repositories that builds reach, made by the test.

use crate::build::phase::BuildPhase;
use crate::command::run;
use crate::container::Container;
use crate::files;
use crate::server::rig::serve_rig_files;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The host of the repositories in the fixtures' Gemfiles.
const PUBLISHED: &str = "git.example.com";

/// Serves repositories as plain files, which is all that git needs, and what the rig's server
/// serves.
pub struct GitServer {
    folder: tempfile::TempDir,
    server: Container,
}

impl GitServer {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Answers these users only, by their passwords.
    pub fn start_for(users: &[(&str, &str)]) -> Self {
        let users = users.iter();
        let users = users.map(|(name, password)| format!("{name}:{{PLAIN}}{password}\n"));
        Self::start_with(&users.collect::<String>())
    }

    fn start_with(users: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("git")).expect("a folder");
        files::write(&folder.path().join("users"), users);
        let authentication = match users {
            "" => "",
            _ => "auth_basic private; auth_basic_user_file /settings/users;",
        };
        let directives =
            format!("listen 80; {authentication} location /git/ {{ alias /settings/git/; }}");
        let server = serve_rig_files(folder.path(), 80, &directives);
        Self { folder, server }
    }

    pub fn address(&self) -> String {
        self.server.address(80)
    }

    /// Makes a build use this server for the published repositories; `user` is `name:password@`, or
    /// empty.
    pub fn stand_in(&self, build: &BuildPhase, user: &str) {
        for (name, value) in self.variables(user) {
            build.set(name, &value);
        }
    }

    /// The build variables that make git use this server for the published repositories.
    pub fn variables(&self, user: &str) -> [(&'static str, String); 3] {
        let here = format!("http://{user}{}/git/", self.address());
        [
            ("GIT_CONFIG_COUNT", "1".to_string()),
            ("GIT_CONFIG_KEY_0", format!("url.{here}.insteadOf")),
            ("GIT_CONFIG_VALUE_0", format!("https://{user}{PUBLISHED}/")),
        ]
    }

    /// Makes the files of a folder a repository's next revision, and returns that revision. The
    /// same files in the same order give the same one.
    pub fn commit(&self, repository: &str, files: &Path) -> String {
        let repositories = self.folder.path().join("git");
        let repository = repositories.join(format!("{repository}.git"));
        let files = fs::canonicalize(files).expect("a folder");
        if !repository.is_dir() {
            let mut init = git();
            init.args(["init", "--quiet", "--bare", "--initial-branch", "main"]);
            run(init.arg(&repository));
        }
        let run_there = |arguments: &[&str]| {
            let mut command = git();
            command.args(arguments);
            run(command
                .env("GIT_DIR", &repository)
                .env("GIT_WORK_TREE", &files))
        };
        run_there(&["add", "--all"]);
        run_there(&["commit", "--quiet", "--message", "A revision"]);
        run_there(&["update-server-info"]);
        run_there(&["rev-parse", "HEAD"]).trim().to_string()
    }
}

/// git without any user's settings.
fn git() -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nowhere")]);
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Formation")
            .env(format!("GIT_{role}_EMAIL"), "formation@example.com")
            .env(format!("GIT_{role}_DATE"), "2026-11-21T12:00:00Z");
    }
    command
}

//! Why assets could not be compiled: what the task's output says, and what helps.

use crate::fetch::masked::masked;
use miette::Diagnostic;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use thiserror::Error;

const SIGKILL: i32 = 9;

/// The task has failed. Its own output is in the log.
#[derive(Debug, Diagnostic, Error)]
#[error("the app's assets could not be compiled: `rake assets:precompile` ended with {status}{}", said(.cause.as_ref()))]
#[diagnostic(help("{help}"))]
pub struct Failure {
    status: String,
    /// The line of its output that says why.
    cause: Option<String>,
    help: String,
}

fn said(cause: Option<&String>) -> String {
    cause.map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// What a line of the output has, and what helps then.
const CAUSES: [(&[&str], &str); 11] = [
    (
        &["key must be 16 bytes", "InvalidKeyLengthError"],
        "RAILS_MASTER_KEY is not the key of the app's encrypted credentials, which has 32 hexadecimal digits. The build needs \
         none: leave it out.",
    ),
    (
        &[
            "Missing encryption key",
            "MissingKeyError",
            "InvalidMessage",
        ],
        "The app reads its encrypted credentials when it boots, and the build has no key (and needs none: a key given to a \
         build is a secret in more places). Read them where they are used, or not while assets are compiled: \
         `unless ENV[\"SECRET_KEY_BASE_DUMMY\"]`; that goes for `config.require_master_key` too. With \
         `--env RAILS_MASTER_KEY=…` the build has the key; it does not get into the image.",
    ),
    (
        &["Missing `secret_key_base`", "secret_key_base for"],
        "The app asks for its secret in a way of its own. Let it take SECRET_KEY_BASE, which has a stand-in while assets \
         are compiled.",
    ),
    (
        &[
            "ExecJS::RuntimeUnavailable",
            "Could not find a JavaScript runtime",
        ],
        "A gem runs JavaScript. Put a buildpack with Node.js before this one (`--buildpack heroku/nodejs --buildpack …`), or \
         take a gem that brings a runtime (`mini_racer`).",
    ),
    (
        &[
            "yarn: not found",
            "npm: not found",
            "node: not found",
            "bun: not found",
            "pnpm: not found",
            "env: 'node'",
            "Command install failed",
            "ensure `yarn install` runs",
            "ensure `npm install` runs",
        ],
        "The task runs Node.js or its package manager. Put a buildpack that brings them before this one \
         (`--buildpack heroku/nodejs --buildpack …`).",
    ),
    (
        &[
            "PG::ConnectionBad",
            "ActiveRecord::ConnectionNotEstablished",
            "ActiveRecord::DatabaseConnectionError",
            "ActiveRecord::NoDatabaseError",
            "ActiveRecord::StatementInvalid",
            "Mysql2::Error",
            "Trilogy::",
            "SQLite3::CantOpenException",
            "Redis::CannotConnectError",
            "RedisClient::CannotConnectError",
        ],
        "The app asks its database or Redis when it boots, and a build has none. Ask where the answer is used, or not while \
         assets are compiled: `unless ENV[\"SECRET_KEY_BASE_DUMMY\"]`.",
    ),
    (
        &["KeyError", "key not found:"],
        "The app needs a variable when it boots. Give it to the build (`pack build --env NAME=…`), or a default to the app \
         (`ENV.fetch(\"NAME\", nil)`).",
    ),
    (
        &[
            "Cannot find the tailwindcss executable",
            "Dartsass",
            "executable for x86_64-linux",
            "executable for aarch64-linux",
        ],
        "The gem brings a program for each platform, and the lockfile lacks this one: \
         `bundle lock --add-platform x86_64-linux aarch64-linux`.",
    ),
    (
        &["cannot load such file", "uninitialized constant"],
        "The app needs a gem that the image does not have: those of the groups `development` and `test` are left out. Move it \
         out of them, or require it in the environments that have it.",
    ),
    (
        &["' for nil"],
        "Something that the app reads when it boots is not there: most often a value of its encrypted credentials, for which the \
         build has no key, or a variable. Let the app do without while assets are compiled: \
         `unless ENV[\"SECRET_KEY_BASE_DUMMY\"]`.",
    ),
    (
        &["No space left on device", "ENOSPC"],
        "The disk of the container engine is full.",
    ),
];

/// Where nothing else is known.
const OWN_OUTPUT: &str = "The task's own output is in the log above. `RAILS_ENV=production SECRET_KEY_BASE_DUMMY=1 bundle exec rake \
     assets:precompile` has to work on your machine too.";

/// For a task that the kernel has killed.
const KILLED: &str = "It was killed, most likely because there was no more memory for it: give the container engine more.";

/// What rake says where the app has no such task.
const NO_TASK: &str = "Don't know how to build task 'assets:precompile'";

/// Whether the app turned out to have no such task.
pub(super) fn has_no_task(output: &Output) -> bool {
    text_of(output).contains(NO_TASK)
}

impl Failure {
    pub(super) fn of(output: &Output) -> Self {
        let text = text_of(output);
        let found = CAUSES.iter().find_map(|(signs, help)| {
            let mut lines = text.lines();
            let line = lines.find(|line| signs.iter().any(|sign| line.contains(sign)))?;
            Some((masked(line.trim()), *help))
        });
        let (cause, help) = found.unzip();
        let was_killed = output.status.signal() == Some(SIGKILL);
        Self {
            status: output.status.to_string(),
            cause,
            help: help
                .unwrap_or(if was_killed { KILLED } else { OWN_OUTPUT })
                .to_string(),
        }
    }
}

fn text_of(output: &Output) -> String {
    let text = [&output.stderr[..], &output.stdout[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::process::ExitStatus;

    fn output(stderr: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(1 << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn the_cause_and_what_helps_are_shown() {
        for line in [
            "Missing encryption key to decrypt file with. Ask your team for your master key",
            "ExecJS::RuntimeUnavailable: Could not find a JavaScript runtime.",
            "sh: 1: yarn: not found",
            "PG::ConnectionBad: connection to server at \"127.0.0.1\", port 9 failed",
            "KeyError: key not found: \"S3_BUCKET\"",
            "LoadError: cannot load such file -- letter_opener",
            "NoMethodError: undefined method '[]' for nil",
            "SassC::SyntaxError: Error: Invalid CSS",
        ] {
            assert_report!(Failure::of(&output(&format!("rake aborted!\n{line}\n"))));
        }
    }

    #[test]
    fn a_task_that_was_killed_had_no_memory() {
        let killed = Output {
            status: ExitStatus::from_raw(SIGKILL),
            ..output("")
        };
        assert_report!(Failure::of(&killed));
    }

    #[test]
    fn an_app_may_have_no_such_task_after_all() {
        let said = "rake aborted!\nDon't know how to build task 'assets:precompile' (See the list)";
        assert!(has_no_task(&output(said)));
        assert!(!has_no_task(&output("rake aborted!\n")));
    }
}

//! A container that libcnb-test has no functions for: with options, signals and an exit status.

use crate::command::{all_output, text};
use crate::docker::{docker, try_docker};
use crate::http::get_when_ready;
use crate::wait::becomes_true;
use std::process::Command;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(50);

/// It is removed when it is dropped.
pub struct Container {
    pub id: String,
}

impl Container {
    /// `docker run OPTIONS IMAGE ARGUMENTS`.
    pub fn start(image: &str, options: &[&str], arguments: &[&str]) -> Self {
        let id = docker(&[&["run", "--detach"], options, &[image], arguments].concat());
        Self {
            id: id.trim().to_string(),
        }
    }

    /// Everything that it has written so far.
    pub fn logs(&self) -> String {
        all_output(&try_docker(&["logs", &self.id]).expect("docker starts"))
    }

    /// Whether it writes a text within `patience`.
    pub fn wait_for(&self, text: &str, patience: Duration) -> bool {
        becomes_true(patience, PAUSE, || self.logs().contains(text))
    }

    /// Whether PID 1 becomes `formation` and has a process to run. A signal that comes before,
    /// while the platform's launcher runs, has no effect.
    pub fn wait_until_formation_runs(&self) -> bool {
        const RUNS: &str = "read -r name </proc/1/comm; [ $name = formation ] && [ -n \"$(cat /proc/1/task/1/children)\" ]";
        becomes_true(Duration::from_secs(20), PAUSE, || {
            try_docker(&["exec", &self.id, "sh", "-c", RUNS])
                .is_ok_and(|output| output.status.success())
        })
    }

    /// The body of the answer to `GET /` of the server on port 8080, which is published.
    pub fn web_answer(&self) -> String {
        get_when_ready(&self.address(8080), Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{error}: {}", self.logs()))
    }

    /// What a command in the container prints.
    pub fn exec(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.id], command].concat())
    }

    /// As a platform stops it: TERM, and KILL ten seconds later.
    pub fn stop(&self) {
        docker(&["stop", &self.id]);
    }

    /// Kills it, unless it has ended on its own.
    pub fn kill(&self) {
        let _ = try_docker(&["kill", &self.id]);
    }

    /// `HOST:PORT` by which this machine reaches a published port of the container.
    pub fn address(&self, port: u16) -> String {
        docker(&["port", &self.id, &port.to_string()])
            .lines()
            .next()
            .expect("the port is published")
            .to_string()
    }

    /// The exit status; waits for the end.
    pub fn status(&self) -> i32 {
        docker(&["wait", &self.id])
            .trim()
            .parse()
            .expect("docker wait prints a status")
    }

    /// The exit status of a container that ends within so many seconds.
    pub fn status_within(&self, seconds: u32) -> Option<i32> {
        let output = Command::new("timeout")
            .args([&seconds.to_string(), "docker", "wait", &self.id])
            .output()
            .expect("timeout starts");
        text(&output.stdout).trim().parse().ok()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = try_docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

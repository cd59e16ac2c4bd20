//! What becomes of processes that do not behave, where the supervisor is a container's first process.

use super::{Supervisor, image, volume_of_formation};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What was seen.
pub(crate) struct Behaviour {
    rows: Vec<(&'static str, String)>,
}

impl Behaviour {
    pub(crate) fn of(supervisor: &Supervisor) -> Self {
        let command = supervisor.command;
        Self {
            rows: vec![
                ("zombies of 20 orphans", zombies(command)),
                (
                    "`docker stop`: TERM reaches the child of a shell",
                    child_of_shell(command),
                ),
                (
                    "`docker stop` of three `sleep`s: seconds, status",
                    stop(command),
                ),
                ("a process exits with 3: status", status(command)),
                ("a last line without its end", last_line(command)),
                (
                    "a process that dies at once: starts within 4 s",
                    supervisor.restarting.map_or("cannot".into(), starts),
                ),
            ],
        }
    }
}

pub(crate) fn print(behaviours: &[(&Supervisor, Behaviour)]) {
    let names: Vec<_> = behaviours
        .iter()
        .map(|(supervisor, _)| supervisor.name)
        .collect();
    println!("| | {} |", names.join(" | "));
    println!("|---{}|", "|---".repeat(names.len()));
    for row in 0..behaviours[0].1.rows.len() {
        let cells: Vec<_> = behaviours
            .iter()
            .map(|(_, it)| it.rows[row].1.as_str())
            .collect();
        println!(
            "| {} | {} |",
            behaviours[0].1.rows[row].0,
            cells.join(" | ")
        );
    }
}

fn zombies(command: &[&str]) -> String {
    let container = Container::start(
        command,
        "web: for i in $(seq 20); do (sleep 0.1 &); done; sleep 600\n",
    );
    sleep(Duration::from_secs(3));
    let listed = docker(&["exec", &container.id, "ps", "-e", "-o", "stat="]);
    let zombies = |text: &str| text.lines().filter(|stat| stat.starts_with('Z')).count();
    zombies(&text(&listed.stdout)).to_string()
}

fn child_of_shell(command: &[&str]) -> String {
    let child = "trap 'echo child ends; sleep 0.5; echo child has ended; exit' TERM; while :; do sleep 0.1; done";
    let container = Container::start(command, &format!("web: bash -c \"{child}\" & wait\n"));
    sleep(Duration::from_secs(3));
    docker(&["stop", &container.id]);
    let log = container.log();
    match (log.contains("child ends"), log.contains("child has ended")) {
        (_, true) => "yes, and it is waited for",
        (true, false) => "yes, but it is cut off",
        _ => "no",
    }
    .into()
}

fn stop(command: &[&str]) -> String {
    let container = Container::start(
        command,
        "a: exec sleep 600\nb: exec sleep 600\nc: exec sleep 600\n",
    );
    sleep(Duration::from_secs(3));
    let started = Instant::now();
    docker(&["stop", &container.id]);
    format!(
        "{:.1}, {}",
        started.elapsed().as_secs_f64(),
        container.status()
    )
}

fn status(command: &[&str]) -> String {
    Container::start(command, "web: sleep 1; exit 3\nworker: exec sleep 600\n").status()
}

fn last_line(command: &[&str]) -> String {
    let container = Container::start(command, "web: sleep 1; printf 'last words'\n");
    container.status();
    if container.log().contains("last words") {
        "is shown"
    } else {
        "is lost"
    }
    .into()
}

fn starts(command: &[&str]) -> String {
    let container = Container::start(
        command,
        "web: echo 'I was st''arted'; exit 1\nworker: exec sleep 600\n",
    );
    sleep(Duration::from_secs(4));
    container.log().matches("I was started").count().to_string()
}

/// One with a supervisor as its first process.
struct Container {
    id: String,
}

impl Container {
    fn start(command: &[&str], procfile: &str) -> Self {
        let begin = "mkdir /tmp/app; cd /tmp/app; printf %s \"$PROCFILE\" >Procfile; export HOME=/tmp; exec \"$@\"";
        let volume = volume_of_formation();
        let variable = format!("PROCFILE={procfile}");
        let image = image();
        let options = [
            "run", "--detach", &volume[0], &volume[1], "--env", &variable, &image,
        ];
        let output = docker(&[&options[..], &["bash", "-c", begin, "bash"], command].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        Self {
            id: text(&output.stdout).trim().into(),
        }
    }

    /// Waits for its end, which may not come.
    fn status(&self) -> String {
        let output = Command::new("timeout")
            .args(["20", "docker", "wait", &self.id])
            .output();
        let status = text(&output.expect("docker starts").stdout);
        if status.is_empty() {
            "does not end".into()
        } else {
            status.trim().into()
        }
    }

    fn log(&self) -> String {
        let output = docker(&["logs", &self.id]);
        text(&output.stdout) + &text(&output.stderr)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker")
        .args(arguments)
        .output()
        .expect("docker starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

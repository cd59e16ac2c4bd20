//! How processes that misbehave end, with the supervisor as a container's first process.

use super::{Supervisor, image, volumes};
use rig::container::Container;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The observed behaviour: a question and its answer for each row.
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
    let container = start(
        command,
        "web: for i in $(seq 20); do (sleep 0.1 &); done; sleep 600\n",
    );
    sleep(Duration::from_secs(3));
    let states = container.exec(&["ps", "-e", "-o", "stat="]);
    let zombies = states.lines().filter(|state| state.starts_with('Z'));
    zombies.count().to_string()
}

fn child_of_shell(command: &[&str]) -> String {
    let child = "trap 'echo child ends; sleep 0.5; echo child has ended; exit' TERM; while :; do sleep 0.1; done";
    let container = start(command, &format!("web: bash -c \"{child}\" & wait\n"));
    sleep(Duration::from_secs(3));
    container.stop();
    let log = container.logs();
    match (log.contains("child ends"), log.contains("child has ended")) {
        (_, true) => "yes, and it is waited for",
        (true, false) => "yes, but it is cut off",
        _ => "no",
    }
    .into()
}

fn stop(command: &[&str]) -> String {
    let container = start(
        command,
        "a: exec sleep 600\nb: exec sleep 600\nc: exec sleep 600\n",
    );
    sleep(Duration::from_secs(3));
    let started = Instant::now();
    container.stop();
    format!(
        "{:.1}, {}",
        started.elapsed().as_secs_f64(),
        status_of(&container)
    )
}

fn status(command: &[&str]) -> String {
    status_of(&start(
        command,
        "web: sleep 1; exit 3\nworker: exec sleep 600\n",
    ))
}

fn last_line(command: &[&str]) -> String {
    let container = start(command, "web: sleep 1; printf 'last words'\n");
    status_of(&container);
    if container.logs().contains("last words") {
        "is shown"
    } else {
        "is lost"
    }
    .into()
}

fn starts(command: &[&str]) -> String {
    let container = start(
        command,
        "web: echo 'I was st''arted'; exit 1\nworker: exec sleep 600\n",
    );
    sleep(Duration::from_secs(4));
    container
        .logs()
        .matches("I was started")
        .count()
        .to_string()
}

/// A container with a supervisor as its first process.
fn start(command: &[&str], procfile: &str) -> Container {
    let begin = "mkdir /tmp/app; cd /tmp/app; printf %s \"$PROCFILE\" >Procfile; export HOME=/tmp; exec \"$@\"";
    let variable = format!("PROCFILE={procfile}");
    let volumes = volumes();
    let mut options = vec!["--env", &variable];
    options.extend(volumes.iter().map(String::as_str));
    let arguments = [&["bash", "-c", begin, "bash"], command].concat();
    Container::start(&image(), &options, &arguments)
}

/// The exit status of a container, which may not end.
fn status_of(container: &Container) -> String {
    let status = container.status_within(20);
    status.map_or("does not end".into(), |status| status.to_string())
}

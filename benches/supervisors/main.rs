//! `formation run` compared with foreman, hivemind and overmind, in containers of one image, in one
//! run:
//!
//! - lines per second from ten processes that print much, each line checked;
//! - memory of the supervisor (and of its helper processes) with sixty processes;
//! - time from its start until sixty processes have printed a line;
//! - what happens to orphans, signals, exit statuses, last lines, and processes that end.
//!
//! `script/bench supervisors` makes what this needs and runs it. It fails when Formation is not the
//! best.

mod behaviour;
mod inside;

use behaviour::Behaviour;
use inside::Figures;
use rig::environment::variable;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

/// How many times each supervisor is measured; medians count.
const RUNS: usize = 3;

/// A program that runs the processes of a Procfile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Supervisor {
    pub(crate) name: &'static str,
    /// Run in the folder of the Procfile.
    pub(crate) command: &'static [&'static str],
    /// The command with which a process that ends is started again, if the supervisor can do that.
    pub(crate) restarting: Option<&'static [&'static str]>,
}

const FORMATION: Supervisor = Supervisor {
    name: "formation run",
    command: &["formation", "run", "--procfile", "Procfile"],
    restarting: Some(&[
        "formation",
        "run",
        "--procfile",
        "Procfile",
        "--restart",
        "all",
    ]),
};

pub(crate) const SUPERVISORS: [Supervisor; 4] = [
    FORMATION,
    Supervisor {
        name: "foreman",
        command: &["foreman", "start"],
        restarting: None,
    },
    Supervisor {
        name: "hivemind",
        command: &["hivemind"],
        restarting: None,
    },
    Supervisor {
        name: "overmind",
        command: &["overmind", "start"],
        restarting: Some(&["overmind", "start", "--auto-restart", "all"]),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "--inside") {
        let supervisor = SUPERVISORS
            .iter()
            .find(|it| it.name == arguments[place + 1]);
        inside::measure(supervisor.expect("one of them"));
        return ExitCode::SUCCESS;
    }
    let mut all: Vec<(Supervisor, Vec<Figures>)> = SUPERVISORS.map(|it| (it, Vec::new())).into();
    for _ in 0..RUNS {
        for (supervisor, figures) in &mut all {
            figures.push(measure_in_container(supervisor));
        }
    }
    let medians: Vec<_> = all
        .iter()
        .map(|(it, figures)| (it, inside::medians(figures)))
        .collect();
    let behaviours: Vec<_> = SUPERVISORS
        .iter()
        .map(|it| (it, Behaviour::of(it)))
        .collect();

    println!("\nMedians of {RUNS} runs, each in a container of its own.\n");
    print_figures(&medians);
    println!();
    behaviour::print(&behaviours);
    println!();
    ExitCode::from(u8::from(!leads(&medians)))
}

/// This program itself measures in the container, so that no pipe of the engine is measured too.
fn measure_in_container(supervisor: &Supervisor) -> Figures {
    let ourselves = env::current_exe().expect("a path");
    let output = Command::new("docker")
        .args(["run", "--rm", "--volume"])
        .arg(format!("{}:/bench:ro", ourselves.display()))
        .args(volumes())
        .args([&image(), "/bench", "--inside", supervisor.name])
        .stderr(Stdio::inherit())
        .output()
        .expect("docker starts");
    assert!(output.status.success(), "{}", supervisor.name);
    serde_json::from_slice(&output.stdout).expect("figures")
}

/// Formation's programs, in the container's PATH.
pub(crate) fn volumes() -> Vec<String> {
    let formation = variable("FORMATION");
    let formation: PathBuf = fs::canonicalize(formation).expect("a program");
    let volume = |name| {
        let program = formation.with_file_name(name);
        format!("--volume={}:/usr/local/bin/{name}:ro", program.display())
    };
    vec![volume("formation"), volume("formation-cli")]
}

pub(crate) fn image() -> String {
    variable("FORMATION_SUPERVISORS_IMAGE")
}

fn print_figures(medians: &[(&Supervisor, Figures)]) {
    println!(
        "| | lines per second | lost of {} lines | memory with 60 processes | 60 processes are there after |",
        inside::LINES
    );
    println!("|---|---|---|---|---|");
    for (supervisor, figures) in medians {
        println!(
            "| {} | {:.0} | {} | {:.1} MB | {:.0} ms |",
            supervisor.name,
            figures.lines_per_second,
            figures.lost,
            figures.kilobytes / 1000.0,
            figures.milliseconds_to_60
        );
    }
    let ours = &medians[0].1;
    for (supervisor, theirs) in &medians[1..] {
        println!(
            "| formation / {} | {:.1} × | | {:.2} × | {:.2} × |",
            supervisor.name,
            ours.lines_per_second / theirs.lines_per_second,
            ours.kilobytes / theirs.kilobytes,
            ours.milliseconds_to_60 / theirs.milliseconds_to_60
        );
    }
}

/// At least five times the lines of foreman, at most half the memory of any other, and best in
/// everything.
fn leads(medians: &[(&Supervisor, Figures)]) -> bool {
    let ours = &medians[0].1;
    medians[1..].iter().all(|(supervisor, theirs)| {
        let times = if supervisor.name == "foreman" {
            5.0
        } else {
            1.0
        };
        ours.lines_per_second >= times * theirs.lines_per_second
            && ours.kilobytes <= theirs.kilobytes / 2.0
            && ours.milliseconds_to_60 <= theirs.milliseconds_to_60
    }) && ours.lost == 0
}

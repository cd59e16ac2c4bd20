//! What `formation exec` costs: memory while it waits, and time until the command starts.
//!
//! ```text
//! cargo bench --bench exec                                  # as cargo links it
//! FORMATION=path/to/formation cargo bench --bench exec      # as it is packaged
//! ```
//!
//! Prints both, and fails where one is over its limit: 2 MiB resident, 2 ms a start.

use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

const STARTS: usize = 200;
const MOST_TIME: Duration = Duration::from_millis(2);
const MOST_MEMORY_KIB: u64 = 2048;

fn main() -> ExitCode {
    let formation =
        env::var("FORMATION").unwrap_or_else(|_| env!("CARGO_BIN_EXE_formation").to_string());
    println!("{formation}");

    let memory = resident_kib_while_waiting(&formation);
    println!("resident while it waits: {memory} KiB (limit {MOST_MEMORY_KIB})");

    let (direct, supervised) = median_starts(&formation);
    let added = supervised.saturating_sub(direct);
    println!(
        "one run of `true`, median of {STARTS}: {direct:.2?} directly, {supervised:.2?} under `formation exec`: {added:.2?} more (limit \
         {MOST_TIME:?})"
    );

    ExitCode::from(u8::from(memory > MOST_MEMORY_KIB || added > MOST_TIME))
}

/// The two take turns, so that whatever else the machine does hits both alike.
fn median_starts(formation: &str) -> (Duration, Duration) {
    let mut direct = Vec::new();
    let mut supervised = Vec::new();
    for _ in 0..STARTS {
        direct.push(time(&mut Command::new("true")));
        supervised.push(time(Command::new(formation).args(["exec", "--", "true"])));
    }
    (median(direct), median(supervised))
}

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    let status = command.status().expect("it can be started");
    let took = started.elapsed();
    assert!(status.success());
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn resident_kib_while_waiting(formation: &str) -> u64 {
    let mut supervisor = Command::new(formation)
        .args(["exec", "--", "sleep", "60"])
        .stdin(Stdio::null())
        .spawn()
        .expect("it can be started");
    wait_until_it_waits(&supervisor);
    let memory = number_in(&status_of(&supervisor), "VmRSS:");
    let terminated = Command::new("kill")
        .arg(supervisor.id().to_string())
        .status();
    assert!(terminated.is_ok_and(|kill| kill.success()));
    assert_eq!(supervisor.wait().expect("it ends").code(), Some(143));
    memory
}

/// Its child is there, and it sleeps itself.
fn wait_until_it_waits(supervisor: &Child) {
    let id = supervisor.id();
    let children = format!("/proc/{id}/task/{id}/children");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let has_child = fs::read_to_string(&children).is_ok_and(|children| !children.is_empty());
        if has_child && status_of(supervisor).contains("State:\tS") {
            return;
        }
        assert!(Instant::now() < deadline, "it does not start its command");
        sleep(Duration::from_millis(10));
    }
}

fn status_of(process: &Child) -> String {
    fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default()
}

fn number_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect("the kernel counts it")
}

//! What `formation exec` costs: memory while it waits, and time until the command starts.
//!
//! ```text
//! cargo bench --bench exec                                  # as cargo links it
//! FORMATION=path/to/formation cargo bench --bench exec      # as it is packaged
//! ```
//!
//! Prints both, and fails when one is over its limit: 2 MiB resident, 2 ms for a start.

use rig::median::median_time;
use rig::program::Running;
use rig::program::proc::{resident_kib, state_of};
use rig::wait::wait_until;
use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

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

/// The two take turns, so that other work of the machine affects both alike.
fn median_starts(formation: &str) -> (Duration, Duration) {
    let mut direct = Vec::new();
    let mut supervised = Vec::new();
    for _ in 0..STARTS {
        direct.push(time(&mut Command::new("true")));
        supervised.push(time(Command::new(formation).args(["exec", "--", "true"])));
    }
    (median_time(&direct), median_time(&supervised))
}

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    let status = command.status().expect("it starts");
    let took = started.elapsed();
    assert!(status.success());
    took
}

fn resident_kib_while_waiting(formation: &str) -> u64 {
    let mut command = Command::new(formation);
    command.args(["exec", "--", "sleep", "60"]);
    let mut supervisor = Running::spawn(command);
    supervisor.wait_for_child();
    wait_until("it sleeps", || state_of(supervisor.id()) == Some('S'));
    let memory = resident_kib(supervisor.id()).expect("the kernel counts it");
    assert_eq!(supervisor.terminate(), Some(143));
    memory
}

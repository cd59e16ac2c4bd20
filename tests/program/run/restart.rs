//! Processes that are started again when they end (`--restart`).

use crate::run::app::{App, lines_of};
use rig::program::proc::resident_kib;
use rig::wait::wait_until;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn each_restart_waits_longer_than_the_one_before() {
    let app = App::with("web: sleep 60\nworker: echo start; exit 1\n");
    let mut running = app.run(&[
        "--prefix",
        "none",
        "--restart",
        "worker",
        "--restart-delay",
        "0.4",
    ]);
    let mut starts = Vec::new();
    for _ in 0..4 {
        assert_eq!(running.line(), "start");
        starts.push(Instant::now());
    }
    // 0.4, 0.8 and 1.6 s, each up to a quarter less; a line may be seen late, which shortens the
    // next gap.
    let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([200, 500, 1100]) {
        assert!(*gap >= Duration::from_millis(least), "{gaps:?}");
    }
    wait_until("it waits", || app.processes()[1]["state"] == "waiting");
    assert!(app.processes()[1]["restarts"].as_u64() >= Some(4));
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn too_many_restarts_in_a_row_end_all() {
    let app = App::with("web: sleep 60\nworker: echo start; exit 9\n");
    let arguments = [
        "--restart",
        "all",
        "--restart-delay",
        "0",
        "--restart-limit",
        "3",
    ];
    let output = app.output(&arguments);
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(lines_of(&output.stdout, "worker.1").len(), 4);
}

/// Two thousand restarts leave no descriptor, no zombie and no memory.
#[test]
fn many_restarts_leave_nothing_behind() {
    let app = App::with("web: sleep 600\nworker: echo x; exit 1\n");
    let mut running = app.run(&[
        "web=1",
        "worker=10",
        "--prefix",
        "none",
        "--restart",
        "worker",
        "--restart-delay",
        "0",
    ]);
    let id = running.id();
    let descriptors = || fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let memory = || resident_kib(id).unwrap();
    for _ in 0..200 {
        running.line();
    }
    let (few, little) = (descriptors(), memory());
    for _ in 0..2000 {
        running.line();
    }
    assert!(
        descriptors() <= few + 20,
        "{few} then {} descriptors",
        descriptors()
    );
    assert!(memory() <= little + 200, "{little} then {} KiB", memory());
    assert!(running.children().len() <= 11, "{:?}", running.children());
    assert_eq!(running.terminate(), Some(0));
}

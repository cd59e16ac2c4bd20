//! When and how `formation run` ends.

use crate::run::app::App;
use rig::command::text;
use rig::program::Running;
use rig::program::proc::is_gone;
use rig::wait::wait_until;
use rustix::process::Signal;
use std::io::Read;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn the_first_process_that_ends_ends_all_and_gives_the_exit_status() {
    for (command, status) in [
        ("exit 3", 3),
        ("exit 0", 0),
        ("kill -KILL $$", 137),
        ("nonesuch", 127),
    ] {
        let app = App::with(&format!(
            "web: echo ready; exec sleep 60\nworker: sleep 0.3; {command}\n"
        ));
        let output = app.output(&[]);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{command}: {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr)
                .contains("asking all processes to end, because worker.1 has ended")
        );
    }
}

/// Alone, a missing program ends with 127 too.
#[test]
fn a_missing_program_ends_all() {
    let app = App::with("web: sleep 60\nworker: nonesuch\nclock: sleep 60\n");
    let output = app.output(&[]);
    assert_eq!(output.status.code(), Some(127));
    let shown = text(&output.stderr);
    assert!(shown.contains("worker.1 does not start"), "{shown}");
    assert!(shown.contains("there is no program `nonesuch`"), "{shown}");
}

#[test]
fn a_process_that_does_not_end_is_killed_after_the_grace_period() {
    let app = App::with_script(
        "web",
        "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; sleep 60",
    );
    let mut running = app.run(&["--prefix", "none", "--grace", "0.3"]);
    let child: u32 = running.line().parse().unwrap();
    let started = Instant::now();
    assert_eq!(running.terminate(), Some(137));
    assert!(started.elapsed() >= Duration::from_millis(300));
    wait_until("the whole group is killed", || is_gone(child));
}

/// Prints a line when it gets TERM, and ends.
const POLITE: &str =
    "trap 'echo asked; exit' TERM; echo ready; while :; do read -rt 0.05 <> <(:); done";

#[test]
fn processes_that_handle_term_are_not_killed() {
    let app = App::with_script("worker", POLITE);
    let mut running = app.run(&["worker=20", "--prefix", "none"]);
    for _ in 0..20 {
        assert_eq!(running.line(), "ready");
    }
    running.signal(Signal::TERM);
    for _ in 0..20 {
        assert_eq!(running.line(), "asked");
    }
    assert_eq!(running.status(), Some(0));
}

#[test]
fn formation_ends_when_the_last_line_is_read() {
    let app = App::with("web: head -c 1500000 /dev/zero | tr '\\0' x | fold -w 1000\n");
    let mut running = (app
        .run_command(&["--prefix", "none"])
        .stdout(Stdio::piped()))
    .spawn()
    .unwrap();
    sleep(Duration::from_secs(1));
    let started = Instant::now();
    let mut text = String::new();
    let mut output = running.stdout.take().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches('x').count(), 1_500_000);
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_process_that_may_end_ends_no_other() {
    let app = App::with("web: echo ready; exec sleep 60\ncss: exit 3\n");
    for by_variable in [false, true] {
        let mut command = app.run_command(&["--prefix", "none"]);
        if by_variable {
            command.env("FORMATION_MAY_END", "css");
        } else {
            command.args(["--may-end", "css"]);
        }
        let mut running = Running::spawn(command);
        assert_eq!(running.line(), "ready");
        wait_until("css has ended", || {
            app.answers() && app.names() == ["web.1"]
        });
        assert_eq!(running.terminate(), Some(0));
    }
}

//! Processes whose parent has ended: `formation run` adopts them, reaps them and ends them.

use crate::run::app::App;
use rig::program::proc::is_gone;
use rig::wait::wait_until;
use rustix::process::Signal;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_daemon_is_adopted_and_ends_with_the_others() {
    let polite = "trap 'echo away ends; exit' TERM";
    let deaf = "trap '' TERM";
    for (away, last, status) in [(polite, "away ends", 0), (deaf, "", 137)] {
        let app = App::with_script(
            "web",
            &format!(
                "setsid bash -c \"{away}; echo \\$\\$; while :; do sleep 0.02; done\" & wait $!; sleep 60"
            ),
        );
        let mut running = app.run(&["--prefix", "none", "--grace", "0.5"]);
        let daemon: u32 = running.line().parse().unwrap();
        running.signal(Signal::TERM);
        if !last.is_empty() {
            assert_eq!(running.line(), last);
        }
        assert_eq!(running.status(), Some(status));
        wait_until("it is gone", || is_gone(daemon));
    }
}

/// It becomes a child of `formation` only when its own parent has ended.
#[test]
fn an_orphan_of_an_orphan_is_asked_to_end_too() {
    let app = App::with_script("web", "setsid bash outer & exec sleep 60");
    let inner = "trap 'echo ends; exit' TERM; echo ready; while :; do sleep 0.02; done";
    fs::write(app.path("inner"), inner).unwrap();
    fs::write(app.path("outer"), "setsid bash inner & wait").unwrap();
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    assert_eq!(running.line(), "ends");
    assert_eq!(running.status(), Some(0));
}

#[test]
fn orphans_are_reaped() {
    let app = App::with_script(
        "web",
        "for ((i = 0; i < 500; i++)); do (: &); done; echo ready; sleep 60",
    );
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "ready");
    wait_until("all orphans are reaped", || running.children().len() == 1);
}

/// Its parent has left the process group, and does not reap it.
#[test]
fn a_zombie_of_another_parent_does_not_delay_the_end() {
    let app = App::with_script(
        "web",
        "bash -c 'sleep 0.2 & echo ready; exec setsid sleep 1003' & sleep 1000",
    );
    let mut running = app.run(&["--prefix", "none", "--grace", "0.5"]);
    assert_eq!(running.line(), "ready");
    sleep(Duration::from_millis(400));
    assert_eq!(running.terminate(), Some(137));
}

#[test]
fn orphans_of_a_process_are_gone_before_its_restart() {
    let script = "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; exit 1";
    let app = App::with_script("web", script);
    let mut running = app.run(&[
        "--prefix",
        "none",
        "--restart",
        "web",
        "--restart-delay",
        "0",
        "--grace",
        "0.2",
    ]);
    let first: u32 = running.line().parse().unwrap();
    let _second = running.line();
    assert!(is_gone(first));
    running.signal(Signal::TERM);
    running.status();
}

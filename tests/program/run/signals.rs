//! Where the signals of `formation run` go.

use crate::run::app::App;
use rig::files;
use rig::wait::wait_until;
use rustix::process::Signal;
use std::fs;

#[test]
fn a_request_to_end_is_passed_on_and_gives_status_0() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
    ] {
        let app = App::with_script(
            "web",
            &format!(
                "trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.02; done"
            ),
        );
        let mut running = app.run(&["--prefix", "none"]);
        assert_eq!(running.line(), "ready");
        running.signal(signal);
        assert_eq!(running.line(), format!("got {name}"));
        assert_eq!(running.status(), Some(0));
    }
}

#[test]
fn other_signals_are_passed_on_and_end_nothing() {
    let script = "trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.02; done";
    let app = App::with_script("web", script);
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::USR1);
    assert_eq!(running.line(), "got USR1");
    running.signal(Signal::HUP);
    assert_eq!(running.line(), "got HUP");
    assert_eq!(running.terminate(), Some(0));
}

/// A program signals its own children; a shell passes nothing on.
#[test]
fn signals_go_where_they_go_when_a_type_runs_alone() {
    let tell = "trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.02; done";
    let alone = format!("trap 'echo parent; kill $!; wait; exit' TERM; (cd /; {tell}) & wait");
    for (command, expected) in [
        ("bin/program", ["parent", "child"]),
        (". bin/program; :", ["child", "parent"]),
    ] {
        let app = App::with(&format!("web: {command}\n"));
        // In Perl, so that there is no shell between them. The pipe ends when the child is ready
        // too.
        let script = if command == "bin/program" {
            "#!/usr/bin/perl\n$| = 1; pipe(R, W);\n\
             if (!($c = fork)) { $SIG{TERM} = sub { print qq(child\\n); exit }; close R; close W; sleep 1 while 1 }\n\
             $SIG{TERM} = sub { print qq(parent\\n); kill TERM => $c; wait; exit };\n\
             close W; <R>; print qq(ready\\n); sleep 1 while 1;\n"
                .to_string()
        } else {
            alone.clone()
        };
        files::write_program(&app.path("bin/program"), script);
        let mut running = app.run(&["--prefix", "none"]);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::TERM);
        let mut lines = [running.line(), running.line()];
        if expected[0] == "child" {
            lines.sort(); // Both get it at the same time.
        }
        assert_eq!(lines, expected, "{command}");
        assert_eq!(running.status(), Some(0));
    }
}

/// A platform sends TERM while all are ending already, because one process has ended.
#[test]
fn the_first_signal_does_not_kill() {
    let app =
        App::with("web: . ./script; :\nworker: until [ -e ready ]; do sleep 0.02; done; exit 4\n");
    let script = "trap 'echo asked; sleep 1; echo cleaned; exit' TERM; touch ready; while :; do sleep 0.02; done";
    fs::write(app.path("script"), script).unwrap();
    let mut running = app.run(&["--prefix", "none", "--grace", "60"]);
    assert_eq!(running.line(), "asked");
    running.signal(Signal::TERM);
    assert_eq!(running.line(), "cleaned");
    assert_eq!(running.status(), Some(4));
}

#[test]
fn a_second_signal_kills_at_once() {
    let app = App::with_script("web", "trap '' TERM; echo ready; sleep 60");
    let mut running = app.run(&["--prefix", "none", "--grace", "60"]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    wait_until("it is ending", || app.processes()[0]["state"] == "ending");
    assert_eq!(running.terminate(), Some(137));
}

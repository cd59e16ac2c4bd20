//! Where the signals of `formation run` go.

use crate::run::app::App;
use rig::files;
use rig::program::proc::state_of;
use rig::program::{Running, as_init, send};
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

/// What Sidekiq (TSTP: no more jobs), Puma and unicorn (TTIN, TTOU: one worker more or less) wait
/// for. None is lost and none is taken for another one, whoever `formation` is.
#[test]
fn signals_of_job_control_are_passed_on_one_by_one() {
    // In Perl: a bash loses a signal that arrives while it runs the trap of the one before.
    let report = "$| = 1; for my $s (qw(TSTP TTIN TTOU CONT)) { $SIG{$s} = sub { print \"got $s\\n\" } }\n\
                  print \"ready\\n\"; sleep 1 while 1";
    let app = App::with("web: exec perl ./script\nworker: perl ./script | cat\nclock: sleep 60\n");
    fs::write(app.path("script"), report).unwrap();
    let command = app.run_command(&["--prefix", "none"]);
    for is_init in [false, true] {
        let command = if is_init {
            as_init(&command)
        } else {
            app.run_command(&["--prefix", "none"])
        };
        let mut running = Running::spawn(command);
        assert_eq!([running.line(), running.line()], ["ready", "ready"]);
        let process = if is_init {
            running.wait_for_child()
        } else {
            running.id()
        };
        let stops = [Signal::TTIN, Signal::TTOU, Signal::TTIN];
        for signal in [Signal::TSTP; 10].into_iter().chain(stops) {
            send(process, signal);
            let name = signal_name(signal);
            assert_eq!([running.line(), running.line()], [name, name]);
        }
        // The one that handles none of them goes on.
        let clock = || {
            app.process("clock.1")
                .map(state_of)
                .is_some_and(|state| state == Some('S'))
        };
        wait_until("it goes on", || is_init || clock());
        send(process, Signal::TERM);
        assert_eq!(running.status(), Some(0));
    }
}

fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::TSTP => "got TSTP",
        Signal::TTIN => "got TTIN",
        _ => "got TTOU",
    }
}

/// A stopped process would hear of the end when the grace is over.
#[test]
fn a_request_to_end_continues_what_is_stopped_in_a_pipe() {
    let app = App::with("web: bash ./script | cat\n");
    let script = "sleep 60 & kill -STOP $!; echo $!; wait";
    fs::write(app.path("script"), script).unwrap();
    let mut running = app.run(&["--prefix", "none"]);
    let stopped = running.line().parse().unwrap();
    wait_until("it is stopped", || state_of(stopped) == Some('T'));
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_signal_that_asks_for_no_end_spares_the_rest_of_a_pipe() {
    let app = App::with("web: bash ./script | tee log\n");
    let script = "trap 'echo got USR1' USR1; echo ready; while :; do read -rt 0.05 <> <(:); done";
    fs::write(app.path("script"), script).unwrap();
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "ready");
    for _ in 0..2 {
        running.signal(Signal::USR1);
        assert_eq!(running.line(), "got USR1");
    }
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

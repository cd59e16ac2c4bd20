//! `formation ps` and `formation scale`, and the socket by which they ask.

use crate::run::app::App;
use rig::command::text;
use rig::program::proc::cpu_time_of;
use rig::program::{Running, kill};
use rig::wait::wait_until;
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn scaling_leaves_the_other_processes_alone() {
    let app = App::with("web: sleep 60\nworker: sleep 60\n");
    let mut running = app.run(&[]);
    wait_until("both run", || app.runs(2));
    let before = (app.process("web.1"), app.process("worker.1"));
    assert!(app.ask(&["scale", "worker=4"]).status.success());
    assert_eq!(
        app.names(),
        ["web.1", "worker.1", "worker.2", "worker.3", "worker.4"]
    );
    assert!(app.ask(&["scale", "worker=2,web=0"]).status.success());
    wait_until("three have ended", || {
        app.names() == ["worker.1", "worker.2"]
    });
    assert_eq!(app.process("worker.1"), before.1);
    assert!(app.ask(&["scale", "web=1", "worker=0"]).status.success());
    wait_until("workers have ended", || app.names() == ["web.1"]);
    assert_ne!(app.process("web.1"), before.0);
    // Without any process, `formation run` goes on.
    assert!(app.ask(&["scale", "web=0"]).status.success());
    wait_until("all have ended", || app.names().is_empty());
    assert_eq!(running.terminate(), Some(0));
    assert!(!app.path("control").exists());
}

#[test]
fn a_process_that_is_ending_comes_back_when_it_is_wanted_again() {
    let app = App::with_script(
        "web",
        "trap 'sleep 0.5; exit' TERM; echo ready; while :; do sleep 0.02; done",
    );
    let mut running = app.run(&["web=2", "--prefix", "none"]);
    assert_eq!([running.line(), running.line()], ["ready", "ready"]);
    let before = app.process("web.2");
    assert!(app.ask(&["scale", "web=1"]).status.success());
    assert!(app.ask(&["scale", "web=2"]).status.success());
    assert_eq!(running.line(), "ready");
    wait_until("it is back", || {
        app.process("web.2").is_some_and(|it| Some(it) != before)
    });
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_refused_request_changes_nothing() {
    let app = App::with("web: sleep 60\nrelease: true\n");
    let no_server = app.ask(&["ps"]);
    let mut running = app.run(&[]);
    wait_until("it runs", || app.runs(1));
    let no_server = text(&no_server.stderr).replace(&app.path("").display().to_string(), "/app/");
    let mut shown = format!("$ formation ps{no_server}");
    for arguments in [
        &["scale", "web=2", "wroker=1"][..],
        &["scale", "release=1"],
        &["restart", "web.2", "clock"],
    ] {
        let output = app.ask(arguments);
        assert_eq!(output.status.code(), Some(1));
        writeln!(
            shown,
            "$ formation {}{}",
            arguments.join(" "),
            text(&output.stderr)
        )
        .unwrap();
    }
    assert_eq!(app.names(), ["web.1"]);
    assert_eq!(running.terminate(), Some(0));
    insta::assert_snapshot!(shown);
}

/// Other clients are answered meanwhile.
#[test]
fn a_silent_client_is_disconnected() {
    let app = App::with("web: sleep 60\n");
    let running = app.run(&[]);
    wait_until("it answers", || app.answers());
    let started = Instant::now();
    let mut silent = UnixStream::connect(app.path("control/socket")).unwrap();
    assert!(app.runs(1));
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let waited = started.elapsed().as_secs();
    assert!((5..15).contains(&waited), "{waited}");
    running.signal(Signal::TERM);
}

/// The kernel reports waiting clients again and again for as long as they cannot be accepted.
#[test]
fn clients_that_cannot_be_accepted_use_no_processor_time() {
    let app = App::with("web: sleep 60\n");
    let command = app.run_command(&[]);
    let mut limited = Command::new("bash");
    // Without files that this process has from whoever started it, and from other tests.
    let script = "for file in /proc/$$/fd/*; do
            [ ${file##*/} -le 2 ] || eval \"exec ${file##*/}>&-\"
        done
        ulimit -n 16
        exec \"$@\"";
    limited.args(["-c", script, "bash"]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(app.path("")).stderr(Stdio::null());
    let running = Running::spawn(limited);
    wait_until("it answers", || app.answers());
    let connect = |_| UnixStream::connect(app.path("control/socket")).unwrap();
    let silent: Vec<_> = (0..16).map(connect).collect();
    sleep(Duration::from_secs(2));
    let busy = cpu_time_of(running.id());
    assert!(busy < Duration::from_millis(300), "{busy:?}");
    drop(silent);
    wait_until("it answers again", || app.answers());
    running.signal(Signal::TERM);
}

/// The processes of a killed supervisor stay, and its socket too.
#[test]
fn the_socket_of_a_killed_formation_does_not_block_the_next() {
    let app = App::with("web: echo $$; sleep 60\n");
    let mut killed = app.run(&["--prefix", "none"]);
    let left: u32 = killed.line().parse().unwrap();
    killed.signal(Signal::KILL);
    assert_eq!(killed.status(), None);
    kill(left);
    assert!(app.path("control/socket").exists());
    let mut running = app.run(&["--prefix", "none"]);
    running.line();
    assert_eq!(app.names(), ["web.1"]);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn ps_scale_and_restart_have_one_format_option() {
    let app = App::with("web: sleep 60\n");
    let mut running = app.run(&[]);
    wait_until("it runs", || app.runs(1));
    for subcommand in [&["ps"][..], &["scale", "web=1"], &["restart", "web"]] {
        let output = |format: &[&str]| {
            let output = app.ask(&[subcommand, format].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        // `--json` is the hidden spelling of before.
        for format in [&["--format", "json"][..], &["--format=json"], &["--json"]] {
            let rows: Vec<Value> = serde_json::from_str(&output(format)).unwrap();
            assert_eq!(rows[0]["name"], "web.1", "{subcommand:?} {format:?}");
        }
        for format in [&["--format", "table"][..], &[]] {
            let table = output(format);
            assert!(table.starts_with("PROCESS "), "{table}");
        }
        let help = text(&app.ask(&[subcommand[0], "--help"]).stdout);
        assert!(help.contains("--format <FORMAT>"), "{help}");
        assert!(!help.contains("--json"), "{help}");
    }
    assert_eq!(running.terminate(), Some(0));
}

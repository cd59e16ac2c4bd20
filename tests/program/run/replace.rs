//! `formation restart`: a successor takes the place of each process.

use crate::run::app::App;
use rig::program::Running;
use rig::server::unused_address;
use rig::wait::wait_until;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_successor_starts_before_the_process_ends() {
    let app = App::with("worker: perl worker\nweb: sleep 60\n");
    let worker =
        "$| = 1; $SIG{TERM} = sub { print qq(down\\n); exit }; print qq(up\\n); sleep 1 while 1";
    fs::write(app.path("worker"), worker).unwrap();
    let mut running = app.run(&["--prefix", "none", "worker=2", "web=1"]);
    assert_eq!([running.line(), running.line()], ["up", "up"]);
    wait_until("all run", || app.runs(3));
    let before = ["worker.1", "worker.2", "web.1"].map(|name| app.process(name).unwrap());
    assert!(app.ask(&["restart", "worker"]).status.success());
    // One after the other has a successor, and there are never fewer processes of the type.
    for line in ["up", "down", "up", "down"] {
        assert_eq!(running.line(), line);
    }
    wait_until("both are new", || {
        let now = ["worker.1", "worker.2"].map(|name| app.process(name));
        now[0].is_some_and(|it| it != before[0]) && now[1].is_some_and(|it| it != before[1])
    });
    assert_eq!(app.process("web.1"), Some(before[2]));
    let restarts: Vec<_> = app
        .processes()
        .iter()
        .map(|row| row["restarts"].clone())
        .collect();
    assert_eq!(restarts, [1, 1, 0]);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_server_ends_before_its_successor_starts() {
    let server = "use IO::Socket; $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 1) or die; print qq(up $$\\n); \
                  $SIG{TERM} = sub { print qq(down\\n); exit }; sleep 1 while 1";
    let app = App::with("web: perl server\n");
    fs::write(app.path("server"), format!("$| = 1; {server}")).unwrap();
    let mut command = app.run_command(&["--prefix", "none"]);
    command.env("PORT", unused_address().port().to_string());
    let mut running = Running::spawn(command);
    let first = running.line();
    assert!(app.ask(&["restart", "web.1"]).status.success());
    assert_eq!(running.line(), "down");
    let second = running.line();
    assert!(second.starts_with("up") && second != first);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_successor_that_fails_changes_nothing() {
    let app = App::with("web: [ -e started ] && exit 1; touch started; exec sleep 60\n");
    let mut running = app.run(&[]);
    wait_until("it runs", || app.path("started").exists() && app.runs(1));
    let before = app.process("web.1");
    assert!(before.is_some());
    assert!(app.ask(&["restart"]).status.success());
    wait_until("the successor has ended", || app.names().len() == 1);
    sleep(Duration::from_millis(1200));
    assert_eq!(app.process("web.1"), before);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_process_that_is_being_replaced_does_not_come_back() {
    let app = App::with_script(
        "worker",
        "trap 'sleep 2; exit' TERM; echo ready; while :; do sleep 0.02; done",
    );
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "ready");
    assert!(app.ask(&["restart", "worker"]).status.success());
    wait_until("the old one is on its way", || {
        let rows = app.processes();
        rows.len() == 2 && rows.iter().any(|row| row["state"] == "ending")
    });
    assert!(app.ask(&["scale", "worker=1"]).status.success());
    wait_until("the old one is gone", || app.names().len() == 1);
    sleep(Duration::from_millis(300));
    assert_eq!(app.names(), ["worker.1"]);
    assert_eq!(running.terminate(), Some(0));
}

/// The servers take their time until they listen: one of the two always does.
#[test]
fn servers_are_replaced_one_after_the_other() {
    let server = "use IO::Socket; sleep 2; $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 1) or die; \
                  print qq($ENV{PS} up\n); $SIG{TERM} = sub { print qq($ENV{PS} down\n); exit }; sleep 1 while 1";
    let app = App::with("web: perl server\n");
    fs::write(app.path("server"), format!("$| = 1; {server}")).unwrap();
    let mut command = app.run_command(&["web=2", "--prefix", "none"]);
    command.env("PORT", unused_address().port().to_string());
    let mut running = Running::spawn(command);
    running.line();
    running.line();
    assert!(app.ask(&["restart"]).status.success());
    let lines = [(); 4].map(|()| running.line());
    assert_eq!(lines, ["web.1 down", "web.1 up", "web.2 down", "web.2 up"]);
    assert_eq!(running.terminate(), Some(0));
}

//! An image's exec.d programs: each runs before its process, as a part of it.

use crate::run::app::App;
use rig::command::text;
use rig::program::Running;
use rig::program::proc::is_gone;
use rig::wait::wait_until;
use rig::{files, process_table};
use std::fs;
use std::process::{Command, Stdio};

/// An app whose image has the types `web` and `worker`, and an exec.d program for `web`; and the
/// command that runs them.
fn app_with_exec_d(program: &str, web: &[&str], worker: &[&str]) -> (App, Command) {
    let app = App::with("");
    let table = format!(
        "[[buildpacks]]\nid = \"some/buildpack\"\nversion = \"1\"\n\n{}{}",
        launched("web", web),
        launched("worker", worker),
    );
    process_table::write(&app.path("layers"), &table);
    let exec_d = app.path("layers/some_buildpack/a/exec.d/web/program");
    files::write_program(&exec_d, program);
    fs::create_dir(app.path("jobs")).unwrap();
    let mut command = app.command(&["run"]);
    command.env("CNB_LAYERS_DIR", app.path("layers"));
    (app, command)
}

/// The row of a type of an image that runs in the folder `jobs`.
fn launched(process_type: &str, command: &[&str]) -> String {
    let words = [&["/bin/formation", "exec", "--"], command].concat();
    let row = process_table::row(process_type, &words);
    format!("{row}working-dir = \"jobs\"\nbuildpack-id = \"some/buildpack\"\n\n")
}

const SLEEP: [&str; 2] = ["sleep", "60"];

#[test]
fn an_exec_d_program_is_a_part_of_its_process() {
    let program = "#!/bin/sh\necho \"sets variables in $(basename \"$PWD\")\"\necho 'GREETING = \"hello\"' >&3\n";
    let web = "echo \"$GREETING from $(basename \"$PWD\") on $PORT\"; exec sleep 60";
    let (app, mut command) = app_with_exec_d(program, &["bash", "-c", web], &SLEEP);
    let folder = app.path("").file_name().unwrap().display().to_string();
    command.args(["--prefix", "name"]);
    let mut running = Running::spawn(command);
    for text in [
        &format!("sets variables in {folder}"),
        "hello from jobs on 5000",
    ] {
        assert_eq!(running.line().split_once(" | "), Some(("web.1    ", text)));
    }
    assert_eq!(running.terminate(), Some(0));
}

/// It gets its process's signals, and the other processes do not wait for it.
#[test]
fn an_exec_d_program_delays_only_its_own_process() {
    let worker = ["bash", "-c", "echo works; exec sleep 60"];
    let (_app, mut command) =
        app_with_exec_d("#!/bin/sh\necho $$\nexec sleep 60\n", &["true"], &worker);
    command.args(["--prefix", "none"]);
    let mut running = Running::spawn(command);
    let mut lines = [running.line(), running.line()];
    lines.sort();
    assert_eq!(lines[1], "works");
    let program: u32 = lines[0].parse().unwrap();
    assert_eq!(running.terminate(), Some(0));
    assert!(is_gone(program));
}

/// A successor counts as started when its own program runs.
#[test]
fn a_successor_whose_exec_d_program_fails_changes_nothing() {
    let program = "#!/bin/sh\n[ -e first ] && { sleep 2; exit 3; }\ntouch first\n";
    let (app, mut command) = app_with_exec_d(program, &SLEEP, &SLEEP);
    command.args(["--prefix", "none"]);
    let mut running = Running::spawn(command);
    wait_until("both run", || app.runs(2));
    wait_until("the first is prepared", || app.path("first").exists());
    let first = app.process("web.1");
    assert!(app.ask(&["restart", "web"]).status.success());
    wait_until("its successor starts", || app.runs(3));
    wait_until("its successor is gone", || app.runs(2));
    assert_eq!(app.process("web.1"), first);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn a_failed_exec_d_program_is_reported() {
    for (program, status, expected) in [
        ("#!/bin/sh\necho why >&2\nexit 3\n", 126, "why"),
        ("#!/bin/sh\n", 127, "there is no program `nowhere`"),
    ] {
        let (_app, mut command) = app_with_exec_d(program, &["nowhere"], &SLEEP);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{log}");
        let told = |line: &str| line.starts_with("web.1") && line.contains(expected);
        assert!(log.lines().any(told), "{log}");
    }
}

#[test]
fn a_working_directory_that_is_missing_is_reported() {
    let (app, mut command) = app_with_exec_d("#!/bin/sh\n", &SLEEP, &SLEEP);
    fs::remove_dir(app.path("jobs")).unwrap();
    command.arg("worker=1").stderr(Stdio::piped());
    let output = command.output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(126), "{log}");
    assert!(log.contains("cannot be started in the folder"), "{log}");
}

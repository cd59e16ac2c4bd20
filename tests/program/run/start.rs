//! Which processes `formation run` starts, and what it refuses to start.

use crate::formation::{PROGRAM, formation, out_of};
use crate::run::app::App;
use rig::command::text;
use rig::program::Running;
use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn each_long_running_type_starts_once() {
    let app = App::with(
        "worker: echo \"$PS $PORT\"; sleep 60\nweb: echo \"$PS $PORT\"; sleep 60\nrelease: echo released\nconsole: \
         echo console\nrake: echo rake\nclock: echo \"$PS $PORT\"; sleep 60\n",
    );
    let mut running = app.run(&["--prefix", "none"]);
    let mut lines = [running.line(), running.line(), running.line()];
    lines.sort();
    assert_eq!(lines, ["clock.1 5500", "web.1 5000", "worker.1 5100"]);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn as_many_processes_start_as_are_asked_for() {
    let app = App::with(
        "web: echo \"$PS $PORT\"; sleep 60\nworker: echo \"$PS $PORT\"; sleep 60\nclock: sleep 60\n",
    );
    let by_variable = |words: &[&str], value: Option<&str>| {
        let mut command = app.run_command(&[words, &["--prefix", "none"]].concat());
        command.envs(value.map(|value| ("FORMATION", value)));
        command
    };
    for command in [
        by_variable(&["web=2", "worker=1"], None),
        by_variable(&[], Some("web=2,worker=1")),
        by_variable(&["web=2,worker=1"], Some("clock=7")),
    ] {
        let mut running = Running::spawn(command);
        let mut lines = [running.line(), running.line(), running.line()];
        lines.sort();
        assert_eq!(lines, ["web.1 5000", "web.2 5001", "worker.1 5100"]);
        assert_eq!(app.names(), ["web.1", "web.2", "worker.1"]);
        assert_eq!(running.terminate(), Some(0));
    }
}

#[test]
fn mistakes_are_reported_before_anything_starts() {
    let app = App::with("web: touch started\nrelease: touch started\n");
    let mut shown = String::new();
    for arguments in [
        &["wbe=1", "web=x", "--restart", "wroker"][..],
        &["release=1"],
        &["--restart", "release"],
        &["web"],
        &["web=0"],
        &["web=2", "--port", "65535"],
        &["--procfile", "nowhere/Procfile"],
    ] {
        let mut command = app.command(&[&["run"], arguments].concat());
        if !arguments.contains(&"--procfile") {
            command.args(["--procfile", "Procfile"]);
        }
        let output = command.stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        writeln!(
            shown,
            "$ formation run {}{}",
            arguments.join(" "),
            text(&output.stderr)
        )
        .unwrap();
    }
    assert!(!app.path("started").exists());
    insta::assert_snapshot!(shown);
}

#[test]
fn standard_input_may_be_closed() {
    let app = App::with("web: read -r line || echo \"nothing to read\"\n");
    let script =
        format!("exec {PROGRAM} run --procfile Procfile --prefix none --socket control/socket <&-");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(app.path(""))
        .output()
        .unwrap();
    assert_eq!(out_of(&output), "nothing to read\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_empty_variable_is_ignored() {
    let app = App::with("web: echo \"$PORT\"\n");
    let mut command = app.run_command(&["--prefix", "none"]);
    for variable in ["PORT", "FORMATION", "FORMATION_GRACE", "FORMATION_RESTART"] {
        command.env(variable, "");
    }
    assert_eq!(out_of(&command.output().unwrap()), "8080\n");
    let mut exec = formation(&["exec", "--", "true"]);
    assert_eq!(
        exec.env("FORMATION_GRACE", "").status().unwrap().code(),
        Some(0)
    );
}

/// And the working directory of `formation` itself never changes.
#[test]
fn the_processes_of_a_procfile_run_in_its_folder() {
    let app = App::with("");
    fs::create_dir(app.path("other")).unwrap();
    fs::write(app.path("other/Procfile"), "web: pwd -P; exec sleep 60\n").unwrap();
    let arguments = ["run", "--procfile", "other/Procfile", "--prefix", "none"];
    let mut running = Running::spawn(app.command(&arguments));
    let folder = app.path("").canonicalize().unwrap();
    assert_eq!(running.line(), folder.join("other").display().to_string());
    let own = fs::read_link(format!("/proc/{}/cwd", running.id())).unwrap();
    assert_eq!(own, folder);
    assert_eq!(running.terminate(), Some(0));
}

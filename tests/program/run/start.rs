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
fn types_that_are_not_named_run_where_that_is_meant() {
    let show = "echo \"$PS $PORT\"; sleep 60";
    let app = App::with(&format!("api: {show}\nworker: {show}\nclock: {show}\n"));
    for words in [
        &["all=1", "worker=0"][..],
        &["worker=0"],
        &["-m", "all=1,worker=0"],
    ] {
        let mut running = app.run(&[words, &["--prefix", "none"]].concat());
        let mut lines = [running.line(), running.line()];
        lines.sort();
        assert_eq!(lines, ["api.1 5000", "clock.1 5200"], "{words:?}");
        assert_eq!(app.names(), ["api.1", "clock.1"]);
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
        &["--may-end", "wroker"],
        &["web"],
        &["web=0"],
        &["--attach", "web.2"],
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
    let app = App::with("css: cat; echo \"no input\"\nweb: sleep 0.5; echo \"runs\"\n");
    let script =
        format!("exec {PROGRAM} run --procfile Procfile --prefix none --socket control/socket <&-");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(app.path(""))
        .output()
        .unwrap();
    assert_eq!(out_of(&output), "runs\n");
    assert_eq!(output.status.code(), Some(0));
}

/// A watcher such as `tailwindcss --watch` ends with its standard input, and then all end.
#[test]
fn a_process_that_reads_does_not_come_to_an_end() {
    let app = App::with("css: cat; echo \"no input\"\nweb: sleep 1; echo \"all run\"; sleep 60\n");
    let mut running = app.run(&["--prefix", "none"]);
    assert_eq!(running.line(), "all run");
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn an_attached_process_has_the_standard_streams() {
    let app = App::with("web: read -r line; echo \"got $line\"; read -r line\nclock: sleep 60\n");
    let mut running = app.run(&["--attach", "web"]);
    running.type_line("this");
    assert_eq!(running.line(), "got this");
    running.type_line("end");
    assert_eq!(running.status(), Some(0));
}

#[test]
fn variables_come_from_a_file_unless_the_environment_has_them() {
    let app = App::with("");
    fs::create_dir(app.path("app")).unwrap();
    let procfile = "web: echo \"$PORT $ONE $TWO $THREE\"; sleep 60\n";
    fs::write(app.path("app/Procfile"), procfile).unwrap();
    let file = "export ONE='from .env' # a comment\r\nTWO=two\r\nTHREE=\r\nPORT=7000\r\n";
    fs::write(app.path("app/.env"), file).unwrap();
    fs::write(app.path("a"), "ONE=a\nTWO=a\n").unwrap();
    fs::write(app.path("b"), "TWO=b\nPORT=7100\n").unwrap();
    let arguments = ["run", "-f", "app/Procfile", "--prefix", "none"];
    for (more, port, expected) in [
        (&[][..], None, "7000 from .env real"),
        (&[], Some("6000"), "6000 from .env real"),
        (&["-p", "6100"], None, "6100 from .env real"),
        (&["--env", "a,b"], None, "7100 a real"),
        (&["-e", "a", "-e", "b"], None, "7100 a real"),
        (&["-e", "a"], None, "8080 a real"),
    ] {
        let mut command = app.command(&[&arguments, more].concat());
        command.env_remove("PORT").env("TWO", "real");
        command.envs(port.map(|port| ("PORT", port)));
        let mut running = Running::spawn(command);
        assert_eq!(running.line().trim_end(), expected, "{more:?}");
        assert_eq!(running.terminate(), Some(0));
    }
}

#[test]
fn mistakes_in_a_file_of_variables_are_reported_without_secrets() {
    let app = App::with("web: touch started\n");
    fs::write(app.path(".env"), "A=1\nsecret\nB='secret\n").unwrap();
    let mut shown = String::new();
    for arguments in [&[][..], &["--env", "nowhere"]] {
        let output = app.output(arguments);
        assert_eq!(output.status.code(), Some(2));
        shown.push_str(&text(&output.stderr));
    }
    assert!(!shown.contains("secret"), "{shown}");
    assert!(!app.path("started").exists());
    insta::assert_snapshot!(shown);
}

/// `foreman start` is what many know by heart.
#[test]
fn the_options_of_foreman_have_their_counterparts() {
    let app = App::with("web: echo \"$PS $PORT\"; trap '' TERM; sleep 60\nworker: sleep 60\n");
    let options = [
        "-f",
        "Procfile",
        "-m",
        "all=0,web=2",
        "-p",
        "6000",
        "-t",
        "0.2",
    ];
    let mut command = app.command(&[&["run", "--prefix", "none"], &options[..]].concat());
    command.env("FORMATION", "worker=1");
    let mut running = Running::spawn(command);
    let mut lines = [running.line(), running.line()];
    lines.sort();
    assert_eq!(lines, ["web.1 6000", "web.2 6001"]);
    assert_eq!(running.terminate(), Some(137));
    let mut shown = String::new();
    for words in [
        &["start"][..],
        &["start", "web"],
        &["start", "-f", "Procfile.dev", "-p", "1"],
    ] {
        let output = formation(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        writeln!(
            shown,
            "$ formation {}{}",
            words.join(" "),
            text(&output.stderr)
        )
        .unwrap();
    }
    insta::assert_snapshot!(shown);
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

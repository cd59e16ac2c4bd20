//! `formation run`: several process types in one container, and what becomes of processes that do not behave.

use crate::running::{Running, formation, is_gone, kill, out_of, send, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A folder with a Procfile, and a formation that runs it.
struct App {
    folder: tempfile::TempDir,
}

impl App {
    fn with(procfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Procfile"), procfile).unwrap();
        Self { folder }
    }

    /// A Procfile with one type, whose command is a script of bash: signals go to all that it starts.
    fn with_script(process_type: &str, script: &str) -> Self {
        let app = Self::with(&format!("{process_type}: . ./script; :\n"));
        fs::write(app.path("script"), script).unwrap();
        app
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let socket = self.path("control/socket");
        let mut command = formation(arguments);
        command
            .current_dir(self.folder.path())
            .arg("--socket")
            .arg(socket)
            .env("PORT", "5000")
            .stderr(Stdio::null());
        for variable in ["FORMATION", "FORMATION_PREFIX", "FORMATION_RESTART"] {
            command.env_remove(variable);
        }
        command
    }

    fn run_command(&self, arguments: &[&str]) -> Command {
        self.command(&[&["run", "--procfile", "Procfile"], arguments].concat())
    }

    fn run(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.run_command(arguments))
    }

    /// Runs it to its end.
    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.run_command(arguments);
        command.stderr(Stdio::piped()).output().unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stderr(Stdio::piped()).output().unwrap()
    }

    /// What `formation ps` says.
    fn processes(&self) -> Vec<Value> {
        let output = self.ask(&["ps", "--json"]);
        assert!(output.status.success(), "{}", text_of(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The number of the process of that name, when there is just one, and it runs.
    fn process(&self, name: &str) -> Option<u32> {
        let processes = self.processes();
        let mut same = processes.iter().filter(|row| row["name"] == name);
        let row = same.next().filter(|row| row["state"] == "running")?;
        let pid = row["pid"].as_u64()?.try_into().ok()?;
        same.next().is_none().then_some(pid)
    }

    /// Whether it answers, and has so many processes.
    fn runs(&self, processes: usize) -> bool {
        self.ask(&["ps"]).status.success() && self.names().len() == processes
    }

    fn names(&self) -> Vec<String> {
        let name = |row: &Value| row["name"].as_str().unwrap().to_string();
        self.processes().iter().map(name).collect()
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Those of a process type, in the order in which they came.
fn lines_of(output: &[u8], process: &str) -> Vec<String> {
    let line = |line: &str| {
        let (name, line) = line.split_once(" | ")?;
        (name.trim_end() == process).then(|| line.to_string())
    };
    text_of(output).lines().filter_map(line).collect()
}

/// An image's process table: `web` and `worker`, of a buildpack that has an exec.d program for `web`.
fn app_with_exec_d(program: &str, web: &[&str], worker: &[&str]) -> (App, Command) {
    let app = App::with("");
    let table = format!(
        "[[buildpacks]]\nid = \"some/buildpack\"\nversion = \"1\"\n\n{}{}",
        launched("web", web),
        launched("worker", worker),
    );
    let path = app.path("layers/some_buildpack/a/exec.d/web/program");
    for (path, text) in [
        (&app.path("layers/config/metadata.toml"), &*table),
        (&path, program),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).unwrap();
    fs::create_dir(app.path("jobs")).unwrap();
    let mut command = app.command(&["run"]);
    command.env("CNB_LAYERS_DIR", app.path("layers"));
    (app, command)
}

/// A type of an image, in the folder `jobs`.
fn launched(process_type: &str, command: &[&str]) -> String {
    let words = [&["/bin/formation", "exec", "--"], command].concat();
    format!(
        "[[processes]]\ntype = {process_type:?}\ncommand = {words:?}\nargs = []\ndirect = true\nworking-dir = \"jobs\"\nbuildpack-id = \
         \"some/buildpack\"\n\n"
    )
}

/// Ends at once when it gets SIGTERM, with a line.
const POLITE: &str =
    "trap 'echo asked; exit' TERM; echo ready; while :; do read -rt 0.05 <> <(:); done";

#[test]
fn every_type_runs_once_but_for_the_tasks() {
    let app = App::with(
        "worker: echo \"$PS $PORT\"; sleep 60\nweb: echo \"$PS $PORT\"; sleep 60\nrelease: echo released\nconsole: \
         echo console\nrake: echo rake\nclock: echo \"$PS $PORT\"; sleep 60\n",
    );
    let mut running = app.run(&["--prefix", "none"]);
    let mut lines = [running.line(), running.line(), running.line()];
    lines.sort();
    assert_eq!(lines, ["clock.1 5500", "web.1 5000", "worker.1 5100"]);
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn so_many_as_are_named_and_no_others() {
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
        running.signal(Signal::TERM);
        assert_eq!(running.status(), Some(0));
    }
}

#[test]
fn what_cannot_be_run_is_said_before_anything_starts() {
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
            text_of(&output.stderr)
        )
        .unwrap();
    }
    assert!(!app.path("started").exists());
    insta::assert_snapshot!(shown);
}

#[test]
fn the_first_end_ends_all_and_its_status_is_the_exit_status() {
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
            text_of(&output.stderr)
        );
        assert!(
            text_of(&output.stderr)
                .contains("asking all processes to end, because worker.1 has ended")
        );
    }
}

/// Alone, a program that is not there ends with 127 too.
#[test]
fn a_program_that_is_not_there_ends_all() {
    let app = App::with("web: sleep 60\nworker: nonesuch\nclock: sleep 60\n");
    let output = app.output(&[]);
    assert_eq!(output.status.code(), Some(127));
    let said = text_of(&output.stderr);
    assert!(said.contains("worker.1 does not start"), "{said}");
    assert!(said.contains("there is no program `nonesuch`"), "{said}");
}

#[test]
fn a_requested_end_gives_status_0_and_each_signal_is_passed_on() {
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

/// A program knows its own children; a shell passes nothing on.
#[test]
fn signals_go_to_the_same_processes_as_when_a_type_runs_alone() {
    let tell = "trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.02; done";
    let alone = format!("trap 'echo parent; kill $!; wait; exit' TERM; (cd /; {tell}) & wait");
    for (command, expected) in [
        ("bin/program", ["parent", "child"]),
        (". bin/program; :", ["child", "parent"]),
    ] {
        let app = App::with(&format!("web: {command}\n"));
        fs::create_dir(app.path("bin")).unwrap();
        // Perl, so that no shell is in between. The pipe ends when the child is ready too.
        let script = if command == "bin/program" {
            "#!/usr/bin/perl\n$| = 1; pipe(R, W);\n\
             if (!($c = fork)) { $SIG{TERM} = sub { print qq(child\\n); exit }; close R; close W; sleep 1 while 1 }\n\
             $SIG{TERM} = sub { print qq(parent\\n); kill TERM => $c; wait; exit };\n\
             close W; <R>; print qq(ready\\n); sleep 1 while 1;\n"
                .to_string()
        } else {
            alone.clone()
        };
        fs::write(app.path("bin/program"), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(app.path("bin/program"), mode).unwrap();
        let mut running = app.run(&["--prefix", "none"]);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::TERM);
        let mut lines = [running.line(), running.line()];
        if expected[0] == "child" {
            lines.sort(); // Both have it at once.
        }
        assert_eq!(lines, expected, "{command}");
        assert_eq!(running.status(), Some(0));
    }
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

/// It gets the signals of its process, and other processes do not wait for it.
#[test]
fn an_exec_d_program_may_take_its_time() {
    let worker = ["bash", "-c", "echo works; exec sleep 60"];
    let (_app, mut command) =
        app_with_exec_d("#!/bin/sh\necho $$\nexec sleep 60\n", &["true"], &worker);
    command.args(["--prefix", "none"]);
    let mut running = Running::spawn(command);
    let mut lines = [running.line(), running.line()];
    lines.sort();
    assert_eq!(lines[1], "works");
    let program: u32 = lines[0].parse().unwrap();
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
    assert!(is_gone(program));
}

/// A successor is up when its own program is.
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn a_failed_preparation_is_reported_by_the_process() {
    for (program, status, expected) in [
        ("#!/bin/sh\necho why >&2\nexit 3\n", 126, "why"),
        ("#!/bin/sh\n", 127, "there is no program `nowhere`"),
    ] {
        let (_app, mut command) = app_with_exec_d(program, &["nowhere"], &SLEEP);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let log = text_of(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{log}");
        let told = |line: &str| line.starts_with("web.1") && line.contains(expected);
        assert!(log.lines().any(told), "{log}");
    }
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn a_working_directory_that_is_missing_is_reported() {
    let (app, mut command) = app_with_exec_d("#!/bin/sh\n", &SLEEP, &SLEEP);
    fs::remove_dir(app.path("jobs")).unwrap();
    let output = command
        .arg("worker=1")
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let log = text_of(&output.stderr);
    assert_eq!(output.status.code(), Some(126), "{log}");
    assert!(log.contains("cannot be started in the folder"), "{log}");
}

#[test]
fn a_process_that_does_not_end_is_killed_after_the_grace() {
    let app = App::with_script(
        "web",
        "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; sleep 60",
    );
    let mut running = app.run(&["--prefix", "none", "--grace", "0.3"]);
    let deaf: u32 = running.line().parse().unwrap();
    let started = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(137));
    assert!(started.elapsed() >= Duration::from_millis(300));
    wait_until("the whole group is killed", || is_gone(deaf));
}

#[test]
fn a_second_signal_kills_at_once() {
    let app = App::with_script("web", "trap '' TERM; echo ready; sleep 60");
    let mut running = app.run(&["--prefix", "none", "--grace", "60"]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    wait_until("it is ending", || app.processes()[0]["state"] == "ending");
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(137));
}

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

/// It becomes an orphan of this formation only when its own parent has ended.
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

/// Until then, other clients get their answers.
#[test]
fn a_client_without_a_request_is_disconnected() {
    let app = App::with("web: sleep 60\n");
    let running = app.run(&[]);
    wait_until("it can be asked", || app.path("control/socket").exists());
    let started = Instant::now();
    let mut silent = UnixStream::connect(app.path("control/socket")).unwrap();
    assert!(app.runs(1));
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let waited = started.elapsed().as_secs();
    assert!((5..15).contains(&waited), "{waited}");
    running.signal(Signal::TERM);
}

/// The kernel reports a client that cannot be accepted for as long as it waits.
#[test]
fn without_a_descriptor_for_a_client_the_supervisor_is_not_kept_busy() {
    let app = App::with("web: sleep 60\n");
    let command = app.run_command(&[]);
    let mut limited = Command::new("bash");
    limited.args(["-c", "ulimit -n 16; exec \"$@\"", "bash"]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(app.path("")).stderr(Stdio::null());
    let running = Running::spawn(limited);
    wait_until("it can be asked", || app.path("control/socket").exists());
    let connect = |_| UnixStream::connect(app.path("control/socket")).unwrap();
    let silent: Vec<_> = (0..16).map(connect).collect();
    sleep(Duration::from_secs(2));
    let busy = cpu_time(running.id());
    assert!(busy < Duration::from_millis(300), "{busy:?}");
    drop(silent);
    wait_until("it can be asked again", || {
        app.ask(&["ps"]).status.success()
    });
    running.signal(Signal::TERM);
}

fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks = fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
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

#[test]
fn a_process_that_closes_its_output_keeps_running() {
    let app = App::with("web: exec >&- 2>&-; sleep 0.5; exit 4\nworker: sleep 60\n");
    assert_eq!(app.output(&[]).status.code(), Some(4));
}

#[test]
fn a_last_line_without_an_end_is_not_lost() {
    let app = App::with(
        "web: until [ -e done ]; do sleep 0.02; done; printf 'one\\ntwo'\nworker: printf 'partial'; touch done; sleep 60\n",
    );
    let output = app.output(&[]);
    assert_eq!(lines_of(&output.stdout, "web.1"), ["one", "two"]);
    assert_eq!(lines_of(&output.stdout, "worker.1"), ["partial"]);
    assert!(output.stdout.ends_with(b"\n"));
}

/// What it has left behind holds the pipe open: the last line does not wait for that.
#[test]
fn a_last_line_comes_at_the_end_of_its_process() {
    let app = App::with_script("web", "setsid sleep 60 & printf 'last words'");
    let mut running = app.run(&[
        "--prefix",
        "none",
        "--restart",
        "web",
        "--restart-delay",
        "60",
    ]);
    assert_eq!(running.line(), "last words");
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn streams_are_kept_apart() {
    let app = App::with("web: echo out; echo err >&2\n");
    let output = app.output(&[]);
    assert_eq!(lines_of(&output.stdout, "web.1"), ["out"]);
    assert_eq!(lines_of(&output.stderr, "web.1"), ["err"]);
    let json = app.output(&["--prefix", "json"]);
    assert_eq!(
        text_of(&json.stdout),
        "{\"process\":\"web.1\",\"stream\":\"stdout\",\"line\":\"out\"}\n"
    );
    for line in text_of(&json.stderr).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["stream"], "stderr");
    }
}

#[test]
fn bytes_that_are_not_text_are_passed_on_unchanged() {
    let app = App::with("web: cat bytes\n");
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(app.path("bytes"), &bytes).unwrap();
    let output = app.output(&["--prefix", "none"]);
    assert_eq!(output.stdout.len(), bytes.len() + 1);
    assert!(output.stdout[..bytes.len()] == bytes);
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let app = App::with("web: head -c 50000000 /dev/zero | tr '\\0' x\n");
    let output = app.output(&[]);
    let lines = lines_of(&output.stdout, "web.1");
    assert_eq!(lines.iter().map(String::len).sum::<usize>(), 50_000_000);
    assert!(lines.iter().all(|line| line.len() <= 64 * 1024));
}

/// Twenty megabytes from ten processes, and a reader that begins late: nothing is lost, signals are
/// handled meanwhile, and memory is bounded.
#[test]
fn a_late_reader_misses_nothing() {
    let app = App::with("web: seq -f \"$PS %.0f\" 100000; exec sleep 60\n");
    let mut command = app.run_command(&["web=10", "--prefix", "none"]);
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("all run", || app.runs(10));
    sleep(Duration::from_millis(500));
    let memory = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = memory.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kilobytes < 30_000, "{kilobytes} kB");

    let mut next = [1; 11];
    let mut output = BufReader::new(running.stdout.take().unwrap());
    for _ in 0..1_000_000 {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (process, number) = line.trim_end().split_once(' ').unwrap();
        let process: usize = process.strip_prefix("web.").unwrap().parse().unwrap();
        assert_eq!(number.parse(), Ok(next[process]), "{line}");
        next[process] += 1;
    }
    send(running.id(), Signal::TERM);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_reader_signals_are_handled_all_the_same() {
    let app = App::with("web: yes\nworker: sleep 60\n");
    let mut command = app.run_command(&["--grace", "1"]);
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_until("both run", || app.runs(2));
    sleep(Duration::from_millis(300));
    send(running.id(), Signal::TERM);
    let started = Instant::now();
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn when_the_reader_goes_away_all_end() {
    let app = App::with("web: while echo x; do sleep 0.01; done\nworker: sleep 60\n");
    let mut running = app.run_command(&[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(running.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    assert_eq!(running.wait().unwrap().code(), Some(141));
}

#[test]
fn with_standard_input_closed() {
    let app = App::with("web: read -r line || echo \"nothing to read\"\n");
    let script = format!(
        "exec {} run --procfile Procfile --prefix none --socket control/socket <&-",
        env!("CARGO_BIN_EXE_formation")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(app.folder.path())
        .output()
        .unwrap();
    assert_eq!(out_of(&output), "nothing to read\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_type_that_is_to_be_restarted_comes_back_later_each_time() {
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
    // 0.4, 0.8 and 1.6 s, each up to a quarter less, and one may be seen later than the next.
    let gaps: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([200, 500, 1100]) {
        assert!(*gap >= Duration::from_millis(least), "{gaps:?}");
    }
    wait_until("it waits", || app.processes()[1]["state"] == "waiting");
    assert!(app.processes()[1]["restarts"].as_u64() >= Some(4));
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
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

#[test]
fn what_a_dead_process_leaves_behind_is_gone_before_its_restart() {
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

#[test]
fn scaling_leaves_the_others_alone() {
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
    // No process is left, and the formation goes on.
    assert!(app.ask(&["scale", "web=0"]).status.success());
    wait_until("all have ended", || app.names().is_empty());
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
    assert!(!app.path("control").exists());
}

#[test]
fn an_instance_that_is_ending_and_wanted_again_comes_back() {
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn what_is_refused_changes_nothing() {
    let app = App::with("web: sleep 60\nrelease: true\n");
    let nobody = app.ask(&["ps"]);
    let mut running = app.run(&[]);
    wait_until("it runs", || app.runs(1));
    let nobody = text_of(&nobody.stderr).replace(&app.path("").display().to_string(), "/app/");
    let mut shown = format!("$ formation ps{nobody}");
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
            text_of(&output.stderr)
        )
        .unwrap();
    }
    assert_eq!(app.names(), ["web.1"]);
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
    insta::assert_snapshot!(shown);
}

#[test]
fn a_restart_begins_with_the_successor() {
    let app = App::with("worker: perl worker\nweb: sleep 60\n");
    let worker =
        "$| = 1; $SIG{TERM} = sub { print qq(down\\n); exit }; print qq(up\\n); sleep 1 while 1";
    fs::write(app.path("worker"), worker).unwrap();
    let mut running = app.run(&["--prefix", "none", "worker=2", "web=1"]);
    assert_eq!([running.line(), running.line()], ["up", "up"]);
    wait_until("all run", || app.runs(3));
    let before = ["worker.1", "worker.2", "web.1"].map(|name| app.process(name).unwrap());
    assert!(app.ask(&["restart", "worker"]).status.success());
    // One at a time has a successor, and there are never fewer processes than before.
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn a_process_that_listens_ends_before_its_successor_starts() {
    let server = "use IO::Socket; $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 1) or die; print qq(up $$\\n); \
                  $SIG{TERM} = sub { print qq(down\\n); exit }; sleep 1 while 1";
    let app = App::with("web: perl server\n");
    fs::write(app.path("server"), format!("$| = 1; {server}")).unwrap();
    let mut command = app.run_command(&["--prefix", "none"]);
    command.env("PORT", free_port().to_string());
    let mut running = Running::spawn(command);
    let first = running.line();
    assert!(app.ask(&["restart", "web.1"]).status.success());
    assert_eq!(running.line(), "down");
    let second = running.line();
    assert!(second.starts_with("up") && second != first);
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_successor_that_does_not_come_up_changes_nothing() {
    let app = App::with("web: [ -e started ] && exit 1; touch started; exec sleep 60\n");
    let mut running = app.run(&[]);
    wait_until("it runs", || {
        app.path("started").exists() && app.names().len() == 1
    });
    let before = app.process("web.1");
    assert!(before.is_some());
    assert!(app.ask(&["restart"]).status.success());
    wait_until("the successor has ended", || app.names().len() == 1);
    sleep(Duration::from_millis(1200));
    assert_eq!(app.process("web.1"), before);
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

/// The processes of a killed supervisor go on; the next supervisor starts all the same.
#[test]
fn the_socket_of_a_killed_formation_is_replaced() {
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

/// Two thousand deaths leave nothing: no descriptor, no zombie, no memory.
#[test]
fn a_long_life_leaves_nothing_behind() {
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
    let memory = || {
        let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
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
    assert!(memory() <= little + 200, "{little} then {} kB", memory());
    assert!(running.children().len() <= 11, "{:?}", running.children());
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

#[test]
fn processes_that_end_in_time_are_not_killed() {
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

/// Its parent has left the group, and does not reap it.
#[test]
fn a_zombie_that_is_never_reaped_holds_nothing_up() {
    let app = App::with_script(
        "web",
        "bash -c 'sleep 0.2 & echo ready; exec setsid sleep 1003' & sleep 1000",
    );
    let mut running = app.run(&["--prefix", "none", "--grace", "0.5"]);
    assert_eq!(running.line(), "ready");
    sleep(Duration::from_millis(400));
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(137));
}

#[test]
fn the_end_comes_when_the_last_line_is_read() {
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
fn an_instance_that_is_being_replaced_is_not_brought_back() {
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
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

/// A platform asks for the end while it is under way already, because a process has ended.
#[test]
fn a_first_signal_kills_nobody() {
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
fn an_empty_variable_counts_as_not_set() {
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

/// Servers that take their time until they listen: one of them always listens.
#[test]
fn a_restart_is_complete_when_the_new_process_listens() {
    let server = "use IO::Socket; sleep 2; $s = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 1) or die; \
                  print qq($ENV{PS} up\n); $SIG{TERM} = sub { print qq($ENV{PS} down\n); exit }; sleep 1 while 1";
    let app = App::with("web: perl server\n");
    fs::write(app.path("server"), format!("$| = 1; {server}")).unwrap();
    let mut command = app.run_command(&["web=2", "--prefix", "none"]);
    command.env("PORT", free_port().to_string());
    let mut running = Running::spawn(command);
    running.line();
    running.line();
    assert!(app.ask(&["restart"]).status.success());
    let lines = [(); 4].map(|()| running.line());
    assert_eq!(lines, ["web.1 down", "web.1 up", "web.2 down", "web.2 up"]);
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(0));
}

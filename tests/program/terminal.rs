//! `formation` in a terminal: as PID 1, which leads the session, and as a shell's job.

use crate::formation::PROGRAM;
use pty_process::blocking::{Command, Pty, open};
use rig::files;
use rig::program::proc::children_of;
use rig::program::{kill_tree, send, status_of};
use rig::wait::{DEADLINE, becomes_true, wait_until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const INTERRUPT: &str = "\x03";
const STOP: &str = "\x1a";

/// A terminal with one program that leads its session.
struct Terminal {
    keyboard: Arc<Pty>,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been read.
    seen: usize,
    program: Child,
}

impl Terminal {
    fn with(program: &str, arguments: &[&str]) -> Self {
        let (pty, pts) = open().unwrap();
        let program = Command::new(program)
            .args(arguments)
            .env("PS1", "prompt> ")
            .env("TERM", "dumb")
            .env("FORMATION", PROGRAM)
            .env_remove("FORMATION_GRACE")
            .spawn(pts)
            .unwrap();
        let keyboard = Arc::new(pty);
        let screen = Arc::new(Mutex::new(String::new()));
        let (source, target) = (keyboard.clone(), screen.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*source).read(&mut bytes) {
                target
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self {
            keyboard,
            screen,
            seen: 0,
            program,
        }
    }

    /// `formation exec`, as a container starts it.
    fn with_formation(command: &[&str]) -> Self {
        Self::with(PROGRAM, &[&["exec", "--"], command].concat())
    }

    /// `formation run`, with the Procfile of a folder.
    fn with_run(folder: &Path, environment: &str) -> Self {
        let script = format!(
            "cd '{}'; program=$FORMATION; unset FORMATION; {environment} exec \"$program\" run --procfile Procfile --socket s",
            folder.display()
        );
        Self::with("bash", &["-c", &script])
    }

    fn with_shell() -> Self {
        Self::with("bash", &["--norc", "--noprofile", "-i"])
    }

    fn press(&self, keys: &str) {
        (&*self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    fn enter(&self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// Waits for a text after the last one.
    fn see(&mut self, text: &str) {
        let mut screen = String::new();
        let mut place = None;
        becomes_true(DEADLINE, Duration::from_millis(5), || {
            screen.clone_from(&self.screen.lock().unwrap());
            place = screen[self.seen..].find(text);
            place.is_some()
        });
        let Some(place) = place else {
            panic!(
                "{text:?} does not show up; the screen after {}:\n{screen}",
                self.seen
            );
        };
        self.seen += place + text.len();
    }

    fn count(&self, text: &str) -> usize {
        self.screen.lock().unwrap().matches(text).count()
    }

    fn status(&mut self) -> Option<i32> {
        status_of(&mut self.program)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.program.try_wait().is_ok_and(|status| status.is_none()) {
            for child in children_of(self.program.id()) {
                kill_tree(child);
            }
            kill_tree(self.program.id());
            let _ = self.program.wait();
        }
    }
}

#[test]
fn the_command_reads_from_the_terminal() {
    let mut terminal =
        Terminal::with_formation(&["bash", "-c", "read -r line; echo \"got $line\"; exit 9"]);
    terminal.enter("something");
    terminal.see("got something");
    assert_eq!(terminal.status(), Some(9));
}

/// From its start on, so that the terminal never stops it, which a program could notice.
#[test]
fn the_command_is_in_the_foreground_before_it_runs() {
    let script = r#"
        read -r _ _ _ _ group _ _ foreground _ < /proc/$$/stat
        [ "$group" = "$foreground" ] && [ "$group" = $$ ] && echo in front
        grep -E 'Sig(Blk|Pnd)' /proc/self/status
        exit 0"#;
    for _ in 0..10 {
        let mut terminal = Terminal::with_formation(&["bash", "-c", script]);
        terminal.see("in front");
        terminal.see("SigPnd:\t0000000000000000");
        terminal.see("SigBlk:\t0000000000000000");
        assert_eq!(terminal.status(), Some(0));
    }
}

#[test]
fn a_shell_has_job_control() {
    let mut terminal = Terminal::with_formation(&["bash", "--norc", "--noprofile", "-i"]);
    terminal.see("prompt> ");
    assert_eq!(terminal.count("no job control"), 0);

    terminal.enter("bash -c 'echo st\"\"arted; exec sleep 60'");
    terminal.see("started");
    terminal.press(INTERRUPT);
    terminal.see("prompt> ");
    terminal.enter("echo status=$?");
    terminal.see("status=130");

    terminal.enter("bash -c 'echo be\"\"fore; read -r line; echo got $line'");
    terminal.see("before");
    terminal.press(STOP);
    terminal.see("Stopped");
    terminal.see("prompt> ");
    terminal.enter("fg");
    terminal.see("fg\r\n");
    terminal.enter("something");
    terminal.see("got something");

    terminal.enter("exit 7");
    assert_eq!(terminal.status(), Some(7));
}

#[test]
fn signals_from_the_keyboard_arrive_once() {
    // With a time limit: a signal that arrives just before it begins to read does not end bash's
    // `read`, and the handler would wait for a line.
    let script = "trap 'echo got INT' INT; trap 'echo got WINCH' WINCH; echo ready; \
                  until read -t 0.1 -r line; do :; done; echo $line; exit 0";
    let mut terminal = Terminal::with_formation(&["bash", "-c", script]);
    terminal.see("ready");
    terminal.press(INTERRUPT);
    terminal.see("got INT");
    terminal
        .keyboard
        .resize(pty_process::Size::new(33, 111))
        .unwrap();
    terminal.see("got WINCH");
    terminal.enter("the''end");
    terminal.see("the''end\r\nthe''end");
    assert_eq!(
        (terminal.count("got INT"), terminal.count("got WINCH")),
        (1, 1)
    );
    assert_eq!(terminal.status(), Some(0));
}

/// No shell could continue the job, so it goes on by itself, as a child of PID 1 does.
#[test]
fn a_session_leader_cannot_be_stopped() {
    let script = "echo ready; read -r line; echo \"got $line\"";
    let mut terminal = Terminal::with_formation(&["bash", "-c", script]);
    terminal.see("ready");
    terminal.press(STOP);
    terminal.see("^Z");
    terminal.enter("something");
    terminal.see("got something");
    assert_eq!(terminal.status(), Some(0));
}

#[test]
fn a_shell_stops_and_continues_the_command() {
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter(
        "$FORMATION exec -- bash -c 'echo be\"\"fore; while read -r line; do echo got $line; done'",
    );
    terminal.see("before");
    for way_back in ["fg", "bg; fg"] {
        terminal.press(STOP);
        terminal.see("Stopped");
        terminal.see("prompt> ");
        terminal.enter(way_back);
        terminal.see(&format!("{way_back}\r\n"));
        terminal.enter("something");
        terminal.see("got something");
    }
    terminal.press(INTERRUPT);
    terminal.see("prompt> ");
    terminal.enter("echo status=$?");
    terminal.see("status=130");
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

#[test]
fn a_shell_starts_the_command_in_the_background() {
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter(
        "$FORMATION exec -- bash -c 'read -r line; echo got $line' & wait -f; echo st''opped",
    );
    terminal.see("stopped");
    terminal.enter("fg");
    terminal.see("fg\r\n");
    terminal.enter("something");
    terminal.see("got something");
    terminal.see("prompt> ");
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

#[test]
fn a_command_that_does_not_start_gives_the_terminal_back() {
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter("$FORMATION exec -- pumma; echo status=$?");
    terminal.see("no program `pumma`");
    terminal.see("status=127");
    terminal.enter("read -r line; echo got $line");
    terminal.enter("something");
    terminal.see("got something");
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

#[test]
fn each_process_has_its_colour_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("Procfile"), "web: echo hello\n");
    for (environment, colours) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let mut terminal = Terminal::with_run(folder.path(), environment);
        terminal.see("hello");
        let screen = terminal.screen.lock().unwrap().clone();
        let line = screen.lines().find(|line| line.ends_with("hello"));
        let line = line.expect("a line of its own");
        assert_eq!(line.contains("\x1b["), colours, "{line:?}");
        assert!(line.contains("web.1"), "{line:?}");
    }
}

/// It leads its session, and no shell could continue it.
#[test]
fn run_passes_signals_of_job_control_on_in_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("Procfile"), "web: exec bash ./script\n");
    let report = "for s in TSTP TTIN CONT; do trap \"echo got-$s\" $s; done; echo ready; \
                  while :; do read -rt 0.05 <> <(:); done";
    files::write(&folder.path().join("script"), report);
    let mut terminal = Terminal::with_run(folder.path(), "");
    terminal.see("ready");
    for (signal, text) in [(Signal::TSTP, "got-TSTP"), (Signal::TTIN, "got-TTIN")] {
        for _ in 0..10 {
            send(terminal.program.id(), signal);
            terminal.see(text);
        }
    }
    terminal.press(STOP);
    terminal.press(INTERRUPT);
    terminal.see("SIGINT");
    assert_eq!(terminal.status(), Some(0));
    assert_eq!(terminal.count("got-TSTP"), 10);
    assert_eq!(terminal.count("got-CONT"), 0);
}

#[test]
fn a_shell_stops_and_continues_all_processes() {
    let folder = tempfile::tempdir().unwrap();
    files::write(
        &folder.path().join("Procfile"),
        "web: exec bash ./script\nclock: sleep 60\n",
    );
    let report = "trap 'echo got-TSTP' TSTP; trap 'echo on-again' CONT; echo re\"\"ady; \
                  while :; do read -rt 0.05 <> <(:); done";
    files::write(&folder.path().join("script"), report);
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter(&format!("cd '{}'", folder.path().display()));
    terminal.enter("p=$FORMATION; unset FORMATION; $p run --procfile Procfile --socket s");
    terminal.see("ready");
    for _ in 0..3 {
        terminal.press(STOP);
        terminal.see("Stopped");
        terminal.see("prompt> ");
        terminal.enter("fg");
        terminal.see("on-again");
    }
    terminal.press(INTERRUPT);
    terminal.see("prompt> ");
    terminal.enter("echo status=$?");
    terminal.see("status=0");
    assert_eq!(terminal.count("got-TSTP"), 0);
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

#[test]
fn a_terminal_that_is_closed_ends_all_in_order() {
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("Procfile"), "web: exec bash ./script\n");
    let script =
        "trap 'touch asked; exit' TERM; trap '' HUP; touch ready; while :; do sleep 0.02; done";
    files::write(&folder.path().join("script"), script);
    let (pty, pts) = open().unwrap();
    let mut program = Command::new(PROGRAM)
        .args(["run", "--procfile", "Procfile", "--socket", "s"])
        .current_dir(&folder)
        .env_remove("FORMATION")
        .spawn(pts)
        .unwrap();
    wait_until("it runs", || folder.path().join("ready").exists());
    drop(pty);
    status_of(&mut program);
    assert!(folder.path().join("asked").exists());
}

/// As a debugger reads it: line by line, with the keys of the terminal.
#[test]
fn an_attached_process_has_the_terminal_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let procfile = "web: exec bash ./script\nclock: echo tick; sleep 60\n";
    std::fs::create_dir(folder.path().join("app")).unwrap();
    files::write(&folder.path().join("app/Procfile"), procfile);
    let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo has-it; trap 'echo got-INT' INT; \
                  while read -r line; do echo \"got $line\"; done; read -r line; echo \"last $line\"";
    files::write(&folder.path().join("app/script"), script);
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter(&format!("cd '{}'", folder.path().display()));
    terminal.enter("p=$FORMATION; unset FORMATION; $p run -f app/Procfile --socket s --attach web");
    terminal.see("has-it");
    terminal.enter("one");
    terminal.see("got one");
    for way_back in ["fg", "bg; fg"] {
        terminal.press(STOP);
        terminal.see("Stopped");
        terminal.see("prompt> ");
        terminal.enter(way_back);
        terminal.see(&format!("{way_back}\r\n"));
        terminal.enter("two");
        terminal.see("got two");
    }
    terminal.press("\x04");
    terminal.enter("three");
    terminal.see("last three");
    terminal.see("web.1 has ended");
    terminal.see("prompt> ");
    terminal.enter("echo status=$?");
    terminal.see("status=0");
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

#[test]
fn a_process_that_reads_the_terminal_of_others_is_told_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let procfile = "web: read -r line < /dev/tty; echo \"got $line\"\n";
    files::write(&folder.path().join("Procfile"), procfile);
    let mut terminal = Terminal::with_run(folder.path(), "");
    terminal.see("`--attach web.1` gives it this one");
    terminal.press(INTERRUPT);
    terminal.see("SIGINT");
    assert_eq!(terminal.status(), Some(0));
}

#[test]
fn a_script_without_an_interpreter_runs_in_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    files::write_program(&folder.path().join("start"), "echo st\"\"arted; exit 5\n");
    let path = folder.path().join("start");
    let mut terminal = Terminal::with_formation(&[path.to_str().unwrap()]);
    terminal.see("started");
    assert_eq!(terminal.status(), Some(5));
}

/// With standard input from elsewhere, the command has no terminal to take.
#[test]
fn the_stop_key_stops_a_whole_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let script = "i=0; while :; do sleep 0.02; echo $((i += 1)); done | cat > ticks";
    let mut terminal = Terminal::with_shell();
    terminal.see("prompt> ");
    terminal.enter(&format!("cd '{}'", folder.path().display()));
    terminal.enter(&format!(
        "$FORMATION exec --group -- bash -c '{script}' < /dev/null"
    ));
    let ticks = || std::fs::read_to_string(folder.path().join("ticks")).unwrap_or_default();
    wait_until("it runs", || !ticks().is_empty());
    terminal.press(STOP);
    terminal.see("Stopped");
    let before = ticks();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(ticks(), before);
    terminal.enter("fg");
    wait_until("it goes on", || ticks() != before);
    terminal.press(INTERRUPT);
    terminal.see("prompt> ");
    terminal.enter("exit 3");
    assert_eq!(terminal.status(), Some(3));
}

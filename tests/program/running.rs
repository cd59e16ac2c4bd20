//! `formation` as a running process: what it is told and what comes back, each within a deadline, and nothing of it left behind.

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// For what takes milliseconds on a machine that has nothing else to do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// `formation` with these arguments, and no variable that changes what it does.
pub(crate) fn formation(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formation"));
    command
        .args(arguments)
        .env_remove("FORMATION_GRACE")
        .stdin(Stdio::null());
    command
}

/// A started `formation`, with pipes.
pub(crate) struct Running {
    process: Child,
    /// What it prints, line by line.
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(formation(arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("it prints a line")
    }

    /// Waits until it has ended. `None` where a signal ended it.
    pub(crate) fn status(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("it ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// The processes whose parent it is.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// Its command, as soon as that runs.
    pub(crate) fn wait_for_child(&self) -> u32 {
        wait_until("the command runs", || {
            self.children()
                .first()
                .is_some_and(|child| program_of(*child) != program_of(self.id()))
        });
        self.children()[0]
    }
}

/// For a test that fails: all that it has started, or adopted.
impl Drop for Running {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            kill_tree(self.id());
            let _ = self.process.wait();
        }
    }
}

/// Kills a supervisor, and the process groups of its children.
pub(crate) fn kill_tree(supervisor: u32) {
    for child in children_of(supervisor) {
        let _ = kill_process_group(pid(child), Signal::KILL);
        let _ = kill_process(pid(child), Signal::KILL);
    }
    let _ = kill_process(pid(supervisor), Signal::KILL);
}

/// The exit status of `formation`, born with all signals held back, and with one of them waiting before it can do anything.
pub(crate) fn status_with_pending_term(arguments: &[&str]) -> i32 {
    let words: Vec<CString> = [&[env!("CARGO_BIN_EXE_formation")], arguments]
        .concat()
        .into_iter()
        .map(|word| CString::new(word).unwrap())
        .collect();
    let environment = [CString::new(format!("PATH={}", std::env::var("PATH").unwrap())).unwrap()];
    let mut attributes = PosixSpawnAttr::init().unwrap();
    attributes
        .set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)
        .unwrap();
    attributes.set_sigmask(&SigSet::all()).unwrap();
    let nothing = fs::File::open("/dev/null").unwrap();
    let mut files = PosixSpawnFileActions::init().unwrap();
    files.add_dup2(nothing.as_raw_fd(), 0).unwrap();
    let process = posix_spawn(
        words[0].as_c_str(),
        &files,
        &attributes,
        &words,
        &environment,
    )
    .unwrap();
    send(process.as_raw().unsigned_abs(), Signal::TERM);
    match waitpid(process, None).unwrap() {
        WaitStatus::Exited(_, status) => status,
        other => panic!("it did not exit: {other:?}"),
    }
}

pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_true() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn send(process: u32, signal: Signal) {
    kill_process(pid(process), signal).unwrap();
}

/// Kills a process that was left behind on purpose.
pub(crate) fn kill(process: u32) {
    send(process, Signal::KILL);
    wait_until("it is killed", || is_gone(process));
}

pub(crate) fn is_gone(process: u32) -> bool {
    matches!(state(process), None | Some('Z'))
}

/// As in the third field of `/proc/PID/stat`: R, S, T (stopped), Z …
pub(crate) fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

pub(crate) fn children_of(process: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

pub(crate) fn out_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn program_of(process: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/exe")).ok()
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(process.cast_signed()).unwrap()
}

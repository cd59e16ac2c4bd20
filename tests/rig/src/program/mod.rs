//! A program of this machine while it runs: its input, its output, its signals. Each wait has a
//! deadline, and no process stays when a test fails.

pub mod proc;

use crate::wait::{DEADLINE, wait_until};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitStatus, waitpid};
use proc::{children_of, is_gone, program_of, tree_of};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::{fs, thread};

/// A started program, with pipes.
pub struct Running {
    process: Child,
    /// What it prints, line by line.
    lines: Receiver<String>,
}

impl Running {
    pub fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    pub fn type_line(&mut self, line: &str) {
        let input = self.process.stdin.as_mut().expect("it is piped");
        writeln!(input, "{line}").expect("the program reads");
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|error| panic!("no line ({error}) of:\n{}", tree_of(self.id())))
    }

    /// Waits until it has ended. `None` where a signal ended it.
    pub fn status(&mut self) -> Option<i32> {
        status_of(&mut self.process)
    }

    /// Sends TERM, and waits until the program has ended.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.status()
    }

    /// The processes whose parent it is.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// The process of its command, as soon as that runs. For a moment before, it runs no program that can be read:
    /// a signal would then meet what has started it, which waits for it.
    pub fn wait_for_child(&self) -> u32 {
        wait_until("the command runs", || {
            let program = self.children().first().copied().and_then(program_of);
            program.is_some_and(|program| Some(program) != program_of(self.id()))
        });
        self.children()[0]
    }
}

/// For a test that fails: ends everything that the program has started or adopted.
impl Drop for Running {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            kill_tree(self.id());
            let _ = self.process.wait();
        }
    }
}

/// Waits until a process has ended. `None` where a signal ended it.
pub fn status_of(process: &mut Child) -> Option<i32> {
    let mut status = None;
    wait_until("the program ends", || {
        status = process.try_wait().expect("it is a child of this process");
        status.is_some()
    });
    status.and_then(|status| status.code())
}

/// The command that makes another one PID 1, as that of a container: it sees no other processes.
#[must_use]
pub fn as_init(command: &Command) -> Command {
    let mut init = Command::new("unshare");
    init.args([
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ])
    .arg(command.get_program())
    .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        init.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => init.env(name, value),
            None => init.env_remove(name),
        };
    }
    init.stderr(Stdio::null());
    init
}

/// Kills a supervisor, and the process groups of its children.
pub fn kill_tree(supervisor: u32) {
    for child in children_of(supervisor) {
        let _ = kill_process_group(pid(child), Signal::KILL);
        let _ = kill_process(pid(child), Signal::KILL);
    }
    let _ = kill_process(pid(supervisor), Signal::KILL);
}

/// The exit status of a program that starts with all signals blocked, and with TERM pending before
/// its first instruction.
pub fn status_with_pending_term(words: &[&str]) -> i32 {
    let c_string = |word: &str| CString::new(word).expect("no NUL");
    let words: Vec<CString> = words.iter().map(|word| c_string(word)).collect();
    let path = std::env::var("PATH").expect("a PATH");
    let environment = [c_string(&format!("PATH={path}"))];
    let mut attributes = PosixSpawnAttr::init().expect("attributes");
    attributes
        .set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)
        .and_then(|()| attributes.set_sigmask(&SigSet::all()))
        .expect("a signal mask");
    let dev_null = fs::File::open("/dev/null").expect("/dev/null");
    let mut files = PosixSpawnFileActions::init().expect("file actions");
    files
        .add_dup2(dev_null.as_raw_fd(), 0)
        .expect("standard input");
    let process = posix_spawn(
        words[0].as_c_str(),
        &files,
        &attributes,
        &words,
        &environment,
    )
    .expect("the program starts");
    send(process.as_raw().unsigned_abs(), Signal::TERM);
    match waitpid(process, None).expect("it is a child of this process") {
        WaitStatus::Exited(_, status) => status,
        other => panic!("it did not exit: {other:?}"),
    }
}

pub fn send(process: u32, signal: Signal) {
    kill_process(pid(process), signal).expect("the process is there");
}

/// Kills a process that a test has left behind on purpose.
pub fn kill(process: u32) {
    send(process, Signal::KILL);
    wait_until("it is killed", || is_gone(process));
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(process.cast_signed()).expect("a process number is not 0")
}

//! The measurements in the container, where only the supervisor and its processes run.

use super::Supervisor;
use rig::median::median;
use rig::program::kill_tree;
use rig::program::proc::{name_of, other_processes, resident_kib};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How many lines ten processes print together.
pub(crate) const LINES: usize = 1_000_000;

const TALKERS: usize = 10;
const STAYERS: usize = 60;

/// When no line has come for so long, the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) lines_per_second: f64,
    pub(crate) lost: usize,
    pub(crate) kilobytes: f64,
    pub(crate) milliseconds_to_60: f64,
}

/// The median of each figure.
pub(crate) fn medians(figures: &[Figures]) -> Figures {
    let of = |get: fn(&Figures) -> f64| median(&figures.iter().map(get).collect::<Vec<_>>());
    Figures {
        lines_per_second: of(|it| it.lines_per_second),
        lost: figures.iter().map(|it| it.lost).max().unwrap_or_default(),
        kilobytes: of(|it| it.kilobytes),
        milliseconds_to_60: of(|it| it.milliseconds_to_60),
    }
}

/// Measures, and prints JSON.
pub(crate) fn measure(supervisor: &Supervisor) {
    let (lines_per_second, lost) = lines(supervisor);
    let (kilobytes, milliseconds_to_60) = memory_and_start(supervisor);
    let figures = Figures {
        lines_per_second,
        lost,
        kilobytes,
        milliseconds_to_60,
    };
    println!("{}", serde_json::to_string(&figures).expect("numbers"));
}

/// A line as long as those of a real log.
fn line(talker: usize, number: usize) -> String {
    format!(
        "talker{talker} {number} GET /orders/{number} 200 in 12 ms, 3 queries, by somebody@example.com"
    )
}

fn lines(supervisor: &Supervisor) -> (f64, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let numbers = || 0..LINES / TALKERS;
    for talker in 0..TALKERS {
        let lines: Vec<_> = numbers().map(|number| line(talker, number)).collect();
        let text = lines.join("\n") + "\n";
        fs::write(folder.path().join(format!("{talker}.log")), text).expect("a file");
    }
    // foreman hangs when processes print much while it starts the next one; they sleep first.
    let entry = |talker| format!("talker{talker}: sleep 2; cat {talker}.log; sleep 600");
    write_procfile(folder.path(), (0..TALKERS).map(entry));
    let mut running = Started::start(supervisor, folder.path());
    let output = running.output();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut next = [0; TALKERS];
        let mut began = None;
        let mut right = 0;
        for text in BufReader::with_capacity(1 << 20, output).split(b'\n') {
            let text = text.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let Some(at) = text.rfind("talker") else {
                continue;
            };
            // The name that the supervisor prints before the line may contain the same word.
            let at = text[..at]
                .rfind("talker")
                .filter(|_| !text[at..].contains("GET"))
                .unwrap_or(at);
            let talker = text
                .as_bytes()
                .get(at + 6)
                .map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')));
            let Some(expected) = next.get_mut(talker) else {
                continue;
            };
            if text[at..].trim_end() == line(talker, *expected) {
                began.get_or_insert_with(Instant::now);
                *expected += 1;
                right += 1;
                if right % 1000 == 0 && sender.send((right, began)).is_err() {
                    return;
                }
            }
        }
    });
    let mut right = 0;
    let mut seconds = 0.0;
    while right < LINES {
        match receiver.recv_timeout(PATIENCE) {
            Ok((count, began)) => {
                right = count;
                seconds = began.map_or(0.0, |began: Instant| began.elapsed().as_secs_f64());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
    let per_second = if right == 0 {
        0.0
    } else {
        right as f64 / seconds
    };
    (per_second, LINES - right)
}

fn memory_and_start(supervisor: &Supervisor) -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    // `tail -f` prints this line, and goes on.
    fs::write(folder.path().join("words"), "here\n").expect("a file");
    let entry = |number| format!("stayer{number}: tail -f words");
    write_procfile(folder.path(), (0..STAYERS).map(entry));
    let started = Instant::now();
    let mut running = Started::start(supervisor, folder.path());
    let output = BufReader::new(running.output());
    let mut lines = output.split(b'\n').map_while(Result::ok);
    let here = |line: &Vec<u8>| String::from_utf8_lossy(line).trim_end().ends_with("here");
    let count = lines.by_ref().filter(here).take(STAYERS).count();
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(count, STAYERS, "{}", supervisor.name);
    sleep(Duration::from_secs(1));
    let own: u64 = other_processes()
        .filter(|process| {
            name_of(*process).is_some_and(|name| !["tail", "sh"].contains(&name.as_str()))
        })
        .filter_map(resident_kib)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "memory is less than that")]
    let kilobytes = own as f64;
    (kilobytes, milliseconds)
}

fn write_procfile(folder: &Path, entries: impl Iterator<Item = String>) {
    let entries: Vec<_> = entries.collect();
    fs::write(folder.join("Procfile"), entries.join("\n") + "\n").expect("a file");
}

/// A supervisor, until it is dropped.
struct Started {
    process: Child,
}

impl Started {
    fn start(supervisor: &Supervisor, folder: &Path) -> Self {
        let process = Command::new(supervisor.command[0])
            .args(&supervisor.command[1..])
            .current_dir(folder)
            .env("HOME", "/tmp")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is in the image");
        Self { process }
    }

    fn output(&mut self) -> ChildStdout {
        self.process.stdout.take().expect("it is piped")
    }
}

/// Kills all processes but this one, which is the container's first.
impl Drop for Started {
    fn drop(&mut self) {
        for process in other_processes() {
            kill_tree(process);
        }
        let _ = self.process.wait();
        sleep(Duration::from_millis(200));
    }
}

//! What processes print, and how it is read.

use crate::run::app::{App, lines_of};
use rig::command::text;
use rig::program::proc::resident_kib;
use rig::program::send;
use rig::wait::wait_until;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn a_process_that_closes_its_output_keeps_running() {
    let app = App::with("web: exec >&- 2>&-; sleep 0.5; exit 4\nworker: sleep 60\n");
    assert_eq!(app.output(&[]).status.code(), Some(4));
}

#[test]
fn a_last_line_without_a_newline_is_not_lost() {
    let app = App::with(
        "web: until [ -e done ]; do sleep 0.02; done; printf 'one\\ntwo'\nworker: printf 'partial'; touch done; sleep 60\n",
    );
    let output = app.output(&[]);
    assert_eq!(lines_of(&output.stdout, "web.1"), ["one", "two"]);
    assert_eq!(lines_of(&output.stdout, "worker.1"), ["partial"]);
    assert!(output.stdout.ends_with(b"\n"));
}

/// An orphan holds the pipe open: the last line does not wait for that.
#[test]
fn a_last_line_is_printed_when_its_process_ends() {
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
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn standard_output_and_standard_error_are_kept_apart() {
    let app = App::with("web: echo out; echo err >&2\n");
    let output = app.output(&[]);
    assert_eq!(lines_of(&output.stdout, "web.1"), ["out"]);
    assert_eq!(lines_of(&output.stderr, "web.1"), ["err"]);
    let json = app.output(&["--prefix", "json"]);
    assert_eq!(
        text(&json.stdout),
        "{\"process\":\"web.1\",\"stream\":\"stdout\",\"line\":\"out\"}\n"
    );
    for line in text(&json.stderr).lines() {
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
fn an_endless_line_does_not_fill_the_memory() {
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
    let memory = resident_kib(running.id()).unwrap();
    assert!(memory < 30_000, "{memory} KiB");

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
fn signals_are_handled_while_the_output_is_not_read() {
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
fn all_end_when_the_reader_goes_away() {
    let app = App::with("web: while echo x; do sleep 0.01; done\nworker: sleep 60\n");
    let mut running = app.run_command(&[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(running.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    assert_eq!(running.wait().unwrap().code(), Some(141));
}

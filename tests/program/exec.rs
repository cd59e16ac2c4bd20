//! `formation exec`: one command, with real processes and real signals.

use crate::formation::{PROGRAM, err_of, formation, out_of, start};
use rig::files::{self, set_mode, write_program};
use rig::program::proc::{is_gone, state_of};
use rig::program::{Running, as_init, kill, send, status_with_pending_term};
use rig::wait::wait_until;
use rustix::process::Signal;
use rustix_libc_wrappers::process::SignalExt;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A shell function that prints every signal that arrives, and one that waits for them without a
/// child process.
const REPORT_SIGNALS: &str = r#"
exec 3<&0
report() { for s in HUP INT QUIT ABRT USR1 USR2 WINCH CONT PIPE ALRM URG IO RTMIN RTMIN+5 RTMAX; do trap "echo $1 $s" $s; done; }
idle() { while :; do read -r -t 0.05 <&3; done; }
"#;

/// The signals that [`REPORT_SIGNALS`] prints.
fn reported_signals() -> Vec<(&'static str, Signal)> {
    vec![
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("ABRT", Signal::ABORT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
        ("CONT", Signal::CONT),
        ("PIPE", Signal::PIPE),
        ("ALRM", Signal::ALARM),
        ("URG", Signal::URG),
        ("IO", Signal::IO),
        ("RTMIN", Signal::rt_min()),
        ("RTMIN+5", Signal::rt(5).unwrap()),
        ("RTMAX", Signal::rt_max()),
    ]
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let status_of = |script| start(&["exec", "--", "bash", "-c", script]).status();
    assert_eq!(status_of("exit 0"), Some(0));
    assert_eq!(status_of("exit 3"), Some(3));
    assert_eq!(status_of("exit 255"), Some(255));
    assert_eq!(status_of("kill -TERM $$"), Some(143));
    assert_eq!(status_of("kill -KILL $$"), Some(137));
    assert_eq!(status_of("kill -SEGV $$"), Some(139));
}

#[test]
fn nothing_is_printed() {
    let output = formation(&[
        "exec",
        "--group",
        "--",
        "bash",
        "-c",
        "echo out; echo err >&2",
    ])
    .output()
    .unwrap();
    assert_eq!(out_of(&output), "out\n");
    assert_eq!(err_of(&output), "err\n");
}

#[test]
fn the_command_reads_standard_input() {
    let mut running = start(&[
        "exec",
        "--",
        "bash",
        "-c",
        "read -r line; echo \"got $line\"",
    ]);
    running.type_line("this");
    assert_eq!(running.line(), "got this");
    assert_eq!(running.status(), Some(0));
}

#[test]
fn a_program_without_a_handler_ends() {
    for (signal, status) in [
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::rt(1).unwrap(), 163),
    ] {
        let mut running = start(&["exec", "--", "sleep", "60"]);
        running.wait_for_child();
        running.signal(signal);
        assert_eq!(running.status(), Some(status));
    }
}

/// As Resque does it: the parent ends its child first. A signal to the whole group would disturb
/// that.
#[test]
fn the_command_alone_gets_the_signals() {
    let script = format!(
        r"{REPORT_SIGNALS}
        (trap 'echo child ends; exit' TERM; report child; echo ready; idle) & child=$!
        trap 'echo parent ends its child; kill -TERM $child; wait $child; echo parent ends; exit 7' TERM
        report parent
        echo ready
        idle"
    );
    let mut running = start(&["exec", "--", "bash", "-c", &script]);
    assert_eq!([running.line(), running.line()], ["ready", "ready"]);
    for (name, signal) in reported_signals() {
        running.signal(signal);
        assert_eq!(running.line(), format!("parent {name}"));
    }
    running.signal(Signal::TERM);
    assert_eq!(running.line(), "parent ends its child");
    assert_eq!(running.line(), "child ends");
    assert_eq!(running.line(), "parent ends");
    assert_eq!(running.status(), Some(7));
}

#[test]
fn the_whole_group_gets_the_signals() {
    let script = format!(
        r"{REPORT_SIGNALS}
        (trap 'echo child ends; exit' TERM; report child; echo ready; idle) & child=$!
        trap 'wait $child; echo parent ends; exit 7' TERM
        report parent
        echo ready
        idle"
    );
    let mut running = start(&["exec", "--group", "--", "bash", "-c", &script]);
    assert_eq!([running.line(), running.line()], ["ready", "ready"]);
    for (name, signal) in reported_signals() {
        running.signal(signal);
        let mut both = [running.line(), running.line()];
        both.sort();
        assert_eq!(both, [format!("child {name}"), format!("parent {name}")]);
    }
    running.signal(Signal::TERM);
    assert_eq!(running.line(), "child ends");
    assert_eq!(running.line(), "parent ends");
    assert_eq!(running.status(), Some(7));
}

/// The signal is pending before the first instruction of `formation`, and until the command has
/// started.
#[test]
fn a_signal_before_the_command_starts_is_passed_on() {
    for group in [&[][..], &["--group"]] {
        let words = [&[PROGRAM, "exec"], group, &["--", "sleep", "60"]].concat();
        assert_eq!(status_with_pending_term(&words), 143);
    }
}

/// The parent of `formation` may ignore signals (`nohup` does), even CHLD; the command does not
/// inherit that.
#[test]
fn the_command_starts_with_no_signal_blocked_or_ignored() {
    let output = Command::new("bash")
        .args(["-c", r#"trap '' HUP INT USR1 PIPE CHLD; "$0" exec -- cat /proc/self/status; echo "status $?""#])
        .arg(PROGRAM)
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let mask = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    // With glibc's posix_spawn, a child ignores the two signals that glibc itself uses, until glibc
    // sets them up.
    let of_the_c_library = 1 << 31 | 1 << 32;
    assert_eq!(mask("SigBlk:"), 0);
    assert_eq!(mask("SigIgn:") & !of_the_c_library, 0);
    assert!(output.ends_with("status 0\n"), "{output}");
}

#[test]
fn orphans_are_reaped() {
    let script = "for ((i = 0; i < 1000; i++)); do (: &); done; (sleep 60 & echo $!); read; exit 5";
    let mut running = start(&["exec", "--", "bash", "-c", script]);
    let left: u32 = running.line().parse().unwrap();
    // Only the command and the orphan that still runs are left.
    wait_until("all orphans are reaped", || {
        let children = running.children();
        children.len() == 2 && children.contains(&left)
    });
    running.type_line("end");
    assert_eq!(running.status(), Some(5));
    assert!(is_gone(left));
}

#[test]
fn the_group_may_outlive_its_shell() {
    let script = "(trap 'sleep 0.2; echo finished; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait";
    let mut running = start(&["exec", "--group", "--", "bash", "-c", script]);
    assert_eq!(running.line(), "ready");
    assert_eq!(running.terminate(), Some(143));
    assert_eq!(running.line(), "finished");
}

#[test]
fn the_group_gets_signals_after_its_shell_has_ended() {
    let script = "trap '' TERM; (trap 'echo finished; exit' USR2; echo $BASHPID; while :; do sleep 0.02; done) & exit 6";
    let mut running = start(&[
        "exec", "--group", "--grace", "60", "--", "bash", "-c", script,
    ]);
    let left: u32 = running.line().parse().unwrap();
    wait_until("the shell has ended", || running.children() == [left]);
    running.signal(Signal::USR2);
    assert_eq!(running.line(), "finished");
    assert_eq!(running.status(), Some(6));
}

#[test]
fn processes_that_a_shell_leaves_behind_get_term() {
    let script = "(trap 'echo asked; exit' TERM; while :; do sleep 0.02; done) & sleep 1; exit 6";
    let mut running = start(&[
        "exec", "--group", "--grace", "60", "--", "bash", "-c", script,
    ]);
    assert_eq!(running.line(), "asked");
    assert_eq!(running.status(), Some(6));
}

#[test]
fn the_group_is_killed_after_the_grace_period() {
    let script = "(trap '' TERM; echo $BASHPID; exec sleep 60) & wait";
    for (arguments, grace) in [(&["--grace", "0.3"][..], None), (&[], Some("0.3"))] {
        let arguments = [
            &["exec", "--group"],
            arguments,
            &["--", "bash", "-c", script],
        ]
        .concat();
        let mut command = formation(&arguments);
        command.envs(grace.map(|grace| ("FORMATION_GRACE", grace)));
        let mut running = Running::spawn(command);
        let child: u32 = running.line().parse().unwrap();
        assert_eq!(running.terminate(), Some(143));
        wait_until("it is killed", || is_gone(child));
    }
}

/// A child that says when it is asked to end, and ends.
const POLITE: &str =
    "(trap 'echo asked; exit' TERM; echo ready; while :; do read -rt 0.05 <> <(:); done)";

/// Each of them keeps a shell running that does not pass signals on, and no one can see that in
/// the command: a script without `#!`, a program that calls a shell, `npm start`.
#[test]
fn what_a_command_leaves_behind_is_asked_to_end_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    files::write(&folder.path().join("polite"), format!("{POLITE}\n:\n"));
    write_program(&folder.path().join("start"), "bash ./polite\n:\n");
    for words in [
        &["./start"][..],
        &["ionice", "-c", "3", "sh", "-c", "bash ./polite; :"],
        &["perl", "-e", "system('bash ./polite; :')"],
    ] {
        let mut command = formation(&[&["exec", "--grace", "60", "--"], words].concat());
        command.current_dir(&folder);
        let mut running = Running::spawn(command);
        assert_eq!(running.line(), "ready");
        running.signal(Signal::TERM);
        assert_eq!(running.line(), "asked", "{words:?}");
        assert_eq!(running.status(), Some(143), "{words:?}");
    }
}

#[test]
fn a_daemon_is_asked_to_end_where_its_command_was() {
    let script = format!("setsid bash -c \"{POLITE}\" & wait");
    let mut running = start(&["exec", "--grace", "60", "--", "bash", "-c", &script]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    assert_eq!(running.line(), "asked");
    assert_eq!(running.status(), Some(143));
}

#[test]
fn a_daemon_goes_on_where_its_command_ends_by_itself() {
    let script = "setsid sleep 60 >&- 2>&- & echo $!; sleep 0.2; exit 4";
    let mut running = start(&["exec", "--", "bash", "-c", script]);
    let daemon: u32 = running.line().parse().unwrap();
    assert_eq!(running.status(), Some(4));
    assert!(!is_gone(daemon));
    kill(daemon);
}

/// The end of PID 1 kills everything.
#[test]
fn as_pid_1_a_daemon_is_asked_to_end_and_waited_for() {
    let script = format!("setsid bash -c \"{POLITE}\" & sleep 1; exit 4");
    let command = formation(&["exec", "--grace", "60", "--", "bash", "-c", &script]);
    let mut running = Running::spawn(as_init(&command));
    assert_eq!([running.line(), running.line()], ["ready", "asked"]);
    assert_eq!(running.status(), Some(4));
}

/// The `tee` of `puma | tee log` does not handle what Puma or Sidekiq wait for.
#[test]
fn a_signal_that_asks_for_no_end_goes_to_the_members_that_handle_it() {
    let script = format!(
        "({REPORT_SIGNALS} report server; trap 'echo server TSTP' TSTP; \
         trap 'echo server ends; exit' TERM; echo ready; idle) | tee /dev/null; exit 3"
    );
    let mut running = start(&["exec", "--group", "--", "bash", "-c", &script]);
    assert_eq!(running.line(), "ready");
    let harmless = |(name, _): &(&str, Signal)| !["HUP", "INT", "QUIT"].contains(name);
    for (name, signal) in (reported_signals().into_iter().filter(harmless))
        .chain([("TSTP", Signal::TSTP), ("TSTP", Signal::TSTP)])
    {
        running.signal(signal);
        assert_eq!(running.line(), format!("server {name}"));
    }
    assert_eq!(running.terminate(), Some(143));
}

#[test]
fn a_signal_that_no_member_handles_goes_to_the_command() {
    let script = "(echo ready; sleep 60) | cat; exit 3";
    let mut running = start(&["exec", "--group", "--", "bash", "-c", script]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TSTP); // What is stopped goes on.
    running.signal(Signal::USR1);
    assert_eq!(running.status(), Some(138));
}

/// By a STOP from another process, which will continue it.
#[test]
fn a_stopped_command_is_left_alone() {
    let mut running = start(&[
        "exec",
        "--",
        "bash",
        "-c",
        "trap 'echo on' CONT; echo ready; while :; do sleep 0.02; done",
    ]);
    assert_eq!(running.line(), "ready");
    let child = running.wait_for_child();
    send(child, Signal::STOP);
    wait_until("the command is stopped", || state_of(child) == Some('T'));
    assert_ne!(state_of(running.id()), Some('T'));
    running.signal(Signal::CONT);
    assert_eq!(running.line(), "on");
    assert_eq!(running.terminate(), Some(143));
}

#[test]
fn a_stopped_command_that_is_asked_to_end_ends() {
    let mut running = start(&["exec", "--", "sleep", "60"]);
    let child = running.wait_for_child();
    send(child, Signal::STOP);
    wait_until("the command is stopped", || state_of(child) == Some('T'));
    assert_eq!(running.terminate(), Some(143));
}

#[test]
fn scripts_run_as_a_shell_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    for (name, text) in [
        ("plain", "echo \"plain $1\"\n"),
        ("named", "#!/usr/bin/env bash\necho \"named $1\"\n"),
    ] {
        write_program(&folder.path().join(name), text);
    }
    for program in ["plain", "./plain", "named", "./named"] {
        let mut command = formation(&["exec", "--", program, "a b"]);
        let output = command
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let name = program.trim_start_matches("./");
        assert_eq!(out_of(&output), format!("{name} a b\n"));
    }
}

#[test]
fn a_command_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("no-permission", b"#!/bin/sh\n".as_slice()),
        ("no-interpreter", b"#!/opt/ruby/bin/ruby -w\n"),
        ("from-windows", b"#!/bin/sh\r\n"),
        ("from-elsewhere", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"),
        ("from-alpine", &compiled_for("/nowhere/ld-musl.so.1")),
    ] {
        write_program(&folder.path().join(name), text);
    }
    set_mode(&folder.path().join("no-permission"), 0o644);
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mut shown = String::new();
    for program in [
        "bash",
        "pumma",
        "./nothing/here",
        "./no-permission",
        "no-permission",
        "./no-interpreter",
        "./from-windows",
        "./from-elsewhere",
        "./from-alpine",
        "./folder",
    ] {
        let mut command = formation(&["exec", "--", program, "-x"]);
        // Without the name of the temporary folder, which would change the line breaks.
        let (current, path) = if program == "./nothing/here" {
            (Path::new("/"), "")
        } else {
            (folder.path(), ".")
        };
        let output = command
            .current_dir(current)
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.stdout.is_empty());
        let code = output.status.code().unwrap();
        writeln!(shown, "{program} → {code}\n{}", err_of(&output)).unwrap();
    }
    insta::assert_snapshot!(shown.replace(std::env::consts::ARCH, "[arch]"));
}

/// The part of a compiled program for this processor that the kernel reads before it looks for the
/// program's loader.
fn compiled_for(loader: &str) -> Vec<u8> {
    const FILE_HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    let machine: u16 = match std::env::consts::ARCH {
        "aarch64" => 183,
        _ => 62,
    };
    let loader_at = u64::from(FILE_HEADER + PROGRAM_HEADER);
    let loader_length = loader.len() as u64 + 1;
    [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".as_slice(), // 64 bits, little-endian, version 1
        &2_u16.to_le_bytes(),                                // an executable
        &machine.to_le_bytes(),
        &1_u32.to_le_bytes(),                  // version
        &0_u64.to_le_bytes(),                  // entry point
        &u64::from(FILE_HEADER).to_le_bytes(), // where the program headers are
        &0_u64.to_le_bytes(),                  // no sections
        &0_u32.to_le_bytes(),                  // flags
        &FILE_HEADER.to_le_bytes(),
        &PROGRAM_HEADER.to_le_bytes(),
        &1_u16.to_le_bytes(), // one program header
        &[0; 6],              // no sections
        &3_u32.to_le_bytes(), // its kind: the loader's path
        &4_u32.to_le_bytes(), // readable
        &loader_at.to_le_bytes(),
        &[0; 16], // addresses in memory
        &loader_length.to_le_bytes(),
        &loader_length.to_le_bytes(),
        &1_u64.to_le_bytes(), // alignment
        loader.as_bytes(),
        &[0],
    ]
    .concat()
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &["exec"][..],
        &["exec", "--"],
        &["exec", "true"],
        &["exec", "--grace", "soon", "--", "true"],
        &[],
    ] {
        let output = formation(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = formation(&["exec", "--help"]).output().unwrap();
    insta::assert_snapshot!(out_of(&help));
}

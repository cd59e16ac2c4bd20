//! Runs `formation exec` and `formation run` with real processes and real signals. Needs bash, and nothing else.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

mod running;
mod several_types;
mod terminal;

use running::{Running, formation, out_of, wait_until};
use rustix::process::Signal;
use rustix_libc_wrappers::process::SignalExt;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A shell function that tells of every signal that comes, and one that waits for them, without a child and never for long.
const TELL: &str = r#"
exec 3<&0
tell() { for s in HUP INT QUIT ABRT USR1 USR2 WINCH CONT PIPE ALRM URG IO RTMIN RTMIN+5 RTMAX; do trap "echo $1 $s" $s; done; }
idle() { while :; do read -r -t 0.05 <&3; done; }
"#;

/// Those that [`TELL`] tells of.
fn told() -> Vec<(&'static str, Signal)> {
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
fn the_exit_status_is_the_commands() {
    let status_of = |script| Running::start(&["exec", "--", "bash", "-c", script]).status();
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
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "err\n");
}

#[test]
fn standard_input_is_the_commands() {
    let mut running = Running::start(&[
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
        let mut running = Running::start(&["exec", "--", "sleep", "60"]);
        running.wait_for_child();
        running.signal(signal);
        assert_eq!(running.status(), Some(status));
    }
}

/// As Resque does it: the parent has its own child end first. A signal to the whole group would come in between.
#[test]
fn the_command_alone_gets_the_signals() {
    let script = format!(
        r"{TELL}
        (trap 'echo child ends; exit' TERM; tell child; echo ready; idle) & child=$!
        trap 'echo parent ends its child; kill -TERM $child; wait $child; echo parent ends; exit 7' TERM
        tell parent
        echo ready
        idle"
    );
    let mut running = Running::start(&["exec", "--", "bash", "-c", &script]);
    assert_eq!([running.line(), running.line()], ["ready", "ready"]);
    for (name, signal) in told() {
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
        r"{TELL}
        (trap 'echo child ends; exit' TERM; tell child; echo ready; idle) & child=$!
        trap 'wait $child; echo parent ends; exit 7' TERM
        tell parent
        echo ready
        idle"
    );
    let mut running = Running::start(&["exec", "--group", "--", "bash", "-c", &script]);
    assert_eq!([running.line(), running.line()], ["ready", "ready"]);
    for (name, signal) in told() {
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

/// Held back at the birth of the process, the signal waits for its first line, and then for the command to be there.
#[test]
fn a_signal_that_comes_before_the_command_is_there_is_passed_on() {
    for group in [&[][..], &["--group"]] {
        let arguments = [&["exec"], group, &["--", "sleep", "60"]].concat();
        assert_eq!(running::status_with_pending_term(&arguments), 143);
    }
}

/// Who starts `formation` may ignore signals (`nohup` does), even the end of children; what it runs starts with a clean slate.
#[test]
fn the_command_starts_with_no_signal_blocked_or_ignored() {
    let output = Command::new("bash")
        .args(["-c", r#"trap '' HUP INT USR1 PIPE CHLD; "$0" exec -- cat /proc/self/status; echo "status $?""#])
        .arg(env!("CARGO_BIN_EXE_formation"))
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let mask = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    // glibc's posix_spawn has a child ignore the two signals that glibc uses within a process, until it sets them up itself.
    let of_the_c_library = 1 << 31 | 1 << 32;
    assert_eq!(mask("SigBlk:"), 0);
    assert_eq!(mask("SigIgn:") & !of_the_c_library, 0);
    assert!(output.ends_with("status 0\n"), "{output}");
}

#[test]
fn orphans_are_reaped() {
    let script = "for ((i = 0; i < 1000; i++)); do (: &); done; (sleep 60 & echo $!); read; exit 5";
    let mut running = Running::start(&["exec", "--", "bash", "-c", script]);
    let left: u32 = running.line().parse().unwrap();
    // All are gone, but for the command and the orphan that still runs.
    wait_until("all orphans are reaped", || running.children().len() == 2);
    assert!(running.children().contains(&left));
    running.type_line("end");
    assert_eq!(running.status(), Some(5));
    running::kill(left);
}

#[test]
fn the_group_may_outlive_its_shell() {
    let script = "(trap 'sleep 0.2; echo finished; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait";
    let mut running = Running::start(&["exec", "--group", "--", "bash", "-c", script]);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(143));
    assert_eq!(running.line(), "finished");
}

#[test]
fn the_group_gets_signals_after_its_shell_has_ended() {
    let script = "trap '' TERM; (trap 'echo finished; exit' USR2; echo $BASHPID; while :; do sleep 0.02; done) & exit 6";
    let mut running = Running::start(&[
        "exec", "--group", "--grace", "60", "--", "bash", "-c", script,
    ]);
    let left: u32 = running.line().parse().unwrap();
    wait_until("the shell has ended", || running.children() == [left]);
    running.signal(Signal::USR2);
    assert_eq!(running.line(), "finished");
    assert_eq!(running.status(), Some(6));
}

#[test]
fn what_a_shell_leaves_behind_is_asked_to_end() {
    let script = "(trap 'echo asked; exit' TERM; while :; do sleep 0.02; done) & sleep 1; exit 6";
    let mut running = Running::start(&[
        "exec", "--group", "--grace", "60", "--", "bash", "-c", script,
    ]);
    assert_eq!(running.line(), "asked");
    assert_eq!(running.status(), Some(6));
}

#[test]
fn what_is_left_of_the_group_after_the_grace_is_killed() {
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
        let deaf: u32 = running.line().parse().unwrap();
        running.signal(Signal::TERM);
        assert_eq!(running.status(), Some(143));
        wait_until("it is killed", || running::is_gone(deaf));
    }
}

#[test]
fn without_the_group_form_nobody_is_waited_for() {
    let mut running = Running::start(&["exec", "--", "bash", "-c", "sleep 60 & echo $!; exit 4"]);
    let left: u32 = running.line().parse().unwrap();
    assert_eq!(running.status(), Some(4));
    assert!(!running::is_gone(left));
    running::kill(left);
}

/// Not by a terminal: by somebody who will let it go on.
#[test]
fn a_stopped_command_is_left_alone() {
    let mut running = Running::start(&[
        "exec",
        "--",
        "bash",
        "-c",
        "trap 'echo on' CONT; echo ready; while :; do sleep 0.02; done",
    ]);
    assert_eq!(running.line(), "ready");
    let child = running.wait_for_child();
    running::send(child, Signal::STOP);
    wait_until("the command is stopped", || {
        running::state(child) == Some('T')
    });
    assert_ne!(running::state(running.id()), Some('T'));
    running.signal(Signal::CONT);
    assert_eq!(running.line(), "on");
    running.signal(Signal::TERM);
    assert_eq!(running.status(), Some(143));
}

#[test]
fn scripts_run_as_a_shell_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    write(folder.path(), "plain", b"echo \"plain $1\"\n", 0o755);
    write(
        folder.path(),
        "named",
        b"#!/usr/bin/env bash\necho \"named $1\"\n",
        0o755,
    );
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
fn what_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "no-permission", b"#!/bin/sh\n", 0o644);
    write(
        folder.path(),
        "no-interpreter",
        b"#!/opt/ruby/bin/ruby -w\n",
        0o755,
    );
    write(folder.path(), "from-windows", b"#!/bin/sh\r\n", 0o755);
    write(
        folder.path(),
        "from-elsewhere",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        0o755,
    );
    write(
        folder.path(),
        "from-alpine",
        &compiled_for("/nowhere/ld-musl.so.1"),
        0o755,
    );
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mut said = String::new();
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
        // Not the test's own folder, whose name would change the line breaks.
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
        writeln!(
            said,
            "{program} → {code}\n{}",
            String::from_utf8(output.stderr).unwrap()
        )
        .unwrap();
    }
    insta::assert_snapshot!(said.replace(std::env::consts::ARCH, "[arch]"));
}

/// As much of a compiled program for this processor as the kernel reads before it looks for the program's loader.
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

/// `formation web` is nearer to `formation web=1` than to a subcommand that there is not; a slip in one is told as such.
#[test]
fn a_type_without_a_number_is_told_how_to_be_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Procfile"), "web: true\nfore: true\n").unwrap();
    let mut shown = String::new();
    for word in ["web", "fore", "scal"] {
        let mut command = formation(&[word]);
        command
            .args(["--procfile", "Procfile"])
            .env_remove("FORMATION")
            .current_dir(&folder);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        writeln!(shown, "$ formation {word}\n{text}").unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn completions_are_there_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = formation(&["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = out_of(&output);
        for word in ["scale", "export", "restart-delay"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        // What is of no use to anybody is not offered.
        for word in ["foreground", "prepare-process"] {
            assert!(!script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let parsed = Command::new("bash").args(["-n", "-c", &script]).status();
            assert!(parsed.unwrap().success());
        }
    }
}

fn write(folder: &Path, name: &str, text: &[u8], mode: u32) {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

//! `formation check` as editors, hooks and CI run it: exit status, standard output, standard error.

use crate::formation::formation;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &[u8] = b"web: bundle exec puma -p $PORT\nworker: bundle exec sidekiq\n";

/// Two warnings and no error.
const WITH_WARNINGS: &[u8] = b"web: puma\n// the worker\nworker: sidekiq\nrake: bundle exec rake\n";

/// Good lines, a repeated type, and three errors.
const WITH_ERRORS: &[u8] = "\
# What this app runs
worker: bundle exec sidekiq -c $N
web: puma
mailer bundle exec mailer
w\u{f6}rker: ruby worker.rb
clock: ruby 'clock.rb
release: rake db:migrate | tee log
web: puma -p 80
"
.as_bytes();

struct Checked {
    status: i32,
    out: String,
    err: String,
}

impl From<Output> for Checked {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Checked {
    fn json(&self) -> Value {
        assert_eq!(self.out.matches('\n').count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

/// `formation check`, in a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = formation(&[&["check"], arguments].concat());
    command.current_dir(folder);
    command
}

/// Checks the Procfile of a folder.
fn check(procfile: &[u8], arguments: &[&str]) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Procfile"), procfile).unwrap();
    command(folder.path(), arguments).output().unwrap().into()
}

/// Checks standard input, in an empty folder.
fn check_input(input: &[u8], arguments: &[&str]) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let mut process = command(folder.path(), arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap().into()
}

#[test]
fn a_good_procfile_passes() {
    let checked = check(GOOD, &[]);
    assert_eq!(checked.status, 0);
    assert_eq!(
        checked.out,
        "web (exec): bundle exec puma -p $PORT\nworker (words): bundle exec sidekiq\n"
    );
    assert_eq!(checked.err, "");
    assert_eq!(check(GOOD, &["--strict"]).status, 0);
}

#[test]
fn warnings_fail_only_with_strict() {
    let checked = check(WITH_WARNINGS, &[]);
    assert_eq!(checked.status, 0);
    assert_eq!(checked.out.lines().count(), 3);
    insta::assert_snapshot!(checked.err);
    let strict = check(WITH_WARNINGS, &["--strict"]);
    assert_eq!(strict.status, 1);
    assert_eq!((strict.out, strict.err), (checked.out, checked.err));
}

#[test]
fn errors_fail_and_hide_no_warning() {
    let checked = check(WITH_ERRORS, &[]);
    assert_eq!(checked.status, 1);
    assert_eq!(checked.out, "");
    insta::assert_snapshot!(checked.err);
}

#[test]
fn a_file_is_checked_and_shown_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::write(folder.path().join("config/Procfile.dev"), "web puma\n").unwrap();
    let checked = Checked::from(
        command(folder.path(), &["config/Procfile.dev"])
            .output()
            .unwrap(),
    );
    assert_eq!(checked.status, 1);
    assert!(
        checked.err.contains("[config/Procfile.dev:1:1]"),
        "{}",
        checked.err
    );
}

/// As in a build: signals to a shell script of the app go to its whole process group.
#[test]
fn scripts_beside_the_procfile_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("start.sh"), "#!/bin/sh\npuma | tee log\n").unwrap();
    fs::write(app.join("Procfile"), "web: ./start.sh\n").unwrap();
    for (current, arguments) in [(folder.path(), &["app/Procfile"][..]), (&app, &[])] {
        let checked = Checked::from(command(current, arguments).output().unwrap());
        assert_eq!(checked.out, "web (group): ./start.sh\n");
    }
}

/// A text, and the permission to execute it.
fn write_script(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn scripts_that_would_not_start_are_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path();
    for (name, text, mode) in [
        ("windows", "#!/usr/bin/env ruby.exe\n", 0o755),
        ("old", "#!/usr/bin/env ruby2.5\n", 0o755),
        ("crlf", "#!/usr/bin/env ruby\r\nputs 1\r\n", 0o755),
        ("marked", "\u{feff}#!/usr/bin/env ruby\n", 0o755),
        ("bare", "puts 1\n", 0o755),
        ("plain", "#!/usr/bin/env ruby\n", 0o644),
        ("good", "#!/usr/bin/env ruby\n", 0o755),
    ] {
        write_script(&app.join("bin").join(name), text, mode);
    }
    let procfile = "web: bin/windows\na: bundle exec bin/old\nb: bin/crlf -p $PORT\n\
                    c: cd . && bin/marked\nd: bin/bare\ne: bin/plain\nf: bin/good\n\
                    g: ruby bin/plain\nh: bin/nowhere\n";
    fs::write(app.join("Procfile"), procfile).unwrap();
    let checked = Checked::from(command(app, &[]).output().unwrap());
    assert_eq!((checked.status, checked.out.lines().count()), (0, 9));
    insta::assert_snapshot!(checked.err);
    let strict = Checked::from(command(app, &["--strict"]).output().unwrap());
    assert_eq!(strict.status, 1);
    // Without its folder, nothing is known of the scripts.
    assert_eq!(check_input(procfile.as_bytes(), &["-"]).err, "");
}

#[test]
fn a_folder_stands_for_its_procfile() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app");
    write_script(&app.join("start"), "#!/bin/sh\n", 0o644);
    fs::write(app.join("Procfile"), "web: ./start\n").unwrap();
    for path in ["app", "app/", "app/Procfile"] {
        let checked = Checked::from(command(folder.path(), &[path]).output().unwrap());
        assert_eq!(checked.status, 0, "{}", checked.err);
        assert!(
            checked.err.contains("[app/Procfile:1:6]"),
            "{}",
            checked.err
        );
    }
}

#[test]
fn a_file_of_nearly_the_name_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("procfile"), GOOD).unwrap();
    for arguments in [&[][..], &["."]] {
        let checked = Checked::from(command(folder.path(), arguments).output().unwrap());
        assert_eq!(checked.status, 2);
        for text in ["Procfile cannot be read", "`git mv procfile Procfile`"] {
            assert!(checked.err.contains(text), "{}", checked.err);
        }
    }
    let run = formation(&["run", "--procfile", "Procfile"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let run = Checked::from(run);
    assert!(
        run.err.contains("`git mv procfile Procfile`"),
        "{}",
        run.err
    );
}

#[test]
fn what_looks_like_something_else_is_a_warning() {
    for (procfile, message) in [
        ("web: bundle\u{a0}exec puma\n", "a no-break space (U+00A0)"),
        ("web: puma \u{2013}p 80\n", "an en dash (U+2013)"),
        (
            "web: \"bundle exec puma\"\n",
            "the quotes make this one word",
        ),
        (
            "Web: puma\n",
            "not the type `web`, which receives HTTP traffic",
        ),
        ("Release: rake\n", "not the type `release`"),
    ] {
        let checked = check(procfile.as_bytes(), &[]);
        assert_eq!(checked.status, 0);
        assert!(checked.err.contains(message), "{}", checked.err);
    }
}

#[test]
fn lines_may_end_in_carriage_returns_alone() {
    let checked = check(b"web: puma\rworker: sidekiq\r", &[]);
    assert_eq!(checked.out, "web (words): puma\nworker (words): sidekiq\n");
}

#[test]
fn standard_input_is_checked() {
    let checked = check_input(GOOD, &["-"]);
    assert_eq!((checked.status, checked.err.as_str()), (0, ""));
    assert_eq!(checked.out, check(GOOD, &[]).out);
    let checked = check_input(b"web puma\n", &["-"]);
    assert_eq!(checked.status, 1);
    assert!(
        checked.err.contains("[standard input:1:1]"),
        "{}",
        checked.err
    );
}

#[test]
fn the_json_of_a_good_procfile() {
    let checked = check(GOOD, &["--format", "json"]);
    assert_eq!((checked.status, checked.err.as_str()), (0, ""));
    assert_eq!(
        checked.json(),
        json!({
            "processes": [
                {
                    "type": "web",
                    "command": "bundle exec puma -p $PORT",
                    "form": "exec",
                    "argv": ["bash", "-c", "exec bundle exec puma -p $PORT \"$@\"", "bash"],
                },
                {
                    "type": "worker",
                    "command": "bundle exec sidekiq",
                    "form": "words",
                    "argv": ["bundle", "exec", "sidekiq"],
                },
            ],
            "diagnostics": [],
        })
    );
}

#[test]
fn the_json_of_mistakes() {
    for (arguments, status) in [(&["--format", "json"][..], 1), (&["--format=json"], 1)] {
        let checked = check(WITH_ERRORS, arguments);
        assert_eq!((checked.status, checked.err.as_str()), (status, ""));
        let json = checked.json();
        let rows = |list: &str, keys: &[&str]| -> Vec<Value> {
            let rows = json[list].as_array().unwrap().iter();
            rows.map(|row| keys.iter().map(|key| row[key].clone()).collect())
                .collect()
        };
        // Of a repeated type, the last line counts.
        assert_eq!(
            rows("processes", &["type", "form"]),
            [
                json!(["worker", "exec"]),
                json!(["release", "group"]),
                json!(["web", "words"])
            ]
        );
        assert_eq!(
            rows("diagnostics", &["severity", "line", "column", "message"]),
            [
                json!(["error", 4, 1, "no colon after the type"]),
                json!([
                    "error",
                    5,
                    1,
                    "a type may contain letters, digits, `-` and `_`, but not `\u{f6}` (U+00F6)"
                ]),
                json!([
                    "error",
                    6,
                    13,
                    "bash cannot read this command: this quote is not closed"
                ]),
                json!(["warning", 3, 1, "not used: `web` is defined again below"]),
                json!(["warning", 8, 1, "this definition of `web` is used"]),
            ]
        );
        assert_eq!(
            json["diagnostics"][0]["help"],
            "`mailer: bundle exec mailer`"
        );
    }
}

#[test]
fn json_has_the_exit_status_of_text() {
    for procfile in [GOOD, WITH_WARNINGS, WITH_ERRORS, b""] {
        for strict in [&[][..], &["--strict"]] {
            let json_options = [&["--format", "json"], strict].concat();
            assert_eq!(
                check(procfile, &json_options).status,
                check(procfile, strict).status,
                "{strict:?} {}",
                String::from_utf8_lossy(procfile)
            );
        }
    }
}

#[test]
fn a_byte_order_mark_moves_no_column() {
    let json = check("\u{feff}web puma\n".as_bytes(), &["--format", "json"]).json();
    assert_eq!(json["diagnostics"][0]["line"], 1);
    assert_eq!(json["diagnostics"][0]["column"], 1);
}

#[test]
fn a_procfile_without_types_is_a_warning() {
    for procfile in ["", "\n\n", "# web: puma\n"] {
        let checked = check(procfile.as_bytes(), &[]);
        assert_eq!((checked.status, checked.out.as_str()), (0, ""));
        assert!(
            checked.err.contains("the Procfile names no process type"),
            "{}",
            checked.err
        );
        assert_eq!(check(procfile.as_bytes(), &["--strict"]).status, 1);
    }
}

#[test]
fn a_file_that_is_not_text_is_an_error() {
    for (bytes, place, message) in [
        (
            &b"\xff\xfew\0e\0b\0:\0 \0p\0u\0m\0a\0\n\0"[..],
            (1, 1),
            "the file is UTF-16 text",
        ),
        (
            b"web: puma\nworker: echo caf\xe9\n",
            (2, 17),
            "the byte 0xe9 in column 17 is not UTF-8",
        ),
    ] {
        let checked = check(bytes, &[]);
        assert_eq!((checked.status, checked.out.as_str()), (1, ""));
        assert!(checked.err.contains(message), "{}", checked.err);
        let json = check(bytes, &["--format", "json"]).json();
        assert_eq!(json["processes"], json!([]));
        assert_eq!(
            json["diagnostics"],
            json!([{
                "severity": "error",
                "line": place.0,
                "column": place.1,
                "message": message,
                "help": "save the file as UTF-8",
            }])
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    for (arguments, named, reason) in [
        (&[][..], "Procfile", "No such file"),
        (&["Procfile.dev"], "Procfile.dev", "No such file"),
        (&["config"], "config/Procfile", "No such file"),
        (
            &["--format", "json", "config"],
            "config/Procfile",
            "No such file",
        ),
    ] {
        let checked = Checked::from(command(folder.path(), arguments).output().unwrap());
        assert_eq!((checked.status, checked.out.as_str()), (2, ""));
        for text in [&format!("{named} cannot be read"), reason] {
            assert!(checked.err.contains(text), "{}", checked.err);
        }
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["--fix"][..], &["--format", "xml"], &["a", "b"], &[""]] {
        let checked = check(GOOD, arguments);
        assert_eq!((checked.status, checked.out.as_str()), (2, ""));
        assert!(checked.err.contains("--help"), "{}", checked.err);
    }
    let help = check(GOOD, &["--help"]);
    assert_eq!(help.status, 0);
    insta::assert_snapshot!(help.out);
}

#[test]
fn a_pipe_gets_no_colours() {
    for arguments in [&[][..], &["--format", "json"], &["nowhere"], &["--fix"]] {
        for procfile in [GOOD, WITH_WARNINGS, WITH_ERRORS] {
            let checked = check(procfile, arguments);
            assert!(!checked.out.contains('\u{1b}'), "{}", checked.out);
            assert!(!checked.err.contains('\u{1b}'), "{}", checked.err);
        }
    }
}

/// As in `formation check | head -0`.
#[test]
fn a_reader_that_goes_away_changes_nothing() {
    for (procfile, status) in [(GOOD, 0), (WITH_ERRORS, 1)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Procfile"), procfile).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = command(folder.path(), &["--format", "json"])
            .stdout(writer)
            .output()
            .unwrap();
        let checked = Checked::from(output);
        assert_eq!((checked.status, checked.err.as_str()), (status, ""));
    }
}

#[test]
fn a_result_that_cannot_be_written_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Procfile"), GOOD).unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), &[]).stdout(full).output().unwrap();
    let checked = Checked::from(output);
    assert_eq!(checked.status, 2);
    assert!(
        checked.err.contains("the result cannot be written"),
        "{}",
        checked.err
    );
}

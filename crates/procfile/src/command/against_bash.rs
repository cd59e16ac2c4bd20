//! Compares what is launched with what bash itself does with a command.
//!
//! Tables of commands in each form, and properties of generated ones.

use super::decide;
use crate::launch_spec::{Form, LaunchSpec};
use proptest::prelude::*;
use std::process::{Command, Output, Stdio};

/// Arguments that a user appends to the command: words that bash would split or expand without
/// quotes.
const USER_ARGUMENTS: [&str; 3] = ["--port", "a  b", "*"];

fn decided(command: &str) -> LaunchSpec {
    decide(command, &|_| false).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A folder with programs that print their arguments, and with files for patterns to match.
fn rig() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(
        "show",
        r#"printf '<%s>' "$A" "$B" "$PWD" "$#" "$@"; echo; cat; exit 7"#,
    );
    program("other", r#"printf 'other'; printf '[%s]' "$@"; exit 0"#);
    program("fail", "echo fail >&2; exit 3");
    fs_err::create_dir(dir.path().join("app")).unwrap();
    for file in ["one.txt", "two.txt", "app/three.txt"] {
        fs_err::write(dir.path().join(file), file).unwrap();
    }
    fs_err::write(dir.path().join("env.sh"), "export B=sourced\n").unwrap();
    dir
}

fn run(dir: &tempfile::TempDir, program: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    // `env` looks the program up as a shell does. No `--`: `env` would read it as the program.
    Command::new("env")
        .args([
            "-i",
            &format!("PATH={path}"),
            "HOME=/home/me",
            "X=x y",
            "PORT=3000",
            "LC_ALL=C.UTF-8",
        ])
        .arg(program)
        .args(arguments)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What bash does with the command and the user's arguments after it.
fn by_bash(dir: &tempfile::TempDir, command: &str) -> Output {
    let arguments = USER_ARGUMENTS
        .map(|argument| format!(" '{argument}'"))
        .concat();
    run(
        dir,
        "bash",
        &["-c", &format!("{command}{arguments}"), "bash"],
    )
}

fn by_formation(dir: &tempfile::TempDir, command: &LaunchSpec) -> Output {
    let mut argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let program = argv.remove(0);
    argv.extend(USER_ARGUMENTS);
    run(dir, program, &argv)
}

fn bash_accepts(script: &str) -> bool {
    let script = if script.starts_with(['-', '+']) {
        format!(" {script}")
    } else {
        script.to_string()
    };
    let output = Command::new("bash")
        .args(["-n", "-c", &script])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    // For `[[ &&` bash prints an error, but exits with 0.
    output.status.success() && !message.contains("error")
}

fn words_by_bash(command: &str) -> Vec<String> {
    let script = format!(r#"print_args() {{ printf '%s\0' "$@"; }}; print_args {command}"#);
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let mut words: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .split('\0')
        .map(str::to_string)
        .collect();
    words.pop();
    words
}

#[track_caller]
fn assert_runs_as_by_bash(dir: &tempfile::TempDir, form: Form, command: &str) {
    let launch = decided(command);
    assert_eq!(launch.form(), form, "{command}");
    let (expected, actual) = (by_bash(dir, command), by_formation(dir, &launch));
    assert_eq!(
        String::from_utf8_lossy(&actual.stdout),
        String::from_utf8_lossy(&expected.stdout),
        "{command} → {launch:?}"
    );
    assert_eq!(actual.status, expected.status, "{command} → {launch:?}");
}

const WORDS: &[&str] = &[
    "show",
    "show a 'b c' \"d e\" f\\ g '' \"\"",
    "show 'a'\"b\"c\\d",
    "show \"a\\b\\$c\\\"d\\`e\\\\\"",
    "show a#b x=1 -- -p {} a{b 1,2 é '*' \\* \"?\" \\~ a~b",
    "env A=1 show",
    "show # a comment",
    "show;",
    "show ;  ",
    "  show  a\tb  ",
    "show '#' \\# '!'",
    "nice -n 1 show a",
];

const EXEC: &[&str] = &[
    "show $X",
    "show \"$X\" ${Y:-d} ${Y:-${X}} ${Z-'a b'}",
    "show *.txt",
    "show [ot]*.txt nothing*",
    "show {a,b}{1..3}",
    "show ~ ~/x a=~/x",
    "show $(printf 'a b') `printf c` \"$(printf 'd  e')\"",
    "show $((1+2)) $'a\\tb' $\"l\"",
    "A=1 show",
    "A=1 B=\"$X\" show $A",
    "A='a b' B=$(printf c) show",
    "A=1 exec show",
    "exec show a",
    "exec -a name show",
    "exec -- show",
    "show 2>&1",
    "show >&2",
    "show < one.txt",
    "< one.txt show a",
    "show a < one.txt b",
    "A=1 < one.txt show",
    "show <<< 'a b'",
    "show <<< \"$X\" c",
    "show a 2>/dev/null >&1 b",
    "show > /dev/null",
    "show &> /dev/null",
    "show>/dev/null",
    "show 2>/dev/null# no comment",
    "cd app && show",
    "cd app && show *",
    "cd app; show",
    "cd nowhere && show",
    "cd nowhere || exit 5; show",
    "cd app && cd .. && A=1 show $X",
    "export A=1; show",
    "export A=1 B=2 && show",
    "A=1; export A; show",
    "A=1; show \"$A\"",
    "A=1; B=2; export A B; show",
    "[ -f one.txt ] && show",
    "[ -f nothing ] && show",
    "[[ -f one.txt ]] && show",
    "[[ $X == 'x y' && -n $PORT ]] && show",
    "[[ $X =~ ^x ]] && show",
    "test -n \"$X\" && show",
    "((1 + 1)) && show",
    "set -e; show",
    "set -euo pipefail; show",
    "set -a; . ./env.sh; set +a; show",
    "source ./env.sh && show",
    ": ${A:=default}; export A; show $A",
    "true && show",
    "false && show",
    "echo starting && show",
    "echo starting; printf '%s\\n' x; show",
    "umask 022; ulimit -c 0; show",
    "unset X; show $X",
    "declare -x A=1; show",
    "readonly A=1; show $A",
    "shopt -s nullglob; show nothing*",
    "exec 2>&1; show",
    "exec 2>/dev/null && show",
    "command -v show >/dev/null && show",
    "show $X # a comment",
    "show $X;",
    "A=1 show;",
    "set -- a b; show \"$2\"; ",
    "no-such-program $X",
    "A=1 env",
    "PATH=$PATH:/nowhere show",
    "cd app\nshow",
];

const GROUP: &[&str] = &[
    "$NOTHING show",
    "\"$NOTHING\"show",
    "S=show; $S a",
    "other && show",
    "other || show",
    "fail || show",
    "fail && show",
    "other; show",
    "other >/dev/null & show",
    "other | show",
    "other | other | show a",
    "! show",
    "other |& show",
    "f() { show \"$@\"; }; f",
    "trap 'echo bye' EXIT; show",
    "echo hi",
    "printf '<%s>'",
    "command show",
    "builtin echo a",
    "eval show",
    "sh -c 'show \"$0\" \"$@\"'",
    "bash -c 'show \"$@\"' x",
    "exec sh -c 'show \"$0\" \"$@\"'",
    "A=1 bash -c 'show \"$0\" \"$@\"'",
    "if true; then other; fi; show",
    "(other); show",
    "{ other; } && show",
    "for i in 1 2; do other $i; done; show",
    "cd app || other; show",
    "true || show",
    "eval 'A=1'; show $A",
    "other >/dev/null &\nshow",
    "show <(other)",
    "show < <(other)",
];

#[test]
fn each_form_does_what_bash_does() {
    let dir = rig();
    for (form, commands) in [
        (Form::Words, WORDS),
        (Form::Exec, EXEC),
        (Form::Group, GROUP),
    ] {
        for command in commands {
            // After a comment, a semicolon or the end of a line, bash itself reads no arguments.
            if command.contains("# a comment")
                || command.trim_end().ends_with(';')
                || command.contains("\"$2\"")
            {
                assert_eq!(decided(command).form(), form, "{command}");
            } else {
                assert_runs_as_by_bash(&dir, form, command);
            }
        }
    }
}

#[test]
fn arguments_arrive_before_a_comment_and_a_semicolon() {
    let dir = rig();
    for (command, same) in [
        ("show $X # a comment", "show $X"),
        ("show $X;", "show $X"),
        ("show ;", "show"),
        ("show a # $(comment", "show a"),
        ("other; show; # x", "other; show"),
    ] {
        let (expected, actual) = (by_bash(&dir, same), by_formation(&dir, &decided(command)));
        assert_eq!(actual, expected, "{command}");
    }
}

/// A command that does not end with a simple command runs as written, whatever the user appends.
#[test]
fn commands_that_take_no_arguments_run_as_written() {
    let dir = rig();
    for command in [
        "(show)",
        "{ show; }",
        "show &",
        "other & show & wait",
        "show & wait -n",
        "for i in 1 2; do show $i; done",
        "if true; then show; fi",
        "while fail; do show; done",
        "case $X in x*) show;; esac",
        "f() { show; }",
        "show; exit 4",
        "fail || exit 9",
        "show || true",
        "cat <<EOF",
        "show a\\",
        "# only a comment",
        "A=1",
        "> /dev/null",
        "exec > /dev/null",
        "[[ -f one.txt ]]",
        "((0))",
        "cd app",
        "time",
        "select x in a; do break; done",
        "show \"${X:-it's}\"",
        "coproc show",
        "<(other)",
    ] {
        let launch = decided(command);
        assert_eq!(launch.form(), Form::Group, "{command}");
        assert_eq!(launch.argv[2].trim_start(), command);
        let script = launch.argv[2].as_str();
        assert_eq!(
            by_formation(&dir, &launch).status,
            run(&dir, "bash", &["-c", script, "bash"]).status,
            "{command}"
        );
    }
}

#[test]
fn arguments_that_the_command_names_are_not_appended_again() {
    for (command, script) in [
        ("puma \"$@\"", "exec puma \"$@\""),
        ("puma -p ${1:-3000}", "exec puma -p ${1:-3000}"),
        ("puma $(basename $1)", "exec puma $(basename $1)"),
        ("puma ${X:-$1}", "exec puma ${X:-$1}"),
        ("set -- a; puma \"x$X\"", "set -- a; exec puma \"x$X\""),
        ("shift; puma $X", "shift; exec puma $X"),
        ("puma '$@' $X", "exec puma '$@' $X \"$@\""),
        ("puma $# $X", "exec puma $# $X \"$@\""),
    ] {
        assert_eq!(decided(command).argv[2], script);
    }
}

fn plain_word() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Z0-9é_./:=,@%^+#!{}-]{0,4}",
        "'[^'\\x00]{0,5}'",
        r#""[a-zé *?~'#!{}\n-]{0,5}""#,
        r#""\\[$`"\\a ]""#,
        r"\\[ -~é]",
        r"\\\t",
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat())
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => plain_word(),
        1 => prop::sample::select(vec![
            "$X", "\"$X\"", "${Y:-a b}", "\"${Y:-\"$X\"}\"", "$(printf 'a b')", "`printf x`",
            "$((1+2))", "*.txt", "~", "a=~", "{a,b}", "{1..3}", "$'a\\'b'", "\\$'a b'",
            "\"${Y:-it's}\"", "${#X}", "${X%% *}", "${X/x/\"}\"}", "[a-z]*", "'", "\"",
        ]).prop_map(str::to_string),
    ]
}

fn simple_command() -> impl Strategy<Value = String> {
    let redirection = prop::sample::select(vec![
        "",
        "",
        "",
        "2>/dev/null",
        "</dev/null",
        ">/dev/null",
        "2>&1",
        "<<< 'a b'",
        "2> /dev/null",
        "&>/dev/null",
    ]);
    (
        prop::sample::select(vec!["", "", "", "A=1", "A='a b' B=$X", "A=$(printf b)"]),
        redirection.clone(),
        prop::sample::select(vec![
            "show",
            "show",
            "other",
            "fail",
            "echo",
            "true",
            "exec show",
            "cd app",
            "export B=2",
            "[ -n a ]",
            "[[ -n a ]]",
            "'show'",
            "set -e",
            ": a",
            "env A=2 show",
            "exec",
            "test a",
            "wait",
            "sh -c true",
        ]),
        prop::collection::vec(any_word(), 0..4),
        redirection,
    )
        .prop_map(|(assignment, before, program, words, after)| {
            [assignment, before, program, &words.join(" "), after]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(" ")
        })
}

/// Commands that run one after the other, so that their output has an order, and that can be
/// followed by arguments.
fn commands_in_order() -> impl Strategy<Value = String> {
    command().prop_filter("ends without an operator or a comment", |command| {
        !command.contains(" & ")
            && !command.ends_with('&')
            && !command.contains('#')
            && !command.ends_with("\\;")
    })
}

fn command() -> impl Strategy<Value = String> {
    let joint = prop::sample::select(vec![" && ", " || ", "; ", " | ", ";", "&&", " & ", "\n"]);
    let end = prop::sample::select(vec!["", "", "", "", ";", " &", " # it's $(", " ;# a", "\n"]);
    (
        simple_command(),
        prop::collection::vec((joint, simple_command()), 0..3),
        end,
    )
        .prop_map(|(first, others, end)| {
            let others = others
                .iter()
                .flat_map(|(joint, command)| [joint, command.as_str()]);
            let parts: Vec<&str> = [first.as_str()]
                .into_iter()
                .chain(others)
                .chain([end])
                .collect();
            parts.concat()
        })
}

/// Pieces of shell syntax, complete and incomplete.
const FRAGMENTS: &[&str] = &[
    "a",
    "b c",
    "$X",
    "${X:-1}",
    "${X:-${Y:-2}}",
    "'q u'",
    "\"d q\"",
    "\"$X y\"",
    "\\ ",
    "\\$'",
    "$'a\\'b'",
    "$$",
    "`date`",
    "$(date)",
    "$(a | b)",
    "$((1+2))",
    "*",
    "~",
    "{a,b}",
    "{",
    "}",
    "(",
    ")",
    "((",
    "))",
    "[[",
    "]]",
    "[",
    "]",
    "==",
    "&&",
    "||",
    "|",
    "|&",
    "&",
    ";",
    ";;",
    "\n",
    "<",
    ">",
    ">>",
    "<<<",
    "<<",
    "2>&1",
    "&>",
    ">|",
    "<>",
    "#",
    "A=1",
    "A=(1 2)",
    "exec",
    "cd d",
    "if",
    "then",
    "else",
    "fi",
    "for",
    "in",
    "do",
    "done",
    "while",
    "case",
    "esac",
    "select",
    "function",
    "f()",
    "time",
    "!",
    "coproc",
    "wait",
    "EOF",
    "é",
    "\\",
    "'",
    "\"",
    "`",
    "$(",
    "${",
    "$((",
    "$",
    "{fd}>x",
    "<(a)",
    "@(a|b)",
    "a)",
    "\t",
    "\r",
    "$@",
    "\u{a0}",
    "a[1]=2",
    "-p",
    "${a//b/c}",
    "\"${X:-it's}\"",
];

/// Text that looks like a command for a shell, but is mostly not valid.
fn shell_like() -> impl Strategy<Value = String> {
    let part = prop::sample::select(FRAGMENTS);
    let gap = prop::sample::select(vec![" ", " ", " ", ""]);
    prop::collection::vec((part, gap), 1..9).prop_map(|parts| {
        let parts: Vec<&str> = parts.iter().flat_map(|(part, gap)| [*part, *gap]).collect();
        parts.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), ..ProptestConfig::default() })]

    #[test]
    fn deciding_never_panics(
        text in "(?s).{0,80}",
        noise in "[ -~]{0,80}",
        shell_like in shell_like(),
        command in command(),
    ) {
        for text in [text, noise, shell_like, command] {
            let _ = decide(&text, &|_| true);
        }
    }

    #[test]
    fn plain_words_are_the_arguments_that_bash_passes(
        words in prop::collection::vec(any_word(), 1..6)
    ) {
        let command = format!("program {}", words.join(" "));
        if let Ok(launch) = decide(&command, &|_| false)
            && launch.form() == Form::Words
        {
            prop_assert_eq!(launch.argv, words_by_bash(&command));
        }
    }

    #[test]
    fn bash_accepts_every_script_that_is_launched(command in prop_oneof![command(), shell_like()]) {
        if let Ok(launch) = decide(&command, &|_| false)
            && let Some(script) = launch.bash_script()
            && bash_accepts(&command)
        {
            prop_assert!(bash_accepts(script), "{:?}", launch);
        }
    }

    #[test]
    fn bash_refuses_every_command_that_is_refused(
        command in prop_oneof![1 => command(), 4 => shell_like()]
    ) {
        if let Err(error) = decide(&command, &|_| false) {
            prop_assert!(!bash_accepts(&command), "{}", error);
            let end = error.span.offset() + error.span.len();
            prop_assert!(error.command.get(error.span.offset()..end).is_some());
        }
    }

    #[test]
    fn a_program_runs_as_by_bash(command in commands_in_order()) {
        let dir = rig();
        if let Ok(launch) = decide(&command, &|_| false) {
            // Without `"$@"`, the user's arguments are ignored.
            let takes_arguments =
                launch.bash_script().is_none_or(|script| script.contains("\"$@\""));
            let expected = if takes_arguments {
                by_bash(&dir, without_separators(&command))
            } else {
                run(&dir, "bash", &["-c", &command, "bash"])
            };
            let actual = by_formation(&dir, &launch);
            prop_assert_eq!(
                String::from_utf8_lossy(&actual.stdout),
                String::from_utf8_lossy(&expected.stdout),
                "{:?}",
                launch
            );
            prop_assert_eq!(actual.status, expected.status, "{:?}", launch);
        }
    }
}

/// The command without the `;` and newlines at its end; an escaped `;` is a word.
fn without_separators(command: &str) -> &str {
    let bare = command.trim_end_matches([';', '\n']);
    let is_escaped = bare.ends_with('\\') && command[bare.len()..].starts_with(';');
    if is_escaped {
        &command[..=bare.len()]
    } else {
        bare
    }
}

#[test]
fn an_escaped_separator_is_a_word() {
    assert_eq!(without_separators("show \\;;"), "show \\;");
    assert_eq!(without_separators("show a;\n"), "show a");
}

/// How many cases each property is tested with: `PROPTEST_CASES` if it is set, for a long search.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(default)
}

//! The form of a command, and its launch.

use super::*;
use crate::assert_report;
use std::fmt::Write;

/// The launch in an app whose `start.sh`, `bin/start` and `app/bin/run` are shell scripts.
fn decided(command: &str) -> LaunchSpec {
    let scripts = ["start.sh", "./start.sh", "bin/start", "app/bin/run"];
    decide(command, &|path| {
        scripts.iter().any(|script| Path::new(script) == path)
    })
    .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn table(commands: &[&str]) -> String {
    let mut table = String::new();
    for command in commands {
        let launch = decided(command);
        let form = launch.form();
        let argv = match launch.bash_script() {
            Some(script) => format!("bash -c ⟨{script}⟩"),
            None => format!("{:?}", launch.argv),
        };
        writeln!(table, "{command}\n    {form:5} {argv}").unwrap();
    }
    table
}

const OF_REAL_LIFE: &[&str] = &[
    "bundle exec puma -C config/puma.rb",
    "bundle exec puma -t 5:5 -p ${PORT:-3000} -e ${RACK_ENV:-development}",
    "bundle exec rails server -p $PORT",
    "bin/rails server -b 0.0.0.0 -p ${PORT:-${WEB_PORT:-3000}} -e $RAILS_ENV",
    "rails s",
    "bundle exec rackup config.ru -p $PORT -o 0.0.0.0",
    "bundle exec ruby app.rb -o 0.0.0.0 -p $PORT",
    "bundle exec unicorn -p $PORT -c ./config/unicorn.rb",
    "bundle exec thin start -R config.ru -e $RACK_ENV -p $PORT",
    "bundle exec falcon serve --bind http://0.0.0.0:$PORT",
    "RUBY_YJIT_ENABLE=1 bundle exec puma",
    "bundle exec sidekiq",
    "bundle exec sidekiq -C config/sidekiq.yml",
    "bundle exec sidekiq -q critical,2 -q default -c ${SIDEKIQ_CONCURRENCY:-5}",
    "bundle exec sidekiq -e production  -r  ./app.rb",
    "MALLOC_ARENA_MAX=2 DB_POOL=$SIDEKIQ_CONCURRENCY bundle exec sidekiq -C config/sidekiq.yml",
    "QUEUE=* bundle exec rake resque:work",
    "env TERM_CHILD=1 RESQUE_TERM_TIMEOUT=7 QUEUE=* bundle exec rake resque:work",
    "bundle exec rake resque:work QUEUE='*'",
    "bundle exec rake environment resque:scheduler",
    "bundle exec rake jobs:work",
    "bin/delayed_job run",
    "bundle exec good_job start --max-threads=8",
    "bin/jobs",
    "bundle exec clockwork clock.rb",
    "bundle exec rails runner 'Clock.new.run(every: 5.minutes)'",
    "bundle exec rake 'report[daily, 1]'",
    "bundle exec rake report[daily]",
    "bundle exec karafka server",
    "bundle exec anycable & bundle exec puma",
    "bundle exec rails db:migrate",
    "bundle exec rails db:migrate && bundle exec rails db:seed",
    "bundle exec rails db:prepare; bundle exec puma",
    "bundle exec rails db:migrate || echo 'migration failed'",
    "./bin/release.sh",
    "bin/start",
    "bash start.sh",
    "bin/start-nginx bundle exec puma -C config/puma.rb",
    "cd backend && bundle exec puma -p $PORT",
    "source .env && bundle exec puma",
    "export RAILS_LOG_TO_STDOUT=1; exec bundle exec puma",
    "[[ -n $WORKER ]] && bundle exec sidekiq",
    "sh -c 'bundle exec sidekiq & bundle exec puma & wait -n'",
    "bash -lc \"bundle exec puma -p $PORT\"",
    "trap 'kill $(jobs -p)' EXIT; bundle exec sidekiq & bundle exec puma & wait -n",
    "bundle exec puma 2>&1 | tee log/puma.log",
    "bundle exec puma >> log/web.log 2>&1",
    "while true; do bundle exec rake poll; sleep 60; done",
    "bundle exec ruby worker.rb # one is enough",
    "JRUBY_OPTS=\"-J-Xmx512m --dev\" bundle exec jruby -S puma",
    "java $JAVA_OPTS -jar app.jar",
    "true",
    "sleep infinity",
];

#[test]
fn commands_of_real_life() {
    let table = table(OF_REAL_LIFE);
    insta::assert_snapshot!(table);
}

const OF_EVERY_SHAPE: &[&str] = &[
    // Plain words.
    "a",
    "a b  c\td",
    "a 'b c' \"d e\" f\\ g '' \"\"",
    "a'b'\"c\"\\d",
    "a \"\\$x \\\" \\` \\\\ \\n\"",
    "a '$x' '`x`' '*' \\* \\~ \\# '#' a#b",
    "a é '日本 語' --ключ=значение",
    "a {} a{b a,b x..y {a 'b,c'",
    "a [ ] a]b",
    "a b=c --d=e",
    "a ! - -- % ^ , @ : + =",
    "a HEAD~1",
    "a 'x << y'",
    "'if' a",
    "/usr/bin/env a",
    "a # comment",
    "a;",
    // Expansions.
    "a $B",
    "a \"$B\" ${C} ${D:-e f} ${G:-${H:-i}}",
    "$A b",
    "a $(b c)",
    "a \"$(b \"c d\")\"",
    "a `b c`",
    "a $((1+2)) $((1<<2))",
    "a * b? [cd] Q=*",
    "a ~ ~/b c=~",
    "a {b,c} {1..3}",
    "a $'b\\n' $\"c\"",
    // Assignments and redirections.
    "A=1 b",
    "A=1 B='c d' c e",
    "A=1 B=$C exec d",
    "A=(1 2); b",
    "a > b",
    "a 2>&1 b",
    "> a b c",
    "A=1 > b c d",
    "a < b > c 2> d",
    "a &> b",
    "a <<< b",
    "a <<< \"${B}\" c",
    "a>b",
    "a {fd}> b",
    // Builtins before a program.
    "cd a && b",
    "cd a; b",
    "cd a && cd b && c d",
    "cd a || exit 1; b",
    "export A=1; b",
    "export A=1 && b $A",
    "A=1; b",
    "[ -f a ] && b",
    "[[ -f a && $B == c* ]] && d",
    "((A > 1)) && b",
    "test -n \"$A\" && b",
    "set -euo pipefail; a",
    "shopt -s nullglob; a *",
    "ulimit -n 1024; umask 022; a",
    "source a; . b; c",
    ": ${A:=b}; true; unset C; d $A",
    "declare -x A=1; typeset B; readonly C=1; local D; e",
    "echo a && printf b; c",
    "command -v a && b",
    "exec 2>&1; a",
    "exec > >(a); b",
    "echo $(a); b",
    "set -- a b; c",
    // `exec` as written.
    "exec a",
    "exec a $B > c",
    "exec -a b c",
    "cd a && exec b c;",
    // Bash has to keep running.
    "a && b",
    "a || b",
    "cd a || b",
    "a; b",
    "a & b",
    "a &",
    "a & b & wait",
    "a & wait -n",
    "a | b",
    "a |& b",
    "! a",
    "time a",
    "(a)",
    "(a; b) | c",
    "{ a; }",
    "if a; then b; fi",
    "for a in b c; do d; done",
    "while a; do b; done",
    "until a; do b; done; c",
    "case $a in b) c;; esac",
    "select a in b; do c; done",
    "f() { a; }; f",
    "function f { a; }; f b",
    "coproc a",
    "trap a TERM; b",
    "eval a",
    "eval \"$(a)\"; b",
    "read a; b",
    "a <(b)",
    "a > >(b)",
    "echo a",
    "'echo' a",
    "test a",
    "[ a ]",
    "[[ a ]]",
    "kill a",
    "cd a",
    "exit 3",
    "exec > a",
    "A=1",
    "# comment",
    "a <<EOF",
    "a\\",
    "-a $B",
    // Shells.
    "bash",
    "bash -l",
    "sh -c 'a b'",
    "exec sh -c 'a; b'",
    "env A=1 -u B bash -o pipefail -c 'a | b'",
    "A=1 bash -c 'a' $B",
    "timeout -k 5 10 nice -n 5 sh -ec a",
    "env A=$B sh -c a",
    "ionice -c 3 sh -c a",
    "taskset 0x1 chrt -f 10 sh -c a",
    // What may be a shell script.
    "$HOME/bin/start.sh",
    "exec \"$A/b\" c",
    "nice $A b",
    "bundle exec $A",
    "cd a && $B",
    "timeout $A sh -c b",
    "bundle exec sh -c a",
    "echo sh -c a",
    "a sh -c b",
    "./start.sh",
    "./start.sh $A",
    "start.sh",
    "exec bin/start a",
    "bundle exec bin/start",
    "bash start.sh",
    "sh -e ./other a",
    "cd app && bin/run",
    "cd app && bin/start",
    "cd $A && bin/run",
    "./start.sh | a",
    "./start.sh; a",
];

#[test]
fn every_shape_of_a_command() {
    let table = table(OF_EVERY_SHAPE);
    insta::assert_snapshot!(table);
}

#[test]
fn mistakes_are_shown() {
    for (name, command) in [
        ("an_open_quote", "bundle exec rails runner 'puts 1"),
        ("an_open_double_quote", "bundle exec rails runner \"puts 1"),
        ("an_open_expansion", "bundle exec puma -p ${PORT"),
        ("an_open_backquote", "bundle exec puma -p `cat port"),
        ("two_operators", "cd café && ; bundle exec puma"),
        ("a_missing_command", "bundle exec rake db:migrate &&"),
        (
            "a_missing_semicolon",
            "if [ -f x ] then bundle exec puma; fi",
        ),
        ("brackets", "puts (1)"),
        ("an_open_substitution", "bundle exec puma -p $(cat port"),
        ("a_nul_byte", "bundle exec\0puma"),
    ] {
        assert_report!(name, decide(command, &|_| false).unwrap_err());
    }
}

#[test]
fn a_nul_byte_is_a_mistake() {
    let error = decide("puma\0", &|_| false).unwrap_err();
    assert_eq!(error.message, "a NUL byte");
    assert_eq!(error.span, (4, 1).into());
}

#[test]
fn long_and_deep_commands_are_decided() {
    let words = "word ".repeat(50_000);
    assert_eq!(decided(&words).argv.len(), 50_000);
    for (part, end) in [
        ("(", ")"),
        ("$(", ")"),
        ("\"$(", ")\""),
        ("${a:-", "}"),
        ("a[${a[", "]}]"),
        ("((1+", "))"),
        ("{ ", "; }"),
        ("if ", "; then b; fi"),
        ("case a in a) ", ""),
        ("`", ""),
        ("a <<b ", ""),
        ("! ", ""),
    ] {
        for depth in [5, 50, 5_000] {
            let command = format!("{}a{}", part.repeat(depth), end.repeat(depth));
            let _ = decide(&command, &|_| false);
        }
    }
}

#[test]
fn shell_scripts_of_the_app_are_recognized() {
    let dir = tempfile::tempdir().unwrap();
    let is_script = |name: &str, text: &str| {
        fs_err::write(dir.path().join(name), text).unwrap();
        is_shell_script(dir.path(), Path::new(name))
    };
    for text in [
        "#!/bin/sh\n",
        "#!/bin/bash -e\necho",
        "#! /usr/bin/env bash\r\n",
        "#!/usr/bin/env -S A=1 zsh",
        // The kernel runs none of these, and `/bin/sh` does.
        "echo",
        "exec bundle exec puma\n",
        "\n#!/bin/sh",
    ] {
        assert!(is_script("script", text), "{text:?}");
    }
    for text in [
        "",
        "#!/usr/bin/env ruby\n# sh",
        "#!",
        "#!/bin/sh.rb",
        "\u{7f}ELF\u{2}\u{1}\0",
    ] {
        assert!(!is_script("script", text), "{text:?}");
    }
    assert!(is_script("bash", "#!/bin/sh"));
    assert!(is_shell_script(dir.path(), &dir.path().join("bash")));
    assert!(!is_shell_script(dir.path(), Path::new("missing")));
    assert!(!is_shell_script(dir.path(), Path::new(".")));
    assert!(!is_shell_script(
        &dir.path().join("app"),
        &dir.path().join("bash")
    ));
}

use super::*;
use crate::assert_report;
use crate::command::FileStart;
use indoc::indoc;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Result<Procfile, ProcfileError> {
    Reading::of(bytes, &|_| false).into_procfile(ProcfileSource::File)
}

fn entries(text: &str) -> Vec<(String, String)> {
    parse(text.as_bytes())
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| (entry.process_type.to_string(), entry.command))
        .collect()
}

#[test]
fn entries_in_the_order_of_the_file() {
    let text = indoc! {"
        # What this app runs
        web: bundle exec ruby app.rb -p $PORT

        worker:bundle exec ruby worker.rb
          my_Clock-2 :\truby clock.rb: now  "};
    assert_eq!(
        entries(text),
        [
            ("web", "bundle exec ruby app.rb -p $PORT"),
            ("worker", "bundle exec ruby worker.rb"),
            ("my_Clock-2", "ruby clock.rb: now")
        ]
        .map(|(process_type, command)| (process_type.to_string(), command.to_string()))
    );
}

#[test]
fn line_endings_and_a_byte_order_mark_make_no_difference() {
    let expected = entries("web: puma\nworker: sidekiq\n");
    assert_eq!(entries("web: puma\r\nworker: sidekiq"), expected);
    assert_eq!(
        entries("\u{feff}web: puma\n\n\nworker: sidekiq   "),
        expected
    );
}

#[test]
fn a_procfile_without_entries_has_no_errors() {
    for text in ["", "\n\n", "# only a comment", "   \n\t"] {
        assert!(entries(text).is_empty(), "{text:?}");
    }
}

#[test]
fn a_carriage_return_alone_ends_a_line() {
    let expected = entries("web: puma\nworker: sidekiq\n");
    assert_eq!(entries("web: puma\rworker: sidekiq\r"), expected);
    assert_eq!(entries("web: puma\rworker: sidekiq\n"), expected);
    let reading = Reading::of(b"web: puma\rworker sidekiq\r", &|_| false);
    assert_eq!(reading.position(reading.errors[0].offset), (2, 1));
}

fn errors(text: &[u8]) -> ProcfileError {
    parse(text).unwrap_err()
}

#[test]
fn every_mistake_is_shown() {
    assert_report!(errors(
        indoc! {r#"
            web bundle exec puma
            worker = sidekiq
            "clock": ruby clock.rb
            my.worker: ruby worker.rb
            my mailer: ruby mailer.rb
            wörker: ruby worker.rb
            -x-: true
            release:
            launcher: ruby launch.rb
            : nothing
            && what is this
            long: bundle exec \
              sidekiq \
              -C config/sidekiq.yml
            ok: fine
        "#}
        .as_bytes()
    ));
}

#[test]
fn yaml_and_conflicts_are_shown() {
    assert_report!(errors(
        indoc! {r#"
            ---
            web:
              command: "bundle exec puma"
            worker:
              - sidekiq
            <<<<<<< HEAD
            clock: ruby clock.rb
            =======
            clock: ruby timer.rb
            >>>>>>> main
        "#}
        .as_bytes()
    ));
}

#[test]
fn suggested_lines_are_accepted() {
    let problems = errors(
        indoc! {r#"
            web puma
            worker=sidekiq
            "clock": x
            my.worker: y
            -x: z
            formation: f
            b c: d
            _: e
            long: a \
             b
        "#}
        .as_bytes(),
    )
    .problems;
    assert_eq!(problems.len(), 9);
    // What stands between type and command is no part of either.
    for line in [
        "web node x",
        "web; node x",
        "web = node x",
        "web - node x",
        "web -> node x",
        "web => node x",
        "web \u{2013} node x",
        "web\u{ff1a} node x",
    ] {
        let help = errors(line.as_bytes()).problems.remove(0).help;
        assert_eq!(help.as_deref(), Some("`web: node x`"), "{line}");
    }
    let option = errors(b"my-worker -v").problems.remove(0).help;
    assert_eq!(option.as_deref(), Some("`my-worker: -v`"));
    for problem in problems {
        let suggestion = problem.help.unwrap();
        let line = suggestion.trim_matches('`');
        assert!(parse(line.as_bytes()).is_ok(), "{line}");
    }
}

#[test]
fn commands_that_bash_would_refuse_are_shown() {
    assert_report!(errors(
        concat!(
            "web: bundle exec puma -p \"$PORT\n",
            "worker: bundle exec sidekiq && \n",
            "clock: (ruby clock.rb\n",
            "fine: true\n",
        )
        .as_bytes()
    ));
}

#[test]
fn positions_count_characters_from_1() {
    let reading = Reading::of("a: b\nüü: x\n".as_bytes(), &|_| false);
    assert_eq!(reading.position(0), (1, 1));
    assert_eq!(reading.position(reading.errors[0].offset), (2, 1));
    assert_eq!(reading.position(9), (2, 3));
    assert_eq!(reading.position(1000), (3, 1));
    let marked = Reading::of("\u{feff}web puma\n".as_bytes(), &|_| false);
    assert_eq!(marked.position(marked.errors[0].offset), (1, 1));
}

#[test]
fn a_nul_byte_is_shown() {
    assert_report!(errors(b"web: pu\0ma\n"));
}

#[test]
fn a_type_of_64_characters_is_shown() {
    let text = format!("{}: x\n", "a".repeat(64));
    assert_report!(parse(text.as_bytes()).unwrap_err());
    assert_eq!(entries(&text[1..]).len(), 1);
}

#[test]
fn warnings_are_shown() {
    let procfile =
        parse(b"web: puma\n// the worker\nworker: sidekiq\nweb: puma -C config/puma.rb\n").unwrap();
    assert_eq!(
        procfile
            .entries
            .iter()
            .map(|entry| entry.command.as_str())
            .collect::<Vec<_>>(),
        ["sidekiq", "puma -C config/puma.rb"]
    );
    assert_report!(procfile.warnings.unwrap());
}

#[test]
fn types_that_shadow_programs_are_shown() {
    assert_report!(
        parse(b"web: puma\nrake: bundle exec rake\n")
            .unwrap()
            .warnings
            .unwrap()
    );
}

fn warnings(text: &str) -> ProcfileWarnings {
    parse(text.as_bytes()).unwrap().warnings.unwrap()
}

#[test]
fn characters_that_look_like_others_are_shown() {
    assert_report!(warnings(concat!(
        "web: bundle\u{a0}exec\u{a0}puma\n",
        "worker: sidekiq \u{2013}c 5 \u{ff06}& true\n",
        "clock: echo \u{201c}a\u{201d}\n",
        "mailer: \u{200b}mailer\n",
    )));
    let types = "we\u{200b}b: puma\nw\u{435}b: puma\nmy\u{2011}worker: sidekiq\n";
    assert_report!("in_types", errors(types.as_bytes()));
}

#[test]
fn quoted_characters_are_text() {
    for command in [
        "echo 'a\u{a0}\u{2013}\u{201c}'",
        "echo \"it\u{2019}s\"",
        "true # it\u{2019}s \u{2013} fine",
        "ruby w\u{f6}rker.rb",
    ] {
        let procfile = parse(format!("web: {command}\n").as_bytes()).unwrap();
        assert!(procfile.warnings.is_none(), "{command}");
    }
}

#[test]
fn commands_that_are_one_word_are_shown() {
    assert_report!(warnings(
        "web: \"bundle exec puma -p $PORT\"\nworker: 'bundle exec sidekiq'\n"
    ));
    for command in ["\"puma\"", "\"a b\" \"c d\"", "'bin/a' b", "'a b' 'c'"] {
        let procfile = parse(format!("web: {command}\n").as_bytes()).unwrap();
        assert!(procfile.warnings.is_none(), "{command}");
    }
}

#[test]
fn types_in_another_case_are_shown() {
    assert_report!(warnings(
        "Web: puma\nRELEASE: rake db:migrate\nWorker: sidekiq\n"
    ));
}

#[test]
fn scripts_that_do_not_start_are_shown() {
    let text = "web: cd api && bin/start -p $PORT\nworker: bin/worker\nclock: bin/clock\n";
    let reading = Reading::of(text.as_bytes(), &|_| false);
    let reading = reading.with_scripts(&|path| {
        let (bytes, is_executable) = match path.to_str()? {
            "api/bin/start" => ("#!/usr/bin/env ruby.exe\n", true),
            "bin/worker" => ("#!/usr/bin/env ruby\n", false),
            "bin/clock" => ("#!/usr/bin/env ruby\n", true),
            _ => return None,
        };
        let bytes = bytes.into();
        Some(FileStart {
            bytes,
            is_executable,
        })
    });
    assert_report!(reading.warning_report("Procfile").unwrap());
}

#[test]
fn a_procfile_without_entries_is_shown() {
    assert_report!(NoEntries);
}

#[test]
fn bytes_that_are_not_utf_8_are_shown() {
    assert_report!("latin_1", errors(b"web: puma\nworker: echo caf\xe9\n"));
    assert_report!("utf_16", errors(b"\xff\xfew\0e\0b\0:\0 \0p\0u\0m\0a\0\n\0"));
}

proptest! {
    #[test]
    fn reading_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "(?s).{0,200}",
    ) {
        let _ = parse(&bytes);
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn entries_are_read_as_written(
        lines in prop::collection::btree_map(
            "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?",
            "x[a-z]{1,8}( [a-zA-Z0-9_./:=-]{1,8}){0,3}",
            0..6,
        )
    ) {
        let is_reserved = |name: &String| ["launcher", "formation"].contains(&name.as_str());
        prop_assume!(!lines.keys().any(is_reserved));
        let as_line = |(name, command): (&String, &String)| format!("{name}: {command}");
        let text = lines.iter().map(as_line).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(entries(&text), lines.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn foreman_reads_the_same_from_lines_that_both_accept(
        line in "[a-zA-Z0-9_-]{1,8}[ ]?:[ \t]{0,2}[ -~]{1,20}"
    ) {
        // foreman/procfile.rb
        let foreman = regex::Regex::new(r"^([A-Za-z0-9_-]+):\s*(.+)$").unwrap();
        if let (Some(by_foreman), Ok(procfile)) =
            (foreman.captures(&line), parse(line.as_bytes())) {
            prop_assert_eq!(procfile.entries[0].process_type.as_str(), &by_foreman[1]);
            prop_assert_eq!(&procfile.entries[0].command, by_foreman[2].trim());
        }
    }
}

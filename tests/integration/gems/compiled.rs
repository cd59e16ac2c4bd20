//! Gems that are compiled when they are installed, and the servers among them.

use indoc::indoc;
use libcnb_test::{TestRunner, assert_contains, assert_empty};
use rig::build::build_config;
use rig::build::phase::BuildPhase;
use rig::files;
use rig::image::web_answer;

#[test]
#[ignore = "integration test"]
fn a_compiled_gem_loads_in_the_image() {
    TestRunner::default().build(build_config("puma-native-gem"), |context| {
        assert_contains!(context.pack_stdout, "Compiling puma 5.6.5");
        assert_contains!(context.pack_stdout, "Copying racc 1.7.3 from Ruby, which has it compiled");
        assert_contains!(context.pack_stdout, "`web` (default): `bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}`");
        assert!(web_answer(&context).ends_with("Racc runtime: c\n"));
        let left_over = context.run_shell_command(
            "find /layers/*/gems -name '*.o' -o -name Makefile -o -name '*.gem' -o -name mkmf.log -o -name gem_make.out",
        );
        assert_empty!(left_over.stdout);
    });
}

/// The server that comes with Rack, where the app has no other. The command is the one that the build
/// proposes; a server that only a group for tests has is none.
#[test]
#[ignore = "integration test"]
fn without_puma_webrick_serves() {
    let mut config = build_config("puma-native-gem");
    config.app_dir_preprocessor(|app| {
        let gemfile = app.join("Gemfile");
        files::edit(
            &gemfile,
            "gem \"puma\", \"5.6.5\"",
            "group(:test) { gem \"puma\", \"5.6.5\" }",
        );
    });
    TestRunner::default().build(config, |context| {
        assert_contains!(
            context.pack_stdout,
            "`web` (default): `bundle exec rackup -s webrick -o 0.0.0.0 -p ${PORT:-8080}`"
        );
        assert!(web_answer(&context).ends_with("Racc runtime: c\n"));
    });
}

/// By the command that the build proposes, where the server's gem is in a group of the image.
#[test]
#[ignore = "integration test"]
fn unicorn_and_thin_serve() {
    for (left_out, command, software) in [
        (
            "thin",
            "unicorn -o 0.0.0.0 -p ${PORT:-8080}",
            "Unicorn 6.1.0",
        ),
        (
            "unicorn",
            "thin start -a 0.0.0.0 -p ${PORT:-8080}",
            "thin 1.8.2",
        ),
    ] {
        let mut config = build_config("web-servers");
        config.env("BUNDLE_WITHOUT", left_out);
        TestRunner::default().build(config, |context| {
            let expected = format!("`web` (default): `bundle exec {command}`");
            assert_contains!(context.pack_stdout, &expected);
            let answer = web_answer(&context);
            assert_contains!(answer, software);
        });
    }
}

/// A `make` that notes when it begins and ends, and the gem. A gem's first one waits for that of another gem,
/// at most so many seconds.
const MAKE: &str = indoc! {r#"
    #!/bin/bash
    log=/build/make.log
    gem=${PWD#*/gems/ruby/*/gems/}
    gem=${gem%%/*}
    note() { echo "$(date +%s%N) $1 $gem" >>$log; }
    note begin
    if [[ $(grep -c " begin $gem" $log) == 1 ]]; then
      for ((tenths = 0; tenths < SECONDS_TO_WAIT * 10; tenths++)); do
        ! grep -qv " $gem" $log || break
        sleep 0.1
      done
    fi
    make "$@"
    status=$?
    note end
    exit $status
"#};

/// How often a gem was being compiled when `make` was called for another one.
fn compilations_side_by_side(log: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut count = 0;
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    for line in lines {
        let mut words = line.split_whitespace().skip(1);
        let event = words.next().expect("begin or end");
        let gem = words.next().expect("a name");
        if event == "begin" {
            count += usize::from(open.iter().any(|other| *other != gem));
            open.push(gem);
        } else {
            let place = open.iter().position(|other| *other == gem);
            open.remove(place.expect("it has begun"));
        }
    }
    count
}

/// Two gems that are compiled: one at a time, where the setting or the container's limit says so.
#[test]
#[ignore = "integration test"]
fn as_many_gems_are_compiled_side_by_side_as_jobs_and_processors_allow() {
    const GEMFILE: &str = indoc! {r#"
        source "https://rubygems.org"
        gem "bcrypt", force_ruby_platform: true
        gem "puma", "5.6.5"
    "#};
    const LOCKFILE: &str = indoc! {"
        GEM
          remote: https://rubygems.org/
          specs:
            bcrypt (3.1.20)
            nio4r (2.7.3-x86_64-linux)
            puma (5.6.5)
              nio4r (~> 2.0)

        PLATFORMS
          x86_64-linux

        DEPENDENCIES
          bcrypt
          puma (= 5.6.5)
    "};
    let side_by_side = |wait: &str, prepare: &dyn Fn(&mut BuildPhase)| {
        let mut build = BuildPhase::of_a_copy("gem-settings");
        build.write("Gemfile", GEMFILE);
        build.write("Gemfile.lock", LOCKFILE);
        files::write_program(&build.app().join("make"), MAKE);
        for (name, value) in [
            ("BP_RUBY_VERSION", "3.3.8"),
            ("MAKE", "/fixture/make"),
            ("SECONDS_TO_WAIT", wait),
        ] {
            build.set(name, value);
        }
        prepare(&mut build);
        let log = build.run();
        assert_contains!(log, "Compiling bcrypt 3.1.20");
        assert_contains!(log, "Compiling puma 5.6.5");
        let log = build.output_of("cat /build/make.log");
        assert_contains!(log, " puma-5.6.5\n");
        compilations_side_by_side(&log)
    };
    assert!(side_by_side("60", &|build| build.set("BUNDLE_JOBS", "2")) > 0);
    assert_eq!(side_by_side("5", &|build| build.set("BUNDLE_JOBS", "1")), 0);
    assert_eq!(side_by_side("5", &|build| build.limit_processors(1)), 0);
}

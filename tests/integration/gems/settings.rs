//! With every setting, and with every Bundler that a lockfile may name, the gems are those of
//! `bundle install`.

use crate::gems::as_bundler::{LOCK_PROGRAMS, followed, without_left_overs};
use crate::platform::offline::vendor_gems;
use libcnb_test::assert_contains;
use rig::build::contents::differences;
use rig::build::phase::BuildPhase;
use rig::environment::variable;
use std::fs;

/// `bundle install` as in a Dockerfile, with the variables of the build.
const PLAIN: &str = "
export HOME=/tmp PATH=/build/layers/ruby/bin:$PATH LD_LIBRARY_PATH=/build/layers/ruby/lib LANG=C.UTF-8
cd /build/platform/env
for name in BUNDLE_* LANG; do
  [ ! -e $name ] || export $name=\"$(<$name)\"
done
[ -e BUNDLE_WITHOUT ] || [ -e BUNDLE_ONLY ] || export BUNDLE_WITHOUT=development:test
export BUNDLE_GEMFILE=/fixture/Gemfile BUNDLE_FROZEN=1 BUNDLE_PATH=/build/plain
rm -rf /build/plain
exec bundle install
";

/// Each of these changes what is installed, or how.
const SETTINGS: [(&str, &str); 14] = [
    ("BUNDLE_WITHOUT", ""),
    ("BUNDLE_WITHOUT", "test"),
    ("BUNDLE_WITHOUT", "'development:test'"),
    ("BUNDLE_WITHOUT", "development,test"),
    ("BUNDLE_WITH", "staging"),
    ("BUNDLE_ONLY", "test"),
    ("BUNDLE_FORCE_RUBY_PLATFORM", "true"),
    ("BUNDLE_BUILD__BCRYPT", "--with-cflags=-O1"),
    ("BUNDLE_DISABLE_CHECKSUM_VALIDATION", "true"),
    ("BUNDLE_JOBS", "1"),
    ("BUNDLE_CACHE_ALL", "true"),
    ("BUNDLE_PREFER_PATCH", "true"),
    ("BUNDLE_SHEBANG", "ruby3.3"),
    ("LANG", "en_US.UTF-8"),
];

const BUNDLERS: [&str; 3] = ["2.5.22", "2.6.7", "4.0.22"];

/// Builds with these settings, and compares what is installed.
fn compare(bundler: &str, settings: &[(&str, &str)]) {
    compare_in(&build(bundler), bundler, settings);
}

fn build(bundler: &str) -> BuildPhase {
    build_of("gem-settings", bundler)
}

fn build_of(app: &str, bundler: &str) -> BuildPhase {
    let build = BuildPhase::of_a_copy(app);
    build.set("BP_RUBY_VERSION", "3.3.8");
    build.edit("Gemfile.lock", BUNDLERS[0], bundler);
    build
}

fn compare_in(build: &BuildPhase, bundler: &str, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        build.set(name, value);
    }
    let log = build.run();
    let plain = build.start_program("bash", &["-c", PLAIN]);
    assert_eq!(plain.status(), 0, "{settings:?}: {}", plain.logs());
    build.output_of(LOCK_PROGRAMS);
    let ours = without_left_overs(followed(build.contents("layers/gems/ruby/3.3.0")));
    let plain = without_left_overs(build.contents("plain/ruby/3.3.0"));
    assert!(ours.len() > 50, "{}", ours.len());
    let different = differences(&ours, &plain);
    assert!(
        different.is_empty(),
        "{bundler} {settings:?}: {different:#?}\n{log}"
    );
    // In an image that has no variable of the build.
    let version = build.output_of("bundle exec ruby -e 'puts Bundler::VERSION'");
    assert_eq!(version.trim(), bundler);
}

#[test]
#[ignore = "integration test"]
fn with_each_setting_the_gems_are_those_of_bundle_install() {
    for setting in SETTINGS {
        compare("2.5.22", &[setting]);
    }
}

#[test]
#[ignore = "integration test"]
fn with_each_bundler_the_gems_are_those_of_bundle_install() {
    for bundler in &BUNDLERS[1..] {
        compare(bundler, &[]);
        compare(
            bundler,
            &[
                ("BUNDLE_FORCE_RUBY_PLATFORM", "true"),
                ("BUNDLE_WITH", "staging"),
                ("BUNDLE_WITHOUT", "test"),
            ],
        );
    }
}

/// Bundler 2.5 fails here, later ones take what there is.
#[test]
#[ignore = "integration test"]
fn source_gems_alone_in_vendor_cache_are_taken_as_the_locked_bundler_does() {
    for bundler in &BUNDLERS[1..] {
        let build = build(bundler);
        vendor_gems(build.app(), |gem| !gem.contains("x86_64"));
        compare_in(&build, bundler, &[]);
    }
}

/// Bundler 4 reads the lockfile that the setting or the Gemfile names, whatever lies beside the Gemfile.
#[test]
#[ignore = "integration test"]
fn another_lockfile_is_read_installed_and_watched() {
    const OTHER: &str = "locks/next.lock";
    let by_setting: Naming<'_> = &|build| build.set("BUNDLE_LOCKFILE", OTHER);
    let by_gemfile: Naming<'_> = &|build| {
        let gemfile = fs::read_to_string(build.app().join("Gemfile")).unwrap();
        build.write("Gemfile", &format!("lockfile {OTHER:?}\n{gemfile}"));
        build.remove("Gemfile.lock");
    };
    let expected = build(BUNDLERS[2]);
    expected.run();
    let expected = expected.contents("layers/gems/ruby/3.3.0");
    for name_it in [by_setting, by_gemfile] {
        let build = build(BUNDLERS[2]);
        let lockfile = fs::read_to_string(build.app().join("Gemfile.lock")).unwrap();
        build.write(OTHER, &lockfile);
        build.write("Gemfile.lock", "GEM\n\nBUNDLED WITH\n   2.5.22\n");
        name_it(&build);
        let log = build.run();
        let ours = build.contents("layers/gems/ruby/3.3.0");
        assert_eq!(differences(&ours, &expected), Vec::<String>::new(), "{log}");
        let version = build.output_of("bundle exec ruby -e 'puts Bundler::VERSION'");
        assert_eq!(version.trim(), BUNDLERS[2]);
        assert_contains!(build.output_of("thor version"), "Thor ");

        assert_contains!(build.run(), "Bundler does not run: no change in ");
        build.edit(OTHER, "GEM\n", "\nGEM\n");
        assert_contains!(build.run(), "locks/next.lock has changed");
    }
}

/// How an app names its lockfile.
type Naming<'a> = &'a dyn Fn(&BuildPhase);

/// A real app, whose Gemfile reads other files.
#[test]
#[ignore = "integration test"]
fn the_gems_of_redmine_are_those_of_bundle_install() {
    for bundler in BUNDLERS {
        let build = build_of(&variable("FORMATION_REDMINE"), bundler);
        build.set("BP_ASSETS", "false"); // Nothing can be written into the app here.
        compare_in(&build, bundler, &[]);
        assert_contains!(build.run(), "Bundler does not run: no change in ");
        build.edit(
            "config/database.yml",
            "adapter: sqlite3",
            "adapter: sqlite3 ",
        );
        assert_contains!(build.run(), "file config/database.yml has changed");
    }
}

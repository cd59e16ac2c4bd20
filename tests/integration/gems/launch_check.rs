//! A bundle that loads in the build image alone is no bundle for the image.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::phase::BuildPhase;

fn build() -> BuildPhase {
    let build = BuildPhase::of_a_copy("observed-gemfile");
    for (name, value) in [("BP_RUBY_VERSION", "3.3.8"), ("NO_COLOR", "1")] {
        build.set(name, value);
    }
    build
}

/// What `bundle gem` writes into a gemspec; the run image has no git.
#[test]
#[ignore = "integration test"]
fn a_gemspec_that_needs_a_program_of_the_build_image_ends_the_build() {
    let build = build();
    build.edit(
        "shop.gemspec",
        "spec.files",
        "spec.require_paths = `git --version` && [\"lib\"]\n  spec.files",
    );
    let log = build.fail();
    assert_contains!(log, "the app's gems load here, but may not in the image");
    assert_contains!(log, "No such file or directory - git");
    assert_contains!(log, "shop.gemspec");
    assert_contains!(log, "--env BP_RUN_PROGRAMS=git");

    build.set("BP_LAUNCH_CHECK", "warn");
    let log = build.run();
    assert_contains!(log, "the app's gems load here, but may not in the image");
    build.unset("BP_LAUNCH_CHECK");
    build.restore();
    build.edit(
        "shop.gemspec",
        "spec.files",
        "spec.require_paths = `git --version` && [\"lib\"]\n  spec.files",
    );
    build.set("BP_RUN_PROGRAMS", "git");
    assert_not_contains!(build.run(), "may not in the image\n");
    build.unset("BP_RUN_PROGRAMS");

    // One that does without is right, and so is a program that every image has.
    build.restore();
    build.write(
        "Gemfile.local",
        "begin\n  `git --version`\nrescue Errno::ENOENT\nend\n`sh -c true`\n",
    );
    assert_contains!(build.run(), "gems are installed");
}

#[test]
#[ignore = "integration test"]
fn a_gemfile_that_needs_a_variable_of_the_build_is_a_warning() {
    let build = build();
    build.write("Gemfile.local", "ENV.fetch(\"TOKEN\")\n");
    build.set("TOKEN", "s3cr3t");
    let log = build.run();
    assert_contains!(
        log,
        "the app's gems load only where the container has the variables of this build"
    );
    assert_contains!(log, "key not found: \"TOKEN\"");
    assert_contains!(log, "asks for TOKEN at each start");
    assert_not_contains!(log, "s3cr3t");

    // The next build checks nothing again, and the image is the same.
    let log = build.run();
    assert_contains!(log, "Bundler does not run");
    assert_contains!(
        log,
        "load only where the container has TOKEN as this build has"
    );

    // Of production, which the install knows nothing of.
    build.write(
        "Gemfile.local",
        "ENV.fetch(\"TOKEN\") if ENV[\"RAILS_ENV\"] == \"production\"\n",
    );
    build.unset("TOKEN");
    assert_contains!(build.run(), "key not found: \"TOKEN\"");
}

/// As gemspecs in the field ask for it, with what becomes of each.
#[test]
#[ignore = "integration test"]
fn each_way_to_ask_git_for_files() {
    let build = build();
    for (files, loads) in [
        // What `bundle gem` writes today.
        (
            "IO.popen(%w[git ls-files -z], chdir: __dir__, err: IO::NULL) { |ls| ls.readlines(\"\\x0\", chomp: true) }",
            false,
        ),
        ("`git ls-files -z`.split(\"\\x0\")", false),
        // By a shell, which goes on without: no file is listed, and none has to be.
        ("`git ls-files -z | sort -z`.split(\"\\x0\")", true),
        // Only where there is a repository, or the program.
        (
            "File.directory?(\".git\") ? `git ls-files`.split : Dir[\"lib/**/*\"]",
            true,
        ),
        (
            "`which git`.empty? ? Dir[\"lib/**/*\"] : `git ls-files`.split",
            true,
        ),
    ] {
        build.restore();
        build.edit(
            "shop.gemspec",
            "Dir.glob(\"lib/**/*.rb\", base: __dir__)",
            files,
        );
        let log = if loads { build.run() } else { build.fail() };
        let is_refused = log.contains("--env BP_RUN_PROGRAMS=git");
        assert_eq!(is_refused, !loads, "{files}\n{log}");
    }
}

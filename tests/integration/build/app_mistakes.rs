//! Apps that cannot be built: the log says what is wrong, where, and what to do.

use libcnb_test::{BuildConfig, PackResult, TestRunner, assert_contains, assert_not_contains};
use rig::build::build_config;
use rig::environment::variable;
use rig::files;
use std::fs;

fn build_fails(mut config: BuildConfig, check: impl FnOnce(&str, &str)) {
    config.expected_pack_result(PackResult::Failure);
    TestRunner::default().build(config, |context| {
        check(&context.pack_stdout, &context.pack_stderr);
    });
}

#[test]
#[ignore = "integration test"]
fn no_lockfile() {
    build_fails(build_config("no-lockfile"), |stdout, stderr| {
        assert_contains!(stderr, "Gemfile has no Gemfile.lock");
        assert_contains!(stderr, "Run `bundle lock`, and commit Gemfile.lock");
        assert_not_contains!(stdout, "Installing");
    });
}

#[test]
#[ignore = "integration test"]
fn procfile_mistakes() {
    build_fails(build_config("procfile-mistakes"), |stdout, stderr| {
        assert_contains!(stderr, "3 mistakes in the Procfile");
        assert_contains!(stderr, "no colon after the type: `web: bundle exec puma`");
        assert_contains!(stderr, "`my-worker: ruby worker.rb`");
        assert_contains!(stderr, "no command: `release: COMMAND`");
        assert_not_contains!(stdout, "Installing");
    });
}

#[test]
#[ignore = "integration test"]
fn a_file_that_is_nearly_a_procfile_is_named_where_it_makes_no_ruby_app() {
    let mut config = build_config("no-lockfile");
    config.app_dir_preprocessor(|app| {
        files::write(&app.join("procfile"), "worker: ruby worker.rb\n");
        fs::rename(app.join("Gemfile"), app.join("worker.rb")).unwrap();
    });
    build_fails(config, |stdout, _| {
        assert_contains!(stdout, "No Ruby app detected");
        assert_contains!(stdout, "git mv procfile Procfile");
    });
}

#[test]
#[ignore = "integration test"]
fn an_unreadable_procfile() {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(|app| {
        let procfile = b"web: ruby app.rb\nworker: echo caf\xe9\n";
        files::write(&app.join("Procfile"), procfile);
    });
    build_fails(config, |_, stderr| {
        assert_contains!(
            stderr,
            "the byte 0xe9 in column 17 is not UTF-8: save the file as UTF-8"
        );
    });
}

#[test]
#[ignore = "integration test"]
fn an_unknown_ruby_version() {
    build_fails(build_config("unknown-ruby-version"), |stdout, stderr| {
        assert_contains!(
            stderr,
            "there is no Ruby 3.3.99 (asked for by Gemfile.lock) for debian 13 on amd64"
        );
        assert_contains!(stderr, "Nearest: 3.3.12, 3.3.11");
        assert_not_contains!(stdout, "Installing");
    });
}

#[test]
#[ignore = "integration test"]
fn an_archive_that_is_not_the_published_one() {
    let mut config = build_config("ruby-sample-app");
    let server = variable("FORMATION_GEM_SERVER");
    let wrong = "0".repeat(64);
    config
        .env("BP_RUBY_INVENTORY", "/workspace/inventory.toml")
        .app_dir_preprocessor(move |app| {
            let inventory = format!(
                "[[artifacts]]\nversion = \"3.3.8\"\nos = \"linux\"\narch = \"amd64\"\n\
                 url = \"{server}/rubies/ruby-3.3.8-debian-13-amd64.tar.gz\"\nchecksum = \"sha256:{wrong}\"\n\n\
                 [artifacts.metadata]\nlibc = \"glibc\"\nroot = \"ruby-3.3.8\"\n"
            );
            files::write(&app.join("inventory.toml"), inventory);
        });
    build_fails(config, |stdout, stderr| {
        assert_contains!(stderr, "its SHA-256 differs");
        assert_contains!(stderr, "expected 0000000000");
        assert_not_contains!(stdout, "bundle install");
    });
}

#[test]
#[ignore = "integration test"]
fn a_gem_that_is_not_there() {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(|app| {
        files::edit(&app.join("Gemfile.lock"), "tilt (2.4.0)", "tilt (2.4.99)");
    });
    build_fails(config, |stdout, stderr| {
        assert_contains!(stdout, "Your bundle is locked to tilt (2.4.99)");
        assert_contains!(stderr, "`bundle install` failed (exit status: ");
        assert_contains!(stderr, "A gem of Gemfile.lock is not on its server");
    });
}

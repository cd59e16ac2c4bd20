//! Gems of every source, and every reason to run Bundler again: an app whose Gemfile is
//! `backend/gems.rb`, with a `gemspec`, a gem in another folder, a compiled gem in git, a plugin,
//! and groups.

use indoc::formatdoc;
use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::contents::differences;
use rig::build::pack::PackBuild;
use rig::build::phase::BuildPhase;
use rig::build::{buildpack, rig_server_variables};
use rig::docker::env_options;
use rig::environment::variable;
use rig::files;
use rig::image::ImageTag;
use rig::server::git::GitServer;
use std::path::Path;

const REPOSITORIES: &str = "fixtures/gem-sources/git";

/// The revision of the gem in git that the lockfile names.
const REVISION: &str = "f2045f706e32121d75a5898ecbc9d0310b01f9b3";

const LOCKFILE: &str = "backend/gems.locked";

const ANSWER: &str = "bundle exec ruby -r backend -e 'puts Backend.answer'";

/// `user` is `name:password@` for the git server, or empty.
pub(crate) fn build_with(git: &GitServer, user: &str) -> BuildPhase {
    for repository in ["greeting", "announcer"] {
        let revision = git.commit(repository, &Path::new(REPOSITORIES).join(repository));
        assert!(
            repository != "greeting" || revision == REVISION,
            "{LOCKFILE} needs {revision}"
        );
    }
    let build = BuildPhase::of_a_copy("gem-sources/app");
    git.stand_in(&build, user);
    for (name, value) in [
        ("BP_RUBY_VERSION", "3.3.8"),
        ("BUNDLE_GEMFILE", "backend/gems.rb"),
        ("BUNDLE_WITH", "staging"),
        ("NO_COLOR", "1"),
    ] {
        build.set(name, value);
    }
    build
}

/// Commits the repository of `greeting` with a change in one of its files, and locks that revision.
pub(crate) fn change_greeting(
    git: &GitServer,
    build: &BuildPhase,
    file: &str,
    from: &str,
    to: &str,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    files::copy(format!("{REPOSITORIES}/greeting/."), folder.path());
    files::edit(&folder.path().join(file), from, to);
    let revision = git.commit("greeting", folder.path());
    build.edit(LOCKFILE, REVISION, &revision);
}

#[test]
#[ignore = "integration test"]
fn gems_of_every_source_and_every_reason_to_run_bundler() {
    let git = GitServer::start();
    let build = build_with(&git, "");
    let log = build.run();
    assert_contains!(log, "The plugin announces 9 dependencies");
    assert_contains!(log, "Compiling bcrypt 3.1.20");
    assert_contains!(log, "Copying racc 1.7.3 from Ruby");
    assert_contains!(log, "Fetching https://git.example.com/greeting.git");
    assert_eq!(build.output_of(ANSWER), "Hello 42 2.4.0 4 c\n");
    let clean = build.contents("layers/gems");
    let installed = |name: &str| clean.keys().any(|path| path.contains(name));
    assert!(
        installed("/gems/connection_pool-2.4.1/"),
        "a group of BUNDLE_WITH"
    );
    for group in ["/rack-test-", "/webrick-", "/minitest-"] {
        assert!(!installed(group), "{group} is for development or test");
    }
    assert!(!installed("/.git"), "the repository is not needed again");

    // Changes that Bundler does not depend on.
    build.output_of("chmod a-x /build/layers/ruby/bin/*");
    build.set("BUNDLE_JOBS", "1");
    build.set("RAILS_ENV", "staging");
    build.set(
        "BUNDLE_MIRROR__ALL",
        &format!("{}/", variable("FORMATION_GEM_SERVER")),
    );
    build.write("app.rb", "puts 1\n");
    build.write("backend/lib/backend/more.rb", "puts 1\n");
    let unchanged = build.run();
    assert_contains!(
        unchanged,
        "Bundler does not run: no change in BUNDLE_WITH, Ruby, backend/gems.locked, backend/gems.rb, \
         path gem `../engines/billing`, path gem `.`"
    );
    build.output_of("chmod a+x /build/layers/ruby/bin/*");

    // Changes that it depends on.
    let expect = |reason: &str| {
        let log = build.run();
        assert_contains!(log, &format!("Updating the cached gems: {reason}\n"));
        log
    };
    build.edit("engines/billing/lib/billing.rb", "42", "43");
    let log = expect("path gem `../engines/billing` has changed");
    assert_not_contains!(log, "Fetching https://git.example.com/greeting.git");
    build.edit("backend/backend.gemspec", "which is a gem", "a gem");
    expect("path gem `.` has changed");
    build.set("BUNDLE_WITH", "staging:test");
    let log = expect("BUNDLE_WITH has changed");
    assert_contains!(log, "7 gems are installed");
    build.set("BUNDLE_WITHOUT", "development");
    expect("BUNDLE_WITHOUT is new");
    build.write(
        "backend/.bundle/config",
        "BUNDLE_BUILD__GREETING: \"--with-cflags=-O0\"\n",
    );
    let before = build.contents("layers/gems");
    expect("BUNDLE_BUILD__GREETING in .bundle/config is new");
    build.set("BUNDLE_BUILD__BCRYPT", "--with-cflags=-O0");
    let log = expect("BUNDLE_BUILD__BCRYPT is new");
    assert_contains!(log, "Installed bcrypt-3.1.20 (");
    let compiled: Vec<_> = differences(&before, &build.contents("layers/gems"))
        .into_iter()
        .filter(|difference| difference.contains(".so: "))
        .collect();
    for library in ["greeting.so", "bcrypt_ext.so"] {
        let changed = compiled.iter().any(|path| path.contains(library));
        assert!(changed, "{compiled:#?}");
    }
    build.edit("backend/gems.rb", "# The Gemfile", "# A Gemfile");
    expect("backend/gems.rb has changed");
    change_greeting(&git, &build, "ext/greeting/greeting.c", "Hello", "Goodbye");
    let log = expect("backend/gems.locked has changed");
    assert_contains!(log, "Fetching https://git.example.com/greeting.git");
    assert_contains!(log, "Removing greeting (f2045f706e32)");
    assert_eq!(build.output_of(ANSWER), "Goodbye 43 2.4.0 4 c\n");

    // Bundlers of other major versions: one that the gem server does not have, and one that does
    // not run on this Ruby.
    build.edit(LOCKFILE, "WITH\n   2.5.22", "WITH\n  4.0.99");
    let log = expect("backend/gems.locked has changed");
    assert_contains!(
        log,
        "Ruby's own Bundler is used instead of the lockfile's: "
    );
    build.edit(LOCKFILE, "WITH\n  4.0.99", "WITH\n   1.17.3");
    let log = expect("backend/gems.locked has changed");
    assert_contains!(
        log,
        "Bundler 1.17.3 of backend/gems.locked does not run on Ruby 3.3.8: Ruby's own Bundler is used"
    );
    assert_eq!(build.output_of(ANSWER), "Goodbye 43 2.4.0 4 c\n");

    // Back to the start: nothing of all that is left.
    build.restore();
    build.unset("BUNDLE_WITHOUT");
    build.unset("BUNDLE_BUILD__BCRYPT");
    build.set("BUNDLE_WITH", "staging");
    build.run();
    assert_eq!(
        differences(&build.contents("layers/gems"), &clean),
        Vec::<String>::new()
    );
}

/// With the cache that the platform keeps between builds.
#[test]
#[ignore = "integration test"]
fn a_gem_in_git_is_fetched_once() {
    let git = GitServer::start();
    git.commit("greeting", &Path::new(REPOSITORIES).join("greeting"));
    let app = tempfile::tempdir().expect("a temporary folder");
    let gemfile = "source \"https://rubygems.org\"\ngem \"greeting\", git: \"https://git.example.com/greeting.git\"\n";
    let lockfile = formatdoc! {"
        GIT
          remote: https://git.example.com/greeting.git
          revision: {REVISION}
          specs:
            greeting (1.0.0)

        GEM
          remote: https://rubygems.org/
          specs:

        PLATFORMS
          ruby
          x86_64-linux

        DEPENDENCIES
          greeting!
    "};
    files::write(&app.path().join("Gemfile.lock"), lockfile);
    let mut variables = vec![("BP_RUBY_VERSION", "3.3.8".to_string())];
    variables.extend(rig_server_variables());
    variables.extend(git.variables(""));
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let options = env_options(&variables);
    let build = |gemfile: &str| {
        files::write(&app.path().join("Gemfile"), gemfile);
        let build = PackBuild::run("git", app.path(), Path::new(buildpack()), &options);
        assert!(build.succeeded, "{}", build.log);
        build
    };

    let first = build(gemfile);
    assert_contains!(first.log, "Fetching https://git.example.com/greeting.git");
    let _first_image = ImageTag::of(&first.image);
    let second = build(&format!("# A remark.\n{gemfile}"));
    assert_contains!(second.log, "Updating the cached gems: Gemfile has changed");
    assert_contains!(second.log, "Bundle complete! 1 Gemfile dependency");
    assert_not_contains!(second.log, "Fetching https://git.");
    // Everything is installed again, from the cache.
    let _second_image = ImageTag::of(&second.image);
    let other_ruby = [&options[..], &["--env", "BP_RUBY_VERSION=3.1.2"]].concat();
    let third = PackBuild::run("git", app.path(), Path::new(buildpack()), &other_ruby);
    assert!(third.succeeded, "{}", third.log);
    assert_contains!(third.log, "Ruby's ABI changed from 3.3.0 to 3.1.0");
    assert_not_contains!(third.log, "Fetching https://git.");
}

#[test]
#[ignore = "integration test"]
fn what_keeps_gems_from_being_installed() {
    let git = GitServer::start();
    let build = build_with(&git, "");
    build.edit(LOCKFILE, "  ruby\n  x86_64-linux\n", "  arm64-darwin-23\n");
    let log = build.fail();
    assert_contains!(
        log,
        "backend/gems.locked was resolved for other platforms. Run `bundle lock --add-platform x86_64-linux`,"
    );
    build.edit(LOCKFILE, "  arm64-darwin-23\n", "  ruby\n  x86_64-linux\n");

    let check = "abort \"MySQL is missing\" unless have_header(\"mysql.h\")\ncreate_makefile";
    change_greeting(
        &git,
        &build,
        "ext/greeting/extconf.rb",
        "create_makefile",
        check,
    );
    let log = build.fail();
    let report = log.split_once("  × ").expect("an error").1;
    insta::assert_snapshot!(report);
}

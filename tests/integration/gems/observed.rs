//! What a Gemfile means may change although neither it nor its lockfile does: the Ruby process that
//! evaluates it notes what it asks for. An app whose Gemfile asks for everything there is.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::phase::BuildPhase;

const UNCHANGED: &str = "Bundler does not run: no change in ";

fn build() -> BuildPhase {
    let build = BuildPhase::of_a_copy("observed-gemfile");
    for (name, value) in [("BP_RUBY_VERSION", "3.3.8"), ("NO_COLOR", "1")] {
        build.set(name, value);
    }
    let log = build.run();
    assert_contains!(log, "4 gems are installed");
    build
}

/// A change of the app or of the build variables.
type Change<'a> = &'a dyn Fn(&BuildPhase);

#[test]
#[ignore = "integration test"]
fn each_change_of_what_the_gemfile_asks_for_is_noticed() {
    let build = build();
    let changes: [(&str, Change<'_>); 22] = [
        ("file Gemfile.shared has changed", &|build| {
            build.write("Gemfile.shared", "gem 'rake'\n");
        }),
        ("file config/adapter has changed", &|build| {
            build.write("config/adapter", "rack\n\n");
        }),
        ("file config/gem_options.rb has changed", &|build| {
            build.write("config/gem_options.rb", "");
        }),
        ("presence config/optional.rb has changed", &|build| {
            build.write("config/optional.rb", "");
        }),
        ("file config/optional.rb has changed", &|build| {
            build.write("config/optional.rb", "# x\n");
        }),
        ("file config/loaded.rb has changed", &|build| {
            build.write("config/loaded.rb", "");
        }),
        ("presence Gemfile.local has changed", &|build| {
            build.write("Gemfile.local", "");
        }),
        ("file Gemfile.local has changed", &|build| {
            build.write("Gemfile.local", "# mine\n");
        }),
        ("file Gemfile.local has changed", &|build| {
            build.remove("Gemfile.local");
        }),
        ("list plugins/*/{Gemfile,gems.rb} has changed", &|build| {
            build.write("plugins/mail/gems.rb", "");
        }),
        ("file plugins/mail/gems.rb has changed", &|build| {
            build.write("plugins/mail/gems.rb", "# x\n");
        }),
        ("file config/database.yml has changed", &|build| {
            build.edit("config/database.yml", "production", "staging");
        }),
        ("variable DATABASE_URL has changed", &|build| {
            build.set("DATABASE_URL", "postgres://user:s3cr3t@host");
        }),
        ("variable WITHOUT_POOL has changed", &|build| {
            build.set("WITHOUT_POOL", "0");
        }),
        ("variable COLOR has changed", &|build| {
            build.set("COLOR", "blue");
        }),
        ("variable COLOR has changed", &|build| build.unset("COLOR")),
        ("file config/settings.json has changed", &|build| {
            build.write("config/settings.json", "[]");
        }),
        ("file config/opened has changed", &|build| {
            build.write("config/opened", "two\n");
        }),
        ("file config/sized has changed", &|build| {
            build.write("config/sized", "three\n");
        }),
        ("full list config/features/* has changed", &|build| {
            build.write("config/features/mail", "");
        }),
        ("list lib/**/*.rb has changed", &|build| {
            build.write("lib/shop/cart.rb", "");
        }),
        ("file lib/shop/version.rb has changed", &|build| {
            build.edit("lib/shop/version.rb", "end", "end\n# x");
        }),
    ];
    for (reason, change) in changes {
        change(&build);
        let log = build.run();
        assert_contains!(log, &format!("Updating the cached gems: {reason}"));
    }
    assert_eq!(build.layers_with("s3cr3t"), Vec::<String>::new());
    let log = build.run();
    assert_contains!(log, UNCHANGED);

    // Changes after which the lockfile is no longer right: as a clean build says.
    build.write("VERSION", "0.2.0\n");
    let log = build.fail();
    assert_contains!(log, "Updating the cached gems: file VERSION has changed");
    assert_contains!(log, "Gemfile.lock does not match Gemfile");
    build.write("VERSION", "0.1.0\n");
    build.run();
    build.edit("lib/shop/version.rb", "0.1.0", "0.2.0");
    let log = build.fail();
    assert_contains!(
        log,
        "Updating the cached gems: file lib/shop/version.rb has changed"
    );
}

#[test]
#[ignore = "integration test"]
fn a_change_of_anything_else_starts_no_ruby_process() {
    let build = build();
    build.output_of("chmod a-x /build/layers/ruby/bin/*");
    let changes: [Change<'_>; 20] = [
        &|build| build.write("app.rb", "puts 1\n"),
        &|build| build.write("README.md", "# Shop\n"),
        &|build| build.write("config/routes.rb", "get '/'\n"),
        &|build| build.write("config/features/search", "off\n"),
        &|build| build.write("lib/shop/readme.txt", "text\n"),
        &|build| build.write("app/models/order.rb", "class Order; end\n"),
        &|build| build.write("plugins/search/lib/search.rb", "# code\n"),
        &|build| build.write("plugins/empty/README", "no gems\n"),
        &|build| build.write("engines/README", "text\n"),
        &|build| build.write("engines/billing/tmp/cache", "x"),
        &|build| build.write("engines/billing/log/test.log", "x"),
        &|build| build.write("tmp/cache", "x"),
        &|build| build.write(".git/HEAD", "ref: refs/heads/main\n"),
        &|build| build.write("Procfile", "worker: ruby app.rb\n"),
        &|build| build.write("public/robots.txt", "two\n"),
        &|build| build.set("RAILS_ENV", "staging"),
        &|build| build.set("BUNDLE_JOBS", "1"),
        &|build| build.set("BUNDLE_RETRY", "1"),
        &|build| build.set("DATABASE_POOL", "5"),
        &|build| build.write("Gemfile.shared", "gem \"rake\"\n"),
    ];
    let mut without_ruby = 0;
    for change in changes {
        change(&build);
        let container = build.start();
        if container.status() == 0 && container.logs().contains(UNCHANGED) {
            without_ruby += 1;
        }
    }
    println!("no Ruby process in {without_ruby} of 20");
    assert!(without_ruby >= 18, "{without_ruby}");
}

#[test]
#[ignore = "integration test"]
fn what_cannot_be_watched_has_bundler_run_on_every_build() {
    let build = build();
    build.write("Gemfile.local", "`echo secret-argument`\n");
    let log = build.run();
    assert_contains!(
        log,
        "Bundler runs on every build: the Gemfile or a gemspec asks for what cannot be watched (program echo)"
    );
    let log = build.run();
    assert_contains!(
        log,
        "Updating the cached gems: program echo may have another answer\n"
    );
    assert_eq!(build.layers_with("secret-argument"), Vec::<String>::new());
    build.write(
        "Gemfile.local",
        "require 'socket'\nTCPSocket.new('127.0.0.1', 9) rescue nil\nENV.to_h\n",
    );
    let log = build.run();
    assert_contains!(log, "cannot be watched (all variables, network)");
    build.write("Gemfile.local", "");
    let log = build.run();
    assert_not_contains!(log, "cannot be watched");
    let log = build.run();
    assert_contains!(log, UNCHANGED);
}

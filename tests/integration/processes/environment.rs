//! What a process, a program by its bare name, and a command in a running container find in their
//! environment.

use libcnb_test::{BuildConfig, TestRunner, assert_contains, assert_not_contains};
use rig::build::build_config;
use rig::command::all_output;
use rig::container::Container;
use rig::docker::{docker, try_docker};
use rig::image::{image_of, output_of};
use rig::{files, gem};
use std::path::Path;

const LOCALE: &str = "en_US.UTF-8";

const NO_LOCALE: &str = "=C.UTF-8 (this image does not have the locale en_US.UTF-8)";

fn app_with(files: &'static [(&'static str, &'static str)]) -> BuildConfig {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(move |app| {
        for (name, text) in files {
            files::write_program(&app.join(name), text);
        }
    });
    config
}

/// What `launcher -- COMMAND` writes.
fn launched(image: &str, options: &[&str], command: &[&str]) -> String {
    let run = ["run", "--rm", "--entrypoint", "launcher"];
    let words = [&run, options, &[image, "--"], command].concat();
    all_output(&try_docker(&words).expect("docker starts"))
}

#[test]
#[ignore = "integration test"]
fn every_process_has_the_images_environment() {
    let config = app_with(&[
        (
            "Procfile",
            "web: rackup -o 0.0.0.0 -p $PORT\nworker: crunch\n",
        ),
        (
            "config.ru",
            "run ->(_) { [200, {}, [\"on #{ENV['PORT']}\"]] }\n",
        ),
        (
            "bin/crunch",
            "#!/usr/bin/env ruby\nputs \"crunched by #{RUBY_VERSION}\"\n",
        ),
    ]);
    TestRunner::default().build(config, |context| {
        let image = image_of(&context);
        the_port_is_a_default(&image);
        the_limits_of_the_container_count(&image);
        a_locale_that_the_image_lacks_is_replaced(&image);
        assert_eq!(output_of(&context, "worker"), "crunched by 3.3.8\n");
        programs_run_in_a_container(&image);
        programs_are_no_part_of_the_formation(&image);
        assert_contains!(
            context.pack_stdout,
            "docker exec CONTAINER runs `ruby`, `bundle`"
        );
        assert_not_contains!(context.pack_stdout, "Run `ruby`");
    });
}

fn the_port_is_a_default(image: &str) {
    let web = Container::start(image, &["--publish", "127.0.0.1::8080"], &[]);
    assert_eq!(web.web_answer(), "on 8080");
    let port = ["sh", "-c", "echo $PORT"];
    assert_eq!(launched(image, &[], &port), "8080\n");
    assert_eq!(launched(image, &["--env", "PORT=3000"], &port), "3000\n");
}

/// Of its control group.
fn the_limits_of_the_container_count(image: &str) {
    let set = ["sh", "-c", "echo \"$WEB_CONCURRENCY $RUBY_YJIT_ENABLE\""];
    // An app without Rails gets no processes that it may not expect.
    for (memory, expected) in [("256m", " \n"), ("512m", " 1\n"), ("2g", " 1\n")] {
        let limits = [
            "--memory",
            memory,
            "--cpu-period",
            "100000",
            "--cpu-quota",
            "400000",
        ];
        assert_eq!(launched(image, &limits, &set), expected, "{memory}");
        let given = ["--env", "WEB_CONCURRENCY=7", "--env", "RUBY_YJIT_ENABLE=0"];
        let given = [&limits[..], &given].concat();
        assert_eq!(launched(image, &given, &set), "7 0\n");
    }
    let why = launched(image, &["--env", "FORMATION_DEBUG=1"], &["true"]);
    assert_contains!(
        why,
        "formation: RUBY_YJIT_ENABLE=1 (Ruby's just-in-time compiler; there is memory for it)\n"
    );
    assert_contains!(why, "formation: PUMA_PERSISTENT_TIMEOUT=95 (the default)\n");
}

fn a_locale_that_the_image_lacks_is_replaced(image: &str) {
    let encoding = ["ruby", "-e", "puts Encoding.default_external"];
    for variable in ["LANG", "LC_ALL"] {
        let option = format!("{variable}={LOCALE}");
        let output = launched(image, &["--env", &option], &encoding);
        assert_contains!(output, "UTF-8\n");
        assert_contains!(output, &format!("formation: {variable}{NO_LOCALE}\n"));
    }
    assert_eq!(launched(image, &[], &encoding), "UTF-8\n");
    assert_eq!(
        launched(image, &["--env", "LANG=C"], &encoding),
        "US-ASCII\n"
    );
    let options = ["--env", "FORMATION_DEBUG=1", "--env", "RACK_ENV=staging"];
    let output = launched(image, &options, &["true"]);
    assert_contains!(output, "formation: LANG=C.UTF-8 (the default)\n");
    assert_contains!(output, "formation: PORT=8080 (the default)\n");
    assert_contains!(
        output,
        "formation: RACK_ENV=staging (given; the default is production)\n"
    );
}

/// The entry points are first in the PATH of the image. What they start finds Ruby itself.
fn programs_run_in_a_container(image: &str) {
    let web = Container::start(image, &[], &[]);
    assert!(web.exec(&["ruby", "-v"]).starts_with("ruby 3.3.8"));
    assert_contains!(
        web.exec(&["bundle", "exec", "rackup", "--version"]),
        "Rack 3.1.20"
    );
    assert_contains!(web.exec(&["sh", "-c", "bundle list"]), "sinatra (4.1.1)");
    assert_eq!(web.exec(&["bin/crunch"]), "crunched by 3.3.8\n");
    let nested = "system(%(ruby), %(-e), %(puts ENV[%q(PATH)], ENV[%q(RACK_ENV)], \
                  File.read(%q(/proc/) + Process.ppid.to_s + %q(/comm))))";
    let nested = web.exec(&["ruby", "-e", nested]);
    let [path, environment, parent] = nested.lines().collect::<Vec<_>>()[..] else {
        panic!("{nested}");
    };
    let is_entry_point = |folder| folder == "/cnb/process";
    assert!(!path.split(':').any(is_entry_point), "{path}");
    assert_eq!((environment, parent), ("production", "ruby"));
    let run = [
        "run",
        "--rm",
        "--entrypoint",
        "bundle",
        image,
        "exec",
        "ruby",
        "-v",
    ];
    assert!(docker(&run).starts_with("ruby 3.3.8"));
}

fn programs_are_no_part_of_the_formation(image: &str) {
    let formation = Container::start(image, &["--entrypoint", "formation"], &["ruby=1"]);
    assert_ne!(formation.status(), 0);
    assert_contains!(formation.logs(), "ruby");
    let export = [
        "run",
        "--rm",
        "--entrypoint",
        "formation",
        image,
        "export",
        "compose",
    ];
    let exported = docker(&[&export[..], &["--image", "app"]].concat());
    assert_contains!(exported, "worker:");
    assert_not_contains!(exported, "/cnb/process/ruby");
}

/// Ruby 3.3.8 ships Rake 13.1.0.
#[test]
#[ignore = "integration test"]
fn a_bare_name_is_the_locked_version_for_every_user() {
    let mut config = build_config("ruby-sample-app");
    config.env("BP_RUBY_VERSION", "3.3.8");
    config.app_dir_preprocessor(|app| {
        let cached = app.join("vendor/cache/rake-12.0.0.gem");
        files::write(&cached, rake_12());
        files::write(
            &app.join("Gemfile"),
            "source \"https://rubygems.org\"\ngem \"rake\"\n",
        );
        files::write(
            &app.join("Gemfile.lock"),
            "GEM\n  remote: https://rubygems.org/\n  specs:\n    rake (12.0.0)\n\nPLATFORMS\n  \
             ruby\n\nDEPENDENCIES\n  rake\n\nBUNDLED WITH\n   2.6.7\n",
        );
        files::write(&app.join("Procfile"), "release: rake db:migrate\n");
    });
    TestRunner::default().build(config, |context| {
        let image = image_of(&context);
        let rake = "Rake 12.0.0 of the lockfile";
        assert_contains!(output_of(&context, "release"), rake);
        assert_contains!(output_of(&context, "rake"), rake);
        let user = ["--user", "12345:0"];
        assert_contains!(launched(&image, &user, &["rake"]), rake);
        assert_contains!(launched(&image, &user, &["bundle", "exec", "rake"]), rake);
    });
}

/// A Rake whose files only their author may read, and which an app then loads by Bundler.
fn rake_12() -> Vec<u8> {
    let program =
        "require 'bundler/setup'\nrequire 'rake'\nputs \"Rake #{Rake::VERSION} of the lockfile\"\n";
    let library = "module Rake\n  VERSION = '12.0.0'\nend\n";
    gem::archive(
        "rake",
        "12.0.0",
        &[
            ("exe/rake", 0o755, program),
            ("lib/rake.rb", 0o600, library),
        ],
    )
}

const RAILS_APP: [(&str, &str); 7] = [
    (
        "config/application.rb",
        "require 'rails'\nrequire 'action_controller/railtie'\n\
         class Demo < Rails::Application\n  \
           config.root = File.expand_path('..', __dir__)\n  \
           config.eager_load = false\n  \
           config.secret_key_base = 'x' * 64\n  \
           routes.append { root to: ->(_) { [200, {}, ['Hello from Rails']] } }\n\
         end\n",
    ),
    (
        "config/environment.rb",
        "require_relative 'application'\nRails.application.initialize!\n",
    ),
    (
        "config.ru",
        "require_relative 'config/environment'\nrun Rails.application\n",
    ),
    (
        "bin/rails",
        "#!/usr/bin/env ruby\nAPP_PATH = File.expand_path('../config/application', __dir__)\n\
         require 'bundler/setup'\nrequire 'rails/commands'\n",
    ),
    (
        "config/puma.rb",
        "pidfile ENV.fetch(\"PIDFILE\") { \"tmp/pids/server.pid\" }\n",
    ),
    ("tmp/.keep", ""),
    ("log/.keep", ""),
];

#[test]
#[ignore = "integration test"]
fn the_default_web_of_rails_runs_as_any_user_and_with_nothing_to_write_to() {
    let mut config = build_config("rails-gems");
    config.env("BP_RUBY_VERSION", "3.3.8");
    config.app_dir_preprocessor(|app: std::path::PathBuf| {
        for (name, text) in RAILS_APP {
            let path: &Path = &app.join(name);
            files::write_program(path, text);
        }
    });
    TestRunner::default().build(config, |context| {
        let image = image_of(&context);
        for options in [
            &["--read-only"][..],
            &["--read-only", "--user", "12345:0"],
            &["--user", "1001:1000"],
            &["--user", "12345:0"],
        ] {
            let publish = ["--publish", "127.0.0.1::8080"];
            let web = Container::start(&image, &[options, &publish].concat(), &[]);
            assert_eq!(web.web_answer(), "Hello from Rails", "{options:?}");
            web.kill();
            docker(&["start", &web.id]);
            assert_eq!(web.web_answer(), "Hello from Rails", "{options:?}");
        }
        let web = Container::start(&image, &["--user", "12345:0"], &[]);
        for folder in ["tmp", "tmp/pids", "tmp/cache", "log", "storage"] {
            web.exec(&["touch", &format!("{folder}/written")]);
        }
        let runner = ["runner", "puts Rails.version, Rails.env"];
        for program in ["bin/rails", "rails"] {
            let output = web.exec(&[&[program], &runner[..]].concat());
            assert!(output.ends_with("7.2.2.2\nproduction\n"), "{output}");
        }
        assert_contains!(web.exec(&["rake", "--version"]), "13.2.1");
    });
}

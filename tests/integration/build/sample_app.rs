//! The tutorial's sample app: Sinatra, with a web and a worker process.

use libcnb_test::{TestRunner, assert_contains, assert_empty, assert_not_contains};
use rig::build::build_config;
use rig::container::Container;
use rig::files;
use rig::image::{image_of, inspect_image, output_of, web_answer};

#[test]
#[ignore = "integration test"]
fn the_sample_app_builds_and_runs() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        assert_empty!(context.pack_stderr.lines().filter(|line| !line.starts_with("Warning:")).collect::<String>());
        assert_contains!(
            context.pack_stdout,
            "Ignored, because Formation sets them itself: BUNDLE_PATH, GEM_HOME, GEM_PATH, LD_PRELOAD, PATH, RUBYLIB, RUBYOPT"
        );
        assert_contains!(context.pack_stdout, "Version `3.3.8` (from Gemfile.lock: 3.3.8)");
        assert_contains!(context.pack_stdout, " bytes with SHA-256 ");
        assert_contains!(context.pack_stdout, "12 gems are installed");
        assert_contains!(context.pack_stdout, "Run `web` with docker run IMAGE");
        assert_contains!(context.pack_stdout, "Run `worker` with docker run --entrypoint worker IMAGE");

        assert!(web_answer(&context).ends_with("Hello World! Ruby 3.3.8\n"));
        assert_eq!(output_of(&context, "worker"), "Running a worker task...\n".repeat(6));

        let ruby = context.run_shell_command("ruby -v").stdout;
        assert!(ruby.starts_with("ruby 3.3.8 "), "{ruby}");
        let gems = context.run_shell_command("bundle list").stdout;
        assert_contains!(gems, "sinatra (4.1.1)");
        let bundler = context.run_shell_command("bundle --version").stdout;
        assert_eq!(bundler.trim(), "Bundler version 2.6.7");
        let user = context.run_shell_command("id -u").stdout;
        assert_ne!(user.trim(), "0");

        let metadata = inspect_image(&context, r#"{{index .Config.Labels "io.buildpacks.build.metadata"}}"#);
        assert_contains!(metadata, r#""type":"web""#);
        assert_contains!(metadata, r#""type":"worker""#);
    });
}

#[test]
#[ignore = "integration test"]
fn the_image_holds_the_unchanged_app_and_no_build_files() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        let app = context
            .run_shell_command("cd /workspace && find . | sort")
            .stdout;
        assert_eq!(
            app,
            ".\n./Gemfile\n./Gemfile.lock\n./Procfile\n./app.rb\n./worker.rb\n"
        );
        let left_over = context.run_shell_command(
            "find /layers/*/gems -name '*.gem' -o -name 'mkmf.log' -o -name 'gem_make.out'",
        );
        assert_empty!(left_over.stdout);
        let env = context.run_shell_command("env").stdout;
        assert_not_contains!(env, "/invalid");
        assert_not_contains!(env, "BUNDLE_MIRROR");
        assert_contains!(env, "RACK_ENV=production");
    });
}

#[test]
#[ignore = "integration test"]
fn a_locked_down_container_starts_and_stops() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        let options = [
            "--read-only",
            "--cap-drop",
            "ALL",
            "--publish",
            "127.0.0.1::8080",
        ];
        let web = Container::start(&image_of(&context), &options, &[]);
        let answer = web.web_answer();
        assert!(answer.ends_with("Hello World! Ruby 3.3.8\n"), "{answer}");
        assert_ne!(web.exec(&["id", "-u"]).trim(), "0");
        web.stop();
        assert_eq!(web.status(), 0, "{}", web.logs());
    });
}

#[test]
#[ignore = "integration test"]
fn programs_of_gems_run_without_bundle_exec() {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(|app| {
        files::write(&app.join("Procfile"), "version: rackup --version\n");
    });
    TestRunner::default().build(config, |context| {
        assert_eq!(output_of(&context, "version"), "Rack 3.1.20\n");
    });
}

#[test]
#[ignore = "integration test"]
fn an_app_with_a_worker_and_a_release_starts_the_worker() {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(|app| {
        let procfile = "release: echo released\nworker: ruby worker.rb\n";
        files::write(&app.join("Procfile"), procfile);
    });
    TestRunner::default().build(config, |context| {
        assert_contains!(context.pack_stdout, "Run `worker` with docker run IMAGE");
        let image = image_of(&context);
        let worker = Container::start(&image, &[], &[]);
        assert_eq!(worker.status(), 0);
        assert_eq!(worker.logs(), "Running a worker task...\n".repeat(6));
        assert_eq!(output_of(&context, "release"), "released\n");
    });
}

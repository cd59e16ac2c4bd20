//! Puma, a `config.ru`, and a gem that is compiled when it is installed.

use libcnb_test::{TestRunner, assert_contains, assert_empty};
use rig::build::build_config;
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

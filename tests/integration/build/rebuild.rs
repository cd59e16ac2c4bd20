//! What a second build reuses, and what it does again.

use libcnb_test::{
    BuildConfig, BuildpackReference, TestContext, TestRunner, assert_contains, assert_not_contains,
};
use rig::build::contents::differences;
use rig::build::phase::BuildPhase;
use rig::build::{build_config, buildpack, rebuild};
use rig::docker::docker;
use rig::files;
use rig::image::{image_of, inspect_image, web_answer};
use std::path::Path;

const LAYERS: &str = "{{json .RootFS.Layers}}";

fn layer_digests(context: &TestContext<'_>) -> String {
    inspect_image(context, LAYERS)
}

fn edit(app: &Path, file: &str, from: &str, to: &str) {
    files::edit(&app.join(file), from, to);
}

fn changed(change: impl Fn(&Path) + 'static) -> BuildConfig {
    let mut config = build_config("ruby-sample-app");
    config.app_dir_preprocessor(move |app| change(&app));
    config
}

#[test]
#[ignore = "integration test"]
fn an_unchanged_app_reuses_everything() {
    let config = build_config("ruby-sample-app");
    TestRunner::default().build(&config, |context| {
        let before = layer_digests(&context);
        rebuild(context, &config, |context| {
            assert_contains!(context.pack_stdout, "Using cached Ruby 3.3.8");
            assert_contains!(
                context.pack_stdout,
                "Using 12 cached gems. Bundler does not run: no change in Gemfile, Gemfile.lock, Ruby"
            );
            for work in ["bundle install", "Unpacking"] {
                assert_not_contains!(context.pack_stdout, work);
            }
            assert_eq!(layer_digests(&context), before);
        });
    });
}

#[test]
#[ignore = "integration test"]
fn changed_code_reuses_ruby_and_gems() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        rebuild(
            context,
            changed(|app| edit(app, "app.rb", "Hello World", "Hello again")),
            |context| {
                assert_contains!(context.pack_stdout, "Bundler does not run");
                assert!(web_answer(&context).contains("Hello again"));
            },
        );
    });
}

#[test]
#[ignore = "integration test"]
fn another_ruby_is_installed_with_gems_of_its_own() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        let other_ruby = changed(|app| {
            edit(app, "Gemfile", "3.3.8", "3.1.2");
            edit(app, "Gemfile.lock", "3.3.8p144", "3.1.2p20");
        });
        rebuild(context, other_ruby, |context| {
            assert_contains!(
                context.pack_stdout,
                "Not using the cached Ruby: version changed from 3.3.8 to 3.1.2"
            );
            assert_contains!(
                context.pack_stdout,
                "Not using the cached gems: Ruby's ABI changed from 3.3.0 to 3.1.0"
            );
            assert!(web_answer(&context).ends_with("Hello World! Ruby 3.1.2\n"));
        });
    });
}

#[test]
#[ignore = "integration test"]
fn only_the_gem_that_is_added_or_removed_changes() {
    TestRunner::default().build(build_config("ruby-sample-app"), |context| {
        let before = layer_digests(&context);
        let one_more = changed(|app| {
            edit(
                app,
                "Gemfile",
                "gem \"webrick\"\n",
                "gem \"webrick\"\ngem \"rake\"\n",
            );
            edit(
                app,
                "Gemfile.lock",
                "    ruby2_keywords (0.0.5)",
                "    rake (13.2.1)\n    ruby2_keywords (0.0.5)",
            );
            edit(app, "Gemfile.lock", "  sinatra\n", "  rake\n  sinatra\n");
        });
        rebuild(context, one_more, |context| {
            assert_contains!(
                context.pack_stdout,
                "Updating the cached gems: Gemfile has changed, Gemfile.lock has changed"
            );
            assert_contains!(context.pack_stdout, "Fetched 1 gem, ");
            assert_contains!(context.pack_stdout, "Installed rake-13.2.1 (");
            assert_contains!(context.pack_stdout, "13 gems are installed");
            rebuild(context, build_config("ruby-sample-app"), |context| {
                assert_contains!(context.pack_stdout, "Removing rake (13.2.1)");
                assert_eq!(layer_digests(&context), before);
            });
        });
    });
}

#[test]
#[ignore = "integration test"]
fn a_deleted_image_is_rebuilt_from_the_cache() {
    let config = build_config("ruby-sample-app");
    TestRunner::default().build(&config, |context| {
        let before = layer_digests(&context);
        docker(&["image", "rm", "--force", &image_of(&context)]);
        context.rebuild(&config, |context| {
            for line in [
                "Unpacking Ruby 3.3.8 from the cache",
                "Using 12 cached gems. Bundler does not run",
            ] {
                assert_contains!(context.pack_stdout, line);
            }
            assert_eq!(layer_digests(&context), before);
        });
    });
}

#[test]
#[ignore = "integration test"]
fn later_buildpacks_have_ruby_and_the_gems_where_they_require_them() {
    let found = "Later: 3.3.8, 4.1.1";
    let alone = build_config("ruby-sample-app");
    let mut with_a_later_one = alone.clone();
    with_a_later_one.buildpacks([
        BuildpackReference::Other(buildpack().to_string()),
        BuildpackReference::Other("fixtures/later-buildpack".to_string()),
    ]);
    TestRunner::default().build(&alone, |context| {
        let before = layer_digests(&context);
        rebuild(context, &with_a_later_one, |context| {
            assert_contains!(context.pack_stdout, found);
            assert_contains!(context.pack_stdout, "Bundler does not run");
            rebuild(context, &with_a_later_one, |context| {
                assert_contains!(context.pack_stdout, found);
                assert_not_contains!(context.pack_stdout, "Unpacking");
                rebuild(context, &alone, |context| {
                    assert_contains!(context.pack_stdout, "Bundler does not run");
                    assert_eq!(layer_digests(&context), before);
                });
            });
        });
    });
}

/// Leaves what the platform restores of the layers when the others are in the image only.
const RESTORED: &str = "rm -rf /build/layers/{ruby,gems}";

#[test]
#[ignore = "integration test"]
fn layers_of_the_image_are_restored_when_something_changes() {
    let clean = BuildPhase::of_a_copy("ruby-sample-app");
    clean.set("BUNDLE_WITHOUT", "none");
    clean.run();
    let build = BuildPhase::of_a_copy("ruby-sample-app");
    build.run();

    build.output_of(RESTORED);
    build.run();
    let layers = build.contents("layers");
    for layer in ["ruby", "gems"] {
        assert!(!layers.contains_key(layer), "{layer} is not restored");
    }

    let change = "BUNDLE_WITHOUT is new";
    let damaged = "The cached gems cannot be used: ";
    let gone = "Not using the cached gems: BUNDLE_WITHOUT is new, the cache has no usable copy";
    let cut =
        "truncate -s 100000 /build/layers/ruby-archive/*.gz /build/layers/gems-archive/gems.tar";
    let overwrite = "
        dd if=/dev/urandom of=/build/layers/gems-archive/gems.tar bs=512 count=4 conv=notrunc";
    let remove = "rm /build/layers/{ruby,gems}-archive/*";
    for (damage, expected) in [
        ("true", change),
        (overwrite, damaged),
        (cut, gone),
        (remove, gone),
    ] {
        build.output_of(&format!("{RESTORED}; {damage}"));
        build.set("BUNDLE_WITHOUT", "none");
        let log = build.run();
        assert_contains!(log, expected);
        for layer in [
            "layers/ruby",
            "layers/gems",
            "layers/ruby-archive",
            "layers/gems-archive",
        ] {
            let different = differences(&build.contents(layer), &clean.contents(layer));
            assert_eq!(different, Vec::<String>::new(), "{damage}: {layer}");
        }
        build.unset("BUNDLE_WITHOUT");
        build.run();
    }
}

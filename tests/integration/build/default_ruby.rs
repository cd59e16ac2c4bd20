//! The default Ruby, which the builds of an app keep.

use libcnb_test::{BuildConfig, TestRunner, assert_contains, assert_not_contains};
use rig::build::{build_config, rebuild};
use rig::files;
use rig::image::inspect_image;
use rig::server::rig::{rubies_folder, ruby_inventory};
use std::fs;

/// The label in which the lifecycle keeps a buildpack's store.
const METADATA: &str = "{{index .Config.Labels \"io.buildpacks.lifecycle.metadata\"}}";

/// An app without gems, and the rig's Rubies in an inventory that starts with `head`.
fn app(head: &'static str, ruby_version: Option<&'static str>) -> BuildConfig {
    let mut config = build_config("ruby-sample-app");
    let rows = ruby_inventory().replace("url = \"", &format!("url = \"{}", rubies_folder()));
    config
        .env("BP_RUBY_INVENTORY", "/workspace/inventory.toml")
        .app_dir_preprocessor(move |app| {
            for name in ["Gemfile", "Gemfile.lock"] {
                fs::remove_file(app.join(name)).expect("the fixture has this file");
            }
            files::write(&app.join("inventory.toml"), format!("{head}{rows}"));
            if let Some(version) = ruby_version {
                files::write(&app.join(".ruby-version"), version);
            }
        });
    config
}

#[test]
#[ignore = "integration test"]
fn the_default_is_kept_until_the_app_asks_for_a_version() {
    let first = app("default = \"3.1\"\n\n", None);
    TestRunner::default().build(first, |context| {
        assert_contains!(
            context.pack_stdout,
            "Version `3.1.2` (from Formation's default: ~> 3.1.0)"
        );
        assert_contains!(context.pack_stdout, "later builds keep this one");
        assert_contains!(
            context.pack_stdout,
            "Ruby 3.1 reached its end of life on 2025-03-26"
        );
        assert_contains!(
            inspect_image(&context, METADATA),
            "\"default-ruby\":\"3.1.2\""
        );
        rebuild(context, app("", None), |context| {
            assert_contains!(
                context.pack_stdout,
                "Version `3.1.2` (from Formation's default: 3.1.2)"
            );
            assert_contains!(context.pack_stdout, "kept from the last build");
            assert_contains!(context.pack_stdout, "Using cached Ruby 3.1.2");
            rebuild(context, app("", Some("3.3.8\n")), |context| {
                assert_contains!(
                    context.pack_stdout,
                    "Version `3.3.8` (from .ruby-version: 3.3.8)"
                );
                assert_not_contains!(context.pack_stdout, "kept from the last build");
                // The default is forgotten: a later build without a version takes the default of
                // its day.
                assert_contains!(inspect_image(&context, METADATA), "\"default-ruby\":\"\"");
            });
        });
    });
}

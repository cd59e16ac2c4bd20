//! What a build remembers of the Ruby that nobody asked for.

use crate::rig::{build_config, inspect_image, rebuild, variable};
use libcnb_test::{BuildConfig, TestRunner, assert_contains, assert_not_contains};
use std::fs;

/// Where the lifecycle keeps a buildpack's store.
const METADATA: &str = "{{index .Config.Labels \"io.buildpacks.lifecycle.metadata\"}}";

/// An app without gems, and the rig's Rubies in an inventory that starts with `head`.
fn app(head: &'static str, ruby_version: Option<&'static str>) -> BuildConfig {
    let mut config = build_config("ruby-sample-app");
    let address = variable("FORMATION_RUBY_INVENTORY");
    let server = address.trim_end_matches("inventory.toml").to_string();
    let rows = ureq::get(&address)
        .call()
        .and_then(|mut answer| answer.body_mut().read_to_string())
        .expect("the rig serves its inventory")
        .replace("url = \"", &format!("url = \"{server}"));
    config
        .env("BP_RUBY_INVENTORY", "/workspace/inventory.toml")
        .app_dir_preprocessor(move |app| {
            for name in ["Gemfile", "Gemfile.lock"] {
                fs::remove_file(app.join(name)).expect("the fixture has this file");
            }
            fs::write(app.join("inventory.toml"), format!("{head}{rows}")).expect("it is writable");
            if let Some(version) = ruby_version {
                fs::write(app.join(".ruby-version"), version).expect("it is writable");
            }
        });
    config
}

#[test]
#[ignore = "integration test"]
fn a_default_is_kept_until_somebody_asks() {
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
                // Forgotten: whoever stops asking again gets the default of that day.
                assert_contains!(inspect_image(&context, METADATA), "\"default-ruby\":\"\"");
            });
        });
    });
}

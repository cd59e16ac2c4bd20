//! An app that needs Node.js gets it from a buildpack that provides it, and is built without it where
//! there is none.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::pack::PackBuild;
use rig::build::{buildpack, rig_server_variables};
use rig::docker::env_options;
use rig::files;
use std::path::Path;

const DESCRIPTOR: &str = r#"
api = "0.10"

[buildpack]
id = "formation/node"
version = "0.0.1"

[[targets]]
os = "linux"
"#;

const DETECT: &str = r#"#!/bin/sh
printf '[[provides]]\nname = "%s"\n' $PROVIDED >"$CNB_BUILD_PLAN_PATH"
"#;

/// Like Paketo's, it gives Node.js to later buildpacks only where the plan asks for that.
const BUILD: &str = r#"#!/bin/sh
set -e
echo "Plan: $(tr '\n' ' ' <"$CNB_BP_PLAN_PATH")"
if grep -q 'build = true' "$CNB_BP_PLAN_PATH"; then
  mkdir -p "$CNB_LAYERS_DIR/node/bin"
  cp /bin/true "$CNB_LAYERS_DIR/node/bin/node"
  printf '[types]\nbuild = true\n' >"$CNB_LAYERS_DIR/node.toml"
fi
"#;

/// A buildpack that provides these names.
fn provider(folder: &Path, provided: &str) {
    files::write(&folder.join("buildpack.toml"), DESCRIPTOR);
    let detect = DETECT.replace("$PROVIDED", provided);
    files::write_program(&folder.join("bin/detect"), detect);
    files::write_program(&folder.join("bin/build"), BUILD);
}

#[test]
#[ignore = "integration test"]
fn node_is_asked_for_in_each_providers_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let app = folder.path().join("app");
    files::copy("fixtures/ruby-sample-app", &app);
    files::write(&app.join("package.json"), "{}\n");
    let variables = rig_server_variables().map(|(name, value)| format!("{name}={value}"));
    let variables = env_options(&variables);

    let alone = PackBuild::run("node-none", &app, Path::new(buildpack()), &variables);
    assert!(alone.succeeded, "{}", alone.log);
    assert_contains!(alone.log, "There is no Node.js in this build");

    for (name, provided, heard) in [
        (
            "node-packages",
            "node node_modules",
            "name = \"node_modules\"",
        ),
        ("node-runtime", "node", "build = true"),
        ("node-heroku", "heroku/nodejs", "skip_pruning = true"),
    ] {
        let provider_folder = folder.path().join(name);
        provider(&provider_folder, provided);
        let options = [&variables[..], &["--buildpack", buildpack()]].concat();
        let build = PackBuild::run(name, &app, &provider_folder, &options);
        assert!(build.succeeded, "{}", build.log);
        assert_contains!(build.log, heard);
        if heard != "skip_pruning = true" {
            assert_not_contains!(build.log, "There is no Node.js in this build");
        }
    }
}

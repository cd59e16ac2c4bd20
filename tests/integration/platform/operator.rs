//! What the operator sets in the builder, `[[build.env]]`, counts as if the user had set it.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::pack::PackBuild;
use rig::build::{buildpack, rig_server_variables};
use rig::docker::{docker, try_docker};
use rig::environment::variable;
use rig::files;
use std::path::Path;

/// A builder with the operator's variables, as `pack builder create` writes them. It is removed when
/// it is dropped.
struct OperatorsBuilder(String);

impl OperatorsBuilder {
    fn create(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            files::write(&folder.path().join(name), text);
        }
        files::set_mode(folder.path(), 0o755);
        let container = docker(&["create", &variable("FORMATION_BUILDER")]);
        let container = container.trim();
        let target = format!("{container}:/cnb/build-config/env");
        let image = format!("formation-test-builder-{name}");
        docker(&["cp", &format!("{}/.", folder.path().display()), &target]);
        docker(&["commit", container, &image]);
        docker(&["rm", container]);
        Self(image)
    }
}

impl Drop for OperatorsBuilder {
    fn drop(&mut self) {
        let _ = try_docker(&["image", "rm", "--force", &self.0]);
    }
}

#[test]
#[ignore = "integration test"]
fn the_operators_variables_count() {
    let [(inventory, address), (mirror, server)] = rig_server_variables();
    let builder = OperatorsBuilder::create(
        "operator",
        &[
            (inventory, &address),
            (&format!("{mirror}.default"), &server),
            ("BP_RUBY_VERSION", "3.3.8"),
            ("BP_PROCFILE_DEFAULT_PROCESS.override", "ruby operators.rb"),
        ],
    );
    let app = tempfile::tempdir().expect("a temporary folder");
    let copy = app.path().join("app");
    files::copy("fixtures/ruby-sample-app", &copy);
    files::write(&copy.join("Procfile"), "worker: ruby worker.rb\n");
    let build = PackBuild::run(
        "operator",
        &copy,
        Path::new(buildpack()),
        &[
            "--builder",
            &builder.0,
            "--env",
            "BP_PROCFILE_DEFAULT_PROCESS=ruby users.rb",
        ],
    );
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(build.log, "BP_RUBY_VERSION");
    assert_contains!(build.log, "gems are installed");
    assert_contains!(build.log, "ruby operators.rb");
    assert_not_contains!(build.log, "ruby users.rb");
}

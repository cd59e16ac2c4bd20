//! Passwords are used where they are meant, and are nowhere afterwards: not in the image, its labels and history, the caches, or the log.

use crate::rig::{PackBuild, buildpack, docker, gateway, serve_rig_files, variable};
use libcnb_test::{assert_contains, assert_not_contains};
use std::fs;
use std::path::Path;
use std::process::Command;

const NAME: &str = "canary-name";
const PASSWORD: &str = "canary-password";

const WITH_PASSWORD: &str = "listen 80; auth_basic private; auth_basic_user_file /settings/users;";

#[test]
#[ignore = "integration test"]
fn passwords_are_nowhere_afterwards() {
    let settings = tempfile::tempdir().expect("a temporary folder");
    let users = format!("{NAME}:{{PLAIN}}{PASSWORD}\n");
    fs::write(settings.path().join("users"), users).expect("a file");
    let server = serve_rig_files(settings.path(), 80, WITH_PASSWORD);
    let address = server.address(80);

    let app = tempfile::tempdir().expect("a temporary folder");
    copy_of_the_sample_app(app.path(), &address);
    let host = gateway().replace('.', "__");
    let inventory =
        format!("BP_RUBY_INVENTORY=http://{NAME}:{PASSWORD}@{address}/rubies/inventory.toml");
    let credentials = format!("BUNDLE_{host}={NAME}:{PASSWORD}");
    let build = |name: &str, more: &[&str]| {
        let options = [&["--env", &inventory, "--env", &credentials], more].concat();
        PackBuild::run(name, app.path(), Path::new(buildpack()), &options)
    };

    // By Formation, and by Bundler.
    for (name, more) in [
        ("credentials", &[][..]),
        (
            "credentials-by-bundler",
            &["--env", "BUNDLE_PLUGINS=false"][..],
        ),
    ] {
        let build = build(name, more);
        assert!(build.succeeded, "{}", build.log);
        assert_contains!(build.log, "gems are installed");
        assert_nowhere(&build);
    }

    // Where the password is wrong, the message does not show it either.
    let wrong = format!("BUNDLE_{host}={NAME}:not-{PASSWORD}");
    let refused = build("credentials-refused", &["--env", &wrong]);
    assert!(!refused.succeeded);
    assert_not_contains!(refused.log, PASSWORD);
}

/// Its gems come from the server alone.
fn copy_of_the_sample_app(folder: &Path, address: &str) {
    for name in ["Gemfile", "Gemfile.lock", "Procfile", "app.rb", "worker.rb"] {
        let text = fs::read_to_string(Path::new("fixtures/ruby-sample-app").join(name));
        let text = text.expect("a fixture");
        let text = text.replace("https://rubygems.org", &format!("http://{address}"));
        fs::write(folder.join(name), text).expect("a file");
    }
}

fn assert_nowhere(build: &PackBuild) {
    assert_not_contains!(build.log, "canary");
    let inspected = docker(&["image", "inspect", &build.image]);
    assert_not_contains!(inspected, "canary");
    let history = docker(&["history", "--no-trunc", &build.image]);
    assert_not_contains!(history, "canary");

    let saved = Command::new("sh")
        .args(["-c", "docker save \"$0\" | grep --text --count canary"])
        .arg(&build.image)
        .output()
        .expect("sh starts");
    assert_eq!(
        String::from_utf8_lossy(&saved.stdout).trim(),
        "0",
        "in a layer"
    );

    let volumes = build.volumes();
    assert!(!volumes.is_empty(), "the build has a cache");
    for volume in volumes {
        let mount = format!("{volume}:/cache:ro");
        let found = Command::new("docker")
            .args([
                "run",
                "--rm",
                "--user",
                "0",
                "--volume",
                &mount,
                "--entrypoint",
                "grep",
            ])
            .arg(variable("FORMATION_BUILDER"))
            .args([
                "--recursive",
                "--text",
                "--files-with-matches",
                "canary",
                "/cache",
            ])
            .output()
            .expect("docker starts");
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "in a cache");
    }
}

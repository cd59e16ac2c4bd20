//! A build that is killed at any moment leaves nothing that the next one trusts.

use crate::rig::{Container, buildpack, docker, variable};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use walkdir::WalkDir;

const KILLS: usize = 20;

/// The build phase alone, as a platform that keeps the layers' folder runs it: every file that a killed build wrote is there for the
/// next one. (`pack` throws the folder away with the container.)
struct BuildPhase {
    folder: tempfile::TempDir,
}

impl BuildPhase {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["layers", "platform/env", "plan"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        for (name, value) in [
            ("BP_RUBY_INVENTORY", variable("FORMATION_RUBY_INVENTORY")),
            ("BUNDLE_MIRROR__ALL", variable("FORMATION_GEM_SERVER")),
        ] {
            fs::write(folder.path().join("platform/env").join(name), value).expect("a file");
        }
        fs::write(folder.path().join("plan/plan.toml"), "").expect("a file");
        // The build runs as the builder's own user.
        for name in ["", "layers"] {
            let mode = fs::Permissions::from_mode(0o777);
            fs::set_permissions(folder.path().join(name), mode).expect("permissions");
        }
        Self { folder }
    }

    fn start(&self) -> Container {
        let here = std::env::current_dir().expect("a folder");
        let volumes = [
            format!(
                "{}:/fixture:ro",
                here.join("fixtures/ruby-sample-app").display()
            ),
            format!("{}:/buildpack:ro", here.join(buildpack()).display()),
            format!("{}:/build", self.folder.path().display()),
        ];
        let mut options: Vec<&str> = volumes
            .iter()
            .flat_map(|volume| ["--volume", volume])
            .collect();
        options.extend([
            "--workdir",
            "/fixture",
            "--entrypoint",
            "/buildpack/bin/build",
        ]);
        for variable in [
            "CNB_BUILDPACK_DIR=/buildpack",
            "CNB_LAYERS_DIR=/build/layers",
            "CNB_PLATFORM_DIR=/build/platform",
            "CNB_BP_PLAN_PATH=/build/plan/plan.toml",
            "CNB_TARGET_OS=linux",
            "CNB_TARGET_ARCH=amd64",
            "CNB_TARGET_DISTRO_NAME=debian",
            "CNB_TARGET_DISTRO_VERSION=13",
        ] {
            options.extend(["--env", variable]);
        }
        let arguments = ["/build/layers", "/build/platform", "/build/plan/plan.toml"];
        Container::start(&variable("FORMATION_BUILDER"), &options, &arguments)
    }

    fn run(&self) {
        let build = self.start();
        assert_eq!(build.status(), 0, "{}", build.logs());
    }

    /// What a killed build may leave: the layers' folder, and nothing else.
    fn run_and_kill(&self, after: Duration) {
        let build = self.start();
        std::thread::sleep(after);
        // It may have ended on its own.
        let _ = Command::new("docker").args(["kill", &build.id]).output();
    }

    /// Every file below the layers' folder: its mode, and its bytes' digest or a link's target.
    fn contents(&self) -> BTreeMap<String, String> {
        let layers = self.folder.path().join("layers");
        WalkDir::new(&layers)
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                let entry = entry.expect("a folder");
                let path = entry.path();
                let name = path
                    .strip_prefix(&layers)
                    .expect("below")
                    .display()
                    .to_string();
                let metadata = entry.metadata().expect("metadata");
                let content = if metadata.is_symlink() {
                    format!("link to {}", fs::read_link(path).expect("a link").display())
                } else if metadata.is_file() {
                    format!("{:o} {}", metadata.permissions().mode(), digest(path))
                } else {
                    format!("{:o}", metadata.permissions().mode())
                };
                (name, content)
            })
            .collect()
    }
}

impl Drop for BuildPhase {
    fn drop(&mut self) {
        // The files are the build user's.
        let volume = format!("{}:/build", self.folder.path().display());
        docker(&[
            "run",
            "--rm",
            "--user",
            "0",
            "--volume",
            &volume,
            "--entrypoint",
            "rm",
            &variable("FORMATION_BUILDER"),
            "-rf",
            "/build/layers",
        ]);
    }
}

fn digest(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(fs::read(path).expect("a file")))
}

fn differences(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>) -> Vec<String> {
    let names = left.keys().chain(right.keys());
    let mut different: Vec<_> = names
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{name}: {:?} / {:?}", left.get(name), right.get(name)))
        .collect();
    different.sort();
    different.dedup();
    different
}

#[test]
#[ignore = "integration test"]
fn the_next_build_after_a_kill_equals_a_clean_one() {
    let clean = BuildPhase::new();
    let _packaged = buildpack(); // Its making is no part of the build.
    let started = Instant::now();
    clean.run();
    let takes = started.elapsed();
    let expected = clean.contents();
    assert!(expected.contains_key("ruby/bin/ruby"));

    let mut unfinished = 0;
    for number in 0..KILLS {
        let build = BuildPhase::new();
        let after = takes.mul_f64(0.2 + 0.8 * fastrand::f64()); // The engine takes a while to start it.
        build.run_and_kill(after);
        let left = build.contents();
        unfinished += usize::from(left != expected && !left.is_empty());
        build.run();
        let different = differences(&build.contents(), &expected);
        assert!(
            different.is_empty(),
            "kill {number}, after {after:?}: {different:#?}"
        );
    }
    println!("{KILLS} builds of {takes:.1?} killed, {unfinished} of them half-way");
    assert!(
        unfinished >= KILLS / 2,
        "the kills came too early or too late: {unfinished}"
    );
}

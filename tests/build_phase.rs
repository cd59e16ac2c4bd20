//! The build phase without the platform, and what it leaves.

use crate::rig::{Container, buildpack, docker, variable};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use walkdir::WalkDir;

/// The build phase alone, as a platform that keeps the layers' folder runs it: every file that a killed build wrote is there for the
/// next one. (`pack` throws the folder away with the container.)
pub(crate) struct BuildPhase {
    folder: tempfile::TempDir,
    fixture: PathBuf,
}

impl BuildPhase {
    pub(crate) fn new(fixture: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["layers", "platform/env", "plan"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        fs::write(folder.path().join("plan/plan.toml"), "").expect("a file");
        // The build runs as the builder's own user.
        for name in ["", "layers"] {
            let mode = fs::Permissions::from_mode(0o777);
            fs::set_permissions(folder.path().join(name), mode).expect("permissions");
        }
        let here = std::env::current_dir().expect("a folder");
        let phase = Self {
            folder,
            fixture: here.join("fixtures").join(fixture),
        };
        phase.set("BP_RUBY_INVENTORY", &variable("FORMATION_RUBY_INVENTORY"));
        phase.set("BUNDLE_MIRROR__ALL", &variable("FORMATION_GEM_SERVER"));
        phase
    }

    /// Sets a build variable.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let path = self.folder.path().join("platform/env").join(name);
        fs::write(path, value).expect("a file");
    }

    pub(crate) fn start(&self) -> Container {
        let arguments = ["/build/layers", "/build/platform", "/build/plan/plan.toml"];
        self.start_program("/buildpack/bin/build", &arguments)
    }

    /// Runs a program where the build runs, with the folder `/build` that it writes to.
    pub(crate) fn start_program(&self, program: &str, arguments: &[&str]) -> Container {
        let here = std::env::current_dir().expect("a folder");
        let volumes = [
            format!("{}:/fixture:ro", self.fixture.display()),
            format!("{}:/buildpack:ro", here.join(buildpack()).display()),
            format!("{}:/build", self.folder.path().display()),
        ];
        let mut options: Vec<&str> = volumes
            .iter()
            .flat_map(|volume| ["--volume", volume])
            .collect();
        options.extend(["--workdir", "/fixture", "--entrypoint", program]);
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
        Container::start(&variable("FORMATION_BUILDER"), &options, arguments)
    }

    /// Returns the log.
    pub(crate) fn run(&self) -> String {
        let build = self.start();
        assert_eq!(build.status(), 0, "{}", build.logs());
        build.logs()
    }

    /// What a killed build may leave: the layers' folder, and nothing else.
    pub(crate) fn run_and_kill(&self, after: Duration) {
        let build = self.start();
        std::thread::sleep(after);
        // It may have ended on its own.
        let _ = Command::new("docker").args(["kill", &build.id]).output();
    }

    /// Everything below a folder of `/build`: its mode, and a file's digest or a link's target.
    pub(crate) fn contents(&self, folder: &str) -> BTreeMap<String, String> {
        let folder = self.folder.path().join(folder);
        WalkDir::new(&folder)
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                let entry = entry.expect("a folder");
                let path = entry.path();
                let name = path
                    .strip_prefix(&folder)
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
            "/build/plain",
        ]);
    }
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(path).expect("a file")))
}

/// What is in only one of two folders, or not the same.
pub(crate) fn differences(
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) -> Vec<String> {
    let names = left.keys().chain(right.keys());
    let mut different: Vec<_> = names
        .filter(|name| left.get(*name) != right.get(*name))
        .map(|name| format!("{name}: {:?} / {:?}", left.get(name), right.get(name)))
        .collect();
    different.sort();
    different.dedup();
    different
}

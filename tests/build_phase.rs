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

/// The build phase alone, as a platform that keeps the layers' folder runs it: every file that a
/// killed build wrote is there for the next one. (`pack` throws the folder away with the
/// container.)
pub(crate) struct BuildPhase {
    folder: tempfile::TempDir,
    fixture: PathBuf,
    /// The fixture, or a copy of it.
    app: PathBuf,
}

/// Enters the environment that the layers' `env` folders tell of, as the platform does before it
/// starts a process.
const AS_LAUNCHED: &str = "
shopt -s nullglob
export HOME=/tmp LANG=C.UTF-8
for layer in /build/layers/{ruby,gems}; do
  export PATH=$layer/bin:$PATH LD_LIBRARY_PATH=$layer/lib:${LD_LIBRARY_PATH-}
  for file in $layer/env/*.override; do
    name=${file##*/}
    export ${name%.override}=\"$(<$file)\"
  done
done
export PATH=$(</build/layers/gems/env/PATH.prepend):$PATH
";

impl BuildPhase {
    /// Of a fixture as it is.
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
        let fixture = here.join("fixtures").join(fixture);
        let phase = Self {
            folder,
            app: fixture.clone(),
            fixture,
        };
        phase.set("BP_RUBY_INVENTORY", &variable("FORMATION_RUBY_INVENTORY"));
        phase.set("BUNDLE_MIRROR__ALL", &variable("FORMATION_GEM_SERVER"));
        phase
    }

    /// Of a copy that the test may change.
    pub(crate) fn of_a_copy(fixture: &str) -> Self {
        let mut phase = Self::new(fixture);
        phase.app = phase.folder.path().join("app");
        phase.restore();
        phase
    }

    /// Makes the copy what the fixture is.
    pub(crate) fn restore(&self) {
        assert_ne!(self.app, self.fixture, "it is a copy");
        let _ = fs::remove_dir_all(&self.app);
        let mut cp = Command::new("cp");
        cp.arg("-a").args([&self.fixture, &self.app]);
        assert!(cp.status().expect("cp starts").success());
    }

    /// Sets a build variable.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let path = self.folder.path().join("platform/env").join(name);
        fs::write(path, value).expect("a file");
    }

    /// Sets a build variable no longer.
    pub(crate) fn unset(&self, name: &str) {
        let path = self.folder.path().join("platform/env").join(name);
        fs::remove_file(path).expect("it was set");
    }

    /// A file of the app, which is a copy.
    pub(crate) fn write(&self, file: &str, text: &str) {
        assert_ne!(self.app, self.fixture, "it is a copy");
        let path = self.app.join(file);
        fs::create_dir_all(path.parent().expect("it is in the app")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Replaces a text in a file of the app.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.app.join(file)).expect("a file");
        assert!(text.contains(from), "{file} holds {from}");
        self.write(file, &text.replace(from, to));
    }

    pub(crate) fn start(&self) -> Container {
        let arguments = ["/build/layers", "/build/platform", "/build/plan/plan.toml"];
        self.start_program("/buildpack/bin/build", &arguments)
    }

    /// Runs a program where the build runs, with the folder `/build` that it writes to.
    pub(crate) fn start_program(&self, program: &str, arguments: &[&str]) -> Container {
        let here = std::env::current_dir().expect("a folder");
        let volumes = [
            format!("{}:/fixture:ro", self.app.display()),
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

    /// What a bash script prints in the app's folder, in the environment of a process of the image.
    pub(crate) fn output_of(&self, script: &str) -> String {
        let container = self.start_program("bash", &["-c", &format!("{AS_LAUNCHED}{script}")]);
        let status = container.status();
        assert_eq!(status, 0, "{script}: {}", container.logs());
        container.logs()
    }

    /// Returns the log.
    pub(crate) fn run(&self) -> String {
        let build = self.start();
        assert_eq!(build.status(), 0, "{}", build.logs());
        build.logs()
    }

    /// Returns the log of a build that has to fail.
    pub(crate) fn fail(&self) -> String {
        let build = self.start();
        assert_ne!(build.status(), 0, "{}", build.logs());
        build.logs()
    }

    /// What a killed build may leave: the layers' folder, and nothing else.
    pub(crate) fn run_and_kill(&self, after: Duration) {
        let build = self.start();
        std::thread::sleep(after);
        build.kill();
    }

    /// A service binding, with its files.
    pub(crate) fn bind(&self, name: &str, files: &[(&str, &str)]) {
        let folder = self.folder.path().join("platform/bindings").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("a file");
        }
    }

    /// The files of all layers, of their metadata and of what gets into the image's labels, that
    /// hold a text.
    pub(crate) fn layers_with(&self, text: &str) -> Vec<String> {
        let folder = self.folder.path().join("layers");
        let entries = WalkDir::new(&folder).into_iter();
        let files = entries
            .map(|entry| entry.expect("a folder"))
            .filter(|entry| entry.file_type().is_file());
        let holds = |path: &Path| {
            let bytes = fs::read(path).expect("a file");
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        files
            .filter(|entry| holds(entry.path()))
            .map(|entry| entry.path().display().to_string())
            .collect()
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

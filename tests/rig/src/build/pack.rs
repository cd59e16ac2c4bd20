//! A `pack build` that libcnb-test has no functions for: with a network, volumes or a package of
//! its own.

use crate::command::all_output;
use crate::docker::{docker, try_docker};
use crate::environment::variable;
use crate::image::ImageTag;
use std::path::Path;
use std::process::Command;

/// What the build leaves, the image and the caches, is removed when it is dropped.
pub struct PackBuild {
    pub image: String,
    pub succeeded: bool,
    /// Standard output and standard error.
    pub log: String,
}

impl PackBuild {
    /// `name` has none of `aux`, `com`, `con`, `lpt`, `nul` and `prn`, which pack writes in another way in the names
    /// of its volumes.
    pub fn run(name: &str, app: &Path, buildpack: &Path, options: &[&str]) -> Self {
        let reserved = ["aux", "com", "con", "lpt", "nul", "prn"];
        assert!(!reserved.iter().any(|word| name.contains(word)), "{name}");
        let mut build = Self {
            image: format!("formation-test-{name}"),
            succeeded: false,
            log: String::new(),
        };
        build.build(app, buildpack, options);
        build
    }

    /// Builds the same image once more, with its caches. The image of before is removed.
    pub fn again(&mut self, app: &Path, buildpack: &Path, options: &[&str]) {
        let _before = ImageTag::of(&self.image);
        self.build(app, buildpack, options);
    }

    fn build(&mut self, app: &Path, buildpack: &Path, options: &[&str]) {
        let output = Command::new("pack")
            .args(["build", &self.image, "--env", "NO_COLOR=1", "--path"])
            .arg(app)
            .arg("--buildpack")
            .arg(buildpack)
            .args(["--builder", &variable("FORMATION_BUILDER")])
            .args([
                "--trust-builder",
                "--trust-extra-buildpacks",
                "--pull-policy",
                "never",
            ])
            .args(options)
            .output()
            .expect("pack starts");
        self.succeeded = output.status.success();
        self.log = all_output(&output);
    }

    /// The names of the volumes that hold the caches.
    pub fn volumes(&self) -> Vec<String> {
        let filter = format!("name=pack-cache-library_{}_", self.image);
        let volumes = docker(&["volume", "ls", "--quiet", "--filter", &filter]);
        volumes.lines().map(String::from).collect()
    }
}

impl Drop for PackBuild {
    fn drop(&mut self) {
        let _ = try_docker(&["image", "rm", "--force", &self.image]);
        for volume in &self.volumes() {
            let _ = try_docker(&["volume", "rm", "--force", volume]);
        }
    }
}

//! The build phase without the platform, and what it leaves.

use crate::build::contents::{contents_of, files_with};
use crate::build::{buildpack, phase_variables, rig_server_variables};
use crate::container::Container;
use crate::docker::{empty, env_options};
use crate::environment::variable;
use crate::files;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The build phase alone, as a platform that keeps the layers' folder runs it: every file that a
/// killed build wrote is there for the next one. (`pack` throws the folder away with the
/// container.)
pub struct BuildPhase {
    folder: tempfile::TempDir,
    fixture: PathBuf,
    /// The fixture, or a copy of it.
    app: PathBuf,
    /// The room for layers, in KiB, where it is limited.
    room: Option<u64>,
    /// How many processors the build may use, where they are limited.
    processors: Option<u32>,
}

/// Enters the environment that the layers' `env` folders describe, as the platform does before it
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
    pub fn new(fixture: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["layers", "platform/env"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        files::write(&folder.path().join("plan.toml"), "");
        // The build runs as the builder's own user.
        for name in ["", "layers"] {
            files::set_mode(&folder.path().join(name), 0o777);
        }
        let fixture = fs::canonicalize(Path::new("fixtures").join(fixture)).expect("a fixture");
        let phase = Self {
            folder,
            app: fixture.clone(),
            fixture,
            room: None,
            processors: None,
        };
        for (name, value) in rig_server_variables() {
            phase.set(name, &value);
        }
        phase
    }

    /// Of a copy that the test may change.
    pub fn of_a_copy(fixture: &str) -> Self {
        let mut phase = Self::new(fixture);
        phase.app = phase.folder.path().join("app");
        phase.restore();
        phase
    }

    /// Makes the copy equal to the fixture again.
    pub fn restore(&self) {
        assert_ne!(self.app, self.fixture, "it is a copy");
        let _ = fs::remove_dir_all(&self.app);
        files::copy(&self.fixture, &self.app);
    }

    /// Sets a build variable.
    pub fn set(&self, name: &str, value: &str) {
        files::write(&self.variable_file(name), value);
    }

    /// Removes a build variable.
    pub fn unset(&self, name: &str) {
        fs::remove_file(self.variable_file(name)).expect("it was set");
    }

    fn variable_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("platform/env").join(name)
    }

    /// Writes a file of the app, which is a copy.
    pub fn write(&self, file: &str, text: &str) {
        files::write(&self.file_of_copy(file), text);
    }

    /// Removes a file of the app, which is a copy.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.file_of_copy(file)).expect("it was there");
    }

    /// Replaces a text in a file of the app, which is a copy.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        files::edit(&self.file_of_copy(file), from, to);
    }

    /// The folder of the app, which is a copy.
    pub fn app(&self) -> &Path {
        assert_ne!(self.app, self.fixture, "it is a copy");
        &self.app
    }

    fn file_of_copy(&self, file: &str) -> PathBuf {
        self.app().join(file)
    }

    /// Adds a service binding, by its files: `(name, text)`.
    pub fn bind(&self, name: &str, files: &[(&str, &str)]) {
        let folder = self.folder.path().join("platform/bindings").join(name);
        for (file, text) in files {
            files::write(&folder.join(file), text);
        }
    }

    pub fn start(&self) -> Container {
        let arguments = ["/build/layers", "/build/platform", "/build/plan.toml"];
        self.start_program("/buildpack/bin/build", &arguments)
    }

    /// From now on the layers are on a small disk of their own, which is empty for each build.
    pub fn limit_layers(&mut self, kib: u64) {
        self.room = Some(kib);
    }

    /// From now on a build may use only so many processors.
    pub fn limit_processors(&mut self, count: u32) {
        self.processors = Some(count);
    }

    /// Runs a program in the build container, which has the folder `/build` to write to.
    pub fn start_program(&self, program: &str, arguments: &[&str]) -> Container {
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
        let room = self
            .room
            .map(|kib| format!("/build/layers:size={kib}k,mode=1777,exec"));
        options.extend(room.iter().flat_map(|room| ["--tmpfs", room]));
        let processors = self.processors.map(|count| count.to_string());
        options.extend(processors.iter().flat_map(|count| ["--cpus", count]));
        let variables = phase_variables("/build");
        options.extend(env_options(&variables));
        Container::start(&variable("FORMATION_BUILDER"), &options, arguments)
    }

    /// What a bash script prints in the app's folder, in the environment of a process of the image.
    pub fn output_of(&self, script: &str) -> String {
        let container = self.start_program("bash", &["-c", &format!("{AS_LAUNCHED}{script}")]);
        let status = container.status();
        assert_eq!(status, 0, "{script}: {}", container.logs());
        container.logs()
    }

    /// Returns the log.
    pub fn run(&self) -> String {
        let build = self.start();
        assert_eq!(build.status(), 0, "{}", build.logs());
        build.logs()
    }

    /// Returns the log of a build that has to fail.
    pub fn fail(&self) -> String {
        let build = self.start();
        assert_ne!(build.status(), 0, "{}", build.logs());
        build.logs()
    }

    /// Only what a killed build may leave stays: the layers' folder.
    pub fn run_and_kill(&self, after: Duration) {
        let build = self.start();
        std::thread::sleep(after);
        build.kill();
    }

    /// The files of all layers, of their metadata and of what gets into the image's labels that
    /// hold a text.
    pub fn layers_with(&self, text: &str) -> Vec<String> {
        files_with(&self.folder.path().join("layers"), text)
    }

    /// Everything below a folder of `/build`, as [`contents_of`] has it.
    pub fn contents(&self, folder: &str) -> BTreeMap<String, String> {
        contents_of(&self.folder.path().join(folder))
    }
}

impl Drop for BuildPhase {
    fn drop(&mut self) {
        empty(self.folder.path());
    }
}

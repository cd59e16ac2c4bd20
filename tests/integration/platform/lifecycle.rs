//! Platforms other than `pack` call the phases of the lifecycle themselves, at a version of the
//! platform API of their own: what the image does is the same.

use libcnb_test::assert_contains;
use rig::build::{buildpack, rig_server_variables};
use rig::command::all_output;
use rig::container::Container;
use rig::docker::{empty, try_docker};
use rig::environment::variable;
use rig::files;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

const ORDER: &str = r#"
[[order]]
[[order.group]]
id = "formation/ruby"
version = "0.1.0"
"#;

/// A build, phase by phase. What it leaves is removed when it is dropped.
struct Phases {
    api: &'static str,
    folder: TempDir,
    image: String,
}

impl Phases {
    fn new(api: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["layers", "cache", "platform/env"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        files::copy("fixtures/ruby-sample-app", folder.path().join("workspace"));
        files::write(&folder.path().join("order.toml"), ORDER);
        for (name, value) in rig_server_variables() {
            files::write(&folder.path().join("platform/env").join(name), value);
        }
        // The build runs as the builder's own user.
        for name in ["", "layers", "cache", "workspace"] {
            files::set_mode(&folder.path().join(name), 0o777);
        }
        Self {
            api,
            folder,
            image: format!("formation-test-lifecycle-{}", api.replace('.', "-")),
        }
    }

    /// Returns the log.
    fn phase(&self, phase: &str, user: &str, arguments: &[&str]) -> String {
        let folder = self.folder.path().display();
        let here = std::env::current_dir().expect("a folder");
        let volumes = [
            format!("{folder}/layers:/layers"),
            format!("{folder}/cache:/cache"),
            format!("{folder}/workspace:/workspace"),
            format!("{folder}/platform:/platform:ro"),
            format!("{folder}/order.toml:/cnb/order.toml:ro"),
            format!(
                "{}:/cnb/buildpacks/formation_ruby/0.1.0:ro",
                here.join(buildpack()).display()
            ),
            "/var/run/docker.sock:/var/run/docker.sock".to_string(),
        ];
        let program = format!("/cnb/lifecycle/{phase}");
        let api = format!("CNB_PLATFORM_API={}", self.api);
        let mut options = vec!["--env", &api, "--user", user];
        options.extend(volumes.iter().flat_map(|volume| ["--volume", volume]));
        options.extend(["--entrypoint", &program]);
        let container = Container::start(&variable("FORMATION_BUILDER"), &options, arguments);
        let status = container.status();
        let log = container.logs();
        assert_eq!(status, 0, "{phase} at {}: {log}", self.api);
        log
    }

    /// All phases, in the order that the specification has from API 0.7 on. Returns the log of the
    /// buildpack.
    fn run(&self) -> String {
        const ROOT: &str = "0:0";
        const BUILD_USER: &str = "1000:1000";
        let run_image = variable("FORMATION_RUN_IMAGE");
        let run_image = ["-run-image", &run_image];
        self.phase(
            "analyzer",
            ROOT,
            &[&["-daemon"], &run_image[..], &[&self.image]].concat(),
        );
        self.phase("detector", BUILD_USER, &["-app", "/workspace"]);
        self.phase("restorer", ROOT, &["-cache-dir", "/cache"]);
        let log = self.phase("builder", BUILD_USER, &["-app", "/workspace"]);
        self.phase(
            "exporter",
            ROOT,
            &[
                "-daemon",
                "-app",
                "/workspace",
                "-cache-dir",
                "/cache",
                &self.image,
            ],
        );
        log
    }

    /// What `docker run` of a process type with arguments writes.
    fn output_of(&self, process_type: &str, arguments: &[&str]) -> String {
        let run = ["run", "--rm", "--entrypoint", process_type, &self.image];
        let output = try_docker(&[&run, arguments].concat()).expect("docker starts");
        all_output(&output)
    }
}

impl Drop for Phases {
    fn drop(&mut self) {
        let _ = try_docker(&["image", "rm", "--force", &self.image]);
        empty(self.folder.path());
    }
}

#[test]
#[ignore = "integration test"]
fn the_image_does_the_same_at_every_version_of_the_platform_api() {
    for api in ["0.7", "0.9", "0.12"] {
        let phases = Phases::new(api);
        assert_contains!(phases.run(), "gems are installed");

        let web = Container::start(&phases.image, &["--publish", "127.0.0.1::8080"], &[]);
        let answer = web.web_answer();
        assert!(answer.contains("Hello World!"), "{api}: {answer}");

        let compose = phases.output_of("formation", &["export", "compose", "--image", "app"]);
        assert_contains!(compose, "services:");
        let no_formation = phases.output_of("formation", &["ps"]);
        assert_contains!(no_formation, "is not running in this container");
        let entrypoint = ["--entrypoint", "formation"];
        let formation = Container::start(&phases.image, &entrypoint, &["worker=2"]);
        let runs = formation.wait_for("worker.2", Duration::from_secs(60));
        assert!(runs, "{api}: {}", formation.logs());
    }
}

//! What every integration test starts from: a builder, the packaged buildpack, servers for Rubies and gems, and a build
//! environment that would break a build which trusted it.

use libcnb_test::{BuildConfig, BuildpackReference, ContainerConfig, TestContext};
use std::borrow::Borrow;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Variables that a user's shell or CI may happen to have, with values that no build survives that uses them.
const HOSTILE_ENV: [(&str, &str); 7] = [
    ("PATH", "/invalid"),
    ("GEM_HOME", "/invalid/gem-home"),
    ("GEM_PATH", "/invalid/gem-path"),
    ("BUNDLE_PATH", "/invalid/bundle-path"),
    ("RUBYOPT", "-rinvalid"),
    ("RUBYLIB", "/invalid/lib"),
    ("LD_PRELOAD", "/invalid/preload.so"),
];

/// The buildpack, packaged once for all tests.
static BUILDPACK: LazyLock<String> = LazyLock::new(|| {
    let output = Command::new("script/package")
        .args(["--profile", "dev"])
        .output()
        .expect("script/package should start");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
        .lines()
        .last()
        .expect("a folder on the last line")
        .to_string()
});

/// The packaged buildpack's folder, relative to the project's.
pub(crate) fn buildpack() -> &'static str {
    &BUILDPACK
}

/// A build of a fixture, against the rig's servers, with the hostile environment.
pub(crate) fn build_config(fixture: &str) -> BuildConfig {
    let mut config = BuildConfig::new(variable("FORMATION_BUILDER"), format!("fixtures/{fixture}"));
    config
        .buildpacks([BuildpackReference::Other(BUILDPACK.clone())])
        .envs(HOSTILE_ENV)
        .env("NO_COLOR", "1")
        .env("BP_RUBY_INVENTORY", variable("FORMATION_RUBY_INVENTORY"))
        .env("BUNDLE_MIRROR__ALL", variable("FORMATION_GEM_SERVER"));
    config
}

/// A variable that `script/bootstrap` gives.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by script/test"))
}

/// Runs the image's process of a type to its end and returns what it wrote to standard output.
pub(crate) fn output_of(context: &TestContext<'_>, process_type: &str) -> String {
    let mut output = String::new();
    context.start_container(
        ContainerConfig::new().entrypoint(process_type),
        |container| {
            output = container.logs_wait().stdout;
        },
    );
    output
}

/// Starts the image's default process and returns the answer to `GET /`.
pub(crate) fn web_answer(context: &TestContext<'_>) -> String {
    let mut answer = String::new();
    context.start_container(ContainerConfig::new().expose_port(8080), |container| {
        let address = container.address_for_port(8080).to_string();
        answer = get(&address, Duration::from_secs(30))
            .unwrap_or_else(|error| panic!("{error}: {}", container.logs_now()));
    });
    answer
}

/// The answer to `GET /` of a server that may still be starting.
pub(crate) fn get(address: &str, patience: Duration) -> std::io::Result<String> {
    let started = Instant::now();
    loop {
        match try_get(address) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => return Ok(answer),
            result if started.elapsed() > patience => {
                return result.and_then(|answer| Err(std::io::Error::other(answer)));
            }
            _ => sleep(Duration::from_millis(200)),
        }
    }
}

fn try_get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What `docker inspect` says of the image, by a Go template.
pub(crate) fn inspect_image(context: &TestContext<'_>, format: &str) -> String {
    docker(&["inspect", "--format", format, &image_of(context)])
}

/// The image's name, for what libcnb-test has no words for. The container that it is asked of only has to exist.
///
/// Not its id: apps that are alike give the same image, and what is done to an id is done to other tests' images too.
pub(crate) fn image_of(context: &TestContext<'_>) -> String {
    let mut result = String::new();
    context.start_container(
        ContainerConfig::new()
            .entrypoint("launcher")
            .command(["--", "true"]),
        |container| {
            result = docker(&[
                "inspect",
                "--format",
                "{{.Config.Image}}",
                &container.container_name,
            ]);
        },
    );
    result.trim().to_string()
}

/// What a `docker` command prints.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("docker should start");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `context.rebuild`, which leaves the image of before without a name: it is given one by which it is removed.
pub(crate) fn rebuild(
    context: TestContext<'_>,
    config: impl Borrow<BuildConfig>,
    check: impl FnOnce(TestContext<'_>),
) {
    let _before = ImageTag::of(&image_of(&context));
    context.rebuild(config, check);
}

/// One more name of an image, until the end: by it the image is removed when another has taken its first name.
pub(crate) struct ImageTag(String);

impl ImageTag {
    pub(crate) fn of(image: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let tag = format!("{image}:before-{}", MADE.fetch_add(1, Relaxed));
        docker(&["image", "tag", image, &tag]);
        Self(tag)
    }
}

impl Drop for ImageTag {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["image", "rm", &self.0])
            .output();
    }
}

/// A container that libcnb-test has no words for: with options, signals and an exit status. It is removed at the end.
pub(crate) struct Container {
    pub(crate) id: String,
}

impl Container {
    /// `docker run OPTIONS IMAGE ARGUMENTS`.
    pub(crate) fn start(image: &str, options: &[&str], arguments: &[&str]) -> Self {
        let id = docker(&[&["run", "--detach"], options, &[image], arguments].concat());
        Self {
            id: id.trim().to_string(),
        }
    }

    /// Everything that it wrote so far.
    pub(crate) fn logs(&self) -> String {
        let output = Command::new("docker")
            .args(["logs", &self.id])
            .output()
            .expect("docker should start");
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    /// Whether it writes a text before patience ends.
    pub(crate) fn wait_for(&self, text: &str, patience: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.logs().contains(text) {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// Whether PID 1 becomes `formation` and has a process to run. A signal that comes before, while the platform's launcher is at work,
    /// reaches nobody.
    pub(crate) fn wait_until_formation_runs(&self) -> bool {
        const RUNS: &str = "read -r name </proc/1/comm; [ $name = formation ] && [ -n \"$(cat /proc/1/task/1/children)\" ]";
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let check = Command::new("docker")
                .args(["exec", &self.id, "sh", "-c", RUNS])
                .output();
            if check.is_ok_and(|output| output.status.success()) {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// As a platform stops it: TERM, and KILL ten seconds later.
    pub(crate) fn stop(&self) {
        docker(&["stop", &self.id]);
    }

    /// Kills it, unless it has ended on its own.
    pub(crate) fn kill(&self) {
        let _ = Command::new("docker").args(["kill", &self.id]).output();
    }

    /// Where this machine reaches a port of the container that was published.
    pub(crate) fn address(&self, port: u16) -> String {
        docker(&["port", &self.id, &port.to_string()])
            .lines()
            .next()
            .expect("the port is published")
            .to_string()
    }

    /// The exit status; waits for the end.
    pub(crate) fn status(&self) -> i32 {
        docker(&["wait", &self.id])
            .trim()
            .parse()
            .expect("docker wait prints a status")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "--force", "--volumes", &self.id])
            .output();
    }
}

/// A Redis, and the variable that tells an app where it is.
pub(crate) fn start_redis() -> (Container, String) {
    let redis = Container::start(
        &variable("FORMATION_SERVER_IMAGE"),
        &[],
        &["redis-server", "--save", "", "--protected-mode", "no"],
    );
    let patience = Duration::from_secs(30);
    assert!(
        redis.wait_for("Ready to accept connections", patience),
        "{}",
        redis.logs()
    );
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = docker(&["inspect", "--format", format, &redis.id]);
    let variable = format!("REDIS_URL=redis://{}:6379", address.trim());
    (redis, variable)
}

/// A `pack build` that libcnb-test has no words for: with a network, volumes or a package of its own. What it leaves, the image and the
/// caches, is removed at the end.
pub(crate) struct PackBuild {
    pub(crate) image: String,
    pub(crate) succeeded: bool,
    /// Standard output and standard error.
    pub(crate) log: String,
}

impl PackBuild {
    pub(crate) fn run(name: &str, app: &Path, buildpack: &Path, options: &[&str]) -> Self {
        let image = format!("formation-test-{name}");
        let output = Command::new("pack")
            .args(["build", &image, "--env", "NO_COLOR=1", "--path"])
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
            .expect("pack should start");
        Self {
            image,
            succeeded: output.status.success(),
            log: [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat(),
        }
    }
}

impl PackBuild {
    /// The caches' volumes.
    pub(crate) fn volumes(&self) -> Vec<String> {
        let filter = format!("name=pack-cache-library_{}_", self.image);
        let volumes = docker(&["volume", "ls", "--quiet", "--filter", &filter]);
        volumes.lines().map(String::from).collect()
    }
}

impl Drop for PackBuild {
    fn drop(&mut self) {
        let quietly = |arguments: &[&str]| {
            let _ = Command::new("docker").args(arguments).output();
        };
        quietly(&["image", "rm", "--force", &self.image]);
        for volume in &self.volumes() {
            quietly(&["volume", "rm", "--force", volume]);
        }
    }
}

/// The engine's bridge gateway, where every build reaches this machine: the rig's server is there too.
pub(crate) fn gateway() -> String {
    let server = variable("FORMATION_GEM_SERVER");
    let authority = server.trim_start_matches("http://");
    authority.split(':').next().expect("a host").to_string()
}

/// Serves what the rig's server serves, in another way: nginx' directives for the port may name files of the folder `settings`, which the
/// server finds as `/settings`.
pub(crate) fn serve_rig_files(settings: &Path, port: u16, directives: &str) -> Container {
    let nginx = format!(
        "daemon off; error_log /dev/stderr warn; events {{}}
http {{ server {{
  {directives}
  root /srv/gems;
  location /rubies/ {{ alias /srv/rubies/; }}
}} }}
"
    );
    std::fs::write(settings.join("nginx.conf"), nginx).expect("a file");
    let server = docker(&["ps", "--quiet", "--filter", "name=^formation-gem-server$"]);
    let volume = format!("{}:/settings:ro", settings.display());
    let publish = format!("{}::{port}", gateway());
    Container::start(
        &variable("FORMATION_SERVER_IMAGE"),
        &[
            "--user",
            "0:0",
            "--volumes-from",
            server.trim(),
            "--volume",
            &volume,
            "--publish",
            &publish,
        ],
        &["nginx", "-c", "/settings/nginx.conf"],
    )
}

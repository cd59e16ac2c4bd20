//! One image under Docker Compose and Swarm, and for Kubernetes, each by the file that the image
//! itself writes: a web process that enqueues jobs, a worker that runs them, a release task before
//! both, and a scheduled task.

use libcnb_test::{TestContext, TestRunner, assert_contains};
use rig::build::build_config;
use rig::command::{run, text};
use rig::docker::{docker, try_docker};
use rig::environment::variable;
use rig::http::ask;
use rig::image::image_of;
use rig::wait::becomes_true;
use rig::{files, process_table};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The image's name, and so the name of the stack and of the project.
const APP: &str = "formation-test-export";

/// How long Compose and Swarm wait before they kill.
const GRACE: Duration = Duration::from_secs(30);

const REDIS: &str = "redis://redis:6379";

#[test]
#[ignore = "integration test"]
fn one_image_runs_on_every_orchestrator() {
    TestRunner::default().build(build_config("sidekiq-app"), |context| {
        let image = NamedImage::of(&context);
        compose_starts_scales_and_stops_it(&image);
        compose_starts_nothing_after_a_release_that_failed(&image);
        swarm_starts_updates_and_scales_it(&image);
        kubernetes_would_take_it(&image);
    });
}

fn compose_starts_scales_and_stops_it(image: &NamedImage) {
    let compose = Compose::new(image, REDIS);
    compose.succeeds(&["up", "--detach", "--wait"]);
    let address = compose.succeeds(&["port", "web", "8080"]);
    let web = Web::At(address.trim().to_string());
    // The release task ran, before everything else.
    assert_eq!(web.get("/"), "version 1, released 1\n");
    let release_ended = compose.inspect("release", "{{.State.FinishedAt}}");
    let web_started = compose.inspect("web", "{{.State.StartedAt}}");
    assert!(
        release_ended < web_started,
        "{release_ended:?} {web_started:?}"
    );
    assert_eq!(compose.inspect("release", "{{.State.ExitCode}}"), ["0"]);

    web.post("/jobs?count=20&seconds=0.1");
    web.wait_for_jobs(20);
    assert_eq!(compose.inspect("worker", "{{.State.Running}}").len(), 2);

    compose.succeeds(&["up", "--detach", "--wait", "--scale", "worker=5"]);
    assert_eq!(compose.inspect("worker", "{{.State.Running}}"), ["true"; 5]);
    web.post("/jobs?count=100&seconds=0.1");
    web.wait_for_jobs(120);

    // The task's command has a variable, which neither Compose nor another shell has replaced.
    compose.succeeds(&["run", "--rm", "cron-1"]);
    web.wait_for_jobs(123);

    // The running job is finished, and no worker is killed.
    web.post("/jobs?count=1&seconds=5");
    sleep(Duration::from_millis(1500));
    let stopped = Instant::now();
    compose.succeeds(&["stop", "worker"]);
    assert!(stopped.elapsed() < GRACE, "{:?}", stopped.elapsed());
    assert_eq!(web.jobs().values().sum::<u64>(), 124);
    assert_eq!(compose.inspect("worker", "{{.State.ExitCode}}"), ["0"; 5]);
    let stopped = Instant::now();
    compose.succeeds(&["down"]);
    assert!(stopped.elapsed() < GRACE, "{:?}", stopped.elapsed());
}

fn compose_starts_nothing_after_a_release_that_failed(image: &NamedImage) {
    let compose = Compose::new(image, "redis://nowhere:6379");
    let output = compose.run(&["up", "--detach", "--wait"]);
    assert!(!output.status.success());
    assert_contains!(
        text(&output.stderr),
        "service \"release\" didn't complete successfully: exit 1"
    );
    assert_eq!(compose.inspect("web", "{{.State.Status}}"), ["created"]);
    assert_eq!(
        compose.inspect("worker", "{{.State.Status}}"),
        ["created"; 2]
    );
}

fn swarm_starts_updates_and_scales_it(image: &NamedImage) {
    let _swarm = Swarm::with_this_machine();
    let stack = Stack::new();
    stack.deploy(&image.tag(1), "1");
    wait_until("the client is answered", || stack.client().answers("1") > 0);
    wait_until("release is done", || {
        stack.web().get("/").ends_with("released 1\n")
    });
    stack.web().post("/jobs?count=20&seconds=0.1");
    stack.web().wait_for_jobs(20);

    // A new image, and no request is lost.
    let before = stack.client();
    stack.deploy(&image.tag(2), "2");
    wait_until("the update is done", || {
        stack.update_state("web") == "completed"
    });
    let after = stack.client();
    wait_until("the client goes on", || {
        stack.client().answers("2") > after.answers("2") + 20
    });
    let client = stack.client();
    assert_eq!(client.failures, Vec::<String>::new());
    assert!(client.answers("1") > before.answers("1"), "{client:?}");

    docker(&["service", "scale", "--detach", &format!("{APP}_worker=5")]);
    wait_until("five workers run", || stack.replicas("worker") == "5/5");
    let before = stack.web().jobs();
    stack.web().post("/jobs?count=200&seconds=0.2");
    let jobs = stack.web().wait_for_jobs(220);
    let at_work = (jobs.iter()).filter(|(worker, done)| before.get(*worker) != Some(done));
    assert_eq!(at_work.count(), 5, "{before:?} {jobs:?}");
}

fn kubernetes_would_take_it(image: &NamedImage) {
    let options = ["--autoscale", "web=2-10", "--health-path", "/"];
    let file = image.export("kubernetes", &options);
    for kind in [
        "Job",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "CronJob",
    ] {
        assert_contains!(file, &format!("\nkind: {kind}\n"));
    }
    // It finds mistakes, so that no message means that there are none.
    let mistakes = validate(&file.replace("maxSurge:", "maxSurgee:").replace(APP, "A_b")).join("");
    assert_contains!(
        mistakes,
        "maxSurgee: Invalid value: value provided for unknown field"
    );
    assert_contains!(mistakes, "metadata.name: Invalid value: \"A_b-web\"");
    assert_eq!(validate(&file), ["", ""]);
    // The image may name its user: the kubelet wants a number.
    let id = [
        "run",
        "--rm",
        "--entrypoint",
        "launcher",
        &image.tag(1),
        "--",
        "id",
        "-u",
    ];
    let line = format!("runAsUser: {}\n", docker(&id).trim());
    assert_contains!(file, &line);
    let tag = image.tag(1);
    let by_name = [
        "run",
        "--rm",
        "--user",
        "cnb",
        "--entrypoint",
        "formation",
        &tag,
    ];
    let export = ["export", "kubernetes", "--image", &tag];
    assert_contains!(docker(&[&by_name[..], &export].concat()), &line);
}

#[test]
#[ignore = "integration test"]
fn types_with_odd_names_are_accepted_everywhere() {
    let image = tempfile::tempdir().expect("a folder");
    let types = [
        "on",
        "y",
        "null",
        "1_000",
        "0x1f",
        "My_Worker-2",
        "A.b",
        "web",
        "release",
    ];
    let types = types.map(String::from).into_iter().chain(["w".repeat(63)]);
    let rows = types
        .clone()
        .map(|name| process_table::row(&name, &["true"]));
    process_table::write(image.path(), &rows.collect::<String>());
    let app_json =
        r#"{ "cron": [{ "command": "kill $$ $(cat a) 'it is'", "schedule": "@daily" }] }"#;
    files::write(&image.path().join("app.json"), app_json);
    let export = |target: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_formation"))
            .arg("export")
            .args(target)
            .args(["--image", "shop:1", "--scale", "web=2"])
            .current_dir(image.path())
            .env("CNB_LAYERS_DIR", image.path()))
    };

    assert_eq!(validate(&export(&["kubernetes"])), ["", ""]);

    for (options, address) in [
        (&["compose"][..], Value::Null),
        (&["compose", "--plain"], Value::Null),
        (
            &["compose", "--publish", "127.0.0.1:8080"],
            "127.0.0.1".into(),
        ),
        (
            &["compose", "--publish", "[::1]:8080", "--plain"],
            "::1".into(),
        ),
    ] {
        files::write(&image.path().join("compose.yaml"), export(options));
        let read = read_by_compose(image.path());
        for name in types.clone() {
            let entrypoint = &read["services"][&name]["entrypoint"];
            assert_eq!(entrypoint[0], format!("/cnb/process/{name}"), "{read}");
        }
        let command = read["services"]["cron-1"]["command"].to_string();
        assert_contains!(command, "kill $$$$ $$(cat a) 'it is'");
        let ports = &read["services"]["web"]["ports"];
        assert_eq!(ports[0]["published"], "8080-8081", "{options:?}");
        assert_eq!(ports[0]["host_ip"], address, "{options:?}");
        assert_eq!(ports[1], Value::Null, "{options:?}");
    }
}

/// What Compose makes of the `compose.yaml` in a folder, without a warning.
fn read_by_compose(folder: &Path) -> Value {
    let read = Command::new("docker-compose")
        .args(["--profile", "cron", "config", "--format", "json"])
        .current_dir(folder)
        .output()
        .expect("docker-compose should start");
    assert_eq!(text(&read.stderr), "");
    serde_json::from_slice(&read.stdout).expect("JSON")
}

/// The image under two names, as if it were two releases.
struct NamedImage {
    name: &'static str,
}

impl NamedImage {
    fn of(context: &TestContext<'_>) -> Self {
        let id = image_of(context);
        let image = Self { name: APP };
        for version in [1, 2] {
            docker(&["tag", &id, &image.tag(version)]);
        }
        image
    }

    fn tag(&self, version: u8) -> String {
        format!("{}:{version}", self.name)
    }

    fn export(&self, target: &str, options: &[&str]) -> String {
        export(&self.tag(1), target, options)
    }
}

impl Drop for NamedImage {
    fn drop(&mut self) {
        for version in [1, 2] {
            let _ = try_docker(&["image", "rm", "--force", &self.tag(version)]);
        }
    }
}

fn export(image: &str, target: &str, options: &[&str]) -> String {
    let formation = ["run", "--rm", "--entrypoint", "formation", image, "export"];
    docker(&[&formation, [target, "--image", image].as_slice(), options].concat())
}

/// The mistakes that kubectl-validate finds, by its schemas of an old and a new release of
/// Kubernetes.
fn validate(file: &str) -> [String; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.yaml");
    files::write(&path, file);
    ["1.23", "1.30"].map(|version| {
        let output = Command::new("kubectl-validate")
            .args(["--version", version])
            .arg(&path)
            .output()
            .expect("kubectl-validate should start");
        let errors = text(&output.stderr);
        assert_eq!(output.status.success(), errors.is_empty(), "{errors}");
        errors
    })
}

/// A project of Docker Compose: the exported file, and a file with Redis, as users have for their
/// own services.
struct Compose {
    folder: tempfile::TempDir,
}

impl Compose {
    fn new(image: &NamedImage, redis: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = ["--env-file", "settings.env", "--publish", "none"];
        write(&folder, "compose.yaml", &image.export("compose", &options));
        write(&folder, "settings.env", &format!("REDIS_URL={redis}\n"));
        let services = format!(
            "services:
  redis:
    image: {}
    entrypoint: [redis-server, --save, '', --protected-mode, 'no']
    healthcheck: {{ test: [CMD, redis-cli, ping], interval: 1s }}
  release:
    depends_on: {{ redis: {{ condition: service_healthy }} }}
  web:
    ports: ['127.0.0.1::8080']
",
            variable("FORMATION_SERVER_IMAGE")
        );
        write(&folder, "services.yaml", &services);
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("docker-compose")
            .args(["--file", "compose.yaml", "--file", "services.yaml"])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("docker-compose should start")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        assert!(!errors.contains("level=warning"), "{errors}");
        text(&output.stdout)
    }

    /// What `docker inspect` says of each container of a service.
    fn inspect(&self, service: &str, format: &str) -> Vec<String> {
        let containers = self.succeeds(&["ps", "--all", "--quiet", service]);
        let inspect = ["inspect", "--format", format].into_iter();
        let answers = docker(&inspect.chain(containers.lines()).collect::<Vec<_>>());
        answers.lines().map(String::from).collect()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--volumes", "--timeout", "0"]);
    }
}

/// The web process: by its published port, or from inside its container.
enum Web {
    At(String),
    In(String),
}

impl Web {
    fn get(&self, path: &str) -> String {
        self.ask("GET", path)
    }

    fn post(&self, path: &str) {
        self.ask("POST", path);
    }

    fn ask(&self, method: &str, path: &str) -> String {
        match self {
            Self::At(address) => {
                let answer = ask(address, method, path).expect("web answers");
                assert!((200..300).contains(&answer.status), "{answer:?}");
                answer.body
            }
            Self::In(container) => {
                let script = "require 'net/http'
                    answer = Net::HTTP.start('localhost', 8080) { |web| web.send_request(*ARGV) }
                    answer.value
                    print answer.body";
                let ruby = ["exec", container, "launcher", "--", "ruby", "-e", script];
                docker(&[&ruby[..], &[method, path]].concat())
            }
        }
    }

    /// How many jobs each worker has done.
    fn jobs(&self) -> BTreeMap<String, u64> {
        serde_json::from_str(&self.get("/jobs")).expect("JSON")
    }

    fn wait_for_jobs(&self, expected: u64) -> BTreeMap<String, u64> {
        let done = |jobs: &BTreeMap<String, u64>| jobs.values().sum::<u64>() >= expected;
        wait_until("the jobs are done", || done(&self.jobs()));
        let jobs = self.jobs();
        assert_eq!(jobs.values().sum::<u64>(), expected, "{jobs:?}");
        jobs
    }
}

/// A swarm of this machine alone. A swarm that was there before stays.
struct Swarm {
    was_there: bool,
    had_bridge: bool,
}

/// The network that an engine creates for its first swarm, and keeps.
const SWARM_BRIDGE: &str = "docker_gwbridge";

impl Swarm {
    fn with_this_machine() -> Self {
        let state = docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]);
        let bridge = format!("name=^{SWARM_BRIDGE}$");
        let swarm = Self {
            was_there: state.trim() == "active",
            had_bridge: !docker(&["network", "ls", "--quiet", "--filter", &bridge]).is_empty(),
        };
        if !swarm.was_there {
            let addresses = [
                "--advertise-addr",
                "127.0.0.1",
                "--listen-addr",
                "127.0.0.1",
            ];
            docker(&[["swarm", "init"].as_slice(), &addresses].concat());
        }
        swarm
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if !self.was_there {
            let _ = try_docker(&["swarm", "leave", "--force"]);
        }
        if !self.had_bridge {
            let _ = try_docker(&["network", "rm", SWARM_BRIDGE]);
        }
    }
}

/// A stack of Swarm: the exported file, and one with Redis and a client that asks web without a
/// pause.
///
/// Names resolve to the instances themselves (`dnsrr`), not to Swarm's load balancer, which needs
/// IPVS: not every kernel has it.
struct Stack {
    folder: tempfile::TempDir,
    name: &'static str,
}

/// What the client counts, from the first answer on.
#[derive(Debug)]
struct Client {
    answers: BTreeMap<String, u64>,
    failures: Vec<String>,
}

impl Client {
    fn answers(&self, version: &str) -> u64 {
        self.answers.get(version).copied().unwrap_or_default()
    }
}

const CLIENT: &str = include_str!("client.rb");

impl Stack {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = serde_json::to_string(&CLIENT.replace('$', "$$")).expect("text");
        let services = format!(
            "version: '3.8'
services:
  redis:
    image: {}
    entrypoint: [redis-server, --save, '', --protected-mode, 'no']
    deploy: {{ endpoint_mode: dnsrr }}
  web:
    deploy: {{ endpoint_mode: dnsrr }}
  client:
    image: {APP}:1
    entrypoint: [launcher, --, formation, exec, --, ruby, -e, {script}]
",
            variable("FORMATION_SERVER_IMAGE")
        );
        write(&folder, "services.yaml", &services);
        Self { folder, name: APP }
    }

    fn deploy(&self, image: &str, version: &str) {
        let settings = format!("REDIS_URL={REDIS}\nVERSION={version}\n");
        write(&self.folder, "settings.env", &settings);
        // Without the load balancer no port can be published.
        let options = [
            "--publish",
            "none",
            "--env-file",
            "settings.env",
            "--scale",
            "web=2",
        ];
        write(
            &self.folder,
            "compose.yaml",
            &export(image, "compose", &options),
        );
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let deploy = ["stack", "deploy", "--resolve-image", "never"].map(String::from);
        let files =
            ["compose.yaml", "services.yaml"].map(|name| format!("--compose-file={}", path(name)));
        let words: Vec<String> = deploy
            .into_iter()
            .chain(files)
            .chain([self.name.into()])
            .collect();
        docker(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn containers(&self, service: &str) -> Vec<String> {
        let filter = format!(
            "label=com.docker.swarm.service.name={}_{service}",
            self.name
        );
        let containers = docker(&["ps", "--quiet", "--filter", &filter]);
        containers.lines().map(String::from).collect()
    }

    fn web(&self) -> Web {
        let containers = self.containers("web");
        Web::In(containers.first().expect("web runs").clone())
    }

    fn client(&self) -> Client {
        let nothing = || Client {
            answers: BTreeMap::new(),
            failures: Vec::new(),
        };
        let containers = self.containers("client");
        let Some(container) = containers.first() else {
            return nothing();
        };
        let log = docker(&["logs", "--tail", "1", container]);
        let Ok((answers, failures)) = serde_json::from_str(&log) else {
            return nothing();
        };
        Client { answers, failures }
    }

    fn update_state(&self, service: &str) -> String {
        let format = "{{.UpdateStatus.State}}";
        let name = format!("{}_{service}", self.name);
        let state = docker(&["service", "inspect", "--format", format, &name]);
        assert!(["updating", "completed"].contains(&state.trim()), "{state}");
        state.trim().into()
    }

    fn replicas(&self, service: &str) -> String {
        let filter = format!("name={}_{service}", self.name);
        let services = [
            "service",
            "ls",
            "--filter",
            &filter,
            "--format",
            "{{.Replicas}}",
        ];
        docker(&services).trim().into()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = try_docker(&["stack", "rm", self.name]);
        let label = format!("label=com.docker.stack.namespace={}", self.name);
        let holds = |kind: &[&str]| {
            let arguments = [kind, &["--quiet", "--filter", &label]].concat();
            !docker(&arguments).is_empty()
        };
        // The stack's networks are removed some time after its containers.
        becomes_true(PATIENCE, Duration::from_millis(500), || {
            !holds(&["ps", "--all"]) && !holds(&["network", "ls"])
        });
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let pause = Duration::from_millis(200);
    assert!(
        becomes_true(PATIENCE, pause, condition),
        "not in time: {what}"
    );
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    files::write(&folder.path().join(name), text);
}

//! Several process types in one container of a real image, as its first process.

use libcnb_test::{TestRunner, assert_contains, assert_not_contains};
use rig::build::build_config;
use rig::container::Container;
use rig::docker::{docker, try_docker};
use rig::http::ask;
use rig::image::image_of;
use rig::server::redis::start_redis;
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the processes of these apps print when they handle TERM.
const READY: [&str; 4] = [
    "| working\n",
    "| listening on ",
    "| Use Ctrl-C to stop",
    "INFO: Running in ruby",
];

/// The example in Heroku's description of the process model.
const TEN_AND_FIFTY: [&str; 2] = ["web=10", "worker=50"];

#[test]
#[ignore = "integration test"]
fn ten_webs_and_fifty_workers() {
    TestRunner::default().build(build_config("sixty-processes"), |context| {
        assert_contains!(
            context.pack_stdout,
            "Run several in one container with docker run --entrypoint formation IMAGE TYPE=N …"
        );
        let image = image_of(&context);
        all_sixty_run_and_end_in_order(&image);
        with_nothing_that_can_be_written_to(&image);
        behind_another_init(&image);
    });
}

fn all_sixty_run_and_end_in_order(image: &str) {
    let formation = start(image, &["--publish", "127.0.0.1::8080"], &TEN_AND_FIFTY);
    wait_for_processes(&formation, 60);
    let rows = processes(&formation);
    let names: BTreeSet<_> = rows.iter().map(|row| row["name"].to_string()).collect();
    let ports: BTreeSet<_> = rows.iter().map(|row| row["port"].as_u64()).collect();
    assert_eq!((names.len(), ports.len()), (60, 60));
    assert!(
        rows.iter()
            .all(|row| row["restarts"] == 0 && row["memory"].as_u64() > Some(1_000_000))
    );
    assert_eq!(answer(&formation, "GET", "/"), "web.1\n");
    let table = docker(&["exec", "--user", "root", &formation.id, "formation", "ps"]);
    assert_eq!(table.lines().count(), 61, "{table}");

    let started = Instant::now();
    formation.stop();
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    let log = formation.logs();
    assert_eq!(formation.status(), 0, "{log}");
    assert_eq!(log.matches("| finished\n").count(), 50, "{log}");
    assert_eq!(log.matches("has ended with status 0").count(), 60, "{log}");
    assert_not_contains!(log, "is killed");
    assert_not_contains!(log, "released");
}

fn with_nothing_that_can_be_written_to(image: &str) {
    let options = [
        "--read-only",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ];
    let formation = start(image, &options, &[]);
    wait_for_processes(&formation, 2);
    assert_contains!(
        formation.exec(&["formation", "scale", "worker=3"]),
        "worker.3"
    );
    wait_for_processes(&formation, 4);
    formation.stop();
    assert_eq!(formation.status(), 0, "{}", formation.logs());
}

/// As on a platform whose own init is PID 1.
fn behind_another_init(image: &str) {
    let formation = start(image, &["--init"], &["worker=2"]);
    wait_for_processes(&formation, 2);
    formation.stop();
    assert_eq!(formation.status(), 0, "{}", formation.logs());
    assert_eq!(formation.logs().matches("| finished\n").count(), 2);
}

/// The web process enqueues Sidekiq's jobs; the workers run them, and more workers can be added.
#[test]
#[ignore = "integration test"]
fn a_job_queue_in_one_container() {
    TestRunner::default().build(build_config("sidekiq-app"), |context| {
        let image = image_of(&context);
        let (_redis, url) = start_redis();
        let options = ["--publish", "127.0.0.1::8080", "--env", &url];
        let formation = start(&image, &options, &["web=1", "worker=2"]);
        wait_for_processes(&formation, 3);
        wait_until_it_answers(&formation);

        assert_eq!(workers_of(&formation, 40), ["worker.1", "worker.2"]);
        formation.exec(&["formation", "scale", "worker=5"]);
        let all_five = (1..=5)
            .map(|number| format!("worker.{number}"))
            .collect::<Vec<_>>();
        assert_eq!(workers_of(&formation, 100), all_five);

        formation.stop();
        let log = formation.logs();
        assert_eq!(formation.status(), 0, "{log}");
        assert_eq!(log.matches("Bye!").count(), 5, "{log}");
    });
}

/// Enqueues jobs until so many more are done, and returns the workers that have done any.
fn workers_of(formation: &Container, jobs: u64) -> Vec<String> {
    let done = || {
        let answer = answer(formation, "GET", "/jobs");
        serde_json::from_str::<Value>(&answer)
            .expect("JSON")
            .as_object()
            .expect("an object")
            .clone()
    };
    let sum = |done: &serde_json::Map<String, Value>| {
        done.values().filter_map(Value::as_u64).sum::<u64>()
    };
    let before = sum(&done());
    let started = Instant::now();
    // A worker that has just started may miss the first jobs.
    let expected = docker(&["exec", &formation.id, "formation", "ps"])
        .matches("worker.")
        .count();
    loop {
        answer(
            formation,
            "POST",
            &format!("/jobs?count={}&seconds=0.05", jobs / 2),
        );
        sleep(Duration::from_millis(500));
        let done = done();
        if done.len() == expected && sum(&done) >= before + jobs {
            let mut names: Vec<_> = (done.keys())
                .filter_map(|name| Some(name.split_once(':')?.1.to_string()))
                .collect();
            names.sort();
            return names;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{done:?}: {}",
            formation.logs()
        );
    }
}

/// As `docker run --entrypoint formation IMAGE TYPE=N …`.
fn start(image: &str, options: &[&str], quantities: &[&str]) -> Container {
    Container::start(
        image,
        &[options, &["--entrypoint", "formation"]].concat(),
        quantities,
    )
}

fn processes(formation: &Container) -> Vec<Value> {
    let output = try_docker(&["exec", &formation.id, "formation", "ps", "--format", "json"])
        .expect("docker starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Waits until all processes run and have printed that they are ready.
fn wait_for_processes(formation: &Container, number: usize) {
    let started = Instant::now();
    loop {
        let rows = processes(formation);
        let log = formation.logs();
        let are_ready = READY
            .iter()
            .map(|text| log.matches(text).count())
            .sum::<usize>()
            == number;
        if rows.len() == number && are_ready && rows.iter().all(|row| row["state"] == "running") {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?}: {log}");
        sleep(Duration::from_millis(200));
    }
}

fn wait_until_it_answers(formation: &Container) {
    let started = Instant::now();
    while answer(formation, "GET", "/").is_empty() {
        assert!(started.elapsed() < PATIENCE, "{}", formation.logs());
        sleep(Duration::from_millis(200));
    }
}

/// The body of the answer of the web process; empty if there is no answer.
fn answer(formation: &Container, method: &str, path: &str) -> String {
    ask(&formation.address(8080), method, path)
        .map(|answer| answer.body)
        .unwrap_or_default()
}

//! Every shape of command that a Procfile may hold, in real containers: does the app's signal
//! handler run, does the container end in time, does it have the app's exit status, does the app
//! get the user's arguments?

use libcnb_test::TestRunner;
use rig::build::build_config;
use rig::container::Container;
use rig::docker::docker;
use rig::files;
use rig::image::image_of;
use std::sync::Mutex;
use std::thread::scope;
use std::time::{Duration, Instant};

/// How long an app may take to end after `docker stop`. On a busy machine, the engine itself takes
/// a while.
const PATIENCE: Duration = Duration::from_secs(4);

/// After how many seconds the engine kills it.
const KILLED_AFTER: &str = "6";

/// Commands that end in the probe, and whether the arguments of `docker run IMAGE ARGUMENTS` arrive
/// at it.
const SHAPES: &[(&str, bool)] = &[
    // words
    ("ruby probe.rb", true),
    ("bundle exec ruby probe.rb", true),
    ("ruby \"probe.rb\" 'a b' c\\ d", true),
    ("env A=1 ruby probe.rb", true),
    ("nice ruby probe.rb", true),
    // exec
    ("ruby probe.rb $PORT", true),
    ("ruby probe.rb ${PORT:-8080}", true),
    ("A=1 ruby probe.rb", true),
    ("A=1 B=$PORT bundle exec ruby probe.rb", true),
    ("ruby probe.rb > /dev/null", true),
    ("ruby probe.rb 2>&1", true),
    ("> /dev/null 2>&1 ruby probe.rb", true),
    ("exec ruby probe.rb", true),
    ("exec ruby probe.rb 2>&1", true),
    ("cd /workspace && ruby probe.rb", true),
    ("cd /workspace; ruby probe.rb", true),
    ("export A=1; ruby probe.rb", true),
    ("export A=1 && cd /workspace && exec ruby probe.rb", true),
    ("[ -f probe.rb ] && ruby probe.rb", true),
    ("[[ -f probe.rb ]] && ruby probe.rb", true),
    ("test -f probe.rb && ruby probe.rb", true),
    ("ruby probe.rb QUEUE=*", true),
    ("ruby probe.rb $(echo x)", true),
    ("ruby probe.rb `echo x`", true),
    ("ruby probe.rb ~ {a,b}", true),
    ("ruby probe.rb <<< hello", true),
    ("ruby probe.rb < /dev/null", true),
    (". ./env.sh && ruby probe.rb", true),
    ("set -e; ruby probe.rb", true),
    ("A=1; ruby probe.rb $A", true),
    ("ruby probe.rb $PORT;", true),
    ("ruby probe.rb $PORT # a note", true),
    // group
    ("false || ruby probe.rb", true),
    ("ruby -e 1; ruby probe.rb", true),
    ("ruby -e 1 && ruby probe.rb", true),
    ("./start.sh", true),
    ("bin/start", true),
    ("bash start.sh", true),
    ("ruby probe.rb | cat", false),
    ("ruby probe.rb 2>&1 | tee /dev/null", false),
    ("(ruby probe.rb)", false),
    ("{ ruby probe.rb; }", false),
    ("if true; then ruby probe.rb; fi", false),
    ("while true; do ruby probe.rb; done", false),
    ("for i in 1; do ruby probe.rb; done", false),
    ("f() { ruby probe.rb; }; f", false),
    ("ruby probe.rb & wait", false),
    ("ruby probe.rb & sleep 1000 & wait -n", false),
    ("sh -c 'ruby probe.rb'", false),
    ("bash -c \"ruby probe.rb\"", false),
    ("trap 'true' EXIT; ruby probe.rb", true),
];

/// Shapes that do not end when the probe ends, or not with its exit status.
const OTHER_STATUS: &[&str] = &[
    "ruby probe.rb | cat",
    "ruby probe.rb 2>&1 | tee /dev/null",
    "while true; do ruby probe.rb; done",
    "ruby probe.rb & wait",
];

/// Programs without a signal handler: the signal ends them at once.
const WITHOUT_HANDLER: &[&str] = &[
    "sleep 1000",
    "tail -f /dev/null",
    "sleep ${LONG:-1000}",
    "sleep 1000 | cat",
];

/// How a command failed to handle its signals; empty if it did not fail.
fn faults_with_signals(container: &Container) -> Vec<String> {
    let mut faults = Vec::new();
    if !container.wait_for("ready: ", Duration::from_secs(20)) {
        return vec![format!("never ready: {}", container.logs())];
    }
    docker(&["kill", "--signal", "USR1", &container.id]);
    if !container.wait_for("got USR1", PATIENCE) {
        faults.push("USR1 did not arrive".into());
    }
    let stopping = Instant::now();
    docker(&["stop", "--time", KILLED_AFTER, &container.id]);
    let took = stopping.elapsed();
    if !container.logs().contains("got TERM") {
        faults.push("TERM did not arrive".into());
    }
    if took > PATIENCE {
        faults.push(format!("stopping took {took:.1?}"));
    }
    if !faults.is_empty() {
        faults.push(format!("{:?}", container.logs()));
    }
    faults
}

fn process_type(index: usize) -> String {
    format!("shape-{index}")
}

/// Runs `check` for every command, four at a time, and returns the faults that it finds.
fn failures(commands: &[&str], check: impl Fn(usize, &str) -> Vec<String> + Sync) -> Vec<String> {
    let queue = Mutex::new(commands.iter().enumerate());
    let failures = Mutex::new(Vec::new());
    scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                loop {
                    let next = queue.lock().expect("no thread panics").next();
                    let Some((index, command)) = next else { break };
                    let faults = check(index, command);
                    if !faults.is_empty() {
                        failures
                            .lock()
                            .expect("no thread panics")
                            .push(format!("{command}: {}", faults.join(", ")));
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no thread panics")
}

#[test]
#[ignore = "integration test"]
fn every_shape_obeys_signals() {
    let commands: Vec<&str> = SHAPES
        .iter()
        .map(|(command, _)| *command)
        .chain(WITHOUT_HANDLER.iter().copied())
        .collect();
    let procfile: String = commands
        .iter()
        .enumerate()
        .map(|(index, command)| format!("{}: {command}\n", process_type(index)))
        .collect::<Vec<_>>()
        .concat();
    let mut config = build_config("process-shapes");
    config.app_dir_preprocessor(move |app| {
        files::write(&app.join("Procfile"), &procfile);
    });
    TestRunner::default().build(config, |context| {
        let image = image_of(&context);
        let shapes = &commands[..SHAPES.len()];

        let ours = failures(shapes, |index, _| {
            let container = Container::start(
                &image,
                &["--entrypoint", &process_type(index)],
                &["user", "argument"],
            );
            let mut faults = faults_with_signals(&container);
            let arrived = container.logs().contains("\"user\", \"argument\"]");
            if arrived != SHAPES[index].1 {
                faults.push(format!("user arguments: {arrived}: {}", container.logs()));
            }
            faults
        });
        let statuses = failures(shapes, |index, command| {
            let container = Container::start(
                &image,
                &[
                    "--env",
                    "PROBE_EXIT=5",
                    "--entrypoint",
                    &process_type(index),
                ],
                &[],
            );
            if OTHER_STATUS.contains(&command) {
                return Vec::new();
            }
            match container.status() {
                5 => Vec::new(),
                status => vec![format!("ended with status {status}: {}", container.logs())],
            }
        });
        let without_handler = failures(&commands[SHAPES.len()..], |index, _| {
            let container = Container::start(
                &image,
                &["--entrypoint", &process_type(SHAPES.len() + index)],
                &[],
            );
            assert!(
                container.wait_until_formation_runs(),
                "{}",
                container.logs()
            );
            let stopping = Instant::now();
            docker(&["stop", "--time", KILLED_AFTER, &container.id]);
            match (stopping.elapsed(), container.status()) {
                (took, 143) if took < PATIENCE => Vec::new(),
                (took, status) => vec![format!("ended with status {status} after {took:.1?}")],
            }
        });
        // The same commands as other buildpacks launch them, in the same image.
        let theirs = failures(shapes, |_, command| {
            let container = Container::start(
                &image,
                &["--entrypoint", "launcher"],
                &["--", "bash", "-c", command],
            );
            faults_with_signals(&container)
        });
        println!("Command shapes that obey signals, of {}:", shapes.len());
        println!("  formation exec     {}", shapes.len() - ours.len());
        println!(
            "  bash -c COMMAND    {}, not:\n    {}",
            shapes.len() - theirs.len(),
            theirs.join("\n    ")
        );
        assert_eq!(
            [ours, statuses, without_handler].concat(),
            Vec::<String>::new()
        );
    });
}

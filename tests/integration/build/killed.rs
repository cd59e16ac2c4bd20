//! A build that is killed at any moment leaves nothing that makes the next one different.

use crate::gems::sources::{build_with, change_greeting};
use rig::build::buildpack;
use rig::build::contents::differences;
use rig::build::phase::BuildPhase;
use rig::container::Container;
use rig::server::git::GitServer;
use std::collections::BTreeMap;
use std::time::Instant;

const KILLS: usize = 20;

/// The next kill comes earlier after one that was too late, and later after one that was too early.
const TOO_LATE: f64 = 0.8;
const TOO_EARLY: f64 = 1.1;

#[test]
#[ignore = "integration test"]
fn the_next_build_after_a_kill_equals_a_clean_one() {
    let clean = BuildPhase::new("ruby-sample-app");
    let _packaged = buildpack(); // So that packaging is not a part of the measured time.
    let started = Instant::now();
    clean.run();
    let mut takes = started.elapsed();
    let expected = clean.contents("layers");
    assert!(expected.contains_key("ruby/bin/ruby"));

    let mut unfinished = 0;
    for number in 0..KILLS {
        let build = BuildPhase::new("ruby-sample-app");
        // The engine takes a while to start the container.
        let after = takes.mul_f64(0.2 + 0.8 * fastrand::f64());
        build.run_and_kill(after);
        let left = build.contents("layers");
        unfinished += usize::from(left != expected && !left.is_empty());
        // How long a build takes depends on what else the machine does.
        takes = takes.mul_f64(match &left {
            left if *left == expected => TOO_LATE,
            left if left.is_empty() => TOO_EARLY,
            _ => 1.0,
        });
        build.run();
        let different = differences(&build.contents("layers"), &expected);
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

/// A library that counts the calls by which a build changes its layers, and stops it before one of
/// them.
const STOP_AT: &str = include_str!("killed/stop_at.c");

/// How many points of each situation are tried where nobody asks for more.
const SAMPLE: usize = 4;

/// Asks for more: `kinds` for the first and the last call of every kind, `all` for every call. Or
/// for some by their numbers: `17 18`.
const POINTS: &str = "FORMATION_KILL_POINTS";

/// What a build finds, by a script that makes it of the layers of a whole one.
const SITUATIONS: [(&str, &str); 3] = [
    ("nothing is there", "rm -rf /build/layers/*"),
    ("Ruby is there", "rm -rf /build/layers/gem*"),
    (
        "Ruby and the gems are in the image, and something has changed",
        "rm -rf /build/layers/{gems,ruby}
        sed -i '/^Ruby = /d' /build/layers/gems.toml /build/layers/gems-archive/gems.toml",
    ),
];

/// Of plain gems, gems that are compiled, one that Ruby has compiled, and one in git.
#[test]
#[ignore = "integration test"]
fn a_build_may_be_killed_before_any_call_that_changes_its_layers() {
    let git = GitServer::start();
    let build = build_with(&git, "");
    let points = KillPoints::new(&build);
    for (situation, script) in SITUATIONS {
        points.save(script);
        points.check(situation);
    }

    // The layers are those of an app that was another one.
    build.set("BUNDLE_BUILD__GREETING", "--with-cflags=-DOTHER");
    build.set("BUNDLE_BUILD__BCRYPT", "--with-cflags=-O1");
    build.run();
    points.save("");
    build.unset("BUNDLE_BUILD__GREETING");
    build.unset("BUNDLE_BUILD__BCRYPT");
    points.check("gems were compiled with other flags");

    change_greeting(&git, &build, "ext/greeting/greeting.c", "Hello", "Goodbye");
    build.run();
    points.save("");
    build.restore();
    points.check("a gem in git had another revision");
}

/// The places at which a build is stopped.
struct KillPoints<'a> {
    build: &'a BuildPhase,
    /// What a whole build leaves.
    expected: BTreeMap<String, String>,
}

impl<'a> KillPoints<'a> {
    fn new(build: &'a BuildPhase) -> Self {
        build.run();
        let compile = format!(
            "gcc -shared -fPIC -o /build/stop_at.so -x c - <<'SOURCE'\n{STOP_AT}\nSOURCE\n"
        );
        build.output_of(&compile);
        Self {
            build,
            expected: layers(build),
        }
    }

    /// Keeps what a script makes of the layers: each build starts with that.
    fn save(&self, script: &str) {
        self.build.output_of(&format!(
            "{script}\nrm -rf /build/saved; cp -a /build/layers /build/saved"
        ));
    }

    fn check(&self, situation: &str) {
        let calls = self.calls();
        let chosen = choose(&calls);
        println!("{situation}: {} of {} calls", chosen.len(), calls.len());
        let mut failures = Vec::new();
        for number in chosen {
            let stopped = self.start(&format!("STOP_AT={number}"));
            let is_stopped = stopped.status() != 0;
            let next = self.build.start();
            let status = next.status();
            let different = differences(&layers(self.build), &self.expected);
            if status != 0 || !different.is_empty() {
                let call = &calls[number - 1];
                let log = next.logs();
                let failure = format!("before call {call} ({is_stopped}): {different:#?}\n{log}");
                println!("{failure}");
                failures.push(failure);
            }
        }
        assert!(failures.is_empty(), "{situation}: {failures:#?}");
    }

    /// The calls of a build that is not stopped. Those of several threads are in another order each
    /// time.
    fn calls(&self) -> Vec<String> {
        let build = self.start("STOP_LOG=/build/calls");
        assert_eq!(build.status(), 0, "{}", build.logs());
        let log = self.build.output_of("cat /build/calls; rm /build/calls");
        log.lines().map(String::from).collect()
    }

    fn start(&self, variable: &str) -> Container {
        // Not as PID 1, which could not be killed from inside.
        let script = format!(
            "find /build/layers -mindepth 1 -delete; cp -a /build/saved/. /build/layers; rm -f /build/counter
            {variable} STOP_COUNTER=/build/counter LD_PRELOAD=/build/stop_at.so \
                /buildpack/bin/build /build/layers /build/platform /build/plan.toml
            exit $?"
        );
        self.build.start_program("bash", &["-c", &script])
    }
}

/// The numbers of the calls before which a build is stopped.
fn choose(calls: &[String]) -> Vec<usize> {
    match std::env::var(POINTS).as_deref() {
        Ok("all") => (1..=calls.len()).collect(),
        Ok("kinds") => {
            let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
            for (index, call) in calls.iter().enumerate() {
                let number = index + 1;
                kinds
                    .entry(kind(call))
                    .and_modify(|(_, last)| *last = number)
                    .or_insert((number, number));
            }
            let mut chosen: Vec<_> = kinds
                .values()
                .flat_map(|(first, last)| [*first, *last])
                .collect();
            chosen.sort_unstable();
            chosen.dedup();
            chosen
        }
        Ok(numbers) => {
            let numbers = numbers.split_whitespace();
            let numbers = numbers.map(|number| number.parse().expect("a number"));
            numbers.filter(|number| *number <= calls.len()).collect()
        }
        Err(_) => (0..SAMPLE)
            .map(|_| 1 + fastrand::usize(..calls.len()))
            .collect(),
    }
}

/// Call, program, and the folder that both are about, but for what is deep in it.
fn kind(call: &str) -> String {
    const DEPTH: usize = 8; // build/layers/gems/ruby/3.3.0/bundler/gems/NAME
    let (_, call) = call.split_once(' ').expect("it is numbered");
    let (call, path) = call.split_once(" /").expect("it has a path");
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    let names: Vec<_> = folder.split('/').take(DEPTH).collect();
    format!("{call} {}", names.join("/"))
}

/// The layers of the image, their metadata, and what is between them.
fn layers(build: &BuildPhase) -> BTreeMap<String, String> {
    const FROM_BUILD_TO_BUILD: [&str; 3] = ["gem-cache/", "gems-archive/", "ruby-archive/"];
    let mut layers = build.contents("layers");
    layers.retain(|name, _| {
        !FROM_BUILD_TO_BUILD
            .iter()
            .any(|layer| name.starts_with(layer))
    });
    layers
}

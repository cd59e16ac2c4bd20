//! A build that is killed at any moment leaves nothing that makes the next one different.

use crate::gems::sources::build_with;
use rig::build::buildpack;
use rig::build::contents::differences;
use rig::build::phase::BuildPhase;
use rig::server::git::GitServer;
use std::time::{Duration, Instant};

const KILLS: usize = 20;

/// The next kill comes earlier after one that was too late, and later after one that was too early.
const TOO_LATE: f64 = 0.8;
const TOO_EARLY: f64 = 1.1;

/// Leaves what the platform restores when Ruby and the gems are in the image only, and makes Ruby
/// count as changed.
const CHANGED: &str = "
rm -rf /build/layers/{gems,ruby}
sed -i '/^Ruby = /d' /build/layers/gems.toml /build/layers/gems-archive/gems.toml
";

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

/// The gems are compiled ones, one that Ruby ships compiled, and one in git.
#[test]
#[ignore = "integration test"]
fn the_next_build_after_a_kill_among_the_gems_equals_a_clean_one() {
    let git = GitServer::start();
    let build = build_with(&git, "");
    build.run();
    let expected = build.contents("layers/gems");

    let finished = build.contents("layers")["gems.toml"].clone();
    let is_unfinished = || build.contents("layers").get("gems.toml") != Some(&finished);

    // First, Ruby is there and every gem is installed; then both are in the image only, and the
    // gems are updated.
    for (before, kills) in [("rm -rf /build/layers/gem*", KILLS), (CHANGED, KILLS / 4)] {
        let mut takes = Duration::ZERO;
        let mut unfinished = 0;
        for number in 0..=kills {
            build.output_of(before);
            let killed = build.start();
            assert!(killed.wait_for("- Gems", Duration::from_secs(60)));
            let started = Instant::now();
            if number == 0 {
                killed.status();
                takes = started.elapsed();
                continue;
            }
            let after = takes.mul_f64(fastrand::f64());
            std::thread::sleep(after);
            killed.kill();
            if is_unfinished() {
                unfinished += 1;
            } else {
                takes = takes.mul_f64(TOO_LATE);
            }
            build.run();
            let different = differences(&build.contents("layers/gems"), &expected);
            assert!(
                different.is_empty(),
                "{before}: kill {number}, after {after:?}: {different:#?}"
            );
        }
        println!("{kills} installs of {takes:.1?} killed, {unfinished} of them half-way");
        assert!(
            unfinished >= kills / 2,
            "the kills came too early or too late: {unfinished}"
        );
    }
}

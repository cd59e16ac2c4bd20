//! A disk that is full has the help of a full disk, at whatever stage it is met.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::phase::BuildPhase;

/// What other places advise.
const WRONG: [&str; 4] = [
    "gzipped tar file",
    "same Ruby and the same",
    "package it again",
    "clear-cache",
];

#[test]
#[ignore = "integration test"]
fn a_full_disk_is_told_at_every_stage() {
    let mut build = BuildPhase::new("puma-native-gem");
    build.run();
    let kib = |layers: &str| {
        let script = format!("cd /build/layers && du --summarize --total --block-size 1K {layers}");
        let shown = build.output_of(&script);
        let total = shown.lines().last().expect("a total");
        let count = total.split_whitespace().next().expect("a number");
        count.parse::<u64>().expect("a number")
    };
    let ruby = kib("ruby ruby-archive");
    let gems = kib("gems");
    let all = kib(".");
    let last = kib("formation");
    for (room, stage) in [
        (ruby / 2, "Ruby 3.3.8 could not be installed"),
        (ruby + gems / 3, "- Gems"),
        (
            all - last / 2,
            "the program `formation` cannot be copied into",
        ),
    ] {
        build.limit_layers(room);
        let log = build.fail();
        assert_contains!(log, stage);
        assert_contains!(log, "The disk of the build is full");
        for wrong in WRONG {
            assert_not_contains!(log, wrong);
        }
    }
}

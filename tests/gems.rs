//! What Formation installs past Bundler is what Bundler installs.

use crate::build_phase::{BuildPhase, differences};
use libcnb_test::{assert_contains, assert_not_contains};
use std::collections::BTreeMap;

/// `bundle install` as a Dockerfile has it, with the Ruby of the build.
const PLAIN: &str = "
export HOME=/tmp PATH=/build/layers/ruby/bin:$PATH LD_LIBRARY_PATH=/build/layers/ruby/lib LANG=C.UTF-8
export BUNDLE_GEMFILE=/fixture/Gemfile BUNDLE_FROZEN=1 BUNDLE_WITHOUT=development:test BUNDLE_PATH=/build/plain
export BUNDLE_MIRROR__ALL=$(cat /build/platform/env/BUNDLE_MIRROR__ALL)
exec bundle install --jobs 2
";

#[test]
#[ignore = "integration test"]
fn the_gems_are_those_of_bundle_install_to_the_byte() {
    let build = BuildPhase::new("rails-gems");
    build.set("BP_RUBY_VERSION", "3.3.8");
    let log = build.run();
    assert_contains!(log, "Fetched 72 gem archives");
    assert_contains!(log, "Installed 64 gems that need no compiler");
    assert_contains!(log, "Installing racc 1.7.3 with native extensions");
    assert_not_contains!(log, "Installing rails 7.2.2.2");

    let bundler = build.start_program("bash", &["-c", PLAIN]);
    assert_eq!(bundler.status(), 0, "{}", bundler.logs());
    let ours = without_left_overs(build.contents("layers/gems/ruby/3.3.0"));
    let plain = without_left_overs(build.contents("plain/ruby/3.3.0"));
    assert!(ours.len() > 3000, "{}", ours.len());
    assert_eq!(differences(&ours, &plain), Vec::<String>::new());
}

/// Formation removes these; `bundle install` does not.
fn without_left_overs(mut contents: BTreeMap<String, String>) -> BTreeMap<String, String> {
    contents.retain(|name, _| {
        let file = name.rsplit('/').next().unwrap_or_default();
        !(name == "cache"
            || name.starts_with("cache/")
            || matches!(file, "mkmf.log" | "gem_make.out" | "Makefile")
            || file.ends_with(".o"))
    });
    contents
}

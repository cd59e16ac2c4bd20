//! What Formation installs past Bundler is what Bundler installs.

use crate::build_phase::{BuildPhase, differences};
use libcnb_test::{assert_contains, assert_not_contains};
use std::collections::BTreeMap;
use std::path::Path;

const SHIPPED_WITH_RUBY: [&str; 6] = [
    "/bigdecimal-3.1.5/",
    "/date-3.3.4/",
    "/io-console-0.7.1/",
    "/psych-5.1.2/",
    "/racc-1.7.3/",
    "/stringio-3.1.1/",
];

/// `bundle install` as a Dockerfile has it, with the Ruby of the build.
const PLAIN: &str = "
export HOME=/tmp PATH=/build/layers/ruby/bin:$PATH LD_LIBRARY_PATH=/build/layers/ruby/lib LANG=C.UTF-8
export BUNDLE_GEMFILE=/fixture/Gemfile BUNDLE_FROZEN=1 BUNDLE_WITHOUT=development:test BUNDLE_PATH=/build/plain
export BUNDLE_MIRROR__ALL=$(cat /build/platform/env/BUNDLE_MIRROR__ALL)
exec bundle install --jobs 2
";

/// Every compiled gem does something, in the bundle that Formation has made.
const USED: &str = r#"
export HOME=/tmp PATH=/build/layers/ruby/bin:$PATH LD_LIBRARY_PATH=/build/layers/ruby/lib LANG=C.UTF-8
export BUNDLE_GEMFILE=/fixture/Gemfile BUNDLE_FROZEN=1 BUNDLE_WITHOUT=development:test BUNDLE_PATH=/build/layers/gems
exec bundle exec ruby -e '
  %w[racc/parser bigdecimal date io/console psych stringio bcrypt puma].each { |name| require name }
  puts "racc #{Racc::Parser::Racc_Runtime_Type}", BigDecimal(1).to_s, Date.new(2026, 11, 21), Psych.dump(1).chomp, StringIO.new("string").read
  puts Puma::Const::PUMA_VERSION
'
"#;

#[test]
#[ignore = "integration test"]
fn the_gems_are_those_of_bundle_install() {
    let build = BuildPhase::new("rails-gems");
    build.set("BP_RUBY_VERSION", "3.3.8");
    let log = build.run();
    assert_contains!(log, "Fetched 72 gems, ");
    assert_contains!(log, "Compiling puma 5.6.5");
    assert_contains!(
        log,
        "Taking racc 1.7.3 over from Ruby, which has it compiled"
    );
    assert_contains!(log, "Installed 72 gems");
    for gem in ["Installing puma", "Installing racc", "Installing rails"] {
        assert_not_contains!(log, gem); // Bundler had nothing left to do.
    }

    let bundler = build.start_program("bash", &["-c", PLAIN]);
    assert_eq!(bundler.status(), 0, "{}", bundler.logs());
    let ours = without_left_overs(build.contents("layers/gems/ruby/3.3.0"));
    let plain = without_left_overs(build.contents("plain/ruby/3.3.0"));
    assert!(ours.len() > 3000, "{}", ours.len());
    assert_eq!(differences(&ours, &plain), Vec::<String>::new());

    let used = build.start_program("bash", &["-c", USED]);
    assert_eq!(used.status(), 0, "{}", used.logs());
    assert_eq!(
        used.logs(),
        "A Gemfile speaks\nracc c\n0.1e1\n2026-11-21\n--- 1\nstring\n5.6.5\n"
    );
}

/// Files that Formation removes and `bundle install` does not; and what is compiled of gems that Ruby ships in the very version, which
/// is not compiled again.
fn without_left_overs(mut contents: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_compiled = |name: &str, ending: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == ending)
    };
    contents.retain(|name, _| {
        let file = name.rsplit('/').next().unwrap_or_default();
        let is_shipped = SHIPPED_WITH_RUBY.iter().any(|gem| name.contains(gem));
        !(name == "cache"
            || name.starts_with("cache/")
            || matches!(file, "mkmf.log" | "gem_make.out" | "Makefile")
            || is_compiled(name, "o")
            || (is_shipped && is_compiled(name, "so")))
    });
    contents
}

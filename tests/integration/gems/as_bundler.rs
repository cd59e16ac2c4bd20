//! The gems that Formation installs without Bundler equal those that Bundler installs.

use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::contents::differences;
use rig::build::phase::BuildPhase;
use rig::environment::variable;
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

/// `bundle install` as in a Dockerfile, with the Ruby of the build.
const PLAIN: &str = "
export HOME=/tmp PATH=/build/layers/ruby/bin:$PATH LD_LIBRARY_PATH=/build/layers/ruby/lib LANG=C.UTF-8
export BUNDLE_GEMFILE=/fixture/Gemfile BUNDLE_FROZEN=1 BUNDLE_WITHOUT=development:test BUNDLE_PATH=/build/plain
export BUNDLE_MIRROR__ALL=$(cat /build/platform/env/BUNDLE_MIRROR__ALL)
exec bundle install --jobs 2
";

/// Adds the line by which a program of a gem, by its bare name, is the lockfile's version: it is all
/// that Formation's programs have and Bundler's have not. Bundler's own program chooses by itself.
pub(super) const LOCK_PROGRAMS: &str = r#"
find /build/plain/ruby/3.3.0 -path '*/3.3.0/bin/*' ! -name 'bundle*' -type f -exec \
  sed -i "/^require 'rubygems'$/a require 'bundler/setup' if ENV['BUNDLE_GEMFILE']" {} +
"#;

/// Uses every compiled gem, in the bundle that Formation has installed.
pub(crate) const USED: &str = r#"
exec bundle exec ruby -e '
  %w[racc/parser bigdecimal date io/console psych stringio bcrypt puma].each { |name| require name }
  puts "racc #{Racc::Parser::Racc_Runtime_Type}", BigDecimal(1).to_s, Date.new(2026, 11, 21), Psych.dump(1).chomp, StringIO.new("string").read
  puts Puma::Const::PUMA_VERSION
'
"#;

pub(crate) const USES: &str = "A Gemfile speaks\nracc c\n0.1e1\n2026-11-21\n--- 1\nstring\n5.6.5\n";

/// The size, in bytes, of the files that the installed gems declare, of their compiled libraries,
/// and of the whole layer.
const SIZES: &str = r##"
exec ruby -rrubygems/package -e '
  home = "/build/layers/gems/ruby/3.3.0"
  size = ->(files) { files.map { |file| File.realpath(file) }.uniq.select { |file| File.file?(file) }.sum { |file| File.size(file) } }
  declared = Dir["/build/layers/gem-cache/*.gem"].sum do |archive|
    gem = File.join(home, "gems", File.basename(archive, ".gem"))
    File.directory?(gem) ? size.(Gem::Package.new(archive).spec.files.map { |name| File.join(gem, name) }) : 0
  end
  compiled = size.(Dir["#{home}/extensions/**/*.so"])
  puts [declared, compiled, size.(Dir.glob("/build/layers/gems/**/*", File::FNM_DOTMATCH))].join(" ")
'
"##;

#[test]
#[ignore = "integration test"]
fn the_gems_are_those_of_bundle_install() {
    let build = BuildPhase::new("rails-gems");
    build.set("BP_RUBY_VERSION", "3.3.8");
    let log = build.run();
    assert_contains!(log, "Fetched 72 gems, ");
    assert_contains!(log, "Compiling puma 5.6.5");
    assert_contains!(log, "Copying racc 1.7.3 from Ruby, which has it compiled");
    assert_contains!(log, "Installed 72 gems");
    for gem in ["Installing puma", "Installing racc", "Installing rails"] {
        assert_not_contains!(log, gem); // Bundler had nothing left to do.
    }

    let bundler = build.start_program("bash", &["-c", PLAIN]);
    assert_eq!(bundler.status(), 0, "{}", bundler.logs());
    build.output_of(LOCK_PROGRAMS);
    let ours = build.contents("layers/gems/ruby/3.3.0");
    let links = ours.values().filter(|content| content.contains("../gems/"));
    assert!(links.count() >= 8);
    let ours = without_left_overs(followed(ours));
    let plain = without_left_overs(build.contents("plain/ruby/3.3.0"));
    assert!(ours.len() > 3000, "{}", ours.len());
    assert_eq!(differences(&ours, &plain), Vec::<String>::new());

    assert_eq!(build.output_of(USED), USES);

    let sizes = build.output_of(SIZES);
    let sizes: Vec<u64> = sizes
        .split_whitespace()
        .map(|size| size.parse().expect(&sizes))
        .collect();
    let (needed, whole) = (sizes[0] + sizes[1], sizes[2]);
    println!(
        "{} bytes declared, {} compiled, {whole} in the layer: {:.3}",
        sizes[0],
        sizes[1],
        ratio(whole, needed)
    );
    assert!(ratio(whole, needed) <= 1.02, "{sizes:?}");

    let again = BuildPhase::new("rails-gems");
    again.set("BP_RUBY_VERSION", "3.3.8");
    again.run();
    let first = build.contents("layers/gems");
    assert_eq!(
        differences(&first, &again.contents("layers/gems")),
        Vec::<String>::new()
    );

    again.set("BP_RUBY_VERSION", "3.3.9");
    again.set(
        "BP_RUBY_INVENTORY",
        &variable("FORMATION_NEXT_PATCH_INVENTORY"),
    );
    let log = again.run();
    assert_contains!(log, "version changed from 3.3.8 to 3.3.9");
    assert_contains!(log, "Updating the cached gems: Ruby has changed");
    for work in [
        "Fetch",
        "Compiling",
        "Installed",
        "with native extensions",
        "from Ruby, which",
    ] {
        assert_not_contains!(log, work);
    }
    assert_eq!(
        differences(&first, &again.contents("layers/gems")),
        Vec::<String>::new()
    );
    assert_eq!(again.output_of(USED), USES);
}

#[expect(clippy::cast_precision_loss, reason = "megabytes are exact")]
fn ratio(whole: u64, part: u64) -> f64 {
    whole as f64 / part as f64
}

/// A second copy of a library is a link: it counts as the library that it leads to.
pub(super) fn followed(contents: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let links = contents.iter().filter_map(|(name, content)| {
        let (_, library) = content.strip_prefix("link to ")?.rsplit_once("../gems/")?;
        Some((name.clone(), contents[&format!("gems/{library}")].clone()))
    });
    let links: Vec<_> = links.collect();
    let mut followed = contents;
    followed.extend(links);
    followed
}

/// Leaves out files that Formation removes and `bundle install` does not, the folder for programs
/// (which may be empty, or not there), and compiled libraries of gems that Ruby ships in the same
/// version, which Formation does not compile again.
pub(super) fn without_left_overs(
    mut contents: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let is_compiled = |name: &str, ending: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|extension| extension == ending)
    };
    contents.retain(|name, _| {
        let file = name.rsplit('/').next().unwrap_or_default();
        let is_shipped = SHIPPED_WITH_RUBY.iter().any(|gem| name.contains(gem));
        !(matches!(name.as_str(), "bin" | "cache")
            || name.starts_with("cache/")
            || matches!(file, "mkmf.log" | "gem_make.out" | "Makefile")
            || is_compiled(name, "o")
            || (is_shipped && is_compiled(name, "so")))
    });
    contents
}

//! A build without any network: Ruby comes from the buildpack's package, the gems from the app's
//! `vendor/cache`.

use libcnb_test::assert_contains;
use rig::build::buildpack;
use rig::build::pack::PackBuild;
use rig::command::run;
use rig::container::Container;
use rig::environment::variable;
use rig::files;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "integration test"]
fn ruby_from_the_package_and_gems_from_vendor_cache() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let package = folder.path().join("package");
    files::copy(buildpack(), &package);
    run(Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--locked",
            "--example",
            "vendor-ruby",
            "--",
        ])
        .args(["--ruby", "3.3.8", "--distro", "debian:13", "--inventory"])
        .arg(variable("FORMATION_RUBY_INVENTORY"))
        .arg(&package));

    let app = folder.path().join("app");
    files::copy("fixtures/ruby-sample-app", &app);
    vendor_gems(&app, |_| true);

    let build = PackBuild::run("offline", &app, &package, &["--network", "none"]);
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(build.log, "(the buildpack itself)");
    assert_contains!(build.log, "Running bundle install from vendor/cache alone");
    assert_contains!(build.log, "11 gems are installed");

    let web = Container::start(&build.image, &["--publish", "127.0.0.1::8080"], &[]);
    let answer = web.web_answer();
    assert!(answer.ends_with("Hello World! Ruby 3.3.8\n"), "{answer}");
}

/// Fills `vendor/cache` with the locked gems, as `bundle cache` does.
pub(crate) fn vendor_gems(app: &Path, wanted: impl Fn(&str) -> bool) {
    let cache = app.join("vendor/cache");
    fs::create_dir_all(&cache).expect("a folder");
    let lockfile = fs::read_to_string(app.join("Gemfile.lock")).expect("a lockfile");
    let specs = lockfile.lines().filter_map(|line| {
        let spec = line
            .strip_prefix("    ")
            .filter(|spec| !spec.starts_with(' '))?;
        let (name, version) = spec.strip_suffix(')')?.split_once(" (")?;
        Some(format!("{name}-{version}.gem"))
    });
    for gem in specs.filter(|gem| wanted(gem)) {
        let url = format!("{}/gems/{gem}", variable("FORMATION_GEM_SERVER"));
        run(Command::new("curl")
            .args(["--silent", "--fail", "--output"])
            .arg(cache.join(gem))
            .arg(url));
    }
}

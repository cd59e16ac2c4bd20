use super::*;
use crate::fetch::Fetcher;
use crate::inputs::Inputs;
use crate::platform::variables::BuildVariables;
use libcnb::Env;
use procfile::assert_report;
use procfile::report::plain;
use std::path::Path;

fn requests(texts: &[(&str, &str)]) -> RubyRequests {
    let dir = tempfile::tempdir().unwrap();
    let mut env = Env::new();
    for (name, text) in texts {
        if name.starts_with("BP_") {
            env.insert(name, text);
        } else {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
    }
    let app = Inputs::read(dir.path(), BuildVariables::new(&env), Path::new("/nowhere"));
    app.unwrap().ruby
}

fn target(distro_name: &str, distro_version: &str) -> Target {
    Target {
        os: "linux".into(),
        arch: "amd64".into(),
        arch_variant: None,
        distro_name: distro_name.into(),
        distro_version: distro_version.into(),
    }
}

fn today() -> Date {
    jiff::civil::date(2026, 11, 21)
}

fn chosen(texts: &[(&str, &str)], kept: Option<&str>) -> Result<RubyChoice, ChoiceError> {
    choose(
        &Inventory::all(None, &Fetcher::default()).unwrap(),
        &requests(texts),
        kept.map(|version| version.parse().unwrap()).as_ref(),
        &target("debian", "13"),
        today(),
    )
}

/// What the log shows.
fn log(choice: &RubyChoice) -> String {
    let mut log = choice.lines.join("\n");
    for warning in &choice.warnings {
        log = format!("{log}\n{}", plain(warning).trim_end());
    }
    anstream::adapter::strip_str(&log).to_string()
}

fn lockfile(version: &str) -> String {
    format!("GEM\n\nRUBY VERSION\n   ruby {version}\n")
}

#[test]
fn the_newest_ruby_that_the_gemfile_allows_too() {
    for (texts, expected) in [
        (vec![("BP_RUBY_VERSION", "3.*")], "3.4.10"),
        (
            vec![("BP_RUBY_VERSION", "3.*"), ("Gemfile", "ruby '~> 3.3.0'")],
            "3.3.12",
        ),
        (vec![("BP_RUBY_VERSION", "latest")], "4.0.7"),
        (vec![("Gemfile", "ruby '~> 3.3'")], "3.4.10"),
        (vec![("Gemfile", "ruby '>= 3.2', '< 3.4'")], "3.3.12"),
        (vec![(".tool-versions", "ruby 3.3")], "3.3.12"),
        (vec![(".ruby-version", "3.3.8")], "3.3.8"),
        (vec![("app.rb", "")], "3.4.10"),
    ] {
        let mut texts = texts;
        if texts.iter().any(|(name, _)| *name == "Gemfile") {
            texts.push(("Gemfile.lock", "GEM\n"));
        }
        let choice = chosen(&texts, None).unwrap();
        assert_eq!(choice.ruby.version.to_string(), expected, "{texts:?}");
    }
}

#[test]
fn a_gemfile_limits_a_variable() {
    let texts = [
        ("BP_RUBY_VERSION", "3.*"),
        ("Gemfile", "ruby '~> 3.3.0'"),
        ("Gemfile.lock", "GEM\n"),
    ];
    insta::assert_snapshot!(log(&chosen(&texts, None).unwrap()));
}

#[test]
fn a_ruby_that_bundler_would_refuse() {
    let texts = [
        ("BP_RUBY_VERSION", "3.4.*"),
        ("Gemfile", "source 'x'\nruby '~> 3.3.0'\n"),
        ("Gemfile.lock", "GEM\n"),
    ];
    assert_report!(chosen(&texts, None).unwrap_err());
}

#[test]
fn a_disagreement_names_both() {
    let lockfile = lockfile("3.3.12");
    let two = [
        ("Gemfile", ""),
        ("Gemfile.lock", lockfile.as_str()),
        (".ruby-version", "3.3.8\n"),
    ];
    insta::assert_snapshot!("two_sources", log(&chosen(&two, None).unwrap()));
    let three = [
        ("BP_RUBY_VERSION", "3.4.*"),
        ("Gemfile", ""),
        ("Gemfile.lock", lockfile.as_str()),
        (".tool-versions", "ruby 3.2.9\n"),
        ("mise.toml", "[tools]\nruby = \"3.4\"\n"),
    ];
    insta::assert_snapshot!("three_sources", log(&chosen(&three, None).unwrap()));
    let agreeing = [
        ("Gemfile", "ruby '~> 3.3.0'"),
        ("Gemfile.lock", lockfile.as_str()),
        (".ruby-version", "3.3\n"),
    ];
    assert!(chosen(&agreeing, None).unwrap().warnings.is_empty());
}

#[test]
fn a_computed_version() {
    let missed = [
        ("Gemfile", "source 'x'\nruby ENV.fetch('RUBY_VERSION')\n"),
        ("Gemfile.lock", "GEM\n"),
    ];
    insta::assert_snapshot!("computed_and_missed", log(&chosen(&missed, None).unwrap()));
    let lockfile = lockfile("3.4.10");
    let locked = [missed[0], ("Gemfile.lock", lockfile.as_str())];
    insta::assert_snapshot!("computed_and_locked", log(&chosen(&locked, None).unwrap()));
}

#[test]
fn a_default_is_kept() {
    let nothing = [("app.rb", "")];
    let first = chosen(&nothing, None).unwrap();
    insta::assert_snapshot!("default_of_the_first_build", log(&first));
    assert_eq!(
        kept_default(first.store(None).as_ref())
            .unwrap()
            .to_string(),
        "3.4.10"
    );

    let kept = chosen(&nothing, Some("3.4.8")).unwrap();
    insta::assert_snapshot!("default_that_is_kept", log(&kept));
    assert_eq!(
        kept_default(kept.store(None).as_ref()).unwrap().to_string(),
        "3.4.8"
    );

    let older_series = chosen(&nothing, Some("3.3.12")).unwrap();
    assert_eq!(older_series.ruby.version.to_string(), "3.3.12");

    let gone = chosen(&nothing, Some("3.4.99")).unwrap();
    insta::assert_snapshot!("default_that_is_gone", log(&gone));
}

#[test]
fn a_default_of_the_users_inventory_replaces_the_kept_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.toml");
    fs_err::write(&path, "default = \"3.3\"\n").unwrap();
    let inventories = Inventory::all(path.to_str(), &Fetcher::default()).unwrap();
    let choose = |kept: &str| {
        let kept = kept.parse().unwrap();
        let asked = RubyRequests::default();
        choose(
            &inventories,
            &asked,
            Some(&kept),
            &target("debian", "13"),
            today(),
        )
        .unwrap()
    };
    assert_eq!(choose("3.4.10").ruby.version.to_string(), "3.3.12");
    assert_eq!(choose("3.3.8").ruby.version.to_string(), "3.3.8");
}

#[test]
fn a_default_is_forgotten_once_the_app_asks_for_a_version() {
    let choice = chosen(&[(".ruby-version", "3.3.12")], Some("3.4.8")).unwrap();
    assert_eq!(choice.ruby.version.to_string(), "3.3.12");
    let mut store = Store::default();
    assert!(choice.store(Some(&store)).is_none());
    store
        .metadata
        .insert(DEFAULT_IN_STORE.into(), "3.4.8".into());
    let forgotten = choice.store(Some(&store)).unwrap();
    assert!(kept_default(Some(&forgotten)).is_none());
    assert!(choice.store(Some(&forgotten)).is_none());
    // The lifecycle changes the type of values that are no strings.
    store.metadata.insert(DEFAULT_IN_STORE.into(), 3.4.into());
    assert!(kept_default(Some(&store)).is_none());
}

#[test]
fn support_and_newer_patches_are_a_line_each() {
    for (name, version) in [
        ("newer_patch", "3.4.1"),
        ("security_only", "3.3.12"),
        ("end_of_life", "3.2.11"),
        ("newest_patch", "3.4.10"),
    ] {
        let choice = chosen(&[(".ruby-version", version)], None).unwrap();
        insta::assert_snapshot!(name, log(&choice));
    }
}

#[test]
fn an_unknown_version() {
    let error = chosen(&[(".tool-versions", "ruby 3.3.99")], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no Ruby 3.3.99 (asked for by .tool-versions) for debian 13 on amd64"
    );
    let alpine = choose(
        &Inventory::all(None, &Fetcher::default()).unwrap(),
        &RubyRequests::default(),
        None,
        &target("alpine", "3.23"),
        today(),
    );
    assert_report!("no_default_for_this_target", alpine.unwrap_err());
}

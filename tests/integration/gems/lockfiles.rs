//! What Formation reads in a lockfile and would install from it, compared with Bundler's own
//! answers.

use formation_buildpack::gems::lockfile::{Dependency, GemfileLock, Source, SourceKind};
use formation_buildpack::gems::platform::GemPlatform;
use rig::command::text;
use rig::docker::env_options;
use rig::environment::variable;
use rig::server::rig::{rubies_folder, ruby_inventory};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// The version that Ruby ships, and the version on the rig's gem server.
const BUNDLERS: [&str; 2] = ["2.5.22", "2.6.7"];

const PLATFORMS: [&str; 9] = [
    "x86_64-linux",
    "x86_64-linux-gnu",
    "x86_64-linux-musl",
    "aarch64-linux",
    "aarch64-linux-gnu",
    "aarch64-linux-musl",
    "armv7l-linux-gnueabihf",
    "arm64-darwin-23",
    "x86_64-darwin-21",
];

/// Lockfiles that Formation refuses, and Bundler's result: the class of its error, or the gems that
/// it has read.
const BROKEN: [(&str, &str); 14] = [
    ("\u{feff}GEM\n  specs:\n    rack (1)\n", "[]"),
    ("GEM \n  specs:\n    rack (1)\n", "[]"),
    ("GEM\n  specs:\n   rack (1)\n", "[]"),
    ("GEM\n  specs:\n    rack\n", "[\"rack-\"]"),
    ("GEM\n  specs:\n    rack ()\n", "[\"rack-0\"]"),
    (
        "GEM\n  specs:\n    rack (new)\n",
        "\"Bundler::LockfileError\"",
    ),
    ("GEM\n    rack (1)\n", "\"NoMethodError\""),
    ("GEM\n  specs:\n      rack (1)\n", "\"NoMethodError\""),
    (
        "GEM\n  specs:\n    a (1)\n      b (?)\n",
        "\"Bundler::LockfileError\"",
    ),
    (
        "DEPENDENCIES\n  rack (~> new)\n",
        "\"Bundler::LockfileError\"",
    ),
    (
        "GEM\n  specs:\n    a (1)\nCHECKSUMS\n  a (1) sha256=f00\n",
        "\"Bundler::LockfileError\"",
    ),
    (
        "GEM\n  specs:\n    a (1)\nCHECKSUMS\n  a (1) x=1\n  a (1) x=2\n",
        "\"Bundler::ChecksumMismatchError\"",
    ),
    (
        "GEM\n  specs:\n    a (1)\n<<<<<<< HEAD\n",
        "\"Bundler::LockfileError\"",
    ),
    (
        "GEM\n  remote: a|||||||b\n  specs:\n",
        "\"Bundler::LockfileError\"",
    ),
];

#[test]
#[ignore = "integration test"]
fn lockfiles_are_read_and_chosen_from_as_bundler_does() {
    let lockfiles = fixtures();
    for (bundler, answer) in BUNDLERS.iter().zip(ask_bundler(&lockfiles)) {
        let mut pairs = 0;
        for (name, text) in &lockfiles {
            let lockfile = GemfileLock::parse(name, text).expect("the fixtures are sound");
            assert_eq!(
                read(&lockfile),
                answer["read"][name],
                "{name}, Bundler {bundler}"
            );
            let platforms = PLATFORMS
                .iter()
                .flat_map(|platform| [(platform, false), (platform, true)]);
            let choices = answer["choices"][name].as_array().expect("a list");
            assert_eq!(choices.len(), PLATFORMS.len() * 2);
            for ((platform, force), expected) in platforms.zip(choices) {
                let mut chosen = choose(&lockfile, platform, force);
                if expected["locked"]["unavailable"].is_null() {
                    chosen["locked"]["unavailable"] = Value::Null; // Bundler 2.5 has no such list.
                }
                let mut expected = expected.clone();
                sort(&mut expected["installed"]);
                assert_eq!(
                    chosen, expected,
                    "{name} on {platform}, forced: {force}, Bundler {bundler}"
                );
                pairs += 1;
            }
        }
        println!("{pairs} pairs are as with Bundler {bundler}");
        for ((text, expected), verdict) in BROKEN
            .iter()
            .zip(answer["verdicts"].as_array().expect("a list"))
        {
            assert_eq!(
                &verdict.to_string(),
                expected,
                "{text:?}, Bundler {bundler}"
            );
            assert!(
                GemfileLock::parse("Gemfile.lock", text).is_err(),
                "{text:?}"
            );
        }
    }
}

fn fixtures() -> BTreeMap<String, String> {
    let entries = fs::read_dir("fixtures/lockfiles").expect("the folder is there");
    entries
        .map(|entry| {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().expect("it has a name").to_string_lossy();
            (
                name.into_owned(),
                fs::read_to_string(&path).expect("it is text"),
            )
        })
        .collect()
}

/// The answers of each Bundler; both run in one container.
fn ask_bundler(lockfiles: &BTreeMap<String, String>) -> Vec<Value> {
    let broken = BROKEN.map(|(text, _)| text);
    let question = json!({ "lockfiles": lockfiles, "platforms": PLATFORMS, "broken": broken });
    let script = format!(
        "set -euo pipefail
        cat > /tmp/question.json
        printf %s \"$ASK_BUNDLER\" > /tmp/ask_bundler.rb
        mkdir /tmp/ruby
        curl --silent --show-error --fail \"$RUBY\" | tar xz -C /tmp/ruby --strip-components 1
        export PATH=/tmp/ruby/bin:$PATH GEM_HOME=/tmp/gems
        gem install --silent --no-document --clear-sources --source \"$GEM_SERVER\" bundler --version {1}
        for bundler in {0} {1}; do ruby /tmp/ask_bundler.rb /tmp/question.json $bundler; done",
        BUNDLERS[0], BUNDLERS[1]
    );
    let mut container = Command::new("docker")
        .args(["run", "--rm", "--interactive"])
        .args(env_options(&["ASK_BUNDLER", "RUBY", "GEM_SERVER"]))
        .args([&variable("FORMATION_BUILD_IMAGE"), "bash", "-c", &script])
        .env("ASK_BUNDLER", include_str!("lockfiles/ask_bundler.rb"))
        .env("RUBY", ruby_archive("3.3.8"))
        .env("GEM_SERVER", variable("FORMATION_GEM_SERVER"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("docker should start");
    let mut stdin = container.stdin.take().expect("it is piped");
    stdin
        .write_all(question.to_string().as_bytes())
        .expect("the container reads the question");
    drop(stdin);
    let output = container.wait_with_output().expect("docker should end");
    assert!(output.status.success(), "{}", output.status);
    let answers: Vec<_> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an answer is JSON"))
        .collect();
    assert_eq!(answers.len(), BUNDLERS.len());
    answers
}

/// The address of a Ruby on the rig's server.
fn ruby_archive(version: &str) -> String {
    let inventory: toml::Table = ruby_inventory().parse().expect("it is TOML");
    let rows = inventory["artifacts"].as_array().expect("it has rows");
    let row = rows
        .iter()
        .find(|row| row["version"].as_str() == Some(version))
        .expect("the rig has this Ruby");
    let url = row["url"].as_str().expect("it has an address");
    rubies_folder() + url
}

/// The contents of a lockfile, in the shape of Bundler's answer.
fn read(lockfile: &GemfileLock) -> Value {
    let mut specs = Map::new();
    for (index, source) in lockfile.sources.iter().enumerate() {
        for spec in &source.specs {
            let checksums = lockfile.checksums_of(spec).unwrap_or_default();
            let mut checksums: Vec<_> = checksums.iter().map(ToString::to_string).collect();
            checksums.sort();
            let dependencies = spec
                .dependencies
                .iter()
                .map(|dependency| json!([dependency.name, requirement(dependency)]));
            let dependencies: Vec<_> = dependencies.collect();
            let spec_said = json!({ "source": index, "dependencies": dependencies, "checksums": checksums.join(",") });
            specs.insert(spec.full_name(), spec_said);
        }
    }
    let dependencies = lockfile.dependencies.iter().map(|dependency| {
        json!([
            dependency.name,
            requirement(dependency),
            dependency.is_pinned
        ])
    });
    json!({
        "sources": lockfile.sources.iter().map(source).collect::<Vec<_>>(),
        "specs": specs,
        "has_checksums": lockfile.checksums.is_some(),
        "dependencies": dependencies.collect::<Vec<_>>(),
        "platforms": lockfile.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ruby": lockfile.ruby.as_ref().map(|ruby| json!([ruby.version.to_string(), ruby.engine])),
        "bundled_with": lockfile.bundled_with.as_ref().map(ToString::to_string),
    })
}

fn source(source: &Source) -> Value {
    let with_values = |options: &[(&str, Option<Value>)]| {
        let options = options
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_string(), value.clone()?)));
        Value::Object(options.collect())
    };
    let text = |value: &Option<String>| value.as_deref().map(Value::from);
    match &source.kind {
        // In Bundler's list the server that it asks first is the first.
        SourceKind::Gem(remotes) => {
            json!({ "type": "gem", "remotes": remotes.iter().rev().collect::<Vec<_>>() })
        }
        SourceKind::Git(git) => {
            let options = with_values(&[
                ("revision", Some(Value::from(git.revision.as_str()))),
                ("ref", text(&git.reference)),
                ("branch", text(&git.branch)),
                ("tag", text(&git.tag)),
                ("glob", text(&git.glob)),
                (
                    "submodules",
                    git.has_submodules.then_some(Value::Bool(true)),
                ),
            ]);
            json!({ "type": "git", "remote": git.remote, "options": options })
        }
        SourceKind::Path(path) => {
            json!({ "type": "path", "remote": path.folder, "options": with_values(&[("glob", text(&path.glob))]) })
        }
        SourceKind::Plugin(plugin) => {
            let mut options: BTreeMap<_, _> = plugin.options.iter().cloned().collect();
            options.insert("type".into(), plugin.source_type.clone());
            options.insert("remote".into(), plugin.remote.clone());
            json!({ "type": "plugin", "options": options })
        }
    }
}

/// `Gem::Requirement#as_list`, sorted.
fn requirement(dependency: &Dependency) -> Vec<String> {
    let text = dependency.requirement.to_string();
    let conditions = text.split(", ").map(|condition| {
        if condition.starts_with(|c: char| c.is_ascii_digit()) {
            format!("= {condition}")
        } else {
            condition.to_string()
        }
    });
    let mut conditions: Vec<_> = conditions.collect();
    conditions.sort();
    conditions
}

/// The gems that are installed on a platform, in the shape of Bundler's answer.
fn choose(lockfile: &GemfileLock, platform: &str, force: bool) -> Value {
    let local = GemPlatform::parse(platform);
    let choice = lockfile.gems_for(&local, force);
    let locked: Vec<_> = choice.gems.iter().map(|gem| gem.spec.full_name()).collect();
    let installed = choice.gems.iter().map(|gem| match gem.servers() {
        // The index has a variant of every gem for this platform.
        Some(_) if choice.servers_decide => {
            format!("{}-{}-{local}", gem.spec.name, gem.spec.version)
        }
        _ => gem.spec.full_name(),
    });
    let mut installed = json!(installed.collect::<Vec<_>>());
    sort(&mut installed);
    json!({ "locked": { "specs": locked, "unavailable": choice.unavailable }, "installed": installed })
}

fn sort(list: &mut Value) {
    let names = list.as_array_mut().expect("a list");
    names.sort_by_key(Value::to_string);
}

//! When assets are compiled, and what of it gets into the image.

use crate::platform::credentials::assert_nowhere;
use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::pack::PackBuild;
use rig::build::{buildpack, rig_server_variables};
use rig::docker::{docker, env_options};
use rig::files;
use std::fs;
use std::path::Path;

const COMPILES: &str = "Running rake assets:precompile";

/// Builds the app, by a name of its own.
pub(super) fn build(name: &str, app: &Path, variables: &[&str]) -> PackBuild {
    let variables = with_rig(variables);
    PackBuild::run(name, app, Path::new(buildpack()), &env_options(&variables))
}

fn again(build: &mut PackBuild, app: &Path, variables: &[&str]) {
    let variables = with_rig(variables);
    build.again(app, Path::new(buildpack()), &env_options(&variables));
    assert!(build.succeeded, "{}", build.log);
}

fn with_rig(variables: &[&str]) -> Vec<String> {
    let rig = rig_server_variables().map(|(name, value)| format!("{name}={value}"));
    let variables = variables.iter().map(ToString::to_string);
    rig.into_iter().chain(variables).collect()
}

pub(super) fn copy_of(fixture: &str) -> tempfile::TempDir {
    let app = tempfile::tempdir().expect("a temporary folder");
    fs::remove_dir(app.path()).expect("it is empty");
    files::copy(fixture, app.path());
    app
}

fn run(build: &PackBuild, script: &str) -> String {
    docker(&[
        "run",
        "--rm",
        "--entrypoint",
        "launcher",
        &build.image,
        "--",
        "bash",
        "-c",
        script,
    ])
}

/// The digests of the image's layers.
fn layers(build: &PackBuild) -> Vec<String> {
    let layers = docker(&[
        "inspect",
        "--format",
        "{{range .RootFS.Layers}}{{println .}}{{end}}",
        &build.image,
    ]);
    layers.lines().map(String::from).collect()
}

/// A change of the app, and the input that the log has to name; none where nothing is compiled.
type Change<'a> = (&'a str, &'a str, Option<&'a str>);

#[test]
#[ignore = "integration test"]
fn a_change_compiles_assets_if_they_may_depend_on_it() {
    let app = copy_of("fixtures/rails-app");
    let mut build = build("assets-changes", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(build.log, COMPILES);
    assert_contains!(build.log, "Compiled 22 files");

    let changes: [Change<'_>; 14] = [
        ("README.md", "# Other\n", None),
        ("test/note_test.rb", "", None),
        ("spec/models/note_spec.rb", "", None),
        ("tmp/x", "", None),
        ("Procfile", "web: bundle exec puma\n", None),
        (
            "app/assets/stylesheets/application.css",
            "h1 { color: teal }\n",
            Some("app/assets/stylesheets/application.css"),
        ),
        (
            "app/assets/stylesheets/application.css",
            "h1 { color: navy }\n",
            Some("app/assets/stylesheets/application.css"),
        ),
        (
            "app/views/notes/index.html.erb",
            "<h1>All</h1>\n",
            Some("app/views/notes/index.html.erb"),
        ),
        (
            "app/helpers/notes_helper.rb",
            "module NotesHelper\n  def words_of(note) = note.words\nend\n",
            Some("app/helpers/notes_helper.rb"),
        ),
        (
            "app/javascript/controllers/note_controller.js",
            "export default class {}\n",
            Some("app/javascript/controllers/note_controller.js"),
        ),
        ("package-lock.json", "{}\n", Some("package-lock.json")),
        (
            "tailwind.config.js",
            "module.exports = {}\n",
            Some("tailwind.config.js"),
        ),
        (
            "config/locales/de.yml",
            "de:\n  notes: Notizen\n",
            Some("config/locales/de.yml"),
        ),
        (
            "public/404.html",
            "<h1>Not here</h1>\n",
            Some("public/404.html"),
        ),
    ];
    for (file, text, expected) in changes {
        files::write(&app.path().join(file), text);
        again(&mut build, app.path(), &[]);
        match expected {
            Some(input) => assert_contains!(
                build.log,
                &format!("Compiling them again: {input} has changed")
            ),
            None => assert_not_contains!(build.log, COMPILES),
        }
        // Neither Bundler nor an install.
        assert_contains!(build.log, "Bundler does not run");
    }

    again(
        &mut build,
        app.path(),
        &["CDN_HOST=https://cdn.example.com"],
    );
    assert_contains!(
        build.log,
        "Compiling them again: variable CDN_HOST has changed"
    );
    again(
        &mut build,
        app.path(),
        &["CDN_HOST=https://cdn.example.com", "BP_ASSETS=false"],
    );
    assert_contains!(build.log, "They are not compiled: BP_ASSETS says so");
}

#[test]
#[ignore = "integration test"]
fn files_of_the_last_two_builds_stay_in_a_layer_of_their_own() {
    let app = copy_of("fixtures/rails-app");
    let mut build = build("assets-kept", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    let names = |build: &PackBuild| {
        let names = run(
            build,
            "cd public/assets && ls application-*.css .manifest.json",
        );
        names.lines().map(String::from).collect::<Vec<_>>()
    };
    let mut counts = vec![names(&build).len()];
    for colour in ["teal", "navy", "olive", "plum"] {
        let stylesheet = app.path().join("app/assets/stylesheets/application.css");
        files::write(&stylesheet, format!("h1 {{ color: {colour} }}\n"));
        again(&mut build, app.path(), &[]);
        counts.push(names(&build).len());
    }
    // The manifest is one of them.
    assert_eq!(counts, [2, 3, 4, 4, 4]);
    let of_last = names(&build);

    // Code alone changes one layer, that of the code.
    let before = layers(&build);
    files::write(&app.path().join("test/code_test.rb"), "");
    again(&mut build, app.path(), &[]);
    let changed = layers(&build)
        .iter()
        .zip(&before)
        .filter(|(now, then)| now != then)
        .count();
    assert_eq!(changed, 1);
    assert_eq!(names(&build), of_last);
    let left = "find tmp log public -name local_secret.txt -o -name '*.log' -o -path 'tmp/cache/*'";
    assert_eq!(run(&build, left), "");
}

#[test]
#[ignore = "integration test"]
fn committed_assets_are_left_alone() {
    let app = copy_of("fixtures/rails-app");
    fs::remove_file(app.path().join(".gitignore")).expect("it is there");
    files::write(&app.path().join("public/assets/.manifest.json"), "{}");
    let build = build("assets-ready", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(
        build.log,
        "They are compiled already: public/assets/.manifest.json is in the app"
    );
    assert_not_contains!(build.log, COMPILES);
}

#[test]
#[ignore = "integration test"]
fn no_secret_of_the_build_is_left_and_two_clean_builds_are_the_same() {
    let app = copy_of("fixtures/rails-app");
    let secrets = [
        "SECRET_KEY_BASE=canary-secret",
        "RAILS_MASTER_KEY=canary-key",
        "DATABASE_URL=sqlite3:/tmp/canary.sqlite3",
    ];
    let with_secrets = build("assets-secrets", app.path(), &secrets);
    assert!(with_secrets.succeeded, "{}", with_secrets.log);
    assert_contains!(with_secrets.log, COMPILES);
    assert_nowhere(&with_secrets);
    let without = build("assets-without", app.path(), &[]);
    assert!(without.succeeded, "{}", without.log);
    // What the build was given changes nothing in the image.
    assert_eq!(layers(&with_secrets), layers(&without));
}

/// Its manifest has a name of its own, and its cache makes the next compilation faster.
#[test]
#[ignore = "integration test"]
fn sprockets_compiles_with_its_cache_to_the_same_image() {
    let app = copy_of("fixtures/rails-app");
    for file in ["Gemfile.lock", "app/assets/config/manifest.js"] {
        let text = fs::read(Path::new("fixtures/rails-sprockets").join(file)).expect(file);
        files::write(&app.path().join(file), text);
    }
    files::edit(&app.path().join("Gemfile"), "propshaft", "sprockets-rails");
    let first = build("sprockets-one", app.path(), &[]);
    let mut second = build("sprockets-two", app.path(), &[]);
    for build in [&first, &second] {
        assert!(build.succeeded, "{}", build.log);
        assert_contains!(build.log, COMPILES);
    }
    assert_eq!(layers(&first), layers(&second));
    // Its cache is keyed on names and times.
    let stylesheet = app.path().join("app/assets/stylesheets/application.css");
    let time = fs::metadata(&stylesheet).and_then(|file| file.modified());
    files::write(&stylesheet, "h1 { color: teal }\n");
    let file = fs::File::options().append(true).open(&stylesheet);
    file.and_then(|file| file.set_modified(time?))
        .expect("its time");
    again(&mut second, app.path(), &[]);
    let shown = run(
        &second,
        "cd public/assets && ls -A | grep -c sprockets-manifest; ls application-*.css | wc -l; ls ../../tmp/cache",
    );
    assert_eq!(shown, "1\n2\n");
}

/// Adds to the task what reports from the field have it do.
const MORE_OF_THE_TASK: &str = r#"
Rake::Task["assets:precompile"].enhance do
  File.write("config/made.json", "{}")
  File.write("public/widget.js", "by the task")
  File.write("public/stdin.js", $stdin.gets.inspect)
end
"#;

#[test]
#[ignore = "integration test"]
fn what_a_task_makes_anywhere_is_there_and_covers_nothing_of_the_app() {
    let app = copy_of("fixtures/rails-app");
    let task = app.path().join("lib/tasks/more.rake");
    files::write(&task, MORE_OF_THE_TASK);
    // Of somebody's machine: the repository leaves it out.
    files::write(&app.path().join("public/assets/.manifest.json"), "{}");
    files::write(&app.path().join("public/assets/stale-00000000.css"), "");
    files::write(&app.path().join("tmp/cache/stale"), "");
    let mut build = build("assets-anywhere", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    assert_contains!(build.log, COMPILES);
    let show = "cat config/made.json public/stdin.js public/widget.js; ls public/assets | grep stale; ls tmp/cache";
    assert_eq!(run(&build, show), "{}nilby the task");

    files::write(&app.path().join("README.md"), "# Other\n");
    again(&mut build, app.path(), &[]);
    assert_not_contains!(build.log, COMPILES);
    assert_eq!(run(&build, show), "{}nilby the task");

    // The app has the file now, and the task does not make it any more.
    fs::remove_file(&task).expect("it is there");
    files::write(&app.path().join("public/widget.js"), "of the app");
    again(&mut build, app.path(), &[]);
    assert_contains!(build.log, COMPILES);
    assert_eq!(
        run(
            &build,
            "cat public/widget.js; ls config/made.json 2>&1 | grep -c No"
        ),
        "of the app1\n"
    );
}

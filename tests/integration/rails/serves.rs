//! Rails apps answer with all their assets, and work.

use crate::rails::assets::{build, copy_of};
use libcnb_test::assert_contains;
use rig::build::pack::PackBuild;
use rig::container::Container;
use rig::docker::{docker, env_options};
use rig::environment::variable;
use rig::files;
use rig::http::{Answer, ask};
use rig::server::redis::start_redis;
use rig::wait::wait_until;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const KEY: &str = "SECRET_KEY_BASE=of-the-tests-which-is-long-enough-for-rails";

/// The paths of the assets that a page names.
fn assets_of(page: &str) -> BTreeSet<&str> {
    let quoted = page.split('"').filter(|part| part.starts_with("/assets/"));
    quoted.collect()
}

fn get(web: &Container, path: &str) -> Answer {
    let answer = ask(&web.address(8080), "GET", path);
    answer.unwrap_or_else(|error| panic!("{path}: {error}: {}", web.logs()))
}

/// Asks for every asset of a page, each of which has a digest in its name.
fn assert_assets(web: &Container, page: &str, at_least: usize) {
    let assets = assets_of(page);
    assert!(assets.len() >= at_least, "{page}");
    for asset in assets {
        let name = asset.rsplit('/').next().unwrap_or_default();
        assert!(name.contains('-'), "{asset} has no digest");
        assert_eq!(get(web, asset).status, 200, "{asset}");
    }
}

/// A folder of this machine that every user may write to.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    files::set_mode(folder.path(), 0o777);
    folder
}

/// With its Procfile; and without, by the types that its gems stand for, as a user of whom the image knows nothing.
#[test]
#[ignore = "integration test"]
fn a_rails_app_serves_its_assets_and_its_worker_does_a_job() {
    let (_redis, redis_url) = start_redis();
    let app = copy_of("fixtures/rails-app");
    let named = build("rails-serves", app.path(), &[]);
    assert!(named.succeeded, "{}", named.log);
    works(&named, open_folder().path(), &redis_url, &[]);
    let export = [
        "run",
        "--rm",
        "--entrypoint",
        "formation",
        &named.image,
        "export",
        "kubernetes",
    ];
    assert_contains!(docker(&export), "path: /up\n");

    fs::remove_file(app.path().join("Procfile")).expect("it is there");
    let default = build("rails-defaults", app.path(), &["BP_RAILS_RELEASE=true"]);
    assert!(default.succeeded, "{}", default.log);
    assert_contains!(default.log, "give all of them one volume");
    assert_contains!(default.log, "`worker` (default): `bundle exec sidekiq`");
    let as_anyone = ["--user", "12345:0", "--read-only", "--tmpfs", "/tmp"];
    let writable = [
        "--tmpfs",
        "/workspace/tmp:mode=777",
        "--tmpfs",
        "/workspace/log:mode=777",
    ];
    let options = [&as_anyone[..], &writable].concat();
    works(&default, open_folder().path(), &redis_url, &options);
}

/// Without a secret, web starts, and says what that means.
#[test]
#[ignore = "integration test"]
fn without_a_secret_there_is_one_for_this_start() {
    let app = copy_of("fixtures/rails-app");
    let build = build("rails-secret", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    let web = Container::start(&build.image, &["--publish", "8080"], &[]);
    wait_until("web is up", || {
        let answer = ask(&web.address(8080), "GET", "/up");
        answer.is_ok_and(|answer| answer.status == 200)
    });
    let line = "formation: SECRET_KEY_BASE=… (made for this start alone: ";
    assert_contains!(web.logs(), line);
}

/// Migrates, and has a note counted by the worker.
fn works(build: &PackBuild, storage: &Path, redis_url: &str, options: &[&str]) {
    let volume = format!("{}:/workspace/storage", storage.display());
    let variables = [KEY, redis_url];
    let variables = env_options(&variables);
    let common = [&["--volume", &volume], &variables[..], options].concat();
    let start = |process_type: &str, more: &[&str]| {
        let options = [&common[..], &["--entrypoint", process_type], more].concat();
        Container::start(&build.image, &options, &[])
    };
    let release = start("release", &[]);
    assert_eq!(release.status(), 0, "{}", release.logs());
    let web = start("web", &["--publish", "8080"]);
    let worker = start("worker", &[]);
    assert_assets(&web, &web.web_answer(), 7);
    let created = ask(&web.address(8080), "POST", "/notes?text=one+two+three").expect("an answer");
    assert_eq!(created.status, 302, "{}", web.logs());
    wait_until("the worker has counted", || {
        get(&web, "/notes/1").body.contains("3 words")
    });
    assert_eq!(get(&web, "/up").status, 200);
    drop((web, worker));
    // What another user has written.
    docker(&[
        "run",
        "--rm",
        "--user",
        "0:0",
        "--volume",
        &volume,
        "--entrypoint",
        "sh",
        &build.image,
        "-c",
        "rm -rf /workspace/storage/*",
    ]);
}

#[test]
#[ignore = "integration test"]
fn redmine_serves_its_login_page_with_all_assets() {
    let app = copy_of(&variable("FORMATION_REDMINE"));
    let build = build("redmine", app.path(), &[]);
    assert!(build.succeeded, "{}", build.log);
    let variables = env_options(&[KEY, "SQLITE_DATABASE=/tmp/redmine.sqlite3"]);
    let options = [&["--publish", "8080"], &variables[..]].concat();
    let web = Container::start(&build.image, &options, &[]);
    web.exec(&["bundle", "exec", "rake", "db:migrate"]);
    web.web_answer();
    let login = get(&web, "/login");
    assert_eq!(login.status, 200, "{}", web.logs());
    assert_assets(&web, &login.body, 13);
}

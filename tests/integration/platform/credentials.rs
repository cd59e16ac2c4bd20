//! Passwords are used for their server, and are not left in the image, its labels and history, the
//! caches, or the log.

use crate::gems::sources::{build_with, change_greeting};
use libcnb_test::{assert_contains, assert_not_contains};
use rig::build::buildpack;
use rig::build::pack::PackBuild;
use rig::build::phase::BuildPhase;
use rig::command::text;
use rig::docker::{docker, env_options, try_docker};
use rig::environment::variable;
use rig::files;
use rig::server::git::GitServer;
use rig::server::rig::gateway;
use std::fs;
use std::path::Path;
use std::process::Command;

const NAME: &str = "canary-name";
const PASSWORD: &str = "canary-password";

const TOKEN: &str = "canary-token";

const USERS: [(&str, &str); 2] = [(NAME, PASSWORD), (TOKEN, "")];

/// One way to give a build the password of its server.
struct Way {
    name: &'static str,
    variables: Vec<(String, String)>,
    /// The app's `.bundle/config`.
    config: String,
}

#[test]
#[ignore = "integration test"]
fn no_password_is_left_after_a_build() {
    let server = GitServer::start_for(&USERS);
    let address = server.address();

    let app = tempfile::tempdir().expect("a temporary folder");
    copy_of_the_sample_app(app.path(), &address);
    let host = gateway().replace('.', "__");
    let variables = [
        format!("BP_RUBY_INVENTORY=http://{NAME}:{PASSWORD}@{address}/rubies/inventory.toml"),
        format!("BUNDLE_{host}={NAME}:{PASSWORD}"),
    ];
    let build = |name: &str, more: &[&str]| {
        let options = [&env_options(&variables), more].concat();
        PackBuild::run(name, app.path(), Path::new(buildpack()), &options)
    };

    // Gems that Formation installs, and gems that Bundler installs.
    for (name, more) in [
        ("credentials", &[][..]),
        (
            "credentials-by-bundler",
            &["--env", "BUNDLE_PLUGINS=false"][..],
        ),
    ] {
        let build = build(name, more);
        assert!(build.succeeded, "{}", build.log);
        assert_contains!(build.log, "gems are installed");
        assert_nowhere(&build);
    }

    // The message about a wrong password does not show it.
    let wrong = format!("BUNDLE_{host}={NAME}:not-{PASSWORD}");
    let refused = build("credentials-refused", &["--env", &wrong]);
    assert!(!refused.succeeded);
    assert_not_contains!(refused.log, PASSWORD);
}

/// The export of the layers does not depend on how the password is given, so the build phase alone
/// is tested.
#[test]
#[ignore = "integration test"]
fn no_layer_holds_a_password_however_it_is_given() {
    let server = GitServer::start_for(&USERS);
    let address = server.address();
    let host = gateway().replace('.', "__");
    let with_password = format!("http://{NAME}:{PASSWORD}@{address}");
    let variable = |name: &str, value: &str| (name.to_string(), value.to_string());
    let way = |name, variables| Way {
        name,
        variables,
        config: String::new(),
    };
    let build = BuildPhase::of_a_copy("ruby-sample-app");
    build.set(
        "BP_RUBY_INVENTORY",
        &format!("{with_password}/rubies/inventory.toml"),
    );
    build.bind(
        "mirror",
        &[("type", "dependency-mirror"), ("default", &with_password)],
    );
    build.unset("BUNDLE_MIRROR__ALL");
    let run = |way: &Way| {
        build.restore();
        build.edit(
            "Gemfile.lock",
            "https://rubygems.org",
            &format!("http://{address}"),
        );
        build.edit(
            "Gemfile",
            "https://rubygems.org",
            &format!("http://{address}"),
        );
        build.write(".bundle/config", &format!("---\n{}", way.config));
        for (name, value) in &way.variables {
            build.set(name, value);
        }
        build.output_of("rm -rf /build/layers/*");
        let build_of_this = build.start();
        let (status, log) = (build_of_this.status(), build_of_this.logs());
        for (name, _) in &way.variables {
            build.unset(name);
        }
        for secret in [PASSWORD, TOKEN] {
            assert_not_contains!(log, secret);
        }
        let holding = build.layers_with("canary");
        assert_eq!(holding, Vec::<String>::new(), "{}", way.name);
        (status, log)
    };
    for way in [
        way("a token", vec![variable(&format!("BUNDLE_{host}"), TOKEN)]),
        way(
            "a mirror's URL",
            vec![variable("BUNDLE_MIRROR__ALL", &with_password)],
        ),
        way(
            "a mirror's URL, by Bundler",
            vec![
                variable("BUNDLE_MIRROR__ALL", &with_password),
                variable("BUNDLE_PLUGINS", "false"),
            ],
        ),
        Way {
            name: "the app's settings",
            variables: Vec::new(),
            config: format!("BUNDLE_{host}: \"{NAME}:{PASSWORD}\"\n"),
        },
    ] {
        let (status, log) = run(&way);
        assert_eq!(status, 0, "{}: {log}", way.name);
        assert_contains!(log, "(a dependency mirror)");
        assert_contains!(log, "gems are installed");
        assert_eq!(
            build.layers_with("canary"),
            Vec::<String>::new(),
            "{}",
            way.name
        );
    }
    let refused = format!("http://{NAME}:not-{PASSWORD}@{address}");
    for way in [
        way(
            "a mirror that refuses",
            vec![variable("BUNDLE_MIRROR__ALL", &refused)],
        ),
        way(
            "a mirror of Ruby that refuses",
            vec![variable("BP_DEPENDENCY_MIRROR", &refused)],
        ),
    ] {
        let (status, log) = run(&way);
        assert_ne!(status, 0, "{}: {log}", way.name);
    }

    // A gem in git, whose repository Bundler clones by a URL with the password in it.
    let user = format!("{NAME}:{PASSWORD}@");
    let build = build_with(&server, &user);
    build.set("BUNDLE_GIT__EXAMPLE__COM", &format!("{NAME}:{PASSWORD}"));
    let log = build.run();
    assert_not_contains!(log, PASSWORD);
    assert_eq!(build.layers_with("canary"), Vec::<String>::new());
    let fails = "abort\ncreate_makefile";
    change_greeting(
        &server,
        &build,
        "ext/greeting/extconf.rb",
        "create_makefile",
        fails,
    );
    let log = build.fail();
    assert_contains!(log, "greeting (1.0.0) could not be compiled");
    assert_not_contains!(log, PASSWORD);
    server.stand_in(&build, &format!("{NAME}:not-{PASSWORD}@"));
    build.set(
        "BUNDLE_GIT__EXAMPLE__COM",
        &format!("{NAME}:not-{PASSWORD}"),
    );
    let log = build.fail();
    assert_contains!(log, "A gem server or git server asks for credentials");
    assert_not_contains!(log, PASSWORD);
}

/// The sample app, with gems from this server only.
fn copy_of_the_sample_app(folder: &Path, address: &str) {
    for name in ["Gemfile", "Gemfile.lock", "Procfile", "app.rb", "worker.rb"] {
        let text = fs::read_to_string(Path::new("fixtures/ruby-sample-app").join(name));
        let text = text.expect("a fixture");
        let text = text.replace("https://rubygems.org", &format!("http://{address}"));
        files::write(&folder.join(name), text);
    }
}

pub(crate) fn assert_nowhere(build: &PackBuild) {
    assert_not_contains!(build.log, "canary");
    let inspected = docker(&["image", "inspect", &build.image]);
    assert_not_contains!(inspected, "canary");
    let history = docker(&["history", "--no-trunc", &build.image]);
    assert_not_contains!(history, "canary");

    let saved = Command::new("sh")
        .args(["-c", "docker save \"$0\" | grep --text --count canary"])
        .arg(&build.image)
        .output()
        .expect("sh starts");
    assert_eq!(text(&saved.stdout).trim(), "0", "in a layer");

    let volumes = build.volumes();
    assert!(!volumes.is_empty(), "the build has a cache");
    for volume in volumes {
        let mount = format!("{volume}:/cache:ro");
        let found = try_docker(&[
            "run",
            "--rm",
            "--user",
            "0",
            "--volume",
            &mount,
            "--entrypoint",
            "grep",
            &variable("FORMATION_BUILDER"),
            "--recursive",
            "--text",
            "--files-with-matches",
            "canary",
            "/cache",
        ])
        .expect("docker starts");
        assert_eq!(text(&found.stdout), "", "in a cache");
    }
}

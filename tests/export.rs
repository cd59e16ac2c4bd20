//! Runs `formation export` and `formation probe` as a container would: exit status, standard
//! output, standard error.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// The parts of an image that are needed here: the lifecycle's process table, and the app's folder.
struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    fn with(types: &[&str], app_json: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let row = |name: &&str| {
            format!(
                "[[processes]]\ntype = \"{name}\"\ndirect = true\n\
                 command = [\"formation\", \"exec\", \"--\", \"true\"]\n"
            )
        };
        let config = folder.path().join("layers/config");
        fs::create_dir_all(&config).unwrap();
        let table: String = types.iter().map(row).collect();
        fs::write(config.join("metadata.toml"), table).unwrap();
        fs::create_dir(folder.path().join("app")).unwrap();
        if let Some(text) = app_json {
            fs::write(folder.path().join("app/app.json"), text).unwrap();
        }
        Self { folder }
    }

    fn export(&self, arguments: &[&str]) -> Output {
        formation(&[&["export"], arguments].concat())
            .current_dir(self.folder.path().join("app"))
            .env("CNB_LAYERS_DIR", self.folder.path().join("layers"))
            .output()
            .unwrap()
    }
}

fn formation(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formation"));
    command.args(arguments).env_remove("PORT");
    command
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let app_json = r#"{
        "formation": { "worker": { "quantity": 3 } },
        "cron": [{ "command": "rake report", "schedule": "0 3 * * *" }]
    }"#;
    let image = Image::with(&["web", "worker", "release"], Some(app_json));
    for arguments in [
        ["compose", "--image", "shop:1", "--env-file", "my settings"],
        ["kubernetes", "--image", "shop:1", "--autoscale", "web=2-3"],
    ] {
        let output = image.export(&arguments);
        assert!(output.status.success(), "{}", text_of(&output.stderr));
        let file = text_of(&output.stdout);
        let made_by = format!(
            "#   docker run --rm --entrypoint formation shop:1 export {}\n",
            arguments.join(" ").replace("my settings", "'my settings'")
        );
        assert!(file.contains(&made_by), "{file}");
        assert!(file.contains("replicas: 3"), "{file}");
        assert_eq!(output.stdout, image.export(&arguments).stdout);
    }
}

#[test]
fn notes_go_to_standard_error() {
    let cron = r#"{ "cron": [{ "command": "rake report", "schedule": "0 3 * * *" }] }"#;
    let image = Image::with(&["web"], Some(cron));
    let compose = image.export(&["compose"]);
    assert!(compose.status.success());
    let notes = text_of(&compose.stderr);
    assert!(notes.contains("the file names the image `app`"), "{notes}");
    assert!(
        notes.contains("0 3 * * *  docker compose run --rm cron-1"),
        "{notes}"
    );
    let kubernetes = image.export(&["kubernetes", "--image", "shop:1"]);
    assert_eq!(text_of(&kubernetes.stderr), "");
}

#[test]
fn if_anything_is_wrong_nothing_is_written() {
    let broken = r#"{ "cron": [{ "command": "rake report", "schedule": "daily" }] }"#;
    for (image, arguments, reasons) in [
        (
            Image::with(&["web"], None),
            ["compose", "--scale", "worker=1", "web=x"].as_slice(),
            [
                "no process type `worker`",
                "`x` is not a number of instances",
            ]
            .as_slice(),
        ),
        (
            Image::with(&["web"], Some(broken)),
            &["kubernetes"],
            &["app.json cannot be used", "a schedule has five fields"],
        ),
        (
            Image::with(&[], None),
            &["compose"],
            &["no long-running process type"],
        ),
    ] {
        let output = image.export(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(text_of(&output.stdout), "", "{arguments:?}");
        for reason in reasons {
            assert!(
                text_of(&output.stderr).contains(reason),
                "{}",
                text_of(&output.stderr)
            );
        }
    }
}

#[test]
fn outside_an_image_there_is_nothing_to_export() {
    let output = formation(&["export", "compose"])
        .env("CNB_LAYERS_DIR", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output.stderr).contains("/nowhere/config/metadata.toml cannot be read"));
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        ["export", "swarm", "--image", "shop"],
        ["export", "compose", "--port", "0"],
        ["export", "compose", "--publish", "70000"],
        ["export", "compose", "--autoscale", "web=1-2"],
        ["export", "kubernetes", "--memory", "1GB"],
        ["export", "kubernetes", "--grace", "soon"],
    ] {
        let status = formation(&arguments).output().unwrap().status;
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn help_has_examples() {
    for arguments in [
        ["export", "compose", "--help"].as_slice(),
        &["export", "kubernetes", "--help"],
        &["probe", "--help"],
    ] {
        let output = formation(arguments).output().unwrap();
        let help = text_of(&output.stdout);
        assert!(help.contains("Examples:\n  docker "), "{help}");
    }
}

#[test]
fn a_probe_tells_whether_web_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let by_option = formation(&["probe", "--port", &port]).output().unwrap();
    assert_eq!(by_option.status.code(), Some(0));
    let by_variable = formation(&["probe"]).env("PORT", &port).output().unwrap();
    assert_eq!(by_variable.status.code(), Some(0));
    drop(listener);
    let without_server = formation(&["probe", "--port", &port]).output().unwrap();
    assert_eq!(without_server.status.code(), Some(1));
    assert!(
        text_of(&without_server.stderr)
            .contains(&format!("nothing accepts connections on port {port}"))
    );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let image = Image::with(&["web"], None);
    let script = format!(
        "{} export compose --image shop | true",
        env!("CARGO_BIN_EXE_formation")
    );
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .current_dir(Path::new("/"))
        .env("CNB_LAYERS_DIR", image.folder.path().join("layers"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text_of(&output.stderr));
}

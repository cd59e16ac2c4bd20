//! `formation export` as a container runs it: exit status, standard output, standard error.

use crate::formation::{PROGRAM, err_of, formation, out_of};
use rig::{files, process_table};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The parts of an image that `formation export` reads: the lifecycle's process table, and the
/// app's folder.
struct Image {
    folder: tempfile::TempDir,
}

impl Image {
    fn with(types: &[&str], app_json: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let row = |name: &&str| process_table::row(name, &["formation", "exec", "--", "true"]);
        let table: String = types.iter().map(row).collect();
        process_table::write(&folder.path().join("layers"), &table);
        fs::create_dir(folder.path().join("app")).unwrap();
        if let Some(text) = app_json {
            files::write(&folder.path().join("app/app.json"), text);
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
        assert!(output.status.success(), "{}", err_of(&output));
        let file = out_of(&output);
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
    let notes = err_of(&compose);
    assert!(notes.contains("the file names the image `app`"), "{notes}");
    assert!(
        notes.contains("0 3 * * *  docker compose run --rm cron-1"),
        "{notes}"
    );
    let kubernetes = image.export(&["kubernetes", "--image", "shop:1"]);
    assert_eq!(err_of(&kubernetes), "");
}

#[test]
fn nothing_is_written_when_there_is_a_mistake() {
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
        assert_eq!(out_of(&output), "", "{arguments:?}");
        for reason in reasons {
            assert!(err_of(&output).contains(reason), "{}", err_of(&output));
        }
    }
}

#[test]
fn outside_of_an_image_export_fails() {
    let output = formation(&["export", "compose"])
        .env("CNB_LAYERS_DIR", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err_of(&output).contains("/nowhere/config/metadata.toml cannot be read"));
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
        let help = out_of(&output);
        assert!(help.contains("Examples:\n  docker "), "{help}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let image = Image::with(&["web"], None);
    let script = format!("{PROGRAM} export compose --image shop | true");
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .current_dir(Path::new("/"))
        .env("CNB_LAYERS_DIR", image.folder.path().join("layers"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err_of(&output));
}

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
    let kubernetes = |name| {
        let output = image.export(&["kubernetes", "--user", "1001:1000", "--image", name]);
        err_of(&output).to_string()
    };
    assert_eq!(kubernetes("shop:1"), "");
    assert!(kubernetes("shop").contains("no tag of its own: Kubernetes pulls it at each start"));
}

/// The kubelet refuses `runAsNonRoot` where the image names its user, unless the file has the
/// number.
#[test]
fn kubernetes_gets_the_user_as_numbers() {
    let image = Image::with(&["web"], None);
    let export = |options: &[&str]| {
        let output = image.export(&[&["kubernetes", "--image", "shop:1"], options].concat());
        (out_of(&output).to_string(), err_of(&output).to_string())
    };
    let id = |option| {
        let output = Command::new("id").arg(option).output().unwrap();
        out_of(&output).trim().to_string()
    };
    let (file, notes) = export(&[]);
    if id("-u") == "0" {
        assert!(notes.contains("this image runs as root"), "{notes}");
        assert!(!file.contains("runAsUser"), "{file}");
    } else {
        assert!(
            file.contains(&format!("runAsUser: {}\n", id("-u"))),
            "{file}"
        );
        assert!(
            file.contains(&format!("runAsGroup: {}\n", id("-g"))),
            "{file}"
        );
    }
    let (file, _) = export(&["--user", "12345:0"]);
    for line in ["runAsUser: 12345\n", "runAsGroup: 0\n", "fsGroup: 0\n"] {
        assert!(file.contains(line), "{file}");
    }
    let (file, notes) = export(&["--user", "none"]);
    assert!(
        !file.contains("runAsUser") && !file.contains("fsGroup"),
        "{file}"
    );
    assert_eq!(notes, "");
}

#[test]
fn a_plain_file_is_one_document() {
    let image = Image::with(&["web", "release"], None);
    let output = image.export(&["compose", "--image", "shop:1", "--plain"]);
    let file = out_of(&output);
    assert!(!file.contains("---\n") && !file.contains(": !"), "{file}");
    assert!(
        file.contains("\n# For Docker Compose, podman-compose,"),
        "{file}"
    );
}

#[test]
fn a_port_may_be_bound_to_one_address() {
    let image = Image::with(&["web"], None);
    let publish = "127.0.0.1:8080";
    let output = image.export(&["compose", "--image", "shop:1", "--publish", publish]);
    let file = out_of(&output);
    assert!(file.contains("ports: [127.0.0.1:8080:8080]"), "{file}");
}

/// In Dokku, a scheduled task may be a process type.
#[test]
fn a_task_that_is_a_process_type_has_its_entry_point() {
    let cron = r#"{ "cron": [
        { "command": "report", "schedule": "0 3 * * *", "maintenance": true },
        { "command": "rake report", "schedule": "0 4 * * *", "concurrency_policy": "allow" }
    ] }"#;
    let image = Image::with(&["web", "report"], Some(cron));
    let kubernetes = image.export(&["kubernetes", "--image", "shop:1"]);
    let file = out_of(&kubernetes);
    let jobs: Vec<&str> = file.split("kind: CronJob").skip(1).collect();
    assert!(jobs[0].contains("- /cnb/process/report\n") && !jobs[0].contains("args:"));
    assert!(jobs[0].contains("suspend: true") && jobs[0].contains("concurrencyPolicy: Forbid"));
    assert!(!jobs[1].contains("suspend:") && jobs[1].contains("concurrencyPolicy: Allow"));
    // It runs at its times alone.
    assert!(
        file.contains("name: shop-report\nspec:\n  replicas: 0\n"),
        "{file}"
    );
    let compose = image.export(&["compose", "--image", "shop:1"]);
    let notes = err_of(&compose);
    assert!(
        notes.contains("# suspended: 0 3 * * *  docker compose run --rm cron-1"),
        "{notes}"
    );
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
        ["export", "compose", "--publish", "localhost:80"],
        ["export", "kubernetes", "--user", "cnb:cnb"],
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

//! `formation export`: the files by which an orchestrator runs the image's process types in many containers.
//!
//! | module | question |
//! |---|---|
//! | [`plan`] | what is to run, and how many of it? |
//! | [`autoscale`] | between which numbers does one change by itself? |
//! | [`compose`] | how does Docker Compose have it, and Swarm? |
//! | [`kubernetes`] | how does Kubernetes have it? |
//!
//! The same image, `app.json` and options give the same bytes. Running on many machines is the orchestrator's work, never ours.

pub mod autoscale;
pub mod compose;
mod header;
pub mod kubernetes;
mod names;
pub mod plan;

use crate::image::{Image, ImageError};
use compose::ComposeOptions;
use kubernetes::KubernetesOptions;
use miette::Diagnostic;
use plan::{Options, Plan, PlanError, Task};
use procfile::app_json::{self, AppJson, AppJsonError};
use procfile::report;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use thiserror::Error;

/// For whom the file is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Docker Compose, and Swarm.
    Compose(ComposeOptions),
    /// Kubernetes.
    Kubernetes(KubernetesOptions),
}

/// Nothing was written.
#[derive(Debug, Diagnostic, Error)]
pub enum ExportError {
    /// There is no process table.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    /// There is an app.json that cannot be read.
    #[error("app.json cannot be read")]
    #[diagnostic(help(
        "Check that it is a text file of the app, and that the image's user may read it."
    ))]
    Unreadable(#[source] io::Error),
    /// app.json has mistakes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    AppJson(#[from] AppJsonError),
    /// What was asked for cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    /// The file does not reach anybody.
    #[error("the file cannot be written to standard output")]
    #[diagnostic(help("Check where standard output goes: a disk may be full."))]
    Unwritable(#[source] io::Error),
}

/// What the user should know besides.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum ExportNote {
    /// A program does not know which image it is in.
    #[error("the file names the image `{image}`")]
    #[diagnostic(
        severity(Advice),
        help("Name it as the orchestrator finds it: `--image registry.example/shop:42`.")
    )]
    NoImage {
        /// The image that it names.
        image: String,
    },
    /// app.json has scheduled tasks.
    #[error("neither Compose nor Swarm runs the scheduled tasks of app.json")]
    #[diagnostic(
        severity(Advice),
        help("Let a scheduler do it, such as cron on that machine:\n{lines}")
    )]
    NoScheduler {
        /// One for each.
        lines: String,
    },
}

/// Writes the file to standard output, and notes to standard error; `arguments` are those by which `formation` was told to.
///
/// # Errors
/// There is a mistake in what was asked for, in app.json, or in the image: nothing is written then.
pub fn export(options: Options, target: &Target, arguments: &str) -> Result<(), ExportError> {
    let image = Image::read()?;
    let app_json = read_app_json(Path::new(app_json::FILE_NAME))?;
    let has_image = options.image.is_some();
    let plan = plan(&image, &app_json, options, target)?;
    let made_by = format!(
        "docker run --rm --entrypoint formation {} {arguments}",
        plan.image
    );
    let text = match target {
        Target::Compose(options) => compose::compose(&plan, options, &made_by),
        Target::Kubernetes(options) => kubernetes::kubernetes(&plan, options, &made_by),
    };
    for note in notes(&plan, has_image, target) {
        report::error(&note);
    }
    match io::stdout().write_all(text.as_bytes()) {
        // Who closes the pipe has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ExportError::Unwritable(error))
        }
        _ => Ok(()),
    }
}

/// What is to be written; or everything that is wrong with it, and with what this orchestrator alone wants to know.
fn plan(
    image: &Image,
    app_json: &AppJson,
    options: Options,
    target: &Target,
) -> Result<Plan, PlanError> {
    let of_target = match target {
        Target::Compose(_) => Vec::new(),
        Target::Kubernetes(options) => options.problems(),
    };
    match Plan::new(image, app_json, options) {
        Ok(plan) if of_target.is_empty() => Ok(plan),
        planned => {
            let mut problems = planned.err().map_or_else(Vec::new, |error| error.0);
            problems.extend(of_target);
            Err(PlanError(problems))
        }
    }
}

/// An app without the file has an empty one.
fn read_app_json(path: &Path) -> Result<AppJson, ExportError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(AppJson::read(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(AppJson::default()),
        Err(error) => Err(ExportError::Unreadable(error)),
    }
}

fn notes(plan: &Plan, has_image: bool, target: &Target) -> Vec<ExportNote> {
    let no_image = (!has_image).then(|| ExportNote::NoImage {
        image: plan.image.clone(),
    });
    let lines = |tasks: &[Task]| {
        let lines: Vec<_> = tasks.iter().map(compose::task_line).collect();
        lines.join("\n")
    };
    let is_compose = matches!(target, Target::Compose(_));
    let no_scheduler = (is_compose && !plan.tasks.is_empty()).then(|| ExportNote::NoScheduler {
        lines: lines(&plan.tasks),
    });
    no_image.into_iter().chain(no_scheduler).collect()
}

/// One document. Nothing in it can fail to be written.
fn yaml(document: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options)
        .expect("the document has only text, numbers, lists and mappings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    /// Types that a Procfile may have, and that YAML or an orchestrator could take for something else.
    pub(super) const ODD_TYPES: [&str; 9] = [
        "on",
        "y",
        "null",
        "1_000",
        "0x1f",
        "12e03",
        "My_Worker-2",
        "web",
        "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
    ];

    pub(super) fn options() -> Options {
        Options {
            image: Some("shop:42".into()),
            name: None,
            scale: Vec::new(),
            autoscale: Vec::new(),
            port: 8080,
            grace: "28".parse().unwrap(),
            health_path: None,
        }
    }

    pub(super) fn kubernetes_options() -> KubernetesOptions {
        KubernetesOptions {
            config_map: None,
            secret: None,
            cpu: "100m".parse().unwrap(),
            memory: "512Mi".parse().unwrap(),
        }
    }

    pub(super) fn app_json() -> AppJson {
        let text = r#"{
            "formation": { "worker": { "quantity": 2 } },
            "cron": [
                { "command": "rake report", "schedule": "0 3 * * *" },
                { "command": "echo $(date) > \"$LOG\" && rake 'clean up'", "schedule": "@hourly" }
            ]
        }"#;
        AppJson::read(text).unwrap()
    }

    #[test]
    fn what_the_user_should_know() {
        let mut unnamed = options();
        unnamed.image = None;
        let plan = Plan::new(
            &Image::of_types(&["web"]),
            &app_json_without_formation(),
            unnamed,
        )
        .unwrap();
        let [no_image, no_scheduler] =
            notes(&plan, false, &Target::Compose(ComposeOptions::default()))
                .try_into()
                .unwrap();
        assert_report!("no_image", no_image);
        assert_report!("no_scheduler", no_scheduler);
        let kubernetes = Target::Kubernetes(kubernetes_options());
        assert_eq!(notes(&plan, true, &kubernetes), []);
    }

    #[test]
    fn what_is_wrong_for_kubernetes_alone_is_in_the_same_report() {
        let mut unusable = options();
        unusable.name = Some("My_Shop".into());
        let kubernetes = Target::Kubernetes(KubernetesOptions {
            config_map: Some("Shop".into()),
            secret: Some("shop_production".into()),
            ..kubernetes_options()
        });
        let image = Image::of_types(&["web"]);
        let error = plan(&image, &AppJson::default(), unusable, &kubernetes).unwrap_err();
        assert_report!("for_kubernetes", error);
        let error = plan(&image, &AppJson::default(), options(), &kubernetes).unwrap_err();
        assert_eq!(error.0.len(), 2);
        let compose = Target::Compose(ComposeOptions::default());
        plan(&image, &AppJson::default(), options(), &compose).unwrap();
    }

    fn app_json_without_formation() -> AppJson {
        AppJson {
            formation: None,
            ..app_json()
        }
    }

    #[test]
    fn an_app_json_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.json");
        assert_eq!(read_app_json(&path).unwrap(), AppJson::default());
        std::fs::write(&path, b"\xff").unwrap();
        assert_report!("unreadable", read_app_json(&path).unwrap_err());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("nowhere_to_write", ExportError::Unwritable(full));
    }
}

//! `formation export`: files with which an orchestrator runs the image's process types in many
//! containers.
//!
//! | module | question |
//! |---|---|
//! | [`plan`] | what has to run, and how many instances of it? |
//! | [`autoscale`] | between which numbers does an autoscaler change the number of instances? |
//! | `names` | which names do orchestrators accept? |
//! | [`compose`] | what is in the file for Docker Compose and Swarm? |
//! | [`kubernetes`] | what is in the file for Kubernetes? |
//! | `header`, `yaml` | how are the comment at the start of a file, and its documents, written? |
//!
//! The same image, `app.json` and options give the same bytes. Running processes on many machines
//! is the orchestrator's work.

pub mod autoscale;
pub mod compose;
#[cfg(test)]
mod examples;
mod header;
pub mod kubernetes;
mod names;
pub mod plan;
mod yaml;

use crate::environment;
use crate::image::{Image, ImageError};
use compose::ComposeOptions;
use kubernetes::{KubernetesOptions, PodUser};
use miette::Diagnostic;
use plan::{Options, Plan, PlanError, Task};
use procfile::app_json::{self, AppJson, AppJsonError, ConcurrencyPolicy};
use procfile::report;
use std::io::{self, Write};
use std::path::Path;
use thiserror::Error;

/// The orchestrator that the file is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// And Swarm.
    Compose(ComposeOptions),
    Kubernetes(KubernetesOptions),
}

/// Nothing was exported.
#[derive(Debug, Diagnostic, Error)]
pub enum ExportError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    #[error("app.json cannot be read")]
    #[diagnostic(help(
        "Check that it is a file of UTF-8 text, and that the image's user may read it."
    ))]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    AppJson(#[from] AppJsonError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    #[error("the file cannot be written to standard output")]
    #[diagnostic(help("Check where standard output goes: the disk may be full."))]
    Unwritable(#[source] io::Error),
}

/// What the user should know about an exported file.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum ExportNote {
    #[error("the file names the image `{image}`")]
    #[diagnostic(
        severity(Advice),
        help(
            "Give the name by which the orchestrator can pull it: `--image \
             registry.example/shop:42`."
        )
    )]
    NoImage { image: String },
    #[error("the image `{image}` has no tag of its own: Kubernetes pulls it at each start")]
    #[diagnostic(
        severity(Advice),
        help(
            "Without a registry that has it, no pod starts (`ErrImagePull`), and two pods may run \
             different images. Give a tag or a digest: `--image {}:42`.",
            image.trim_end_matches(":latest")
        )
    )]
    NoTag { image: String },
    #[error("this image runs as root")]
    #[diagnostic(
        severity(Advice),
        help(
            "Kubernetes refuses it by `runAsNonRoot`, which the file sets. Run the export as the \
             image's own user, without `docker run --user`, or name one: `--user 1001:1000`."
        )
    )]
    Root,
    #[error("cron heeds no `concurrency_policy`: {}", tasks.join(", "))]
    #[diagnostic(
        severity(Advice),
        help(
            "It starts a task also while the one of before still runs. To forbid that, put a lock \
             before the line's command: `flock --nonblock {}.lock docker compose …`.",
            tasks.first().map_or("cron", String::as_str)
        )
    )]
    NoConcurrencyPolicy {
        /// The names of the tasks that have one.
        tasks: Vec<String>,
    },
    #[error("neither Compose nor Swarm runs the scheduled tasks of app.json")]
    #[diagnostic(
        severity(Advice),
        help("Run these lines with a scheduler, such as cron on that machine:\n{lines}")
    )]
    NoScheduler {
        /// Lines of a crontab, one for each task.
        lines: String,
    },
}

/// Writes the file to standard output, and notes to standard error. `arguments` are those of this
/// `formation` command: the file shows how it was made.
pub fn export(options: Options, target: &Target, arguments: &str) -> Result<(), ExportError> {
    let image = Image::read()?;
    let app_json = read_app_json(Path::new(app_json::FILE_NAME))?;
    let has_image = options.image.is_some();
    let options = Options {
        health_path: options.health_path.or(environment::facts().health_path),
        ..options
    };
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
        // A reader that closes the pipe, like `head`, does not want the rest.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ExportError::Unwritable(error))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// Every problem, in the options for any orchestrator and in those for this one.
fn plan(
    image: &Image,
    app_json: &AppJson,
    options: Options,
    target: &Target,
) -> Result<Plan, PlanError> {
    let target_problems = match target {
        Target::Compose(_) => Vec::new(),
        Target::Kubernetes(options) => options.problems(),
    };
    match Plan::new(image, app_json, options) {
        Ok(plan) if target_problems.is_empty() => Ok(plan),
        result => {
            let mut problems = result.err().map_or_else(Vec::new, |error| error.0);
            problems.extend(target_problems);
            Err(PlanError(problems))
        }
    }
}

/// An app without app.json counts as one with an empty app.json.
fn read_app_json(path: &Path) -> Result<AppJson, ExportError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(AppJson::read(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(AppJson::default()),
        Err(error) => Err(ExportError::Unreadable(error)),
    }
}

fn notes(plan: &Plan, has_image: bool, target: &Target) -> Vec<ExportNote> {
    let image = || plan.image.clone();
    let no_image = (!has_image).then(|| ExportNote::NoImage { image: image() });
    let others = match target {
        Target::Compose(_) => notes_for_compose(&plan.tasks),
        Target::Kubernetes(options) => {
            let is_pulled_always = has_image && names::has_no_tag_of_its_own(&plan.image);
            let no_tag = is_pulled_always.then(|| ExportNote::NoTag { image: image() });
            let is_root = options.user.is_some_and(PodUser::is_root);
            let root = is_root.then_some(ExportNote::Root);
            no_tag.into_iter().chain(root).collect()
        }
    };
    no_image.into_iter().chain(others).collect()
}

fn notes_for_compose(tasks: &[Task]) -> Vec<ExportNote> {
    if tasks.is_empty() {
        return Vec::new();
    }
    let lines: Vec<_> = tasks.iter().map(compose::task_line).collect();
    let no_scheduler = ExportNote::NoScheduler {
        lines: lines.join("\n"),
    };
    let runs_alone = |task: &&Task| {
        task.concurrency
            .is_some_and(|policy| policy != ConcurrencyPolicy::Allow)
    };
    let alone: Vec<_> = (tasks.iter().filter(runs_alone))
        .map(|task| task.name.clone())
        .collect();
    let no_policy = (!alone.is_empty()).then_some(ExportNote::NoConcurrencyPolicy { tasks: alone });
    [no_scheduler].into_iter().chain(no_policy).collect()
}

#[cfg(test)]
mod tests {
    use super::examples::{app_json, kubernetes_options, options};
    use super::*;
    use procfile::assert_report;

    #[test]
    fn notes_are_shown() {
        let mut unnamed = options();
        unnamed.image = None;
        let plan = Plan::new(
            &Image::of_types(&["web"]),
            &app_json_without_formation(),
            unnamed,
        )
        .unwrap();
        let [no_image, no_scheduler, no_policy] =
            notes(&plan, false, &Target::Compose(ComposeOptions::default()))
                .try_into()
                .unwrap();
        assert_report!("no_image", no_image);
        assert_report!("no_scheduler", no_scheduler);
        assert_report!("no_concurrency_policy", no_policy);
    }

    #[test]
    fn notes_for_kubernetes_are_shown() {
        let notes_of = |image: &str, user: Option<PodUser>| {
            let mut named = options();
            named.image = Some(image.into());
            let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), named).unwrap();
            let target = Target::Kubernetes(KubernetesOptions {
                user,
                ..kubernetes_options()
            });
            notes(&plan, true, &target)
        };
        assert_eq!(notes_of("registry:5000/shop:42", None), []);
        let digest = format!("shop@sha256:{}", "0".repeat(64));
        assert_eq!(notes_of(&digest, None), []);
        let root = PodUser { user: 0, group: 0 };
        let [no_tag, root] = notes_of("registry:5000/shop", Some(root))
            .try_into()
            .unwrap();
        assert_report!("no_tag", no_tag);
        assert_report!("root", root);
        assert_eq!(notes_of("shop:latest", None).len(), 1);
    }

    #[test]
    fn problems_for_kubernetes_alone_are_in_the_same_report() {
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
    fn an_app_json_that_cannot_be_read_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.json");
        assert_eq!(read_app_json(&path).unwrap(), AppJson::default());
        std::fs::write(&path, b"\xff").unwrap();
        assert_report!("unreadable", read_app_json(&path).unwrap_err());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("nowhere_to_write", ExportError::Unwritable(full));
    }
}

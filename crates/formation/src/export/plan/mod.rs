//! What is to run, and how many of it: checked, and the same for every orchestrator.

mod problem;

pub use problem::{PlanError, PlanProblem};

use super::autoscale::Autoscale;
use super::names::{self, AppName};
use crate::image::Image;
use crate::image::quantities::Quantities;
use crate::probe::is_request_path;
use crate::process::grace::Grace;
use crate::run::TASKS;
use procfile::app_json::{AppJson, MAX_INSTANCES};
use procfile::launch_spec::FORMATION;
use procfile::{ProcessType, command};
use std::collections::BTreeMap;
use std::path::Path;

/// How much longer than `formation exec` a platform waits before it kills, in seconds.
const MARGIN: u64 = 2;

/// What the user asks for, whatever the orchestrator is.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The image, as the orchestrator finds it.
    pub image: Option<String>,
    /// The app's name.
    pub name: Option<String>,
    /// Numbers of instances: `TYPE=N`.
    pub scale: Vec<String>,
    /// Ranges of them: `TYPE=MIN-MAX`.
    pub autoscale: Vec<String>,
    /// Where `web` listens in its container.
    pub port: u16,
    /// How long a process may take to end.
    pub grace: Grace,
    /// What to ask `web` for; without it, that it takes connections is enough.
    pub health_path: Option<String>,
}

/// What is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The app.
    pub name: AppName,
    /// Its image.
    pub image: String,
    /// Each type that goes on, in the image's order.
    pub services: Vec<Service>,
    /// Whether something runs before a release.
    pub has_release: bool,
    /// What runs at its times.
    pub tasks: Vec<Task>,
    /// Where `web` listens in its container.
    pub port: u16,
    /// How long a process may take to end.
    pub grace: Grace,
    /// What to ask `web` for.
    pub health_path: Option<String>,
}

/// A process type that goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// As the image has it.
    pub process_type: String,
    /// How many of it.
    pub quantity: u16,
    /// How many of it, where that changes by itself.
    pub autoscale: Option<Autoscale>,
}

/// A command that runs again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// Its number in app.json makes it: `cron-1`.
    pub name: String,
    /// When: five fields.
    pub schedule: String,
    /// As it was written.
    pub command: String,
    /// What the platform's launcher is given.
    pub argv: Vec<String>,
}

impl Plan {
    /// Decides how many of each type there are: by the user's word, by app.json, or one.
    ///
    /// # Errors
    /// Everything that keeps it from being written.
    pub fn new(image: &Image, app_json: &AppJson, options: Options) -> Result<Self, PlanError> {
        let mut problems = Vec::new();
        let scale = collect(
            Quantities::read_up_to(
                MAX_INSTANCES,
                options.scale.iter().map(String::as_str),
                image,
            ),
            &mut problems,
        );
        let autoscale = collect(
            Autoscale::read(&options.autoscale, &scale, image),
            &mut problems,
        );
        let services: Vec<Service> = (image.processes.iter())
            .map(|process| process.process_type.as_str())
            .filter(|process_type| *process_type != ProcessType::RELEASE)
            .map(|process_type| Service {
                process_type: process_type.into(),
                quantity: (scale.of(process_type))
                    .unwrap_or_else(|| usual_quantity(process_type, app_json)),
                autoscale: autoscale.get(process_type).copied(),
            })
            .collect();
        if services.is_empty() {
            problems.push(PlanProblem::NoTypes);
        }
        problems.extend(unknown_types(app_json, image));
        let (name, image_name) = names_of(
            options.name.as_deref(),
            options.image.as_deref(),
            &mut problems,
        );
        if let Some(path) = &options.health_path
            && !is_request_path(path)
        {
            problems.push(PlanProblem::BadHealthPath { path: path.clone() });
        }
        let tasks = tasks(app_json, &mut problems);
        problems.extend(same_names(&services, &tasks));
        if !problems.is_empty() {
            return Err(PlanError(problems));
        }
        Ok(Self {
            name,
            image: image_name,
            services,
            has_release: image.process(ProcessType::RELEASE).is_some(),
            tasks,
            port: options.port,
            grace: options.grace,
            health_path: options.health_path,
        })
    }

    /// What a platform is told to wait before it kills, in whole seconds: longer than `formation exec` waits.
    #[must_use]
    pub fn stop_seconds(&self) -> u64 {
        self.grace.0.as_secs() + u64::from(self.grace.0.subsec_nanos() > 0) + MARGIN
    }
}

impl Service {
    /// Whether it receives HTTP traffic.
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.process_type == ProcessType::WEB
    }
}

fn usual_quantity(process_type: &str, app_json: &AppJson) -> u16 {
    if app_json.formation.is_none() && TASKS.contains(&process_type) {
        return 0;
    }
    app_json.quantity(process_type)
}

fn unknown_types(app_json: &AppJson, image: &Image) -> Vec<PlanProblem> {
    let known: Vec<_> = (image.processes.iter())
        .map(|process| process.process_type.as_str())
        .filter(|process_type| *process_type != ProcessType::RELEASE)
        .collect();
    let named = app_json.formation.iter().flatten();
    let unknown = named.filter(|(process_type, quantity)| {
        !known.contains(&process_type.as_str())
            // As many of a task as there ever are.
            && (process_type.as_str() != ProcessType::RELEASE || **quantity > 0)
    });
    unknown
        .map(|(process_type, _)| PlanProblem::UnknownType {
            process_type: process_type.clone(),
            help: if process_type == ProcessType::RELEASE {
                "`release` runs once before a release: leave it out of the formation.".into()
            } else {
                format!("The image has {}.", known.join(", "))
            },
        })
        .collect()
}

/// The app's name and the image's, each from the other where only one was given.
fn names_of(
    name: Option<&str>,
    image: Option<&str>,
    problems: &mut Vec<PlanProblem>,
) -> (AppName, String) {
    if let Some(image) = image.filter(|image| !is_image(image)) {
        problems.push(PlanProblem::BadImage {
            image: image.into(),
        });
    }
    let app = match name {
        Some(name) => AppName::given(name).unwrap_or_else(|| {
            let better = AppName::nearest(name);
            problems.push(PlanProblem::BadName {
                name: name.into(),
                better: better.to_string(),
            });
            better
        }),
        None => AppName::of_image(image.unwrap_or(names::DEFAULT_APP)),
    };
    let image = image.map_or_else(|| app.to_string(), String::from);
    (app, image)
}

/// Near enough: what cannot be in any reference, and in no comment or option either.
fn is_image(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (text.chars()).all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c))
}

fn tasks(app_json: &AppJson, problems: &mut Vec<PlanProblem>) -> Vec<Task> {
    let task = |(index, task): (usize, &procfile::app_json::ScheduledTask)| {
        let is_shell_script = |path: &Path| command::is_shell_script(Path::new(""), path);
        let launch = command::decide(&task.command, &is_shell_script)
            .map_err(|source| {
                problems.push(PlanProblem::Command {
                    command: task.command.clone(),
                    source,
                });
            })
            .ok()?;
        Some(Task {
            name: format!("cron-{}", index + 1),
            schedule: task.schedule.to_string(),
            command: task.command.clone(),
            argv: launch.to_args(FORMATION),
        })
    };
    app_json.cron.iter().enumerate().filter_map(task).collect()
}

fn same_names(services: &[Service], tasks: &[Task]) -> Vec<PlanProblem> {
    let types = services.iter().map(|service| {
        let process_type = &service.process_type;
        (
            names::label(process_type),
            format!("the process type `{process_type}`"),
        )
    });
    let tasks = tasks.iter().map(|task| {
        let command = &task.command;
        (task.name.clone(), format!("the scheduled task `{command}`"))
    });
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    types
        .chain(tasks)
        .filter_map(|(name, second)| {
            if let Some(first) = taken.get(&name) {
                let first = first.clone();
                return Some(PlanProblem::SameName {
                    first,
                    second,
                    name,
                });
            }
            taken.insert(name, second);
            None
        })
        .collect()
}

fn collect<T: Default, E: Into<PlanProblem>>(
    result: Result<T, E>,
    problems: &mut Vec<PlanProblem>,
) -> T {
    result.unwrap_or_else(|error| {
        problems.push(error.into());
        T::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::options;
    use super::*;
    use procfile::assert_report;

    fn quantities(types: &[&str], app_json: &str, scale: &[&str]) -> Vec<String> {
        let mut options = options();
        options.scale = scale.iter().map(ToString::to_string).collect();
        let app_json = AppJson::read(app_json).unwrap();
        Plan::new(&Image::of_types(types), &app_json, options)
            .unwrap()
            .services
            .iter()
            .map(|service| format!("{}={}", service.process_type, service.quantity))
            .collect()
    }

    #[test]
    fn how_many_of_each_type() {
        let types = ["web", "worker", "clock", "release"];
        for (app_json, scale, expected) in [
            ("{}", [].as_slice(), ["web=1", "worker=1", "clock=1"]),
            ("{}", &["worker=0"], ["web=1", "worker=0", "clock=1"]),
            (
                r#"{ "formation": { "worker": { "quantity": 2 }, "release": {} } }"#,
                &[],
                ["web=1", "worker=2", "clock=0"],
            ),
            (
                r#"{ "formation": { "worker": { "quantity": 2 } } }"#,
                &["worker=500,clock=1"],
                ["web=1", "worker=500", "clock=1"],
            ),
        ] {
            assert_eq!(quantities(&types, app_json, scale), expected);
        }
        let rails = ["web", "console", "rake"];
        assert_eq!(
            quantities(&rails, "{}", &[]),
            ["web=1", "console=0", "rake=0"]
        );
    }

    #[test]
    fn names_come_from_each_other() {
        let named = |name: Option<&str>, image_name: Option<&str>| {
            let options = Options {
                name: name.map(String::from),
                image: image_name.map(String::from),
                ..options()
            };
            let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), options).unwrap();
            (plan.name.to_string(), plan.image)
        };
        let is = |name: &str, image: &str| (name.to_string(), image.to_string());
        assert_eq!(named(None, None), is("app", "app"));
        assert_eq!(named(Some("shop"), None), is("shop", "shop"));
        assert_eq!(
            named(None, Some("r.example/shop:1")),
            is("shop", "r.example/shop:1")
        );
        assert_eq!(named(Some("s"), Some("shop:1")), is("s", "shop:1"));
    }

    #[test]
    fn a_platform_waits_longer_than_we_do() {
        let seconds = |grace: &str| {
            let grace = grace.parse().unwrap();
            let options = Options { grace, ..options() };
            let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), options);
            plan.unwrap().stop_seconds()
        };
        assert_eq!(["0", "8", "28", "8.5"].map(seconds), [2, 10, 30, 11]);
    }

    #[test]
    fn everything_that_is_wrong_is_in_one_report() {
        let app_json = AppJson::read(
            r#"{
                "formation": { "wrker": { "quantity": 1 }, "release": { "quantity": 1 } },
                "cron": [{ "command": "rake \"report", "schedule": "@daily" }]
            }"#,
        )
        .unwrap();
        let options = Options {
            name: Some("My_Shop".into()),
            image: Some("shop latest".into()),
            scale: vec!["web=many".into(), "clock=1".into(), "worker=20000".into()],
            autoscale: [
                "web=0-3",
                "worker=5-2",
                "web",
                "mailer=1-2",
                "my_worker=1-2",
            ]
            .map(String::from)
            .into(),
            health_path: Some("up".into()),
            ..options()
        };
        assert_report!(
            Plan::new(
                &Image::of_types(&["web", "worker", "my_worker", "My-Worker", "release"]),
                &app_json,
                options
            )
            .unwrap_err()
        );
    }

    #[test]
    fn nothing_to_export() {
        for types in [[].as_slice(), &["release"]] {
            let error =
                Plan::new(&Image::of_types(types), &AppJson::default(), options()).unwrap_err();
            assert_report!("nothing_to_export", error);
        }
    }

    #[test]
    fn a_task_that_is_named_like_a_type() {
        let app_json = r#"{ "cron": [{ "command": "rake a", "schedule": "@daily" }] }"#;
        let app_json = AppJson::read(app_json).unwrap();
        assert_report!(
            Plan::new(&Image::of_types(&["web", "cron-1"]), &app_json, options()).unwrap_err()
        );
    }
}

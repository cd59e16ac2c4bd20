//! What an orchestrator has to run, and how many instances of it: checked, and the same for every
//! orchestrator.

mod problem;
mod task;

pub use problem::{PlanError, PlanProblem};
pub use task::{Task, TaskStart};

use super::autoscale::{InstanceRange, read_ranges};
use super::names::{self, AppName};
use crate::image::quantities::{Quantities, available_types};
use crate::image::{Image, TASKS};
use crate::probe::{is_host, is_request_path};
use crate::process::grace::Grace;
use procfile::ProcessType;
use procfile::app_json::{AppJson, MAX_INSTANCES};
use std::collections::BTreeMap;
use task::tasks;

/// In seconds: how much longer than `formation exec` an orchestrator waits before it kills.
const MARGIN: u64 = 2;

/// The user's options for any orchestrator.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The name by which the orchestrator pulls the image.
    pub image: Option<String>,
    /// The app's name.
    pub name: Option<String>,
    /// Words of the form `TYPE=N`.
    pub scale: Vec<String>,
    /// Words of the form `TYPE=MIN-MAX`.
    pub autoscale: Vec<String>,
    /// The port of `web` in its container.
    pub port: u16,
    /// How long a process may take to stop.
    pub grace: Grace,
    /// The page that tells whether `web` is healthy. `None`: it is healthy if it accepts
    /// connections.
    pub health_path: Option<String>,
    /// The `Host` with which that page is requested, for a `web` that answers only the hosts that
    /// it knows.
    pub health_host: Option<String>,
}

/// What an orchestrator has to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub name: AppName,
    pub image: String,
    /// One for each scalable process type, in the image's order.
    pub services: Vec<Service>,
    /// Whether the image has the process type `release`.
    pub has_release: bool,
    /// The scheduled tasks of app.json, in its order.
    pub tasks: Vec<Task>,
    /// See [`Options::port`].
    pub port: u16,
    /// See [`Options::grace`].
    pub grace: Grace,
    /// See [`Options::health_path`].
    pub health_path: Option<String>,
    /// See [`Options::health_host`].
    pub health_host: Option<String>,
}

/// A process type whose instances run until they are stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    pub process_type: String,
    /// The number of instances, if no autoscaler changes it.
    pub quantity: u16,
    /// The range in which an autoscaler changes the number of instances.
    pub autoscale: Option<InstanceRange>,
}

impl Plan {
    /// The number of instances of each type comes from the options, else from app.json, else it is
    /// one; of a type that is a scheduled task, none.
    ///
    /// # Errors
    /// Every problem with the options, the image and app.json.
    pub fn new(image: &Image, app_json: &AppJson, options: Options) -> Result<Self, PlanError> {
        let mut problems = Vec::new();
        let scale = Scale::read(&options, image, &mut problems);
        let service = |process_type: &str| Service {
            process_type: process_type.into(),
            quantity: scale
                .numbers
                .of(process_type)
                .unwrap_or_else(|| default_quantity(process_type, app_json)),
            autoscale: scale.ranges.get(process_type).copied(),
        };
        let services: Vec<Service> = image.scalable_types().map(service).collect();
        if services.is_empty() {
            problems.push(PlanProblem::NoTypes);
        }
        problems.extend(formation_problems(app_json, image));
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
        if let Some(host) = &options.health_host
            && !is_host(host)
        {
            problems.push(PlanProblem::BadHealthHost { host: host.clone() });
        }
        let tasks = tasks(image, app_json, &mut problems);
        problems.extend(name_conflicts(&services, &tasks));
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
            health_host: options.health_host,
        })
    }

    /// How long an orchestrator waits before it kills a process, in whole seconds: longer than
    /// `formation exec`.
    #[must_use]
    pub fn stop_seconds(&self) -> u64 {
        self.grace.0.as_secs() + u64::from(self.grace.0.subsec_nanos() > 0) + MARGIN
    }
}

impl Service {
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.process_type == ProcessType::WEB
    }
}

/// What the options say about numbers of instances.
struct Scale {
    numbers: Quantities,
    ranges: BTreeMap<String, InstanceRange>,
}

impl Scale {
    fn read(options: &Options, image: &Image, problems: &mut Vec<PlanProblem>) -> Self {
        let words = options.scale.iter().map(String::as_str);
        let numbers = Quantities::read_up_to(MAX_INSTANCES, words, image).unwrap_or_else(|error| {
            problems.extend(error.problems.into_iter().map(PlanProblem::from));
            Quantities::default()
        });
        let words = options.autoscale.iter().map(String::as_str);
        let ranges = read_ranges(words, image).unwrap_or_else(|range_problems| {
            problems.extend(range_problems.into_iter().map(PlanProblem::from));
            Vec::new()
        });
        let has_number = |process_type: &&String| numbers.of(process_type).is_some();
        let scaled_twice = ranges.iter().map(|(name, _)| name).filter(has_number);
        problems.extend(scaled_twice.cloned().map(PlanProblem::ScaledTwice));
        Self {
            numbers,
            ranges: ranges.into_iter().collect(),
        }
    }
}

fn default_quantity(process_type: &str, app_json: &AppJson) -> u16 {
    let is_scheduled = app_json
        .cron
        .iter()
        .any(|task| task.command == process_type);
    if app_json.formation.is_none() && (is_scheduled || TASKS.contains(&process_type)) {
        return 0;
    }
    app_json.quantity(process_type)
}

/// Process types in the formation of app.json that the image cannot have instances of.
fn formation_problems(app_json: &AppJson, image: &Image) -> Vec<PlanProblem> {
    let problem = |(process_type, quantity): (&String, &u16)| match process_type.as_str() {
        ProcessType::RELEASE => (*quantity > 0).then_some(PlanProblem::ReleaseInFormation),
        known if image.process(known).is_some() => None,
        unknown => Some(PlanProblem::UnknownType {
            process_type: unknown.into(),
            available: available_types(image),
        }),
    };
    let formation = app_json.formation.iter().flatten();
    formation.filter_map(problem).collect()
}

/// The names of the app and of the image. If only one was given, the other is made from it.
fn names_of(
    name: Option<&str>,
    image: Option<&str>,
    problems: &mut Vec<PlanProblem>,
) -> (AppName, String) {
    if let Some(image) = image.filter(|image| !may_be_image_name(image)) {
        problems.push(PlanProblem::BadImage {
            image: image.into(),
        });
    }
    let app = match name {
        Some(name) => AppName::valid(name).unwrap_or_else(|| {
            let suggestion = AppName::nearest(name);
            problems.push(PlanProblem::BadName {
                name: name.into(),
                suggestion: suggestion.to_string(),
            });
            suggestion
        }),
        None => AppName::of_image(image.unwrap_or(names::DEFAULT_APP)),
    };
    let image = image.map_or_else(|| app.to_string(), String::from);
    (app, image)
}

/// Whether the text has only characters that image names have. They are harmless in comments and
/// options too.
fn may_be_image_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (text.chars()).all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c))
}

/// Services and tasks that would have the same name: a DNS label is not as long, and has fewer
/// characters, than a process type.
fn name_conflicts(services: &[Service], tasks: &[Task]) -> Vec<PlanProblem> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::options;
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
    fn the_number_of_each_type_comes_from_options_then_app_json() {
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
        let scheduled = r#"{ "cron": [{ "command": "report", "schedule": "@daily" }] }"#;
        assert_eq!(
            quantities(&["web", "report"], scheduled, &[]),
            ["web=1", "report=0"]
        );
        let rails = ["web", "console", "rake"];
        assert_eq!(
            quantities(&rails, "{}", &[]),
            ["web=1", "console=0", "rake=0"]
        );
    }

    #[test]
    fn the_app_name_and_the_image_name_come_from_each_other() {
        let named = |name: Option<&str>, image_name: Option<&str>| {
            let options = Options {
                name: name.map(String::from),
                image: image_name.map(String::from),
                ..options()
            };
            let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), options).unwrap();
            (plan.name.to_string(), plan.image)
        };
        let pair = |name: &str, image: &str| (name.to_string(), image.to_string());
        assert_eq!(named(None, None), pair("app", "app"));
        assert_eq!(named(Some("shop"), None), pair("shop", "shop"));
        assert_eq!(
            named(None, Some("r.example/shop:1")),
            pair("shop", "r.example/shop:1")
        );
        assert_eq!(named(Some("s"), Some("shop:1")), pair("s", "shop:1"));
    }

    #[test]
    fn an_orchestrator_waits_longer_than_formation_exec() {
        let seconds = |grace: &str| {
            let grace = grace.parse().unwrap();
            let options = Options { grace, ..options() };
            let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), options);
            plan.unwrap().stop_seconds()
        };
        assert_eq!(["0", "8", "28", "8.5"].map(seconds), [2, 10, 30, 11]);
    }

    #[test]
    fn every_problem_is_in_one_report() {
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
            health_host: Some("https://shop.example".into()),
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
    fn a_type_with_a_number_and_a_range_is_refused() {
        let options = Options {
            scale: vec!["worker=1".into()],
            autoscale: vec!["worker=1-9,web=1-2".into()],
            ..options()
        };
        let image = Image::of_types(&["web", "worker"]);
        assert_report!(Plan::new(&image, &AppJson::default(), options).unwrap_err());
    }

    #[test]
    fn an_image_without_scalable_types_is_refused() {
        for types in [[].as_slice(), &["release"]] {
            let error =
                Plan::new(&Image::of_types(types), &AppJson::default(), options()).unwrap_err();
            assert_report!("no_types", error);
        }
    }

    #[test]
    fn a_task_and_a_type_of_the_same_name_are_refused() {
        let app_json = r#"{ "cron": [{ "command": "rake a", "schedule": "@daily" }] }"#;
        let app_json = AppJson::read(app_json).unwrap();
        assert_report!(
            Plan::new(&Image::of_types(&["web", "cron-1"]), &app_json, options()).unwrap_err()
        );
    }
}

//! One file for both Docker Compose and Docker Swarm.
//!
//! The two accept different files: `docker stack deploy` has the schema of Compose 3 and refuses
//! `name`, `profiles` and conditions under `depends_on`; Compose does not need `version`, and warns
//! about it each time. A file of two documents suits both: Compose merges the second into the
//! first, Swarm reads only the first. Values for Swarm alone have the tag `!reset`: Compose drops
//! them, Swarm ignores the tag.
//!
//! Sources: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>,
//! <https://github.com/docker/cli/tree/master/cli/compose/schema/data>

use super::header::Header;
use super::plan::{Plan, Service, Task};
use super::yaml::yaml;
use crate::image::ENTRY_POINTS;
use procfile::ProcessType;
use serde::ser::{Serialize, Serializer};
use serde_saphyr::{FlowSeq, Tagged};
use std::collections::BTreeMap;

/// The user's options for Compose and Swarm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ComposeOptions {
    /// Files with environment variables, which Compose and Swarm read.
    pub env_files: Vec<String>,
    /// The port of the host that leads to `web`; `None` to publish no port.
    pub publish: Option<u16>,
    /// The path of the program `formation` in the image.
    pub formation: String,
}

/// The first document, for Compose and Swarm.
#[derive(serde::Serialize)]
struct Shared {
    version: Tagged<&'static str>,
    services: InOrder<SharedService>,
}

#[derive(serde::Serialize)]
struct SharedService {
    image: String,
    entrypoint: FlowSeq<Vec<String>>,
    environment: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env_file: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<FlowSeq<[String; 1]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthCheck>,
    stop_grace_period: String,
    deploy: Deploy,
}

#[derive(serde::Serialize)]
struct HealthCheck {
    test: FlowSeq<Vec<String>>,
    interval: &'static str,
    timeout: &'static str,
    retries: u8,
    start_period: &'static str,
}

#[derive(serde::Serialize)]
struct Deploy {
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_config: Option<UpdateConfig>,
    restart_policy: RestartPolicy,
}

#[derive(serde::Serialize)]
struct UpdateConfig {
    order: &'static str,
    failure_action: &'static str,
}

#[derive(serde::Serialize)]
struct RestartPolicy {
    condition: &'static str,
    delay: &'static str,
}

/// The second document, for Compose alone.
#[derive(serde::Serialize)]
struct ComposeOnly {
    name: String,
    #[serde(skip_serializing_if = "InOrder::is_empty")]
    services: InOrder<ComposeOnlyService>,
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum ComposeOnlyService {
    Release {
        deploy: ReleaseDeploy,
    },
    Type {
        #[serde(skip_serializing_if = "Option::is_none")]
        depends_on: Option<DependsOn>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ports: Option<Tagged<FlowSeq<[String; 1]>>>,
    },
    Task {
        image: String,
        entrypoint: FlowSeq<[&'static str; 2]>,
        command: FlowSeq<Vec<String>>,
        environment: BTreeMap<&'static str, String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        env_file: Vec<String>,
        stop_grace_period: String,
        profiles: FlowSeq<[&'static str; 1]>,
    },
}

#[derive(serde::Serialize)]
struct ReleaseDeploy {
    restart_policy: Tagged<Condition>,
}

#[derive(serde::Serialize)]
struct Condition {
    condition: &'static str,
}

#[derive(serde::Serialize)]
struct DependsOn {
    release: Condition,
}

/// A mapping that keeps the order of its keys.
struct InOrder<T>(Vec<(String, T)>);

impl<T> InOrder<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// The text of the file. `made_by` is the command that exports it.
#[must_use]
pub fn compose(plan: &Plan, options: &ComposeOptions, made_by: &str) -> String {
    let writer = Writer { plan, options };
    format!(
        "{}{}---\n# Only Docker Compose reads this part. Swarm does not.\n{}",
        writer.header(made_by),
        yaml(&writer.shared()),
        yaml(&writer.compose_only())
    )
}

/// A line of a crontab that runs a scheduled task.
pub(super) fn task_line(task: &Task) -> String {
    format!("{}  docker compose run --rm {}", task.schedule, task.name)
}

struct Writer<'a> {
    plan: &'a Plan,
    options: &'a ComposeOptions,
}

impl Writer<'_> {
    fn header(&self, made_by: &str) -> String {
        let Plan { name, tasks, .. } = self.plan;
        let mut header = Header::new(made_by);
        header.paragraph(&[
            "To run it with Docker Compose (2.24.4 or newer), save this file as compose.yaml:",
        ]);
        header.commands(&["docker compose up --detach --wait"]);
        header.paragraph(&["To run it with Docker Swarm:"]);
        header.commands(&[&format!(
            "docker stack deploy --compose-file compose.yaml {name}"
        )]);
        if self.plan.has_release {
            header.paragraph(&[
                "Compose starts the other services after release has succeeded. Swarm has no such",
                "order: it starts all services at the same time.",
            ]);
        }
        if !tasks.is_empty() {
            header.paragraph(&[
                "Compose and Swarm do not run scheduled tasks. Run these lines in this file's",
                "folder with a scheduler, such as cron:",
            ]);
            let lines: Vec<_> = tasks.iter().map(task_line).collect();
            header.commands(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        header.finish()
    }

    fn shared(&self) -> Shared {
        let release = (self.plan.has_release)
            .then(|| (ProcessType::RELEASE.to_string(), self.release()))
            .into_iter();
        let services = (self.plan.services.iter())
            .map(|service| (service.process_type.clone(), self.service(service)));
        Shared {
            version: Tagged("3.8", Some("!reset".into())),
            services: InOrder(release.chain(services).collect()),
        }
    }

    fn service(&self, service: &Service) -> SharedService {
        let web = service.is_web();
        SharedService {
            ports: (self.options.publish.filter(|_| web))
                .map(|port| FlowSeq([format!("{port}:{}", self.plan.port)])),
            healthcheck: web.then(|| self.health_check()),
            deploy: Deploy {
                replicas: Some(service.quantity),
                // Other types may not run twice for a moment: a clock, for example.
                update_config: web.then_some(UpdateConfig {
                    order: "start-first",
                    failure_action: "rollback",
                }),
                restart_policy: RestartPolicy {
                    condition: "any",
                    delay: "5s",
                },
            },
            ..self.container(&service.process_type)
        }
    }

    fn release(&self) -> SharedService {
        self.container(ProcessType::RELEASE)
    }

    /// What every process type has; with the restart policy of a task.
    fn container(&self, process_type: &str) -> SharedService {
        SharedService {
            image: escaped(&self.plan.image),
            entrypoint: FlowSeq(vec![escaped(&format!("{ENTRY_POINTS}/{process_type}"))]),
            environment: self.environment(process_type == ProcessType::WEB),
            env_file: self.env_files(),
            ports: None,
            healthcheck: None,
            stop_grace_period: self.stop_grace_period(),
            deploy: Deploy {
                replicas: None,
                update_config: None,
                // In a new stack, a release may fail because its database has not started yet.
                restart_policy: RestartPolicy {
                    condition: "on-failure",
                    delay: "5s",
                },
            },
        }
    }

    fn environment(&self, web: bool) -> BTreeMap<&'static str, String> {
        let port = web.then(|| ("PORT", self.plan.port.to_string()));
        let grace = ("FORMATION_GRACE", self.plan.grace.to_string());
        port.into_iter().chain([grace]).collect()
    }

    fn env_files(&self) -> Vec<String> {
        self.options
            .env_files
            .iter()
            .map(|file| escaped(file))
            .collect()
    }

    fn stop_grace_period(&self) -> String {
        format!("{}s", self.plan.stop_seconds())
    }

    /// By `formation probe`: the image may have no other program that can send a request.
    fn health_check(&self) -> HealthCheck {
        let path = (self.plan.health_path.iter()).flat_map(|path| ["--path".into(), escaped(path)]);
        let test = [
            "CMD".into(),
            escaped(&self.options.formation),
            "probe".into(),
        ];
        HealthCheck {
            test: FlowSeq(test.into_iter().chain(path).collect()),
            interval: "5s",
            timeout: "5s",
            retries: 3,
            start_period: "60s",
        }
    }

    fn compose_only(&self) -> ComposeOnly {
        let release = self.plan.has_release.then(|| {
            let no_restart = Condition { condition: "none" };
            let deploy = ReleaseDeploy {
                restart_policy: Tagged(no_restart, Some("!override".into())),
            };
            (
                ProcessType::RELEASE.to_string(),
                ComposeOnlyService::Release { deploy },
            )
        });
        let types = self.plan.services.iter().filter_map(|service| {
            let depends_on = self.plan.has_release.then_some(DependsOn {
                release: Condition {
                    condition: "service_completed_successfully",
                },
            });
            let ports = self.port_range(service);
            (depends_on.is_some() || ports.is_some()).then(|| {
                let compose_only = ComposeOnlyService::Type { depends_on, ports };
                (service.process_type.clone(), compose_only)
            })
        });
        let tasks = (self.plan.tasks.iter()).map(|task| (task.name.clone(), self.task(task)));
        ComposeOnly {
            name: self.plan.name.to_string(),
            services: InOrder(release.into_iter().chain(types).chain(tasks).collect()),
        }
    }

    /// Swarm balances one port over all instances of `web`. Compose gives each instance its own
    /// port, starting with this one.
    fn port_range(&self, service: &Service) -> Option<Tagged<FlowSeq<[String; 1]>>> {
        let first = self
            .options
            .publish
            .filter(|_| service.is_web() && service.quantity > 1)?;
        let last = first.saturating_add(service.quantity - 1);
        let range = FlowSeq([format!("{first}-{last}:{}", self.plan.port)]);
        Some(Tagged(range, Some("!override".into())))
    }

    fn task(&self, task: &Task) -> ComposeOnlyService {
        ComposeOnlyService::Task {
            image: escaped(&self.plan.image),
            entrypoint: FlowSeq(["launcher", "--"]),
            command: FlowSeq(task.argv.iter().map(|word| escaped(word)).collect()),
            environment: self.environment(false),
            env_file: self.env_files(),
            stop_grace_period: self.stop_grace_period(),
            profiles: FlowSeq(["cron"]),
        }
    }
}

/// Compose and Swarm replace `$NAME` with the variable's value, and `$$` with `$`.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::{ODD_TYPES, app_json, options};
    use crate::export::plan::Options;
    use crate::image::Image;
    use procfile::app_json::AppJson;

    fn file_of(types: &[&str], json: &AppJson, options: Options) -> String {
        let plan = Plan::new(&Image::of_types(types), json, options).unwrap();
        let compose_options = ComposeOptions {
            publish: Some(8080),
            formation: "/layers/formation_ruby/formation/bin/formation".into(),
            ..ComposeOptions::default()
        };
        compose(&plan, &compose_options, "formation export compose")
    }

    #[test]
    fn an_app_with_everything() {
        let types = ["release", "web", "worker"];
        insta::assert_snapshot!(file_of(&types, &app_json(), options()));
    }

    #[test]
    fn only_a_worker() {
        insta::assert_snapshot!(file_of(&["worker"], &AppJson::default(), options()));
    }

    #[test]
    fn several_webs_and_every_option() {
        let mut every_option = options();
        every_option.scale = vec!["web=3".into()];
        every_option.health_path = Some("/up?$x".into());
        every_option.grace = "8".parse().unwrap();
        every_option.port = 3000;
        let plan = Plan::new(
            &Image::of_types(&["web"]),
            &AppJson::default(),
            every_option,
        )
        .unwrap();
        let compose_options = ComposeOptions {
            env_files: vec![".env".into(), "$HOME/more".into()],
            publish: Some(80),
            formation: "/layers/formation".into(),
        };
        insta::assert_snapshot!(compose(&plan, &compose_options, "formation export compose"));
    }

    #[test]
    fn odd_types_stay_as_they_are() {
        insta::assert_snapshot!(file_of(&ODD_TYPES, &AppJson::default(), options()));
    }
}

//! One file for both Docker Compose and Docker Swarm.
//!
//! The two accept different files: `docker stack deploy` has the schema of Compose 3 and refuses
//! `name`, `profiles` and conditions under `depends_on`; Compose does not need `version`, and warns
//! about it each time. A file of two documents suits both: Compose merges the second into the
//! first, Swarm reads only the first. Values for Swarm alone have the tag `!reset`: Compose drops
//! them, Swarm ignores the tag.
//!
//! Programs that read a single document without tags, such as podman-compose, get one with
//! `--plain`: Compose reads that too, Swarm does not.
//!
//! Sources: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>,
//! <https://github.com/docker/cli/tree/master/cli/compose/schema/data>

mod document;
mod publish;

pub use publish::{NotAPort, Publish};

use super::header::Header;
use super::plan::{Plan, Service, Task, TaskStart};
use super::yaml::yaml;
use crate::image::ENTRY_POINTS;
use document::{
    ComposeOnly, ComposeOnlyService, Condition, Container, DependsOn, Deploy, HealthCheck, InOrder,
    Plain, ReleaseDeploy, RestartPolicy, Shared, UpdateConfig,
};
use procfile::ProcessType;
use serde_saphyr::{FlowSeq, Tagged};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The user's options for Compose and Swarm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ComposeOptions {
    /// Files with environment variables, which Compose and Swarm read.
    pub env_files: Vec<String>,
    /// The port of the host that leads to `web`; `None` to publish no port.
    pub publish: Option<Publish>,
    /// The path of the program `formation` in the image.
    pub formation: String,
    /// A single document without tags, which Swarm does not read.
    pub plain: bool,
}

/// The text of the file. `made_by` is the command that exports it.
#[must_use]
pub fn compose(plan: &Plan, options: &ComposeOptions, made_by: &str) -> String {
    let writer = Writer { plan, options };
    if options.plain {
        return format!("{}{}", writer.header(made_by), yaml(&writer.plain()));
    }
    format!(
        "{}{}---\n# Only Docker Compose reads this part. Swarm does not.\n{}",
        writer.header(made_by),
        yaml(&writer.shared()),
        yaml(&writer.compose_only())
    )
}

/// A line of a crontab that runs a scheduled task. A task that is suspended is a comment.
pub(super) fn task_line(task: &Task) -> String {
    let mark = if task.suspended { "# suspended: " } else { "" };
    let Task { schedule, name, .. } = task;
    format!("{mark}{schedule}  docker compose run --rm {name}")
}

struct Writer<'a> {
    plan: &'a Plan,
    options: &'a ComposeOptions,
}

impl Writer<'_> {
    fn header(&self, made_by: &str) -> String {
        let tasks = &self.plan.tasks;
        let mut header = Header::new(made_by);
        self.say_who_reads_it(&mut header);
        if self.plan.has_release && !self.options.plain {
            header.paragraph(&[
                "Compose starts the other services after release has succeeded. Swarm has no such",
                "order: it starts all services at the same time.",
            ]);
        }
        if self.address().is_some() && !self.options.plain {
            header.paragraph(&[
                "Swarm publishes no port of this file: it cannot publish one of a single address.",
            ]);
        }
        if !tasks.is_empty() {
            header.paragraph(&[
                "Nothing here runs scheduled tasks by itself. Run these lines in this file's",
                "folder with a scheduler, such as cron:",
            ]);
            let lines: Vec<_> = tasks.iter().map(task_line).collect();
            header.commands(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        header.finish()
    }

    fn say_who_reads_it(&self, header: &mut Header) {
        if self.options.plain {
            header.paragraph(&[
                "For Docker Compose, podman-compose, and whatever else reads a single document.",
                "Docker Swarm does not read it: export it without --plain for that.",
                "To run it, save this file as compose.yaml:",
            ]);
            header.commands(&[
                "docker compose up --detach --wait",
                "podman-compose up --detach",
            ]);
            return;
        }
        header.paragraph(&[
            "For Docker Compose (2.24.4 or newer) and Docker Swarm. It has two documents and the",
            "tag `!reset`: export it with --plain for podman-compose and other programs.",
        ]);
        header.paragraph(&["To run it with Docker Compose, save this file as compose.yaml:"]);
        header.commands(&["docker compose up --detach --wait"]);
        header.paragraph(&["To run it with Docker Swarm:"]);
        let name = &self.plan.name;
        header.commands(&[&format!(
            "docker stack deploy --compose-file compose.yaml {name}"
        )]);
    }

    /// The only address of the host at which `web` is published.
    fn address(&self) -> Option<IpAddr> {
        self.options.publish?.address
    }

    fn plain(&self) -> Plain {
        let release = self.plan.has_release.then(|| {
            let release = Container {
                restart: Some("no"),
                ..self.container(ProcessType::RELEASE)
            };
            (ProcessType::RELEASE.to_string(), release)
        });
        let services = self.plan.services.iter().map(|service| {
            let (name, instances) = (service.process_type.clone(), service.quantity);
            let container = Container {
                ports: self.ports(service, instances),
                healthcheck: service.is_web().then(|| self.health_check()),
                depends_on: self.depends_on(),
                restart: Some("always"),
                deploy: Some(Deploy {
                    replicas: Some(instances),
                    update_config: None,
                    restart_policy: None,
                }),
                ..self.container(&name)
            };
            (name, container)
        });
        let tasks = (self.plan.tasks.iter()).map(|task| (task.name.clone(), self.task(task)));
        Plain {
            name: self.plan.name.to_string(),
            services: InOrder(release.into_iter().chain(services).chain(tasks).collect()),
        }
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

    fn service(&self, service: &Service) -> Container {
        let web = service.is_web();
        Container {
            // Swarm would publish it at all addresses.
            ports: self.ports(service, 1).filter(|_| self.address().is_none()),
            healthcheck: web.then(|| self.health_check()),
            deploy: Some(Deploy {
                replicas: Some(service.quantity),
                // Other types may not run twice for a moment: a clock, for example.
                update_config: web.then_some(UpdateConfig {
                    order: "start-first",
                    failure_action: "rollback",
                }),
                restart_policy: Some(RestartPolicy {
                    condition: "any",
                    delay: "5s",
                }),
            }),
            ..self.container(&service.process_type)
        }
    }

    fn release(&self) -> Container {
        Container {
            deploy: Some(Deploy {
                replicas: None,
                update_config: None,
                // In a new stack, a release may fail because its database has not started yet.
                restart_policy: Some(RestartPolicy {
                    condition: "on-failure",
                    delay: "5s",
                }),
            }),
            ..self.container(ProcessType::RELEASE)
        }
    }

    /// What every process type has.
    fn container(&self, process_type: &str) -> Container {
        Container {
            image: escaped(&self.plan.image),
            entrypoint: entry_point(process_type),
            environment: self.environment(process_type == ProcessType::WEB),
            env_file: self.env_files(),
            stop_grace_period: format!("{}s", self.plan.stop_seconds()),
            command: None,
            ports: None,
            healthcheck: None,
            depends_on: None,
            restart: None,
            deploy: None,
            profiles: None,
        }
    }

    /// The published ports of `web`: one for each instance.
    fn ports(&self, service: &Service, instances: u16) -> Option<FlowSeq<[String; 1]>> {
        let publish = self.options.publish.filter(|_| service.is_web())?;
        Some(FlowSeq([publish.for_instances(instances, self.plan.port)]))
    }

    fn depends_on(&self) -> Option<DependsOn> {
        self.plan.has_release.then_some(DependsOn {
            release: Condition {
                condition: "service_completed_successfully",
            },
        })
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

    /// By `formation probe`: the image may have no other program that can send a request.
    fn health_check(&self) -> HealthCheck {
        let path = option("--path", self.plan.health_path.as_deref());
        let host = option("--host", self.plan.health_host.as_deref());
        let test = [
            "CMD".into(),
            escaped(&self.options.formation),
            "probe".into(),
        ];
        HealthCheck {
            test: FlowSeq(test.into_iter().chain(path).chain(host).collect()),
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
            let depends_on = self.depends_on();
            let ports = self.ports_of_compose(service);
            (depends_on.is_some() || ports.is_some()).then(|| {
                let compose_only = ComposeOnlyService::Type { depends_on, ports };
                (service.process_type.clone(), compose_only)
            })
        });
        let tasks = (self.plan.tasks.iter()).map(|task| {
            (
                task.name.clone(),
                ComposeOnlyService::Task(self.task(task).into()),
            )
        });
        ComposeOnly {
            name: self.plan.name.to_string(),
            services: InOrder(release.into_iter().chain(types).chain(tasks).collect()),
        }
    }

    /// Swarm balances one port over all instances of `web`. Compose gives each instance its own
    /// port, starting with this one.
    fn ports_of_compose(&self, service: &Service) -> Option<Tagged<FlowSeq<[String; 1]>>> {
        let ports = self.ports(service, service.quantity)?;
        if self.address().is_some() {
            Some(Tagged(ports, None))
        } else {
            (service.quantity > 1).then(|| Tagged(ports, Some("!override".into())))
        }
    }

    fn task(&self, task: &Task) -> Container {
        let container = Container {
            profiles: Some(FlowSeq(["cron"])),
            ..self.container(&task.name)
        };
        match &task.start {
            TaskStart::Type(process_type) => Container {
                entrypoint: entry_point(process_type),
                ..container
            },
            TaskStart::Launcher(words) => Container {
                entrypoint: FlowSeq(["launcher", "--"].map(String::from).into()),
                command: Some(FlowSeq(words.iter().map(|word| escaped(word)).collect())),
                ..container
            },
        }
    }
}

fn entry_point(process_type: &str) -> FlowSeq<Vec<String>> {
    FlowSeq(vec![escaped(&format!("{ENTRY_POINTS}/{process_type}"))])
}

/// The words of an option, if it has a value.
fn option(name: &str, value: Option<&str>) -> Vec<String> {
    value.map_or_else(Vec::new, |value| vec![name.into(), escaped(value)])
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

    fn compose_options() -> ComposeOptions {
        ComposeOptions {
            publish: Some("8080".parse().unwrap()),
            formation: "/layers/formation_ruby/formation/bin/formation".into(),
            ..ComposeOptions::default()
        }
    }

    fn file_with(types: &[&str], options: Options, compose_options: &ComposeOptions) -> String {
        let plan = Plan::new(&Image::of_types(types), &app_json(), options).unwrap();
        compose(&plan, compose_options, "formation export compose")
    }

    fn file_of(types: &[&str], json: &AppJson, options: Options) -> String {
        let plan = Plan::new(&Image::of_types(types), json, options).unwrap();
        compose(&plan, &compose_options(), "formation export compose")
    }

    /// What podman-compose reads: its parser knows neither several documents nor Compose's tags.
    #[test]
    fn a_plain_file_is_one_document_without_tags() {
        let plain = ComposeOptions {
            plain: true,
            ..compose_options()
        };
        let mut two_webs = options();
        two_webs.scale = vec!["web=2".into()];
        let file = file_with(&["release", "web", "worker", "report"], two_webs, &plain);
        assert!(!file.contains("---") && !file.contains("!reset"), "{file}");
        assert!(!file.contains("!override"), "{file}");
        insta::assert_snapshot!(file);
    }

    #[test]
    fn a_port_of_one_address_is_not_for_swarm() {
        let local = ComposeOptions {
            publish: Some("127.0.0.1:8080".parse().unwrap()),
            ..compose_options()
        };
        for (quantity, port) in [(1, "127.0.0.1:8080:8080"), (2, "127.0.0.1:8080-8081:8080")] {
            let mut scaled = options();
            scaled.scale = vec![format!("web={quantity},worker=1")];
            let file = file_with(&["web", "worker"], scaled, &local);
            let (for_both, for_compose) = file.split_once("\n---\n").unwrap();
            assert!(!for_both.contains("ports:"), "{for_both}");
            assert!(for_both.contains("Swarm publishes no port"), "{for_both}");
            let ports = format!("  web:\n    ports: [{port}]\n");
            assert!(for_compose.contains(&ports), "{for_compose}");
        }
    }

    #[test]
    fn an_app_with_everything() {
        let types = ["release", "web", "worker", "report"];
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
        every_option.health_host = Some("shop.example".into());
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
            publish: Some("80".parse().unwrap()),
            formation: "/layers/formation".into(),
            plain: false,
        };
        insta::assert_snapshot!(compose(&plan, &compose_options, "formation export compose"));
    }

    #[test]
    fn odd_types_stay_as_they_are() {
        insta::assert_snapshot!(file_of(&ODD_TYPES, &AppJson::default(), options()));
    }
}

//! The file for Kubernetes 1.23 and newer.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/>

mod amount;
mod options;
mod pod;
mod writer;

pub use amount::{Amount, NotAnAmount};
pub use options::{KubernetesOptions, NotAUser, PodUser};

use super::autoscale::InstanceRange;
use super::header::Header;
use super::names;
use super::plan::{Plan, Service, Task, TaskStart};
use super::yaml::yaml;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Container, Service as KubernetesService, ServicePort, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use pod::{entry_point, escaped};
use procfile::ProcessType;
use procfile::app_json::ConcurrencyPolicy;
use writer::{COMPONENT, PORT_NAME, Writer};

/// The CNB launcher, for commands that are not process types.
const LAUNCHER: [&str; 2] = ["/cnb/lifecycle/launcher", "--"];

/// In per cent of the requested CPU: when instances use more on average, the autoscaler adds some.
const TARGET_CPU_UTILIZATION: i32 = 80;

/// The text of the file. `made_by` is the command that exports it.
#[must_use]
pub fn kubernetes(plan: &Plan, options: &KubernetesOptions, made_by: &str) -> String {
    let writer = Writer { plan, options };
    let release = plan.has_release.then(|| writer.release());
    let mut documents = Vec::new();
    documents.extend(release.as_ref().map(yaml));
    for service in &plan.services {
        documents.push(yaml(&writer.deployment(service)));
        if service.is_web() {
            documents.push(yaml(&writer.service(service)));
        }
        if let Some(range) = service.autoscale {
            documents.push(yaml(&writer.autoscaler(service, range)));
        }
    }
    documents.extend(plan.tasks.iter().map(|task| yaml(&writer.cron_job(task))));
    let job_name = release.and_then(|job| job.metadata.name);
    format!(
        "{}{}",
        writer.header(made_by, job_name.as_deref()),
        documents.join("---\n")
    )
}

impl Writer<'_> {
    fn header(&self, made_by: &str, job_name: Option<&str>) -> String {
        let file = format!("{}.yaml", self.plan.name);
        let mut header = Header::new(made_by);
        header.paragraph(&[&format!(
            "Variables are taken from the ConfigMap `{}` and the Secret `{}`, if they exist.",
            self.config_map(),
            self.secret()
        )]);
        header.paragraph(&["To create the Secret:"]);
        header.commands(&[&format!(
            "kubectl create secret generic {} --from-env-file .env",
            self.secret()
        )]);
        if let Some(job) = job_name {
            header.paragraph(&[
                &format!("To deploy it, save this file as {file}, and run the release task first."),
                "Use another image tag or digest for each release: the task runs once for each.",
            ]);
            header.commands(&[
                &format!("kubectl apply -f {file} -l {COMPONENT}=release"),
                &format!("kubectl wait --for=condition=complete --timeout=10m job/{job}"),
            ]);
        } else {
            header.paragraph(&[&format!("To deploy it, save this file as {file}:")]);
        }
        header.commands(&[&format!("kubectl apply -f {file}")]);
        header.finish()
    }

    fn deployment(&self, service: &Service) -> Deployment {
        let web = service.is_web();
        Deployment {
            metadata: self.metadata(&service.process_type),
            spec: Some(DeploymentSpec {
                // Without replicas, `kubectl apply` keeps the number that the autoscaler has set.
                replicas: (service.autoscale.is_none()).then(|| i32::from(service.quantity)),
                selector: LabelSelector {
                    match_labels: Some(self.selector(&service.process_type)),
                    ..LabelSelector::default()
                },
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".into()),
                    // Other types may not run twice for a moment: a clock, for example.
                    rolling_update: Some(RollingUpdateDeployment {
                        max_surge: Some(IntOrString::Int(i32::from(web))),
                        max_unavailable: Some(IntOrString::Int(i32::from(!web))),
                    }),
                }),
                template: self.template(&service.process_type, self.process(service)),
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        }
    }

    fn service(&self, service: &Service) -> KubernetesService {
        KubernetesService {
            metadata: self.metadata(&service.process_type),
            spec: Some(ServiceSpec {
                selector: Some(self.selector(&service.process_type)),
                ports: Some(vec![ServicePort {
                    name: Some(PORT_NAME.into()),
                    port: 80,
                    target_port: Some(IntOrString::String(PORT_NAME.into())),
                    ..ServicePort::default()
                }]),
                ..ServiceSpec::default()
            }),
            ..KubernetesService::default()
        }
    }

    fn autoscaler(&self, service: &Service, range: InstanceRange) -> HorizontalPodAutoscaler {
        HorizontalPodAutoscaler {
            metadata: self.metadata(&service.process_type),
            spec: Some(HorizontalPodAutoscalerSpec {
                scale_target_ref: CrossVersionObjectReference {
                    api_version: Some("apps/v1".into()),
                    kind: "Deployment".into(),
                    name: self.plan.name.with(&service.process_type),
                },
                min_replicas: Some(i32::from(range.min)),
                max_replicas: i32::from(range.max),
                metrics: Some(vec![MetricSpec {
                    type_: "Resource".into(),
                    resource: Some(ResourceMetricSource {
                        name: "cpu".into(),
                        target: MetricTarget {
                            type_: "Utilization".into(),
                            average_utilization: Some(TARGET_CPU_UTILIZATION),
                            ..MetricTarget::default()
                        },
                    }),
                    ..MetricSpec::default()
                }]),
                ..HorizontalPodAutoscalerSpec::default()
            }),
            ..HorizontalPodAutoscaler::default()
        }
    }

    /// A Job cannot be changed. A hash in its name gives another image, or other options, another
    /// Job.
    fn release(&self) -> Job {
        const RELEASE: &str = ProcessType::RELEASE;
        let spec = JobSpec {
            // The user should look at a release that failed, so it is not repeated.
            backoff_limit: Some(0),
            template: self.task_template(RELEASE, self.container(RELEASE, entry_point(RELEASE))),
            ..JobSpec::default()
        };
        let mut metadata = self.metadata(RELEASE);
        let hash = names::short_hash(&yaml(&spec));
        metadata.name = Some(format!("{}-{hash}", self.plan.name.with(RELEASE)));
        Job {
            metadata,
            spec: Some(spec),
            ..Job::default()
        }
    }

    fn cron_job(&self, task: &Task) -> CronJob {
        let container = match &task.start {
            TaskStart::Type(process_type) => self.container(&task.name, entry_point(process_type)),
            TaskStart::Launcher(words) => Container {
                args: Some(words.iter().map(|word| escaped(word)).collect()),
                ..self.container(&task.name, LAUNCHER.map(String::from).into())
            },
        };
        CronJob {
            metadata: self.metadata(&task.name),
            spec: Some(CronJobSpec {
                schedule: task.schedule.clone(),
                suspend: task.suspended.then_some(true),
                concurrency_policy: Some(concurrency_policy(task.concurrency).into()),
                job_template: JobTemplateSpec {
                    metadata: Some(ObjectMeta {
                        labels: Some(self.labels(&task.name)),
                        ..ObjectMeta::default()
                    }),
                    spec: Some(JobSpec {
                        backoff_limit: Some(0),
                        template: self.task_template(&task.name, container),
                        ..JobSpec::default()
                    }),
                },
                ..CronJobSpec::default()
            }),
            ..CronJob::default()
        }
    }
}

/// A task that says nothing does not run beside itself.
fn concurrency_policy(policy: Option<ConcurrencyPolicy>) -> &'static str {
    match policy {
        Some(ConcurrencyPolicy::Allow) => "Allow",
        Some(ConcurrencyPolicy::Forbid) | None => "Forbid",
        Some(ConcurrencyPolicy::Replace) => "Replace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::{ODD_TYPES, app_json, kubernetes_options, options};
    use crate::export::plan::Options;
    use crate::image::Image;
    use procfile::app_json::AppJson;

    fn file_of(types: &[&str], json: &AppJson, options: Options) -> String {
        let plan = Plan::new(&Image::of_types(types), json, options).unwrap();
        kubernetes(&plan, &kubernetes_options(), "formation export kubernetes")
    }

    #[test]
    fn an_app_with_everything() {
        let mut with_autoscaler = options();
        with_autoscaler.autoscale = vec!["web=2-10".into()];
        let types = ["release", "web", "worker", "report"];
        insta::assert_snapshot!(file_of(&types, &app_json(), with_autoscaler));
    }

    #[test]
    fn only_a_worker() {
        insta::assert_snapshot!(file_of(&["worker"], &AppJson::default(), options()));
    }

    #[test]
    fn every_option() {
        let mut every_option = options();
        every_option.image = Some("registry.example/team/shop:42".into());
        every_option.health_path = Some("/up".into());
        every_option.health_host = Some("shop.example".into());
        every_option.grace = "8".parse().unwrap();
        every_option.port = 3000;
        let plan = Plan::new(
            &Image::of_types(&["web"]),
            &AppJson::default(),
            every_option,
        )
        .unwrap();
        let kubernetes_options = KubernetesOptions {
            config_map: Some("settings".into()),
            secret: Some("credentials".into()),
            cpu: "1".parse().unwrap(),
            memory: "1.5Gi".parse().unwrap(),
            user: None,
        };
        insta::assert_snapshot!(kubernetes(&plan, &kubernetes_options, "formation"));
    }

    #[test]
    fn names_of_odd_types() {
        let file = file_of(&ODD_TYPES, &AppJson::default(), options());
        let shown = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("name:") || line.starts_with("- /cnb") || line.starts_with("app.kub")
        };
        let mut lines: Vec<_> = file.lines().filter(shown).map(str::trim).collect();
        lines.dedup();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn another_image_is_another_release() {
        let job = |image_name: &str| {
            let image_name = Some(image_name.into());
            let file = file_of(
                &["web", "release"],
                &AppJson::default(),
                Options {
                    image: image_name,
                    ..options()
                },
            );
            let line = file.lines().find(|line| line.contains("job/")).unwrap();
            line.rsplit_once('/').unwrap().1.to_string()
        };
        assert_eq!(job("shop:1"), job("shop:1"));
        assert_ne!(job("shop:1"), job("shop:2"));
    }
}

//! Objects for Kubernetes, of kinds that every supported release has (1.23 and newer take all of them).
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/>

mod amount;
mod pod;

pub use amount::{Amount, NoAmount};

use super::autoscale::Autoscale;
use super::header::Header;
use super::names;
use super::plan::{Plan, PlanProblem, Service, Task};
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
use std::collections::BTreeMap;

const NAME: &str = "app.kubernetes.io/name";
const COMPONENT: &str = "app.kubernetes.io/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The name that the container's port goes by.
const PORT_NAME: &str = "http";

/// The launcher of the platform, for a command that is no process type.
const LAUNCHER: [&str; 2] = ["/cnb/lifecycle/launcher", "--"];

/// An autoscaler adds instances when the average instance uses more than this part of its CPU request, in per cent.
const BUSY: i32 = 80;

/// What the user asks for besides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KubernetesOptions {
    /// The `ConfigMap` with settings; the app's name without one.
    pub config_map: Option<String>,
    /// The Secret with settings; the app's name without one.
    pub secret: Option<String>,
    /// What each instance is promised of a CPU.
    pub cpu: Amount,
    /// What each instance is promised of memory, and gets at most.
    pub memory: Amount,
}

impl KubernetesOptions {
    /// What keeps them from being used.
    #[must_use]
    pub fn problems(&self) -> Vec<PlanProblem> {
        [
            ("ConfigMap", "--config-map", &self.config_map),
            ("Secret", "--secret", &self.secret),
        ]
        .into_iter()
        .filter_map(|(kind, option, name)| {
            let name = name.clone().filter(|name| !names::is_object_name(name))?;
            Some(PlanProblem::BadObjectName { name, kind, option })
        })
        .collect()
    }
}

/// The file.
#[must_use]
pub fn kubernetes(plan: &Plan, options: &KubernetesOptions, made_by: &str) -> String {
    let writer = Writer { plan, options };
    let release = plan.has_release.then(|| writer.release());
    let mut documents = Vec::new();
    documents.extend(release.as_ref().map(super::yaml));
    for service in &plan.services {
        documents.push(super::yaml(&writer.deployment(service)));
        if service.is_web() {
            documents.push(super::yaml(&writer.service(service)));
        }
        if let Some(autoscale) = service.autoscale {
            documents.push(super::yaml(&writer.autoscaler(service, autoscale)));
        }
    }
    documents.extend(
        plan.tasks
            .iter()
            .map(|task| super::yaml(&writer.cron_job(task))),
    );
    let job_name = release.and_then(|job| job.metadata.name);
    format!(
        "{}{}",
        writer.header(made_by, job_name.as_deref()),
        documents.join("---\n")
    )
}

struct Writer<'a> {
    plan: &'a Plan,
    options: &'a KubernetesOptions,
}

impl Writer<'_> {
    fn header(&self, made_by: &str, job_name: Option<&str>) -> String {
        let file = format!("{}.yaml", self.plan.name);
        let mut header = Header::new(made_by);
        header.paragraph(&[&format!(
            "Settings are taken from the ConfigMap `{}` and the Secret `{}`, where there are such:",
            self.config_map(),
            self.secret()
        )]);
        header.commands(&[&format!(
            "kubectl create secret generic {} --from-env-file .env",
            self.secret()
        )]);
        if let Some(job) = job_name {
            header.paragraph(&[
                &format!("Apply it as {file}, the release task before everything else. Give each release an image name of its own,"),
                "a tag or a digest: the task runs once for each.",
            ]);
            header.commands(&[
                &format!("kubectl apply -f {file} -l {COMPONENT}=release"),
                &format!("kubectl wait --for=condition=complete --timeout=10m job/{job}"),
            ]);
        } else {
            header.paragraph(&[&format!("Apply it as {file}:")]);
        }
        header.commands(&[&format!("kubectl apply -f {file}")]);
        header.finish()
    }

    fn deployment(&self, service: &Service) -> Deployment {
        let web = service.is_web();
        Deployment {
            metadata: self.metadata(&service.process_type),
            spec: Some(DeploymentSpec {
                // An autoscaler's number is not to be set back by the next apply.
                replicas: (service.autoscale.is_none()).then(|| i32::from(service.quantity)),
                selector: LabelSelector {
                    match_labels: Some(self.selector(&service.process_type)),
                    ..LabelSelector::default()
                },
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".into()),
                    // A second worker beside the old one may be one too many: a clock, for example.
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

    fn autoscaler(&self, service: &Service, autoscale: Autoscale) -> HorizontalPodAutoscaler {
        HorizontalPodAutoscaler {
            metadata: self.metadata(&service.process_type),
            spec: Some(HorizontalPodAutoscalerSpec {
                scale_target_ref: CrossVersionObjectReference {
                    api_version: Some("apps/v1".into()),
                    kind: "Deployment".into(),
                    name: self.plan.name.with(&service.process_type),
                },
                min_replicas: Some(i32::from(autoscale.least)),
                max_replicas: i32::from(autoscale.most),
                metrics: Some(vec![MetricSpec {
                    type_: "Resource".into(),
                    resource: Some(ResourceMetricSource {
                        name: "cpu".into(),
                        target: MetricTarget {
                            type_: "Utilization".into(),
                            average_utilization: Some(BUSY),
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

    /// A Job cannot be changed: another image, or other settings, make another one.
    fn release(&self) -> Job {
        const RELEASE: &str = ProcessType::RELEASE;
        let spec = JobSpec {
            // A release that fails is looked at, not tried again.
            backoff_limit: Some(0),
            template: self.task_template(RELEASE, self.container(RELEASE, entry_point(RELEASE))),
            ..JobSpec::default()
        };
        let mut metadata = self.metadata(RELEASE);
        let hash = names::short_hash(&super::yaml(&spec));
        metadata.name = Some(format!("{}-{hash}", self.plan.name.with(RELEASE)));
        Job {
            metadata,
            spec: Some(spec),
            ..Job::default()
        }
    }

    fn cron_job(&self, task: &Task) -> CronJob {
        let container = Container {
            args: Some(task.argv.iter().map(|word| escaped(word)).collect()),
            ..self.container(&task.name, LAUNCHER.map(String::from).into())
        };
        CronJob {
            metadata: self.metadata(&task.name),
            spec: Some(CronJobSpec {
                schedule: task.schedule.clone(),
                concurrency_policy: Some("Forbid".into()),
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

    fn metadata(&self, part: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.plan.name.with(part)),
            labels: Some(self.labels(part)),
            ..ObjectMeta::default()
        }
    }

    fn labels(&self, part: &str) -> BTreeMap<String, String> {
        let managed_by = (MANAGED_BY.to_string(), "formation".to_string());
        self.selector(part)
            .into_iter()
            .chain([managed_by])
            .collect()
    }

    /// What a Deployment finds its pods by, which can never be changed.
    fn selector(&self, part: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (NAME.to_string(), self.plan.name.to_string()),
            (COMPONENT.to_string(), names::label(part)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ODD_TYPES, app_json, kubernetes_options, options};
    use super::*;
    use crate::image::Image;
    use procfile::app_json::AppJson;

    fn file_of(types: &[&str], json: &AppJson, options: super::super::plan::Options) -> String {
        let plan = Plan::new(&Image::of_types(types), json, options).unwrap();
        kubernetes(&plan, &kubernetes_options(), "formation export kubernetes")
    }

    #[test]
    fn an_app_with_everything() {
        let mut with_autoscaler = options();
        with_autoscaler.autoscale = vec!["web=2-10".into()];
        let types = ["release", "web", "worker"];
        insta::assert_snapshot!(file_of(&types, &app_json(), with_autoscaler));
    }

    #[test]
    fn only_a_worker() {
        insta::assert_snapshot!(file_of(&["worker"], &AppJson::default(), options()));
    }

    #[test]
    fn every_option() {
        let mut all = options();
        all.image = Some("registry.example/team/shop:42".into());
        all.health_path = Some("/up".into());
        all.grace = "8".parse().unwrap();
        all.port = 3000;
        let plan = Plan::new(&Image::of_types(&["web"]), &AppJson::default(), all).unwrap();
        let kubernetes_options = KubernetesOptions {
            config_map: Some("settings".into()),
            secret: Some("credentials".into()),
            cpu: "1".parse().unwrap(),
            memory: "1.5Gi".parse().unwrap(),
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
                super::super::plan::Options {
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

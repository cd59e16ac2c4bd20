//! The pods: what runs in them, and with which rights.

use super::writer::{PORT_NAME, Writer};
use crate::export::names;
use crate::export::plan::Service;
use crate::image::ENTRY_POINTS;
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, ExecAction,
    HTTPGetAction, HTTPHeader, Lifecycle, LifecycleHandler, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretEnvSource, SecurityContext,
    TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use procfile::ProcessType;
use std::collections::BTreeMap;

/// In seconds: how long `web` keeps accepting requests after its pod is told to stop. Until all of
/// the cluster knows, requests still arrive.
const DRAIN_SECONDS: u64 = 5;

impl Writer<'_> {
    /// The container of a process type.
    pub(super) fn process(&self, service: &Service) -> Container {
        let container = self.container(&service.process_type, entry_point(&service.process_type));
        if !service.is_web() {
            return container;
        }
        Container {
            ports: Some(vec![ContainerPort {
                name: Some(PORT_NAME.into()),
                container_port: i32::from(self.plan.port),
                ..ContainerPort::default()
            }]),
            startup_probe: Some(self.probe(2, 60)),
            readiness_probe: Some(self.probe(5, 3)),
            liveness_probe: Some(self.probe(10, 6)),
            // If the image has no `sleep`, the pod stops without the delay.
            lifecycle: Some(Lifecycle {
                pre_stop: Some(LifecycleHandler {
                    exec: Some(ExecAction {
                        command: Some(vec!["sleep".into(), DRAIN_SECONDS.to_string()]),
                    }),
                    ..LifecycleHandler::default()
                }),
                ..Lifecycle::default()
            }),
            ..container
        }
    }

    fn probe(&self, period: i32, failures: i32) -> Probe {
        let port = IntOrString::String(PORT_NAME.into());
        let http_get = self.plan.health_path.as_ref().map(|path| HTTPGetAction {
            path: Some(path.clone()),
            http_headers: Some(self.probe_headers()),
            port: port.clone(),
            ..HTTPGetAction::default()
        });
        let tcp_socket = http_get.is_none().then(|| TCPSocketAction {
            port,
            ..TCPSocketAction::default()
        });
        Probe {
            http_get,
            tcp_socket,
            period_seconds: Some(period),
            timeout_seconds: Some(5),
            failure_threshold: Some(failures),
            ..Probe::default()
        }
    }

    fn probe_headers(&self) -> Vec<HTTPHeader> {
        // As a proxy says it: an app that insists on HTTPS would send the kubelet there.
        let proto = ("X-Forwarded-Proto", "https".to_string());
        // Without, the kubelet sends the address of the pod.
        let host = self.plan.health_host.clone().map(|host| ("Host", host));
        let headers = host.into_iter().chain([proto]);
        let header = |(name, value): (&str, String)| HTTPHeader {
            name: name.into(),
            value,
        };
        headers.map(header).collect()
    }

    pub(super) fn task_template(&self, part: &str, container: Container) -> PodTemplateSpec {
        let mut template = self.template(part, container);
        if let Some(spec) = &mut template.spec {
            spec.restart_policy = Some("Never".into());
        }
        template
    }

    pub(super) fn template(&self, part: &str, container: Container) -> PodTemplateSpec {
        let drain = container.lifecycle.as_ref().map_or(0, |_| DRAIN_SECONDS);
        let stop_seconds = self.plan.stop_seconds() + drain;
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(self.labels(part)),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                automount_service_account_token: Some(false),
                containers: vec![container],
                // A Service named `formation` would otherwise set FORMATION_PORT.
                enable_service_links: Some(false),
                security_context: Some(self.pod_security()),
                termination_grace_period_seconds: i64::try_from(stop_seconds).ok(),
                ..PodSpec::default()
            }),
        }
    }

    fn pod_security(&self) -> PodSecurityContext {
        let user = self.options.user.filter(|user| !user.is_root());
        let group = user.map(|user| i64::from(user.group));
        PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: user.map(|user| i64::from(user.user)),
            run_as_group: group,
            // Volumes are writable for the group.
            fs_group: group,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }
    }

    /// What every container has.
    pub(super) fn container(&self, part: &str, command: Vec<String>) -> Container {
        let web_port =
            (part == ProcessType::WEB).then(|| variable("PORT", self.plan.port.to_string()));
        let grace = variable("FORMATION_GRACE", self.plan.grace.to_string());
        Container {
            name: names::label(part),
            image: Some(self.plan.image.clone()),
            command: Some(command),
            env: Some(web_port.into_iter().chain([grace]).collect()),
            env_from: Some(self.env_from()),
            resources: Some(self.resources()),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities {
                    drop: Some(vec!["ALL".into()]),
                    ..Capabilities::default()
                }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }
    }

    /// Only names: no secret is in the file.
    fn env_from(&self) -> Vec<EnvFromSource> {
        let config_map = ConfigMapEnvSource {
            name: self.config_map(),
            optional: Some(true),
        };
        let secret = SecretEnvSource {
            name: self.secret(),
            optional: Some(true),
        };
        vec![
            EnvFromSource {
                config_map_ref: Some(config_map),
                ..EnvFromSource::default()
            },
            EnvFromSource {
                secret_ref: Some(secret),
                ..EnvFromSource::default()
            },
        ]
    }

    /// Without a limit for the CPU: it would slow down an app even on an idle machine.
    fn resources(&self) -> ResourceRequirements {
        let cpu = ("cpu".to_string(), Quantity(self.options.cpu.0.clone()));
        let memory = (
            "memory".to_string(),
            Quantity(self.options.memory.0.clone()),
        );
        ResourceRequirements {
            limits: Some(BTreeMap::from([memory.clone()])),
            requests: Some(BTreeMap::from([cpu, memory])),
            ..ResourceRequirements::default()
        }
    }
}

pub(super) fn entry_point(process_type: &str) -> Vec<String> {
    vec![escaped(&format!("{ENTRY_POINTS}/{process_type}"))]
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: Some(value),
        ..EnvVar::default()
    }
}

/// In commands and arguments, Kubernetes replaces `$(NAME)` with the variable's value, and `$$`
/// with `$`.
pub(super) fn escaped(word: &str) -> String {
    if word.contains("$(") || word.contains("$$") {
        word.replace('$', "$$")
    } else {
        word.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_kubernetes_would_replace_is_escaped() {
        for (word, written) in [
            ("$PORT", "$PORT"),
            ("$(date)", "$$(date)"),
            ("$PORT $(date)", "$$PORT $$(date)"),
            ("kill $$", "kill $$$$"),
            ("a$", "a$"),
        ] {
            assert_eq!(escaped(word), written);
        }
    }
}

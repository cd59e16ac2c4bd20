//! What a file for Compose and Swarm consists of.

use serde::ser::{Serialize, Serializer};
use serde_saphyr::{FlowSeq, Tagged};
use std::collections::BTreeMap;

/// The first document, for Compose and Swarm.
#[derive(serde::Serialize)]
pub(super) struct Shared {
    pub(super) version: Tagged<&'static str>,
    pub(super) services: InOrder<Container>,
}

/// The only document of a plain file.
#[derive(serde::Serialize)]
pub(super) struct Plain {
    pub(super) name: String,
    pub(super) services: InOrder<Container>,
}

/// A service with all that it needs.
#[derive(serde::Serialize)]
pub(super) struct Container {
    pub(super) image: String,
    pub(super) entrypoint: FlowSeq<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<FlowSeq<Vec<String>>>,
    pub(super) environment: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env_file: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ports: Option<FlowSeq<[String; 1]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<HealthCheck>,
    pub(super) stop_grace_period: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) depends_on: Option<DependsOn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deploy: Option<Deploy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profiles: Option<FlowSeq<[&'static str; 1]>>,
}

#[derive(serde::Serialize)]
pub(super) struct HealthCheck {
    pub(super) test: FlowSeq<Vec<String>>,
    pub(super) interval: &'static str,
    pub(super) timeout: &'static str,
    pub(super) retries: u8,
    pub(super) start_period: &'static str,
}

#[derive(serde::Serialize)]
pub(super) struct Deploy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicas: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update_config: Option<UpdateConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<RestartPolicy>,
}

#[derive(serde::Serialize)]
pub(super) struct UpdateConfig {
    pub(super) order: &'static str,
    pub(super) failure_action: &'static str,
}

#[derive(serde::Serialize)]
pub(super) struct RestartPolicy {
    pub(super) condition: &'static str,
    pub(super) delay: &'static str,
}

/// The second document, for Compose alone.
#[derive(serde::Serialize)]
pub(super) struct ComposeOnly {
    pub(super) name: String,
    #[serde(skip_serializing_if = "InOrder::is_empty")]
    pub(super) services: InOrder<ComposeOnlyService>,
}

#[derive(serde::Serialize)]
#[serde(untagged)]
pub(super) enum ComposeOnlyService {
    Release {
        deploy: ReleaseDeploy,
    },
    Type {
        #[serde(skip_serializing_if = "Option::is_none")]
        depends_on: Option<DependsOn>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ports: Option<Tagged<FlowSeq<[String; 1]>>>,
    },
    Task(Box<Container>),
}

#[derive(serde::Serialize)]
pub(super) struct ReleaseDeploy {
    pub(super) restart_policy: Tagged<Condition>,
}

#[derive(serde::Serialize)]
pub(super) struct Condition {
    pub(super) condition: &'static str,
}

#[derive(serde::Serialize)]
pub(super) struct DependsOn {
    pub(super) release: Condition,
}

/// A mapping that keeps the order of its keys.
pub(super) struct InOrder<T>(pub(super) Vec<(String, T)>);

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

//! The user's options for Kubernetes.

use super::amount::Amount;
use crate::export::names::is_object_name;
use crate::export::plan::PlanProblem;

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KubernetesOptions {
    /// The name of the `ConfigMap` with environment variables; `None` for the app's name.
    pub config_map: Option<String>,
    /// The name of the Secret with environment variables; `None` for the app's name.
    pub secret: Option<String>,
    /// The CPU that each instance requests.
    pub cpu: Amount,
    /// The memory that each instance requests, and its limit.
    pub memory: Amount,
}

impl KubernetesOptions {
    #[must_use]
    pub fn problems(&self) -> Vec<PlanProblem> {
        [
            ("ConfigMap", "--config-map", &self.config_map),
            ("Secret", "--secret", &self.secret),
        ]
        .into_iter()
        .filter_map(|(kind, option, name)| {
            let name = name.clone().filter(|name| !is_object_name(name))?;
            Some(PlanProblem::BadObjectName { name, kind, option })
        })
        .collect()
    }
}

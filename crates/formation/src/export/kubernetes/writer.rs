//! What all objects of an app have in common: their names and labels.

use super::options::KubernetesOptions;
use crate::export::names;
use crate::export::plan::Plan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

const NAME: &str = "app.kubernetes.io/name";
pub(super) const COMPONENT: &str = "app.kubernetes.io/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The name of the container's port.
pub(super) const PORT_NAME: &str = "http";

/// Writes the objects of an app.
pub(super) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) options: &'a KubernetesOptions,
}

impl Writer<'_> {
    pub(super) fn config_map(&self) -> String {
        let name = self.options.config_map.clone();
        name.unwrap_or_else(|| self.plan.name.to_string())
    }

    pub(super) fn secret(&self) -> String {
        let name = self.options.secret.clone();
        name.unwrap_or_else(|| self.plan.name.to_string())
    }

    pub(super) fn metadata(&self, part: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.plan.name.with(part)),
            labels: Some(self.labels(part)),
            ..ObjectMeta::default()
        }
    }

    pub(super) fn labels(&self, part: &str) -> BTreeMap<String, String> {
        let managed_by = (MANAGED_BY.to_string(), "formation".to_string());
        self.selector(part)
            .into_iter()
            .chain([managed_by])
            .collect()
    }

    /// The labels by which a Deployment finds its pods. They cannot be changed later.
    pub(super) fn selector(&self, part: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (NAME.to_string(), self.plan.name.to_string()),
            (COMPONENT.to_string(), names::label(part)),
        ])
    }
}

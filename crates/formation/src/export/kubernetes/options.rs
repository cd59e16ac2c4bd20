//! The user's options for Kubernetes.

use super::amount::Amount;
use crate::export::names::is_object_name;
use crate::export::plan::PlanProblem;
use std::str::FromStr;
use thiserror::Error;

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
    /// The user that every process runs as; `None` to leave that to the image or the cluster.
    pub user: Option<PodUser>,
}

/// A user and a group, by number: the kubelet cannot tell whether a user's name stands for root.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PodUser {
    pub user: u32,
    pub group: u32,
}

#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("expected two numbers, user and group, such as 1001:1000")]
pub struct NotAUser;

impl FromStr for PodUser {
    type Err = NotAUser;

    fn from_str(text: &str) -> Result<Self, NotAUser> {
        let (user, group) = text.split_once(':').ok_or(NotAUser)?;
        let number = |text: &str| text.parse().map_err(|_| NotAUser);
        Ok(Self {
            user: number(user)?,
            group: number(group)?,
        })
    }
}

impl PodUser {
    #[must_use]
    pub fn is_root(self) -> bool {
        self.user == 0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_two_numbers() {
        let user = |user, group| Ok(PodUser { user, group });
        assert_eq!("1001:1000".parse(), user(1001, 1000));
        assert_eq!("12345:0".parse(), user(12345, 0));
        for bad in ["", "cnb", "cnb:cnb", "1001", "1001:", "-1:0", "1:2:3"] {
            assert_eq!(bad.parse::<PodUser>(), Err(NotAUser), "{bad}");
        }
    }
}

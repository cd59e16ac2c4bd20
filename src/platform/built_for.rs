//! The platform that a layer's compiled code was made for.

use libcnb::Target;
use serde::{Deserialize, Serialize};

/// Architecture and distribution. Code that was compiled for others is never reused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltFor {
    pub(crate) arch: String,
    pub(crate) distro_name: String,
    pub(crate) distro_version: String,
}

impl BuiltFor {
    /// The target of this build.
    #[must_use]
    pub fn new(target: &Target) -> Self {
        Self {
            arch: target.arch.clone(),
            distro_name: target.distro_name.clone(),
            distro_version: target.distro_version.clone(),
        }
    }

    /// What is different now, each in words.
    pub(crate) fn changes_to(&self, now: &Self) -> Vec<String> {
        let Self {
            arch,
            distro_name,
            distro_version,
        } = self;
        let mut changes = Vec::new();
        if *arch != now.arch {
            changes.push(changed("architecture", arch, &now.arch));
        }
        if (distro_name, distro_version) != (&now.distro_name, &now.distro_version) {
            changes.push(changed(
                "distribution",
                &format!("{distro_name} {distro_version}"),
                &format!("{} {}", now.distro_name, now.distro_version),
            ));
        }
        changes
    }
}

/// A reason not to use a cached layer.
pub(crate) fn changed(what: &str, before: &str, now: &str) -> String {
    format!("{what} changed from {before} to {now}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_named() {
        let built_for = |arch: &str, distro_version: &str| BuiltFor {
            arch: arch.into(),
            distro_name: "debian".into(),
            distro_version: distro_version.into(),
        };
        let before = built_for("amd64", "12");
        assert!(before.changes_to(&before).is_empty());
        assert_eq!(
            before.changes_to(&built_for("arm64", "13")),
            [
                "architecture changed from amd64 to arm64",
                "distribution changed from debian 12 to debian 13"
            ]
        );
    }
}

//! The metadata of the layer `gems`, and whether another build can use the gems of such a layer.

use crate::gems::inputs::BundleInputs;
use crate::platform::built_for::{BuiltFor, changed};
use serde::{Deserialize, Serialize};

/// Raised whenever Formation lays the gems out differently: older layers are then made again. It is
/// text, because the lifecycle keeps metadata as JSON and turns integers into floats.
pub(super) const LAYOUT: &str = "4";

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GemsLayerMetadata {
    pub(super) layout: String,
    pub(super) ruby_abi: String,
    pub(super) ruby_version: String,
    pub(super) ruby_sha256: String,
    pub(super) built_for: BuiltFor,
    /// What the installed gems were made from.
    pub(super) inputs: BundleInputs,
    /// The digest of the environment that the layer gives to processes.
    pub(super) environment: String,
    /// The installed gems, as `full_names` gives them. Empty until they are installed.
    pub(super) gems: Vec<String>,
    /// Lines of the log that builds write where nothing has changed.
    pub(super) notes: Vec<String>,
}

impl GemsLayerMetadata {
    /// Whether the layer is the wanted one. Which gems that has is not known yet.
    pub(super) fn is_wanted(&self, wanted: &Self) -> bool {
        let as_wanted = Self {
            gems: self.gems.clone(),
            notes: self.notes.clone(),
            inputs: self.inputs.clone(),
            ..wanted.clone()
        };
        *self == as_wanted && wanted.inputs.changes_since(&self.inputs).is_empty()
    }

    /// Why none of its gems can be used for the wanted layer; empty where they can.
    pub(super) fn reasons_against_use(&self, wanted: &Self) -> Vec<String> {
        let Self {
            layout,
            ruby_abi,
            ruby_version,
            ruby_sha256,
            built_for,
            inputs: _,
            environment: _,
            gems: _,
            notes: _,
        } = self;
        let mut reasons = built_for.changes_to(&wanted.built_for);
        if *ruby_abi != wanted.ruby_abi {
            reasons.push(changed("Ruby's ABI", ruby_abi, &wanted.ruby_abi));
        }
        // Patch releases are built alike. Another build of the same version may have its library in
        // another place, or none.
        if *ruby_version == wanted.ruby_version && *ruby_sha256 != wanted.ruby_sha256 {
            reasons.push(format!("this is another build of Ruby {ruby_version}"));
        }
        if *layout != wanted.layout {
            reasons.push("another version of Formation installed them".into());
        }
        reasons
    }
}

#[cfg(test)]
impl GemsLayerMetadata {
    /// For tests: two gems for Ruby 3.3.8 on Debian 13.
    pub(super) fn for_tests(inputs: BundleInputs) -> Self {
        Self {
            layout: LAYOUT.to_string(),
            ruby_abi: "3.3.0".into(),
            ruby_version: "3.3.8".into(),
            ruby_sha256: "a".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: "13".into(),
            },
            inputs,
            environment: "e".into(),
            gems: vec!["rack-3.1.20".into(), "tilt-2.4.0".into()],
            notes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_to_install_every_gem_again() {
        let last = GemsLayerMetadata::for_tests(BundleInputs::default());
        assert!(last.reasons_against_use(&last).is_empty());
        let patch_release = GemsLayerMetadata {
            ruby_version: "3.3.9".into(),
            ruby_sha256: "b".into(),
            ..last.clone()
        };
        assert!(last.reasons_against_use(&patch_release).is_empty());
        let wanted = GemsLayerMetadata {
            ruby_abi: "3.1.0".into(),
            ruby_sha256: "b".into(),
            layout: "1".into(),
            ..last.clone()
        };
        assert_eq!(
            last.reasons_against_use(&wanted),
            [
                "Ruby's ABI changed from 3.3.0 to 3.1.0",
                "this is another build of Ruby 3.3.8",
                "another version of Formation installed them"
            ]
        );
    }

    #[test]
    fn only_the_installed_gems_do_not_matter() {
        let last = GemsLayerMetadata::for_tests(BundleInputs::for_tests(&[("Ruby", "3.3.8")]));
        let wanted = GemsLayerMetadata {
            gems: Vec::new(),
            ..last.clone()
        };
        assert!(last.is_wanted(&wanted));
        let elsewhere = GemsLayerMetadata {
            environment: "other".into(),
            ..wanted
        };
        assert!(!last.is_wanted(&elsewhere));
    }
}

//! What the layer `gems` says of itself to the next build, and whether that can still use it.

use crate::gems::inputs::BundleInputs;
use crate::platform::built_for::{BuiltFor, changed};
use crate::report::{self, counted};
use serde::{Deserialize, Serialize};

/// Raised whenever Formation lays the contents out differently: older layers are then thrown away. Text, because the lifecycle keeps
/// metadata as JSON and gives numbers back as floats.
pub(super) const LAYOUT: &str = "2";

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) layout: String,
    pub(super) ruby_abi: String,
    pub(super) ruby_version: String,
    pub(super) ruby_sha256: String,
    pub(super) built_for: BuiltFor,
    /// What the installed gems were made from. Empty while an install is under way.
    pub(super) inputs: BundleInputs,
    /// A digest of the environment in which they are found.
    pub(super) environment: String,
    /// How many there are.
    pub(super) gems: String,
}

impl Metadata {
    /// Whether the gems are what they have to be, and found as they have to be.
    pub(super) fn is_what(&self, now: &Self) -> bool {
        let gems = self.gems.clone(); // Not known yet.
        *self
            == Self {
                gems,
                ..now.clone()
            }
    }

    pub(super) fn say_what_has_changed_since(&self, before: &Self) {
        let changes = self.inputs.changes_since(&before.inputs);
        if !changes.is_empty() {
            report::detail(format!("Updating the cached gems: {}", changes.join(", ")));
        }
    }

    pub(super) fn say_that_nothing_has_changed(&self) {
        report::detail(format!(
            "Reusing {}; Bundler does not run, for nothing has changed in {}",
            counted(&self.gems, "gem"),
            self.inputs
        ));
    }
}

/// Why no cached gem can be used any more.
pub(super) fn reasons(before: &Metadata, now: &Metadata) -> Vec<String> {
    let Metadata {
        layout,
        ruby_abi,
        ruby_version,
        ruby_sha256,
        built_for,
        inputs: _,
        environment: _,
        gems: _,
    } = before;
    let mut reasons = built_for.changes_to(&now.built_for);
    if *ruby_abi != now.ruby_abi {
        reasons.push(changed("Ruby's ABI", ruby_abi, &now.ruby_abi));
    }
    // A patch release is built as the one before it. Another build of one and the same may have its library elsewhere, or none.
    if *ruby_version == now.ruby_version && *ruby_sha256 != now.ruby_sha256 {
        reasons.push(format!("Ruby {ruby_version} is another build of it"));
    }
    if *layout != now.layout {
        reasons.push("they were laid out by another version of Formation".into());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_throws_every_gem_away() {
        let before = Metadata {
            layout: LAYOUT.to_string(),
            ruby_abi: "3.3.0".into(),
            ruby_version: "3.3.8".into(),
            ruby_sha256: "a".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: "13".into(),
            },
            inputs: BundleInputs::default(),
            environment: String::new(),
            gems: String::new(),
        };
        assert!(reasons(&before, &before).is_empty());
        let patch_release = Metadata {
            ruby_version: "3.3.9".into(),
            ruby_sha256: "b".into(),
            ..before.clone()
        };
        assert!(reasons(&before, &patch_release).is_empty());
        let now = Metadata {
            ruby_abi: "3.1.0".into(),
            ruby_sha256: "b".into(),
            layout: "1".into(),
            ..before.clone()
        };
        assert_eq!(
            reasons(&before, &now),
            [
                "Ruby's ABI changed from 3.3.0 to 3.1.0",
                "Ruby 3.3.8 is another build of it",
                "they were laid out by another version of Formation"
            ]
        );
    }
}

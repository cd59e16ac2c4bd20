//! Whether the Ruby of the last build can be used.

use crate::platform::built_for::{BuiltFor, changed};
use crate::platform::launch_layer::{LastMetadata, UNREADABLE_METADATA};
use crate::ruby::inventory::Ruby;
use libcnb::Target;
use serde::{Deserialize, Serialize};

/// Raised whenever Formation leaves other files out of the archive: older layers are then made
/// again.
const LAYOUT: &str = "3";

/// The metadata of the layer `ruby`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RubyLayerMetadata {
    pub(super) layout: String,
    pub(super) version: String,
    pub(super) sha256: String,
    pub(super) root: String,
    pub(super) built_for: BuiltFor,
    /// Found in the layer's files, which a later build may not have.
    pub(super) abi: String,
    pub(super) has_yjit: bool,
}

/// What is going to happen to the layer.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum RubyDecision {
    /// It stays as it is. Where `restores_files`, a later buildpack needs the files, which only the
    /// last image has: they are unpacked again.
    Reuse {
        metadata: RubyLayerMetadata,
        restores_files: bool,
    },
    /// It is made again. There are reasons where the last build had a layer.
    Install { reasons: Vec<String> },
}

impl RubyLayerMetadata {
    /// What a layer of this Ruby has in its metadata, but for what only its files tell.
    pub(super) fn of(ruby: &Ruby, target: &Target) -> Self {
        Self {
            layout: LAYOUT.to_string(),
            version: ruby.version.to_string(),
            sha256: ruby.archive.sha256.0.clone(),
            root: ruby.archive.root.to_string_lossy().into_owned(),
            built_for: BuiltFor::new(target),
            abi: String::new(),
            has_yjit: false,
        }
    }
}

/// Decides by the metadata of the last build's layer, that of the layer that this build needs, and
/// whether the layer's files are where they are needed if it stays as it is.
pub(super) fn decide(
    last: LastMetadata<RubyLayerMetadata>,
    wanted: &RubyLayerMetadata,
    has_needed_files: bool,
) -> RubyDecision {
    match last {
        LastMetadata::Missing => RubyDecision::Install {
            reasons: Vec::new(),
        },
        LastMetadata::Unreadable => RubyDecision::Install {
            reasons: vec![UNREADABLE_METADATA.to_string()],
        },
        LastMetadata::Known(metadata) => {
            let reasons = differences(&metadata, wanted);
            if reasons.is_empty() {
                RubyDecision::Reuse {
                    metadata,
                    restores_files: !has_needed_files,
                }
            } else {
                RubyDecision::Install { reasons }
            }
        }
    }
}

/// Why the last build's Ruby is not the one that is wanted.
fn differences(last: &RubyLayerMetadata, wanted: &RubyLayerMetadata) -> Vec<String> {
    let RubyLayerMetadata {
        layout,
        version,
        sha256,
        root,
        built_for,
        abi: _,
        has_yjit: _,
    } = last;
    let mut reasons = built_for.changes_to(&wanted.built_for);
    if *layout != wanted.layout {
        reasons.push("another version of Formation unpacked it".into());
    }
    if *version != wanted.version {
        reasons.push(changed("version", version, &wanted.version));
    } else if *sha256 != wanted.sha256 && reasons.is_empty() {
        let [last, wanted] = [sha256, &wanted.sha256].map(|digest| first_digits(digest));
        reasons.push(changed("archive", last, wanted));
    } else if *root != wanted.root && reasons.is_empty() {
        reasons.push(changed("folder in the archive", root, &wanted.root));
    }
    reasons
}

/// Enough of a digest to tell it from another.
fn first_digits(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(version: &str, sha256: char, distro_version: &str) -> RubyLayerMetadata {
        RubyLayerMetadata {
            layout: LAYOUT.into(),
            version: version.into(),
            sha256: sha256.to_string().repeat(64),
            root: "ruby".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: distro_version.into(),
            },
            abi: "3.3.0".into(),
            has_yjit: false,
        }
    }

    #[test]
    fn reasons_not_to_use_a_cached_ruby() {
        let last = metadata("3.3.8", 'a', "12");
        assert!(differences(&last, &last).is_empty());
        assert_eq!(
            differences(&last, &metadata("3.1.2", 'b', "13")),
            [
                "distribution changed from debian 12 to debian 13",
                "version changed from 3.3.8 to 3.1.2"
            ]
        );
        assert_eq!(
            differences(&last, &metadata("3.3.8", 'b', "12")),
            ["archive changed from aaaaaaaaaaaa to bbbbbbbbbbbb"]
        );
        let other_root = RubyLayerMetadata {
            root: ".".into(),
            ..last.clone()
        };
        assert_eq!(
            differences(&last, &other_root),
            ["folder in the archive changed from ruby to ."]
        );
        let other_layout = RubyLayerMetadata {
            layout: "1".into(),
            ..last.clone()
        };
        assert_eq!(
            differences(&other_layout, &last),
            ["another version of Formation unpacked it"]
        );
    }

    #[test]
    fn a_layer_is_reused_or_made_again() {
        let last = metadata("3.3.8", 'a', "12");
        let wanted = RubyLayerMetadata {
            abi: String::new(),
            ..last.clone()
        };
        let reuse = |restores_files| RubyDecision::Reuse {
            metadata: last.clone(),
            restores_files,
        };
        let install = |reasons: &[&str]| RubyDecision::Install {
            reasons: reasons.iter().map(ToString::to_string).collect(),
        };
        let known = || LastMetadata::Known(last.clone());
        let newer = metadata("3.3.9", 'b', "12");
        for (last, wanted, has_needed_files, expected) in [
            (known(), &wanted, true, reuse(false)),
            (known(), &wanted, false, reuse(true)),
            (
                known(),
                &newer,
                true,
                install(&["version changed from 3.3.8 to 3.3.9"]),
            ),
            (LastMetadata::Missing, &wanted, true, install(&[])),
            (
                LastMetadata::Unreadable,
                &wanted,
                true,
                install(&[UNREADABLE_METADATA]),
            ),
        ] {
            let context = format!("{last:?} {has_needed_files}");
            assert_eq!(
                decide(last, wanted, has_needed_files),
                expected,
                "{context}"
            );
        }
    }
}

//! What has to be done for the gems: nothing, bring those of the last build up to date, or install
//! all of them.

use crate::gems::metadata::GemsLayerMetadata;
use crate::platform::launch_layer::{LastMetadata, UNREADABLE_METADATA};

/// What the last build left.
#[derive(Clone, Copy)]
pub(super) struct LastGems<'a> {
    pub(super) layer: &'a LastMetadata<GemsLayerMetadata>,
    /// Whether this build has the layer's files. If not, the last image has them.
    pub(super) layer_has_files: bool,
    /// Whether the layer's files are where they are needed, if it stays as it is.
    pub(super) layer_has_needed_files: bool,
    /// The metadata of the layer whose files are in the archive in the cache.
    pub(super) archive: Option<&'a GemsLayerMetadata>,
}

/// What is done in this build.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum GemsDecision<'a> {
    /// Nothing: the layer stays as it is.
    Unchanged(&'a GemsLayerMetadata),
    /// The cached gems are put into the layer as they are, or only their environment is written.
    Restore(CachedGems<'a>),
    /// The cached gems are brought up to date by an install.
    Update {
        cached: CachedGems<'a>,
        reasons: Vec<String>,
    },
    /// Every gem is installed. There are reasons where the last build had gems.
    Fresh { reasons: Vec<String> },
}

/// Gems that the last build installed, and the metadata of their layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CachedGems<'a> {
    InLayer(&'a GemsLayerMetadata),
    InArchive(&'a GemsLayerMetadata),
}

impl<'a> CachedGems<'a> {
    pub(super) fn metadata(self) -> &'a GemsLayerMetadata {
        match self {
            Self::InLayer(metadata) | Self::InArchive(metadata) => metadata,
        }
    }
}

/// Decides by what the last build left, and the metadata of the layer that this build needs.
pub(super) fn decide<'a>(last: LastGems<'a>, wanted: &GemsLayerMetadata) -> GemsDecision<'a> {
    let layer = last.known_layer();
    if let Some(layer) = layer
        && layer.is_wanted(wanted)
        && last.layer_has_needed_files
    {
        return GemsDecision::Unchanged(layer);
    }
    let is_usable = |cached: &&GemsLayerMetadata| cached.reasons_against_use(wanted).is_empty();
    let in_layer = layer.filter(|_| last.layer_has_files).filter(is_usable);
    let in_archive = last.archive.filter(is_usable);
    let cached = in_layer
        .map(CachedGems::InLayer)
        .or(in_archive.map(CachedGems::InArchive));
    let Some(cached) = cached else {
        let reasons = reasons_for_fresh(last, wanted);
        return GemsDecision::Fresh { reasons };
    };
    let reasons = wanted.inputs.changes_since(&cached.metadata().inputs);
    if reasons.is_empty() {
        GemsDecision::Restore(cached)
    } else {
        GemsDecision::Update { cached, reasons }
    }
}

fn reasons_for_fresh(last: LastGems<'_>, wanted: &GemsLayerMetadata) -> Vec<String> {
    match last.known() {
        Some(cached) => {
            let mut reasons = cached.reasons_against_use(wanted);
            if reasons.is_empty() {
                reasons = wanted.inputs.changes_since(&cached.inputs);
                reasons.push("the cache has no usable copy".into());
            }
            reasons
        }
        None if *last.layer == LastMetadata::Unreadable => vec![UNREADABLE_METADATA.to_string()],
        None => Vec::new(),
    }
}

impl<'a> LastGems<'a> {
    /// The metadata of the last build, if any can be read.
    pub(super) fn known(self) -> Option<&'a GemsLayerMetadata> {
        self.known_layer().or(self.archive)
    }

    fn known_layer(self) -> Option<&'a GemsLayerMetadata> {
        match self.layer {
            LastMetadata::Known(metadata) => Some(metadata),
            LastMetadata::Missing | LastMetadata::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::inputs::BundleInputs;
    use LastMetadata::{Known, Missing, Unreadable};

    fn gems(inputs: &[(&str, &str)]) -> GemsLayerMetadata {
        GemsLayerMetadata::for_tests(BundleInputs::for_tests(inputs))
    }

    /// Which decision, for which reasons.
    fn in_words(decision: &GemsDecision<'_>) -> String {
        let place = |cached: &CachedGems<'_>| match cached {
            CachedGems::InLayer(_) => "layer",
            CachedGems::InArchive(_) => "archive",
        };
        match decision {
            GemsDecision::Unchanged(_) => "unchanged".into(),
            GemsDecision::Restore(cached) => format!("restore the {}", place(cached)),
            GemsDecision::Update { cached, reasons } => {
                format!("update the {}: {}", place(cached), reasons.join(", "))
            }
            GemsDecision::Fresh { reasons } => format!("fresh: {}", reasons.join(", ")),
        }
    }

    #[test]
    fn what_is_done_depends_on_what_the_last_build_left() {
        let wanted = gems(&[("Ruby", "3.3.8"), ("Gemfile", "1")]);
        let older = gems(&[("Ruby", "3.3.8"), ("Gemfile", "0")]);
        let unfinished = gems(&[]);
        let moved = GemsLayerMetadata {
            environment: "other".into(),
            ..wanted.clone()
        };
        let other_abi = GemsLayerMetadata {
            ruby_abi: "3.1.0".into(),
            ..wanted.clone()
        };
        let known = |metadata: &GemsLayerMetadata| Known(metadata.clone());
        let abi_changed = "fresh: Ruby's ABI changed from 3.1.0 to 3.3.0";
        for (layer, files, archive, expected) in [
            // The platform restores no files of a layer that only the image needs.
            (known(&wanted), false, Some(&wanted), "unchanged"),
            (known(&wanted), true, None, "unchanged"),
            (known(&moved), true, None, "restore the layer"),
            (known(&moved), false, Some(&moved), "restore the archive"),
            (Missing, false, Some(&wanted), "restore the archive"),
            (Unreadable, true, Some(&wanted), "restore the archive"),
            (
                known(&older),
                true,
                Some(&wanted),
                "update the layer: Gemfile has changed",
            ),
            (
                known(&older),
                false,
                Some(&older),
                "update the archive: Gemfile has changed",
            ),
            (
                known(&unfinished),
                true,
                None,
                "update the layer: the last install was not finished",
            ),
            (
                known(&other_abi),
                true,
                Some(&wanted),
                "restore the archive",
            ),
            (known(&other_abi), true, Some(&other_abi), abi_changed),
            (Missing, false, Some(&other_abi), abi_changed),
            (
                known(&older),
                false,
                None,
                "fresh: Gemfile has changed, the cache has no usable copy",
            ),
            (
                known(&moved),
                false,
                None,
                "fresh: the cache has no usable copy",
            ),
            (Missing, false, None, "fresh: "),
            (
                Unreadable,
                true,
                None,
                "fresh: this version of Formation cannot read the layer's metadata",
            ),
        ] {
            let last = LastGems {
                layer: &layer,
                layer_has_files: files,
                layer_has_needed_files: true,
                archive,
            };
            assert_eq!(in_words(&decide(last, &wanted)), expected, "{layer:?}");
        }
    }

    #[test]
    fn a_later_buildpack_needs_the_files_of_an_unchanged_layer() {
        let wanted = gems(&[("Ruby", "3.3.8")]);
        let layer = Known(wanted.clone());
        let mut last = LastGems {
            layer: &layer,
            layer_has_files: false,
            layer_has_needed_files: false,
            archive: Some(&wanted),
        };
        assert_eq!(in_words(&decide(last, &wanted)), "restore the archive");
        last.archive = None;
        let expected = "fresh: the cache has no usable copy";
        assert_eq!(in_words(&decide(last, &wanted)), expected);
    }
}

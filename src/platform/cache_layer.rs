//! Layers that are kept in the build cache only, not in the image.

use libcnb::Buildpack;
use libcnb::build::BuildContext;
use libcnb::data::layer::LayerName;
use libcnb::layer::{
    CachedLayerDefinition, InvalidMetadataAction, LayerState, RestoredLayerAction,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CacheMetadata {
    layout: String,
}

/// The folder of a layer that is in the cache only, as the last build left it. That build may have
/// failed: the caller judges each file in it.
pub(crate) fn cache_folder<B: Buildpack>(
    context: &BuildContext<B>,
    name: &LayerName,
) -> libcnb::Result<PathBuf, B::Error> {
    let layer = context.cached_layer(
        name,
        CachedLayerDefinition {
            build: false,
            launch: false,
            invalid_metadata_action: &|_| InvalidMetadataAction::DeleteLayer,
            restored_layer_action: &|_: &CacheMetadata, _| RestoredLayerAction::KeepLayer,
        },
    )?;
    if matches!(layer.state, LayerState::Empty { .. }) {
        layer.write_metadata(CacheMetadata {
            layout: "1".to_string(),
        })?;
    }
    Ok(layer.path())
}

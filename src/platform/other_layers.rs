//! The layers of other buildpacks, as far as the image gets them.

use fs_err as fs;
use libcnb::data::layer_content_metadata::LayerContentMetadata;
use libcnb::generic::GenericMetadata;
use std::path::{Path, PathBuf};

/// The folders of the layers, in the order in which they are applied, but for those in the folder
/// `own` of one buildpack, which has the others beside it.
#[must_use]
pub fn launched_layers(own: &Path) -> Vec<PathBuf> {
    let buildpacks = own.parent().map(folders_in).unwrap_or_default();
    let others = buildpacks.into_iter().filter(|folder| folder != own);
    others
        .flat_map(|buildpack| folders_in(&buildpack))
        .filter(|layer| is_launched(layer))
        .collect()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn is_launched(layer: &Path) -> bool {
    let text = fs::read_to_string(format!("{}.toml", layer.display()));
    let content = text.map(|text| toml::from_str::<LayerContentMetadata<GenericMetadata>>(&text));
    let types = content.ok().and_then(|content| content.ok()?.types);
    types.is_some_and(|types| types.launch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_layers_of_other_buildpacks_that_the_image_gets() {
        let layers = tempfile::tempdir().unwrap();
        for (layer, content) in [
            ("formation/ruby", "[types]\nlaunch = true\n"),
            ("node/node", "[types]\nlaunch = true\nbuild = true\n"),
            ("node/cache", "[types]\ncache = true\n"),
            ("yarn/yarn", "metadata = 1"),
        ] {
            let folder = layers.path().join(layer);
            fs::create_dir_all(&folder).unwrap();
            fs::write(format!("{}.toml", folder.display()), content).unwrap();
        }
        let found = launched_layers(&layers.path().join("formation"));
        assert_eq!(found, [layers.path().join("node/node")]);
    }
}

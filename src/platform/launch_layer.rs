//! A layer of the image that the build itself need not have: while it stays as it is, the platform takes it over from the last image, and
//! neither restores it nor looks at its files. Where another buildpack wants it, it is restored instead.
//!
//! libcnb leaves the layers out that are for the launch alone and yet have a past, so the layer's file is read and written here.

use crate::platform::files::remove_file;
use libcnb::data::layer::LayerName;
use libcnb::data::layer_content_metadata::{LayerContentMetadata, LayerTypes};
use libcnb::{TomlFileError, read_toml_file, write_toml_file};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};

/// Why a layer is thrown away that another version of Formation made, or that was never finished.
pub(crate) const UNKNOWN_METADATA: &str =
    "this version of Formation cannot tell what is in the layer";

/// Who needs a layer besides the image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NeededBy {
    /// Nobody.
    TheImage,
    /// Buildpacks that come later.
    LaterBuildpacks,
}

/// Where a layer is, whatever is there.
pub(crate) struct LaunchLayer {
    /// Its folder.
    pub(crate) path: PathBuf,
    file: PathBuf,
    needed_by: NeededBy,
}

/// What the last build says of its layer.
#[derive(Debug, PartialEq)]
pub(crate) enum Last<M> {
    /// There was none.
    Nothing,
    /// Something that this version of Formation cannot read.
    Unknown,
    /// What it held.
    Known(M),
}

impl LaunchLayer {
    pub(crate) fn new(layers: &Path, name: &LayerName, needed_by: NeededBy) -> Self {
        Self {
            path: layers.join(name.as_str()),
            file: layers.join(format!("{name}.toml")),
            needed_by,
        }
    }

    /// Whether its files are here, and not only in the last image.
    pub(crate) fn is_here(&self) -> bool {
        self.path.is_dir()
    }

    /// Whether nothing more has to be done for a layer that is as it was.
    pub(crate) fn is_where_it_is_needed(&self) -> bool {
        self.is_here() || self.needed_by == NeededBy::TheImage
    }

    pub(crate) fn last<M: DeserializeOwned>(&self) -> io::Result<Last<M>> {
        if !self.file.exists() {
            return Ok(Last::Nothing);
        }
        match read_toml_file::<LayerContentMetadata<M>>(&self.file) {
            Ok(content) => Ok(Last::Known(content.metadata)),
            Err(TomlFileError::TomlDeserializationError(_)) => Ok(Last::Unknown),
            Err(error) => Err(to_io(error)),
        }
    }

    /// Says nothing of it any more: what is in it is going to be something else.
    pub(crate) fn forget(&self) -> io::Result<()> {
        remove_file(&self.file)
    }

    /// Says what it holds. On every build: the platform forgets what a layer is for.
    pub(crate) fn write<M: Serialize>(&self, metadata: &M) -> io::Result<()> {
        let for_build = self.needed_by == NeededBy::LaterBuildpacks;
        let content = LayerContentMetadata {
            types: Some(LayerTypes {
                launch: true,
                build: for_build,
                cache: for_build, // The platform restores no other layer.
            }),
            metadata,
        };
        write_toml_file(&content, &self.file).map_err(to_io)
    }
}

fn to_io(error: TomlFileError) -> io::Error {
    match error {
        TomlFileError::IoError(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;
    use libcnb::data::layer_name;
    use std::collections::BTreeMap;

    type Metadata = BTreeMap<String, String>;

    fn layer(layers: &Path, needed_by: NeededBy) -> LaunchLayer {
        LaunchLayer::new(layers, &layer_name!("gems"), needed_by)
    }

    #[test]
    fn what_was_written_is_read() {
        let layers = tempfile::tempdir().unwrap();
        for (needed_by, types) in [
            (NeededBy::TheImage, "[false, true, false]"),
            (NeededBy::LaterBuildpacks, "[true, true, true]"),
        ] {
            let layer = layer(layers.path(), needed_by);
            let metadata = Metadata::from([("layout".to_string(), "1".to_string())]);
            layer.write(&metadata).unwrap();
            assert_eq!(layer.last().unwrap(), Last::Known(metadata.clone()));
            layer.forget().unwrap();
            layer.forget().unwrap();
            assert_eq!(layer.last::<Metadata>().unwrap(), Last::Nothing);
            layer.write(&metadata).unwrap();
            let written = fs::read_to_string(layers.path().join("gems.toml")).unwrap();
            let written: toml::Table = written.parse().unwrap();
            let written = ["build", "launch", "cache"].map(|name| written["types"][name].as_bool());
            assert_eq!(format!("{:?}", written.map(Option::unwrap)), types);
        }
    }

    #[test]
    fn what_is_none_or_not_known() {
        let layers = tempfile::tempdir().unwrap();
        let layer = layer(layers.path(), NeededBy::TheImage);
        assert_eq!(layer.last::<Metadata>().unwrap(), Last::Nothing);
        for text in ["", "[metadata]\nlayout = 1\n", "[metadata"] {
            fs::write(layers.path().join("gems.toml"), text).unwrap();
            assert_eq!(layer.last::<Metadata>().unwrap(), Last::Unknown, "{text}");
        }
        fs::remove_file(layers.path().join("gems.toml")).unwrap();
        fs::create_dir(layers.path().join("gems.toml")).unwrap();
        layer.last::<Metadata>().unwrap_err();
    }

    #[test]
    fn only_later_buildpacks_need_its_files() {
        let layers = tempfile::tempdir().unwrap();
        let image = layer(layers.path(), NeededBy::TheImage);
        let buildpacks = layer(layers.path(), NeededBy::LaterBuildpacks);
        assert!(image.is_where_it_is_needed() && !buildpacks.is_where_it_is_needed());
        fs::create_dir(layers.path().join("gems")).unwrap();
        assert!(image.is_where_it_is_needed() && buildpacks.is_where_it_is_needed());
    }
}

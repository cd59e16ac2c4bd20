//! A layer of the image whose files the build itself need not have. While the layer stays as it is,
//! the platform reuses it from the last image, and neither restores its files nor looks at them.
//! Where a later buildpack needs the files, the platform caches and restores the layer.
//!
//! libcnb deletes the metadata of such a layer (`launch` alone) when its files are missing, so the
//! layer's file `NAME.toml` is read and written here.

use crate::platform::files::{remove_file, remove_unfinished_beside};
use libcnb::data::layer::LayerName;
use libcnb::data::layer_content_metadata::{LayerContentMetadata, LayerTypes};
use libcnb::{TomlFileError, read_toml_file, write_toml_file};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};

/// The reason not to use a layer with [`LastMetadata::Unreadable`].
pub(crate) const UNREADABLE_METADATA: &str =
    "this version of Formation cannot read the layer's metadata";

/// What needs the files of a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NeededBy {
    /// The image alone.
    TheImage,
    /// The image, and a program that this build runs.
    ThisBuild,
    /// The image, and buildpacks that come later in this build.
    LaterBuildpacks,
}

impl NeededBy {
    /// What needs them where this build may run a program besides.
    #[must_use]
    pub fn or_this_build(self, runs_a_program: bool) -> Self {
        match self {
            Self::TheImage if runs_a_program => Self::ThisBuild,
            _ => self,
        }
    }
}

/// A layer, whether it exists or not.
pub(crate) struct LaunchLayer {
    /// The folder of its files.
    pub(crate) path: PathBuf,
    /// `NAME.toml`, with its types and metadata.
    file: PathBuf,
    pub(crate) needed_by: NeededBy,
}

/// What the last build wrote about its layer.
#[derive(Debug, PartialEq)]
pub(crate) enum LastMetadata<M> {
    /// There is no layer of a last build.
    Missing,
    /// It is not of the type `M`: another version of Formation wrote it.
    Unreadable,
    Known(M),
}

impl LaunchLayer {
    /// Removes what a killed build left beside the layer.
    pub(crate) fn open(layers: &Path, name: &LayerName, needed_by: NeededBy) -> io::Result<Self> {
        let layer = Self {
            path: layers.join(name.as_str()),
            file: layers.join(format!("{name}.toml")),
            needed_by,
        };
        remove_unfinished_beside(&layer.path)?;
        Ok(layer)
    }

    /// Whether the build has its files. If not, the last image may have them.
    pub(crate) fn has_files(&self) -> bool {
        self.path.is_dir()
    }

    /// Whether its files are where they are needed, if the layer stays as it is.
    pub(crate) fn has_needed_files(&self) -> bool {
        self.has_files() || self.needed_by == NeededBy::TheImage
    }

    pub(crate) fn last_metadata<M: DeserializeOwned>(&self) -> io::Result<LastMetadata<M>> {
        if !self.file.exists() {
            return Ok(LastMetadata::Missing);
        }
        match read_toml_file::<LayerContentMetadata<M>>(&self.file) {
            Ok(content) => Ok(LastMetadata::Known(content.metadata)),
            Err(TomlFileError::TomlDeserializationError(_)) => Ok(LastMetadata::Unreadable),
            Err(error) => Err(to_io(error)),
        }
    }

    /// Has to be done before the layer's files are changed.
    pub(crate) fn remove_metadata(&self) -> io::Result<()> {
        remove_file(&self.file)
    }

    /// Writes what the layer holds, and its types, which the platform does not keep: every build
    /// has to write them.
    pub(crate) fn write_metadata<M: Serialize>(&self, metadata: &M) -> io::Result<()> {
        let for_build = self.needed_by == NeededBy::LaterBuildpacks;
        let content = LayerContentMetadata {
            types: Some(LayerTypes {
                launch: true,
                build: for_build,
                cache: for_build, // The platform restores only cached layers.
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

    type TestMetadata = BTreeMap<String, String>;

    fn layer(layers: &Path, needed_by: NeededBy) -> LaunchLayer {
        LaunchLayer::open(layers, &layer_name!("gems"), needed_by).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let layers = tempfile::tempdir().unwrap();
        for (needed_by, types) in [
            (NeededBy::TheImage, "[false, true, false]"),
            (NeededBy::LaterBuildpacks, "[true, true, true]"),
        ] {
            let layer = layer(layers.path(), needed_by);
            let metadata = TestMetadata::from([("layout".to_string(), "1".to_string())]);
            layer.write_metadata(&metadata).unwrap();
            let last = layer.last_metadata().unwrap();
            assert_eq!(last, LastMetadata::Known(metadata.clone()));
            layer.remove_metadata().unwrap();
            layer.remove_metadata().unwrap();
            let last = layer.last_metadata::<TestMetadata>().unwrap();
            assert_eq!(last, LastMetadata::Missing);
            layer.write_metadata(&metadata).unwrap();
            let written = fs::read_to_string(layers.path().join("gems.toml")).unwrap();
            let written: toml::Table = written.parse().unwrap();
            let written = ["build", "launch", "cache"].map(|name| written["types"][name].as_bool());
            assert_eq!(format!("{:?}", written.map(Option::unwrap)), types);
        }
    }

    #[test]
    fn missing_and_unreadable_metadata_are_told_apart() {
        let layers = tempfile::tempdir().unwrap();
        let layer = layer(layers.path(), NeededBy::TheImage);
        let last = || layer.last_metadata::<TestMetadata>();
        assert_eq!(last().unwrap(), LastMetadata::Missing);
        for text in ["", "[metadata]\nlayout = 1\n", "[metadata"] {
            fs::write(layers.path().join("gems.toml"), text).unwrap();
            assert_eq!(last().unwrap(), LastMetadata::Unreadable, "{text}");
        }
        fs::remove_file(layers.path().join("gems.toml")).unwrap();
        fs::create_dir(layers.path().join("gems.toml")).unwrap();
        last().unwrap_err();
    }

    #[test]
    fn only_later_buildpacks_need_the_files_of_an_unchanged_layer() {
        let layers = tempfile::tempdir().unwrap();
        let image = layer(layers.path(), NeededBy::TheImage);
        let buildpacks = layer(layers.path(), NeededBy::LaterBuildpacks);
        assert!(image.has_needed_files() && !buildpacks.has_needed_files());
        fs::create_dir(layers.path().join("gems")).unwrap();
        assert!(image.has_needed_files() && buildpacks.has_needed_files());
    }

    #[test]
    fn what_a_killed_build_left_is_removed() {
        let layers = tempfile::tempdir().unwrap();
        for name in [".gems.new", ".gems.removed", "gems"] {
            fs::create_dir(layers.path().join(name)).unwrap();
        }
        let layer = layer(layers.path(), NeededBy::TheImage);
        assert!(layer.has_files());
        assert_eq!(fs::read_dir(layers.path()).unwrap().count(), 1);
    }
}

//! What the gems are installed from and into.

use crate::fetch::Fetcher;
use crate::fetch::file::FileError;
use crate::gems::bundle::Bundle;
use crate::gems::bundler::BundleInstallError;
use crate::gems::cache::GemCache;
use crate::gems::environment::layer_env;
use crate::gems::launch_check::LaunchCheckError;
use crate::platform::cache_layer::cache_folder;
use crate::platform::launch_layer::{LaunchLayer, NeededBy};
use crate::platform::layer_archive::LayerArchive;
use crate::ruby::layer::{RubyLayer, RubyLayerError};
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer_env::LayerEnv;
use libcnb::{Buildpack, Target};
use miette::Diagnostic;
use std::io;
use thiserror::Error;

/// The app's bundle, and the layers of its gems.
pub struct GemsStage<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) fetcher: &'a Fetcher,
    pub(super) target: &'a Target,
    pub(super) needed_by: NeededBy,
    /// Layer `gems` (launch): the installed gems.
    pub(super) layer: LaunchLayer,
    /// Layer `gems-archive` (cache): the layer `gems` as one file.
    pub(super) archive: LayerArchive,
    /// Layer `gem-cache` (cache): the `.gem` archives, and repositories of gems from git.
    pub(super) cache: GemCache,
}

/// The gems could not be installed.
#[derive(Debug, Diagnostic, Error)]
pub enum GemsLayerError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    BundleInstall(#[from] BundleInstallError),
    /// A gem is not the one that the lockfile names.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] FileError),
    /// The app would not start in the image.
    #[error(transparent)]
    #[diagnostic(transparent)]
    LaunchCheck(#[from] LaunchCheckError),
    /// Ruby was reused from the last image, and its files could not be restored.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ruby(#[from] RubyLayerError),
    #[error("the files that the gems depend on cannot be read")]
    #[diagnostic(help(
        "Check that the build user may read them, and that no link in the folder of a path gem \
         leads in a circle."
    ))]
    Inputs(#[source] io::Error),
    #[error("the gems layer cannot be written")]
    #[diagnostic(help(
        "Check that the disk of the container engine is not full, then try again with \
         `pack build --clear-cache`."
    ))]
    Layer(#[source] io::Error),
}

impl<'a> GemsStage<'a> {
    /// The variables that programs find the gems by.
    #[must_use]
    pub fn env(&self, ruby: &RubyLayer) -> LayerEnv {
        layer_env(&self.layer.path, ruby, self.bundle)
    }

    /// Opens the layers as the last build left them.
    pub fn open<B>(
        context: &'a BuildContext<B>,
        bundle: &'a Bundle,
        fetcher: &'a Fetcher,
        needed_by: NeededBy,
    ) -> libcnb::Result<Self, B::Error>
    where
        B: Buildpack,
        B::Error: From<GemsLayerError>,
    {
        let layer = LaunchLayer::open(&context.layers_dir, &layer_name!("gems"), needed_by)
            .map_err(|error| libcnb::Error::BuildpackError(GemsLayerError::Layer(error).into()))?;
        Ok(Self {
            bundle,
            fetcher,
            target: &context.target,
            needed_by,
            layer,
            archive: LayerArchive {
                folder: cache_folder(context, &layer_name!("gems-archive"))?,
                name: "gems",
            },
            cache: GemCache::at(cache_folder(context, &layer_name!("gem-cache"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::inputs::BundleInputs;
    use crate::platform::variables::BuildVariables;
    use crate::ruby::layer::RubyLayer;
    use fs_err as fs;
    use procfile::assert_report;

    #[test]
    fn inputs_that_cannot_be_read_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Gemfile", "Gemfile.lock"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let mut bundle = Bundle::at(dir.path(), &BuildVariables::default());
        bundle.paths.gemfile = "/nowhere/Gemfile".into();
        let ruby = RubyLayer {
            path: "/nowhere/ruby".into(),
            version: "3.3.8".parse().unwrap(),
            sha256: String::new(),
            abi: "3.3.0".into(),
        };
        let error = BundleInputs::of(&bundle, &ruby).unwrap_err();
        assert_report!(GemsLayerError::Inputs(error));
    }

    #[test]
    fn a_layer_that_cannot_be_written_is_shown() {
        let error = fs::write("/dev/full", "---\n").unwrap_err();
        assert_report!(GemsLayerError::Layer(error));
    }
}

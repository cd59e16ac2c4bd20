//! What the task has made in the last builds, in layer `assets` (cache).

use crate::app::App;
use crate::platform::layer_archive::LayerArchive;
use crate::rails::assets::inputs::AssetsInputs;
use crate::rails::assets::made_files::outlives;
use crate::report;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// How many builds' files are kept: those of this one, and of the two before.
const BUILDS: usize = 3;

/// Has to be raised when the archive's contents mean something else.
const LAYOUT: &str = "1";

/// Their files, as one archive.
pub(super) struct KeptBuilds(pub(super) LayerArchive);

/// What is in the archive.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastBuilds {
    layout: String,
    /// Of the last one.
    pub(super) inputs: AssetsInputs,
    /// What each has made, by its name in the app, the last one first.
    pub(super) builds: Vec<BTreeSet<PathBuf>>,
}

impl KeptBuilds {
    /// None where there is no archive that can be used.
    pub(super) fn last(&self) -> Option<LastBuilds> {
        let last = self.0.metadata();
        last.filter(|last: &LastBuilds| last.layout == LAYOUT)
    }

    /// Puts their files into the app.
    pub(super) fn restore(&self, app: &App, builds: &[BTreeSet<PathBuf>]) -> io::Result<()> {
        let is_kept = |file: &Path| builds.iter().any(|build| build.contains(file));
        let restored = self.0.unpack_into(&app.dir, is_kept);
        if restored.is_err() {
            self.0.clear()?; // The next build compiles them.
        }
        restored
    }

    /// Puts the files of earlier builds beside those that were made, and all into the archive. Returns what each has
    /// made, of the earlier ones as far as it stays.
    pub(super) fn keep(
        &self,
        app: &App,
        inputs: &AssetsInputs,
        last: Option<&LastBuilds>,
        made: BTreeSet<PathBuf>,
    ) -> io::Result<Vec<BTreeSet<PathBuf>>> {
        let earlier = last.into_iter().flat_map(|last| &last.builds);
        let earlier = earlier.map(|build| {
            let outliving = build.iter().filter(|file| outlives(file));
            outliving.cloned().collect()
        });
        let builds: Vec<_> = [made].into_iter().chain(earlier).take(BUILDS).collect();
        let is_missing = |file: &Path| {
            let is_kept = builds.iter().any(|build| build.contains(file));
            is_kept && !app.dir.join(file).exists()
        };
        if builds.iter().flatten().any(|file| is_missing(file))
            && let Err(error) = self.0.unpack_into(&app.dir, is_missing)
        {
            report::detail(format!(
                "The files of earlier builds are not there: {error}"
            ));
        }
        if let Err(error) = self.archive(app, inputs, &builds) {
            // The image has them all the same.
            report::detail(format!(
                "The compiled assets are not kept for the next build: {error}"
            ));
            self.0.clear()?;
        }
        Ok(builds)
    }

    fn archive(
        &self,
        app: &App,
        inputs: &AssetsInputs,
        builds: &[BTreeSet<PathBuf>],
    ) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let files: BTreeSet<_> = builds.iter().flatten().collect();
        for file in files
            .into_iter()
            .filter(|file| app.dir.join(file).is_file())
        {
            let copy = folder.path().join(file);
            fs::create_dir_all(copy.parent().unwrap_or(folder.path()))?;
            fs::copy(app.dir.join(file), copy)?;
        }
        let kept = LastBuilds {
            layout: LAYOUT.to_string(),
            inputs: inputs.clone(),
            builds: builds.to_vec(),
        };
        self.0.keep(folder.path(), &kept, None)
    }
}

//! Carrying out what was decided for the gems.

use crate::gems::bundler;
use crate::gems::compiled_libraries::link_copies;
use crate::gems::decision::{CachedGems, GemsDecision};
use crate::gems::environment::write_config;
use crate::gems::git_repositories::GitRepositories;
use crate::gems::inputs::BundleInputs;
use crate::gems::installed::{full_names, gem_home, remove_checkouts, remove_gem};
use crate::gems::installer::fetch::prefetch;
use crate::gems::installer::{GemInstaller, Installation};
use crate::gems::launch_check::{LaunchCheck, LaunchCheckError, LaunchFindings};
use crate::gems::left_overs::{remove_left_overs, remove_unfinished_checkouts};
use crate::gems::lockfile::Source;
use crate::gems::metadata::GemsLayerMetadata;
use crate::gems::permissions::make_readable;
use crate::gems::programs::lock_programs;
use crate::gems::stage::{GemsLayerError, GemsStage};
use crate::platform::files::remove_dir;
use crate::platform::launch_layer::NeededBy;
use crate::platform::layer_archive::Draft;
use crate::ruby::layer::{InstalledRuby, RubyLayerError};
use fs_err as fs;
use libcnb::Env;
use libcnb::layer_env::{LayerEnv, Scope};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};
use tempfile::TempDir;

/// The layer that is to be filled.
pub(super) struct GemsUpdate<'a> {
    pub(super) stage: &'a GemsStage<'a>,
    pub(super) ruby: &'a InstalledRuby<'a>,
    /// The environment that the layer gives to processes.
    pub(super) env: &'a LayerEnv,
    /// The variables that the image sets, other than those of Ruby and the gems.
    pub(super) launch_env: &'a LayerEnv,
    pub(super) wanted: &'a GemsLayerMetadata,
}

/// Whether the layer holds what [`GemsUpdate::carry_out`] begins with.
pub(super) enum Prepared {
    Yes,
    /// The archive of the cached gems cannot be unpacked.
    UnusableArchive(io::Error),
}

/// The gems that are in the layer now.
pub(super) struct GemsInLayer {
    /// As `full_names` gives them.
    pub(super) full_names: Vec<String>,
    /// Lines of the log that later builds write too.
    pub(super) notes: Vec<String>,
    /// None where they are those of the last build.
    pub(super) installed: Option<Installed>,
}

/// What an install leaves.
pub(super) struct Installed {
    /// The archive of the gems, where there was time to make it.
    pub(super) draft: Option<Draft>,
    /// What the Gemfile has asked for.
    pub(super) questions: BTreeSet<String>,
}

/// What was done beside Bundler, where that had nothing to do.
struct DoneBesideBundler {
    draft: Option<Draft>,
    findings: Option<LaunchFindings>,
}

impl GemsInLayer {
    fn of_last_build(metadata: &GemsLayerMetadata) -> Self {
        Self {
            full_names: metadata.gems.clone(),
            notes: metadata.notes.clone(),
            installed: None,
        }
    }
}

impl GemsUpdate<'_> {
    /// Puts the cached gems into the layer; empties it where they cannot be used. From here until
    /// its metadata is written, the layer counts as unfinished.
    pub(super) fn prepare(&self, decision: &GemsDecision<'_>) -> Result<Prepared, GemsLayerError> {
        let needs_ruby = matches!(decision, GemsDecision::Update { .. })
            || self.stage.needed_by == NeededBy::ThisBuild;
        match decision {
            GemsDecision::Unchanged(_) => Ok(Prepared::Yes),
            GemsDecision::Restore(cached) | GemsDecision::Update { cached, .. } => match cached {
                CachedGems::InLayer(metadata) => {
                    self.mark_unfinished(&metadata.inputs)?;
                    Ok(Prepared::Yes)
                }
                CachedGems::InArchive(metadata) => {
                    self.empty_layer()?;
                    self.mark_unfinished(&metadata.inputs)?;
                    self.unpack(needs_ruby)
                }
            },
            GemsDecision::Fresh { .. } => {
                self.empty_layer()?;
                self.mark_unfinished(&BundleInputs::default())?;
                Ok(Prepared::Yes)
            }
        }
    }

    /// Makes the gems in the layer those of the lockfile.
    pub(super) fn carry_out(
        &self,
        decision: &GemsDecision<'_>,
    ) -> Result<GemsInLayer, GemsLayerError> {
        match decision {
            GemsDecision::Unchanged(metadata) => Ok(GemsInLayer::of_last_build(metadata)),
            GemsDecision::Restore(cached) => {
                self.write_env()?;
                Ok(GemsInLayer::of_last_build(cached.metadata()))
            }
            GemsDecision::Update { cached, .. } => {
                self.write_env()?;
                self.remove_gems_with_other_flags(&cached.metadata().inputs)
                    .map_err(GemsLayerError::Layer)?;
                self.install()
            }
            GemsDecision::Fresh { .. } => {
                self.write_env()?;
                self.install()
            }
        }
    }

    fn gem_home(&self) -> PathBuf {
        gem_home(&self.stage.layer.path, &self.ruby.layer)
    }

    fn empty_layer(&self) -> Result<(), GemsLayerError> {
        let layer = &self.stage.layer;
        layer
            .remove_metadata()
            .and_then(|()| remove_dir(&layer.path))
            .map_err(GemsLayerError::Layer)
    }

    /// Writes the metadata of a layer with an install under way, which began with gems made from
    /// the inputs `before`.
    fn mark_unfinished(&self, before: &BundleInputs) -> Result<(), GemsLayerError> {
        let metadata = GemsLayerMetadata {
            inputs: self.wanted.inputs.unfinished_since(before),
            ..self.wanted.clone()
        };
        self.stage
            .layer
            .write_metadata(&metadata)
            .map_err(GemsLayerError::Layer)
    }

    /// Unpacks the cached gems. Beside that, Ruby's files are restored where they are going to be
    /// needed.
    fn unpack(&self, needs_ruby: bool) -> Result<Prepared, GemsLayerError> {
        let GemsStage { archive, layer, .. } = self.stage;
        let unpacked = thread::scope(|scope| {
            let unpacking = scope.spawn(|| archive.unpack(&layer.path));
            let ruby = if needs_ruby {
                self.restore_ruby()
            } else {
                Ok(())
            };
            let unpacked = unpacking
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it cannot be unpacked")));
            ruby.map(|()| unpacked)
        })?;
        Ok(match unpacked {
            Ok(()) => Prepared::Yes,
            Err(error) => Prepared::UnusableArchive(error),
        })
    }

    /// Puts Ruby's files into its layer, where Ruby was reused from the last image. Beside a
    /// download of Ruby, gems are downloaded too: where the cache has lost Ruby, it has lost them.
    fn restore_ruby(&self) -> Result<(), RubyLayerError> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            if self.ruby.needs_download() {
                scope.spawn(|| prefetch(self.stage, &stop));
            }
            let restored = self.ruby.restore_files();
            stop.store(true, Ordering::Relaxed);
            restored
        })
    }

    /// The layer's environment, and Bundler's settings for the image.
    fn write_env(&self) -> Result<(), GemsLayerError> {
        let layer = &self.stage.layer.path;
        write_config(layer, &self.stage.bundle.settings.config)
            .and_then(|()| self.env.write_to_layer_dir(layer))
            .map_err(GemsLayerError::Layer)
    }

    /// Removes gems whose compiler flags have changed: RubyGems and Bundler do not compile an
    /// installed gem again.
    fn remove_gems_with_other_flags(&self, before: &BundleInputs) -> io::Result<()> {
        let gem_home = self.gem_home();
        for source in &self.stage.bundle.lockfile.sources {
            for spec in &source.specs {
                if !self.wanted.inputs.have_other_flags(before, &spec.name) {
                    continue;
                }
                if source.is_git() {
                    remove_checkouts(&gem_home)?;
                } else {
                    remove_gem(&gem_home, &spec.full_name())?;
                }
            }
        }
        Ok(())
    }

    fn install(&self) -> Result<GemsInLayer, GemsLayerError> {
        self.restore_ruby()?;
        let env = self.install_env()?;
        let gem_home = self.gem_home();
        remove_unfinished_checkouts(&gem_home).map_err(GemsLayerError::Layer)?;
        let installer = GemInstaller {
            stage: self.stage,
            ruby: &self.ruby.layer,
            env: &env,
            gem_home: &gem_home,
        };
        let Installation { left, questions } = installer.install()?;
        self.remove_left_overs(&gem_home)?;
        let git_folder = self.stage.cache.git_repositories();
        let repositories = GitRepositories::new(git_folder, &gem_home);
        repositories
            .lend(self.stage.bundle)
            .map_err(GemsLayerError::Layer)?;
        let beside = self.run_bundler(&env, left.as_ref().map(TempDir::path), &questions)?;
        repositories.keep().map_err(GemsLayerError::Layer)?;
        self.remove_left_overs(&gem_home)?;
        let findings = match beside.findings {
            Some(findings) => findings,
            None => self.check_launch(&questions)?,
        };
        let notes = findings.show(self.stage.bundle, &questions);
        Ok(GemsInLayer {
            full_names: full_names(&gem_home),
            notes,
            installed: Some(Installed {
                draft: beside.draft,
                questions,
            }),
        })
    }

    /// The environment of RubyGems and Bundler.
    fn install_env(&self) -> Result<Env, GemsLayerError> {
        let mut env = self.ruby.env(&Env::from_current())?;
        self.stage.bundle.settings.env.apply(&mut env);
        Ok(self.env.apply(Scope::Build, &env))
    }

    /// `archives` is a folder with the archives of the gems that Bundler has to install; none where
    /// it has to ask the servers. Bundler uses one processor. Where it has nothing to install, more is
    /// done beside it.
    fn run_bundler(
        &self,
        env: &Env,
        archives: Option<&Path>,
        questions: &BTreeSet<String>,
    ) -> Result<DoneBesideBundler, GemsLayerError> {
        let GemsStage {
            bundle,
            fetcher,
            layer,
            archive,
            target,
            ..
        } = self.stage;
        let has_git_gems = bundle.lockfile.sources.iter().any(Source::is_git);
        let is_complete = archives.is_some_and(is_empty) && !has_git_gems;
        let certificates = &fetcher.settings.certificates;
        thread::scope(|scope| {
            let gems_before = full_names(&self.gem_home());
            let findings = is_complete.then(|| scope.spawn(|| self.check_launch(questions)));
            let draft = is_complete.then(|| scope.spawn(|| archive.draft(&layer.path)));
            bundler::run(
                bundle,
                target,
                &self.ruby.layer,
                env,
                archives,
                certificates,
            )?;
            // What fails because Bundler has changed the layer after all is done again.
            let is_unchanged = full_names(&self.gem_home()) == gems_before;
            Ok(DoneBesideBundler {
                draft: draft.and_then(|draft| draft.join().ok()?.ok()),
                findings: findings
                    .and_then(|findings| findings.join().ok()?.ok())
                    .filter(|_| is_unchanged),
            })
        })
    }

    /// Whether the app's gems load in the image too.
    fn check_launch(
        &self,
        questions: &BTreeSet<String>,
    ) -> Result<LaunchFindings, LaunchCheckError> {
        let check = LaunchCheck {
            bundle: self.stage.bundle,
            ruby: &self.ruby.layer,
            gem_home: &self.gem_home(),
            layer: &self.stage.layer.path,
            gems_env: self.env,
            launch_env: self.launch_env,
            questions,
        };
        check.run()
    }

    fn remove_left_overs(&self, gem_home: &Path) -> Result<(), GemsLayerError> {
        remove_left_overs(&self.stage.layer.path)
            .and_then(|()| link_copies(gem_home))
            .and_then(|()| lock_programs(gem_home))
            .and_then(|()| make_readable(&self.stage.layer.path))
            .map_err(GemsLayerError::Layer)
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

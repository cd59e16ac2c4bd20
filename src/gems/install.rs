//! Layer `gems` (launch): the app's gems, as Bundler installs them.
//!
//! Gems of the last build are brought up to date from the archive that it left in the cache, unless
//! compiled gems would not work any more: with another Ruby ABI, architecture or distribution.
//! Where no input of Bundler has changed, neither Ruby nor Bundler runs, and the layer of the last
//! image is used again.

use crate::gems::decision::{GemsDecision, LastGems, decide};
use crate::gems::environment::{digest_of, layer_env};
use crate::gems::inputs::BundleInputs;
use crate::gems::installed::InstalledGems;
use crate::gems::messages;
use crate::gems::metadata::{GemsLayerMetadata, LAYOUT};
use crate::gems::stage::{GemsLayerError, GemsStage};
use crate::gems::update::{GemsInLayer, GemsUpdate, Installed, Prepared};
use crate::platform::built_for::BuiltFor;
use crate::platform::launch_layer::NeededBy;
use crate::report;
use crate::ruby::layer::{InstalledRuby, RubyLayer};
use libcnb::layer_env::LayerEnv;
use std::io;

/// Installs the app's gems, or keeps those of the last build. `launch_env` are the variables that the
/// image sets, other than those of Ruby and the gems.
pub fn install<'a>(
    stage: &GemsStage<'a>,
    ruby: &InstalledRuby<'_>,
    launch_env: &LayerEnv,
) -> Result<InstalledGems<'a>, GemsLayerError> {
    let env = layer_env(&stage.layer.path, &ruby.layer, stage.bundle);
    let mut wanted = wanted_metadata(stage, &ruby.layer, &env)?;
    let last_layer = stage.layer.last_metadata().map_err(GemsLayerError::Layer)?;
    let archived = stage.archive.metadata();
    let last = LastGems {
        layer: &last_layer,
        layer_has_files: stage.layer.has_files(),
        layer_has_needed_files: stage.layer.has_needed_files(),
        archive: archived.as_ref(),
    };
    if let Some(known) = last.known() {
        wanted.inputs.ask_again(&known.inputs, stage.bundle);
    }
    let update = GemsUpdate {
        stage,
        ruby,
        env: &env,
        launch_env,
        wanted: &wanted,
    };
    let decision = decide_and_prepare(&update, last)?;
    let GemsInLayer {
        full_names,
        notes,
        installed,
    } = update.carry_out(&decision)?;
    report::detail(messages::after(&decision, full_names.len(), &wanted.inputs));
    if installed.is_none() {
        notes.iter().for_each(report::detail);
    }
    let mut metadata = GemsLayerMetadata {
        gems: full_names.clone(),
        notes,
        ..wanted.clone()
    };
    if let Some(installed) = &installed {
        let questions = &installed.questions;
        metadata.inputs.observe(questions, stage.bundle);
        if let Some(line) = messages::unwatched(&metadata.inputs) {
            report::detail(line);
        }
    }
    stage
        .layer
        .write_metadata(&metadata)
        .and_then(|()| keep(stage, &metadata, installed))
        .map_err(GemsLayerError::Layer)?;
    Ok(InstalledGems {
        lockfile: &stage.bundle.lockfile,
        full_names,
    })
}

/// Decides, and puts cached gems into the layer. If they cannot be unpacked, decides again without
/// them.
fn decide_and_prepare<'a>(
    update: &GemsUpdate<'_>,
    last: LastGems<'a>,
) -> Result<GemsDecision<'a>, GemsLayerError> {
    let decision = decide(last, update.wanted);
    if let Some(message) = messages::before(&decision) {
        report::detail(message);
    }
    match update.prepare(&decision)? {
        Prepared::Yes => Ok(decision),
        Prepared::UnusableArchive(error) => {
            report::detail(messages::unusable_archive(&error));
            let cleared = update.stage.archive.clear();
            cleared.map_err(GemsLayerError::Layer)?;
            let without_archive = LastGems {
                archive: None,
                ..last
            };
            decide_and_prepare(update, without_archive)
        }
    }
}

/// The metadata of the layer that this build needs.
fn wanted_metadata(
    stage: &GemsStage<'_>,
    ruby: &RubyLayer,
    env: &LayerEnv,
) -> Result<GemsLayerMetadata, GemsLayerError> {
    Ok(GemsLayerMetadata {
        layout: LAYOUT.to_string(),
        ruby_abi: ruby.abi.clone(),
        ruby_version: ruby.version.to_string(),
        ruby_sha256: ruby.sha256.clone(),
        built_for: BuiltFor::new(stage.target),
        inputs: BundleInputs::of(stage.bundle, ruby).map_err(GemsLayerError::Inputs)?,
        environment: digest_of(env).map_err(GemsLayerError::Layer)?,
        gems: Vec::new(),
        notes: Vec::new(),
    })
}

/// Keeps the gems for the next build.
fn keep(
    stage: &GemsStage<'_>,
    metadata: &GemsLayerMetadata,
    installed: Option<Installed>,
) -> io::Result<()> {
    let GemsStage { layer, archive, .. } = stage;
    // An install may change gems although no input has changed: where one cannot be watched.
    let may_be_kept = installed.is_none();
    let draft = installed.and_then(|installed| installed.draft);
    match stage.needed_by {
        // They are in the last image, and in the archive if that has not been lost.
        NeededBy::TheImage | NeededBy::ThisBuild if !layer.has_files() => Ok(()),
        NeededBy::TheImage | NeededBy::ThisBuild
            if may_be_kept && archive.metadata().as_ref() == Some(metadata) =>
        {
            Ok(())
        }
        NeededBy::TheImage | NeededBy::ThisBuild => {
            archive.keep(&layer.path, metadata, draft).or_else(|error| {
                // The image has them all the same.
                report::detail(messages::not_cached(&error));
                archive.clear()
            })
        }
        // The platform caches the layer itself.
        NeededBy::LaterBuildpacks => archive.clear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Fetcher;
    use crate::gems::bundle::Bundle;
    use crate::gems::cache::GemCache;
    use crate::platform::launch_layer::{LastMetadata, LaunchLayer};
    use crate::platform::layer_archive::LayerArchive;
    use crate::platform::variables::BuildVariables;
    use crate::ruby::inventory::Ruby;
    use fs_err as fs;
    use libcnb::Target;
    use libcnb::data::layer_name;
    use std::path::Path;

    /// Runs a test with an app, the layers of a last build that installed 3 gems for it (in the
    /// last image and in the archive), and a Ruby whose files neither the build nor a server has.
    fn after_a_build(
        needed_by: NeededBy,
        test: impl FnOnce(&GemsStage<'_>, &InstalledRuby<'_>, &Path),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (app, layers) = (folder.path().join("app"), folder.path().join("layers"));
        for path in [
            &app,
            &layers.join("gems-archive"),
            &layers.join("gem-cache"),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(app.join("Gemfile"), "").unwrap();
        fs::write(app.join("Gemfile.lock"), "").unwrap();
        let bundle = Bundle::at(&app, &BuildVariables::default());
        let fetcher = Fetcher::default();
        let target = Target {
            os: "linux".into(),
            arch: "amd64".into(),
            arch_variant: None,
            distro_name: "debian".into(),
            distro_version: "13".into(),
        };
        let stage = GemsStage {
            bundle: &bundle,
            fetcher: &fetcher,
            target: &target,
            needed_by,
            layer: LaunchLayer::open(&layers, &layer_name!("gems"), needed_by).unwrap(),
            archive: LayerArchive {
                folder: layers.join("gems-archive"),
                name: "gems",
            },
            cache: GemCache::at(layers.join("gem-cache")),
        };
        let ruby = Ruby::for_tests();
        let ruby = InstalledRuby::for_tests(&layers, &ruby, &fetcher);
        let env = layer_env(&stage.layer.path, &ruby.layer, &bundle);
        let metadata = GemsLayerMetadata {
            notes: vec!["The run image has to have libpq5 (for pg-1.5)".into()],
            gems: vec!["a-1".into(), "b-1".into(), "c-1".into()],
            ..wanted_metadata(&stage, &ruby.layer, &env).unwrap()
        };
        fs::create_dir_all(stage.layer.path.join("ruby")).unwrap();
        fs::write(stage.layer.path.join("ruby/gem.rb"), "").unwrap();
        stage
            .archive
            .keep(&stage.layer.path, &metadata, None)
            .unwrap();
        fs::remove_dir_all(&stage.layer.path).unwrap();
        stage.layer.write_metadata(&metadata).unwrap();
        test(&stage, &ruby, &app);
    }

    fn gems_in_metadata(stage: &GemsStage<'_>) -> usize {
        match stage.layer.last_metadata::<GemsLayerMetadata>().unwrap() {
            LastMetadata::Known(metadata) => metadata.gems.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn where_nothing_has_changed_nothing_is_unpacked_and_ruby_does_not_run() {
        after_a_build(NeededBy::TheImage, |stage, ruby, _| {
            install(stage, ruby, &LayerEnv::new()).unwrap();
            assert!(!stage.layer.has_files());
            assert!(!ruby.layer.path.exists());
            assert_eq!(gems_in_metadata(stage), 3);
        });
    }

    #[test]
    fn a_lost_image_is_restored_from_the_archive_without_ruby() {
        after_a_build(NeededBy::TheImage, |stage, ruby, _| {
            stage.layer.remove_metadata().unwrap();
            install(stage, ruby, &LayerEnv::new()).unwrap();
            assert!(stage.layer.path.join("ruby/gem.rb").is_file());
            assert!(stage.layer.path.join("env").is_dir());
            assert!(!ruby.layer.path.exists());
            assert_eq!(gems_in_metadata(stage), 3);
        });
    }

    #[test]
    fn later_buildpacks_get_the_gems_from_the_archive_which_the_layer_then_replaces() {
        after_a_build(NeededBy::LaterBuildpacks, |stage, ruby, _| {
            install(stage, ruby, &LayerEnv::new()).unwrap();
            assert!(stage.layer.path.join("ruby/gem.rb").is_file());
            assert_eq!(stage.archive.metadata::<GemsLayerMetadata>(), None);
        });
    }

    #[test]
    fn a_changed_app_needs_the_cached_gems_and_ruby() {
        after_a_build(NeededBy::TheImage, |stage, ruby, app| {
            fs::write(app.join("Gemfile"), "gem 'rack'").unwrap();
            let error = install(stage, ruby, &LayerEnv::new()).unwrap_err();
            assert!(matches!(error, GemsLayerError::Ruby(_)), "{error}");
            assert!(stage.layer.path.join("ruby/gem.rb").is_file());
            assert_eq!(gems_in_metadata(stage), 0, "the install is not finished");
        });
    }

    #[test]
    fn a_damaged_archive_is_removed_and_every_gem_is_installed() {
        after_a_build(NeededBy::TheImage, |stage, ruby, _| {
            stage.layer.remove_metadata().unwrap();
            let archive = stage.archive.folder.join("gems.tar");
            let length = fs::metadata(&archive).unwrap().len();
            fs::write(&archive, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
            let error = install(stage, ruby, &LayerEnv::new()).unwrap_err();
            assert!(matches!(error, GemsLayerError::Ruby(_)), "{error}");
            assert!(!archive.exists());
            assert_eq!(
                fs::read_dir(stage.archive.folder.as_path())
                    .unwrap()
                    .count(),
                0
            );
        });
    }
}

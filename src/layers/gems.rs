//! Layer `gems` (build, launch, cache): the app's gems, as Bundler installs them.
//!
//! It is thrown away where compiled gems would not fit any more: another Ruby ABI, architecture or distribution. In between it is
//! brought up to date, and where nothing that Bundler looks at has changed, Bundler is not even started.

use crate::app::user_env::UserEnv;
use crate::app::{App, Bundle, bundle_config::BundleConfig};
use crate::layers::bundle_inputs::BundleInputs;
use crate::layers::bundle_install::{self, BundleInstallError};
use crate::layers::compiled_libraries::link_copies;
use crate::layers::gem_cache::GemCache;
use crate::layers::left_overs::{remove_left_overs, remove_unfinished_checkouts};
use crate::layers::ruby::RubyLayer;
use crate::layers::unpacked_gems::UnpackedGems;
pub use crate::layers::unpacked_gems::prefetch;
use crate::layers::{BuiltFor, UNKNOWN_METADATA, changed};
use crate::report;
use crate::supply::Supply;
use crate::supply::file::FileError;
use fs_err as fs;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::{
    CachedLayerDefinition, EmptyLayerCause, InvalidMetadataAction, LayerState, RestoredLayerAction,
};
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use libcnb::{Buildpack, Env};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use thiserror::Error;

/// Groups that a production image has no use for; `BUNDLE_WITHOUT` or the app's `.bundle/config` says otherwise.
const DEFAULT_WITHOUT: &str = "development:test";

/// Raised whenever Formation lays the contents out differently: older layers are then thrown away. Text, because the lifecycle keeps
/// metadata as JSON and gives numbers back as floats.
const LAYOUT: &str = "1";

/// The gems could not be installed.
#[derive(Debug, Diagnostic, Error)]
pub enum GemsLayerError {
    /// Bundler could not do it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    BundleInstall(#[from] BundleInstallError),
    /// A gem is not the one that the lockfile names.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] FileError),
    /// The files that decide whether it has to run cannot be read.
    #[error("the files that the gems depend on cannot be read")]
    #[diagnostic(help(
        "Check that the build user may read them, and that no link in the folder of a path gem leads in a circle."
    ))]
    Inputs(#[source] io::Error),
    /// The layer cannot be written.
    #[error("the gems layer cannot be written")]
    #[diagnostic(help(
        "Check that the disk of the container engine is not full, then try again with `pack build --clear-cache`."
    ))]
    Layer(#[source] io::Error),
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    layout: String,
    ruby_abi: String,
    built_for: BuiltFor,
    /// What the installed gems were made from. Empty while an install is under way.
    inputs: BundleInputs,
}

/// Installs the app's gems, or keeps those that are there. `cache` is the layer `gem-cache`. Returns the environment in which they are found.
///
/// # Errors
/// An input cannot be read, or `bundle install` fails.
pub fn install<B>(
    context: &BuildContext<B>,
    app: &App,
    bundle: &Bundle,
    ruby: &RubyLayer,
    cache: &GemCache,
    supply: &Supply,
) -> libcnb::Result<Env, B::Error>
where
    B: Buildpack,
    B::Error: From<GemsLayerError>,
{
    let buildpack_error = |error: GemsLayerError| libcnb::Error::BuildpackError(error.into());
    let now = Metadata {
        layout: LAYOUT.to_string(),
        ruby_abi: ruby.abi.clone(),
        built_for: BuiltFor::new(&context.target),
        inputs: BundleInputs::of(app, bundle, ruby)
            .map_err(|error| buildpack_error(GemsLayerError::Inputs(error)))?,
    };
    let layer = context.cached_layer(
        layer_name!("gems"),
        CachedLayerDefinition {
            build: true,
            launch: true,
            invalid_metadata_action: &|_| {
                (
                    InvalidMetadataAction::DeleteLayer,
                    vec![UNKNOWN_METADATA.to_string()],
                )
            },
            restored_layer_action: &|before: &Metadata, _| match reasons(before, &now).as_slice() {
                [] => (
                    RestoredLayerAction::KeepLayer,
                    now.inputs.changes_since(&before.inputs),
                ),
                reasons => (RestoredLayerAction::DeleteLayer, reasons.to_vec()),
            },
        },
    )?;
    let must_install = match &layer.state {
        LayerState::Restored { cause } if cause.is_empty() => {
            report::detail(format!(
                "Reusing {} from the cache; Bundler does not run, for nothing has changed in {}",
                counted(installed_gems(&layer.path(), ruby)),
                now.inputs
            ));
            false
        }
        LayerState::Restored { cause } => {
            report::detail(format!("Updating the cached gems: {}", cause.join(", ")));
            true
        }
        LayerState::Empty { cause } => {
            if let EmptyLayerCause::RestoredLayerAction { cause }
            | EmptyLayerCause::InvalidMetadataAction { cause } = cause
            {
                report::detail(format!("Not reusing the cached gems: {}", cause.join(", ")));
            }
            true
        }
    };
    let layer_env = layer_env(&layer.path(), bundle, &app.env, ruby);
    let mut env = ruby.env.clone();
    app.env.apply(&mut env);
    let env = layer_env.apply(Scope::Build, &env);
    if must_install {
        // Until Bundler is through, the layer is not what its inputs say.
        layer.write_metadata(Metadata {
            inputs: BundleInputs::default(),
            ..now.clone()
        })?;
        write_config(&layer.path(), &bundle.config)
            .and_then(|()| remove_unfinished_checkouts(&gem_home(&layer.path(), ruby)))
            .map_err(|error| buildpack_error(GemsLayerError::Layer(error)))?;
        let archives = UnpackedGems {
            app,
            bundle,
            ruby,
            target: &context.target,
            env: &env,
            gem_home: &gem_home(&layer.path(), ruby),
            cache,
            downloader: &supply.downloader,
        }
        .install()
        .map_err(|error| buildpack_error(error.into()))?;
        bundle_install::run(
            app,
            bundle,
            ruby,
            &env,
            archives.as_ref().map(TempDir::path),
        )
        .map_err(|error| buildpack_error(error.into()))?;
        remove_left_overs(&layer.path())
            .and_then(|()| link_copies(&gem_home(&layer.path(), ruby)))
            .map_err(|error| buildpack_error(GemsLayerError::Layer(error)))?;
        report::detail(format!(
            "{} are installed",
            counted(installed_gems(&layer.path(), ruby))
        ));
        layer.write_metadata(&now)?;
    }
    layer.write_env(layer_env)?;
    Ok(env)
}

/// Why no cached gem can be used any more.
fn reasons(before: &Metadata, now: &Metadata) -> Vec<String> {
    let Metadata {
        layout,
        ruby_abi,
        built_for,
        inputs: _,
    } = before;
    let mut reasons = built_for.changes_to(&now.built_for);
    if *ruby_abi != now.ruby_abi {
        reasons.push(changed("Ruby's ABI", ruby_abi, &now.ruby_abi));
    }
    if *layout != now.layout {
        reasons.push("they were laid out by another version of Formation".into());
    }
    reasons
}

/// Where RubyGems keeps the gems of one ABI.
fn gem_home(layer: &Path, ruby: &RubyLayer) -> PathBuf {
    layer.join("ruby").join(&ruby.abi)
}

fn config_folder(layer: &Path) -> PathBuf {
    layer.join("bundle-config")
}

fn layer_env(layer: &Path, bundle: &Bundle, user: &UserEnv, ruby: &RubyLayer) -> LayerEnv {
    let gem_home = gem_home(layer, ruby);
    let mut env = LayerEnv::new()
        // Programs of gems are found by their name: `web: puma` works as well as `web: bundle exec puma`.
        .chainable_insert(
            Scope::All,
            ModificationBehavior::Prepend,
            "PATH",
            gem_home.join("bin"),
        )
        .chainable_insert(Scope::All, ModificationBehavior::Delimiter, "PATH", ":");
    let fixed = [
        ("BUNDLE_APP_CONFIG", config_folder(layer)),
        ("BUNDLE_FROZEN", "1".into()),
        ("BUNDLE_GEMFILE", bundle.paths.gemfile.clone()),
        ("BUNDLE_PATH", layer.to_path_buf()),
        ("GEM_PATH", gem_home),
    ];
    for (name, value) in fixed {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    for (name, value) in chosen_groups(user, &bundle.config) {
        env.insert(Scope::All, ModificationBehavior::Override, name, value);
    }
    env
}

/// The settings that choose groups, for the container too: the app finds those groups that were installed here, whatever the
/// container's environment says. Set to nothing is a choice as well: every group. `BUNDLE_WITH` only adds to the default.
fn chosen_groups(user: &UserEnv, config: &BundleConfig) -> Vec<(&'static str, String)> {
    let mut chosen: Vec<_> = ["BUNDLE_WITHOUT", "BUNDLE_WITH", "BUNDLE_ONLY"]
        .into_iter()
        .filter(|name| user.sets(name))
        .map(|name| (name, user.get(name).unwrap_or_default().to_string()))
        .collect();
    let replaces_default = |name: &&str| user.sets(name) || config.sets(name);
    if !["BUNDLE_WITHOUT", "BUNDLE_ONLY"]
        .iter()
        .any(replaces_default)
    {
        chosen.push(("BUNDLE_WITHOUT", DEFAULT_WITHOUT.to_string()));
    }
    chosen
}

fn write_config(layer: &Path, config: &BundleConfig) -> io::Result<()> {
    fs::create_dir_all(config_folder(layer))?;
    fs::write(config_folder(layer).join("config"), config.for_image())
}

fn installed_gems(layer: &Path, ruby: &RubyLayer) -> usize {
    fs::read_dir(gem_home(layer, ruby).join("specifications"))
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name().to_string_lossy().ends_with(".gemspec"))
                .count()
        })
        .unwrap_or_default()
}

/// Of gems, in words.
pub(super) fn counted(gems: usize) -> String {
    format!("{gems} gem{}", if gems == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;

    #[test]
    fn what_throws_every_gem_away() {
        let before = Metadata {
            layout: LAYOUT.to_string(),
            ruby_abi: "3.3.0".into(),
            built_for: BuiltFor {
                arch: "amd64".into(),
                distro_name: "debian".into(),
                distro_version: "13".into(),
            },
            inputs: BundleInputs::default(),
        };
        assert!(reasons(&before, &before).is_empty());
        let now = Metadata {
            ruby_abi: "3.1.0".into(),
            layout: "2".into(),
            ..before.clone()
        };
        assert_eq!(
            reasons(&before, &now),
            [
                "Ruby's ABI changed from 3.3.0 to 3.1.0",
                "they were laid out by another version of Formation"
            ]
        );
    }

    #[test]
    fn groups_are_chosen_by_the_user_or_by_default() {
        for (variables, config, expected) in [
            (vec![], "", vec![("BUNDLE_WITHOUT", DEFAULT_WITHOUT)]),
            (
                vec![("BUNDLE_WITHOUT", "")],
                "",
                vec![("BUNDLE_WITHOUT", "")],
            ),
            (
                vec![("BUNDLE_WITH", "staging")],
                "",
                vec![
                    ("BUNDLE_WITH", "staging"),
                    ("BUNDLE_WITHOUT", DEFAULT_WITHOUT),
                ],
            ),
            (
                vec![("BUNDLE_ONLY", "web")],
                "",
                vec![("BUNDLE_ONLY", "web")],
            ),
            (vec![], "BUNDLE_WITHOUT: \"ci\"\n", vec![]),
            (
                vec![],
                "BUNDLE_WITH: \"staging\"\n",
                vec![("BUNDLE_WITHOUT", DEFAULT_WITHOUT)],
            ),
        ] {
            let mut env = Env::new();
            for (name, value) in &variables {
                env.insert(name, value);
            }
            let chosen = chosen_groups(&UserEnv::new(&env), &BundleConfig::parse(config));
            let chosen: Vec<_> = chosen.iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(chosen, expected, "{variables:?} {config:?}");
        }
    }

    #[test]
    fn inputs_that_cannot_be_read_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["Gemfile", "Gemfile.lock"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let app = App::read(dir.path(), UserEnv::default(), Path::new("/nowhere")).unwrap();
        let mut bundle = app.bundle.clone().unwrap();
        bundle.paths.gemfile = "/nowhere/Gemfile".into();
        let ruby = RubyLayer {
            path: "/nowhere/ruby".into(),
            version: "3.3.8".parse().unwrap(),
            abi: "3.3.0".into(),
            env: Env::new(),
        };
        let error = BundleInputs::of(&app, &bundle, &ruby).unwrap_err();
        assert_report!(GemsLayerError::Inputs(error));
    }

    #[test]
    fn a_layer_that_cannot_be_written_is_shown() {
        let error = fs::write("/dev/full", "---\n").unwrap_err();
        assert_report!(GemsLayerError::Layer(error));
    }
}

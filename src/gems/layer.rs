//! Layer `gems` (launch): the app's gems, as Bundler installs them.
//!
//! They are thrown away where compiled gems would not fit any more: another Ruby ABI, architecture or distribution. In between they are
//! brought up to date, from the archive that the last build left. Where nothing that Bundler looks at has changed, Bundler is not even
//! started, and the last image's layer is used again.

use crate::fetch::Fetcher;
use crate::fetch::file::FileError;
use crate::gems::bundle::Bundle;
use crate::gems::bundler::{self, BundleInstallError};
use crate::gems::cache::GemCache;
use crate::gems::compiled_libraries::link_copies;
use crate::gems::environment::{digest_of, layer_env, write_config};
use crate::gems::git_repositories::GitRepositories;
use crate::gems::inputs::BundleInputs;
use crate::gems::installed::{gem_home, installed_gems, remove_checkouts, remove_gem};
use crate::gems::installer::UnpackedGems;
pub use crate::gems::installer::prefetch;
use crate::gems::layer_archive::{Draft, GemsArchive};
use crate::gems::left_overs::{remove_left_overs, remove_unfinished_checkouts};
use crate::gems::lockfile::Source;
use crate::gems::metadata::{LAYOUT, Metadata, reasons};
use crate::platform::built_for::BuiltFor;
use crate::platform::cache_layer::cache_folder;
use crate::platform::files::remove_dir;
use crate::platform::launch_layer::{Last, LaunchLayer, NeededBy, UNKNOWN_METADATA};
use crate::report::{self, counted};
use crate::ruby::layer::{InstalledRuby, RubyLayerError};
use fs_err as fs;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer_env::{LayerEnv, Scope};
use libcnb::{Buildpack, Env, Target};
use miette::Diagnostic;
use std::path::Path;
use std::{io, thread};
use tempfile::TempDir;
use thiserror::Error;

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
    /// Ruby, which was in the image alone, cannot be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ruby(#[from] RubyLayerError),
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

/// What the gems are installed with.
pub struct GemsSupply<'a> {
    /// Which.
    pub bundle: &'a Bundle,
    /// For which Ruby.
    pub ruby: &'a InstalledRuby<'a>,
    /// Their archives.
    pub cache: &'a GemCache,
    /// Gets what is missing.
    pub supply: &'a Fetcher,
}

/// Installs the app's gems, or keeps those of the last build.
///
/// # Errors
/// An input cannot be read, `bundle install` fails, or Ruby, which that needs, cannot be had.
pub fn install<B>(
    context: &BuildContext<B>,
    with: &GemsSupply<'_>,
    needed_by: NeededBy,
) -> libcnb::Result<(), B::Error>
where
    B: Buildpack,
    B::Error: From<GemsLayerError>,
{
    let layer = LaunchLayer::new(&context.layers_dir, &layer_name!("gems"), needed_by);
    let archive = GemsArchive {
        folder: cache_folder(context, &layer_name!("gems-archive"))?,
    };
    with.bring_up_to_date(&layer, &archive, &context.target)
        .and_then(|(now, draft)| {
            keep(&layer, &archive, &now, draft, needed_by).map_err(GemsLayerError::Layer)
        })
        .map_err(|error| libcnb::Error::BuildpackError(error.into()))
}

/// Keeps the gems for the next build.
fn keep(
    layer: &LaunchLayer,
    archive: &GemsArchive,
    now: &Metadata,
    draft: Option<Draft>,
    needed_by: NeededBy,
) -> io::Result<()> {
    match needed_by {
        // Nothing was to be done, and nothing is here.
        NeededBy::TheImage if !layer.is_here() => Ok(()),
        NeededBy::TheImage if archive.holds().as_ref() == Some(now) => Ok(()),
        NeededBy::TheImage => archive.keep(&layer.path, now, draft).or_else(|error| {
            // They are installed all the same.
            report::detail(format!(
                "They cannot be kept for the next build, which installs them anew: {error}"
            ));
            archive.clear()
        }),
        // The platform keeps the layer itself.
        NeededBy::LaterBuildpacks => archive.clear(),
    }
}

impl GemsSupply<'_> {
    /// Returns what the layer holds then, and the archive of it, if it has one already.
    fn bring_up_to_date(
        &self,
        layer: &LaunchLayer,
        archive: &GemsArchive,
        target: &Target,
    ) -> Result<(Metadata, Option<Draft>), GemsLayerError> {
        let bundle = self.bundle;
        let ruby = &self.ruby.layer;
        let layer_env = layer_env(
            &layer.path,
            &gem_home(&layer.path, ruby),
            bundle,
            &bundle.settings.env,
        );
        let mut now = Metadata {
            layout: LAYOUT.to_string(),
            ruby_abi: ruby.abi.clone(),
            ruby_version: ruby.version.to_string(),
            ruby_sha256: ruby.sha256.clone(),
            built_for: BuiltFor::new(target),
            inputs: BundleInputs::of(bundle, ruby).map_err(GemsLayerError::Inputs)?,
            environment: digest_of(&layer_env).map_err(GemsLayerError::Layer)?,
            gems: String::new(),
        };
        let mut draft = None;
        let last = layer.last::<Metadata>().map_err(GemsLayerError::Layer)?;
        if let Last::Known(before) = &last
            && before.is_what(&now)
            && layer.is_where_it_is_needed()
        {
            now.gems.clone_from(&before.gems);
            now.say_that_nothing_has_changed();
        } else {
            let before = self.start(layer, archive, &last, &now)?;
            write_config(&layer.path, &bundle.settings.config)
                .and_then(|()| layer_env.write_to_layer_dir(&layer.path))
                .map_err(GemsLayerError::Layer)?;
            match before {
                Some(before) if before.inputs == now.inputs => {
                    now.gems = before.gems;
                    now.say_that_nothing_has_changed();
                }
                before => {
                    if let Some(before) = before {
                        self.remove_compiled_differently(&layer.path, &before.inputs, &now.inputs)
                            .map_err(GemsLayerError::Layer)?;
                    }
                    draft = self.install(&layer.path, &layer_env, archive, target)?;
                    now.gems = installed_gems(&gem_home(&layer.path, ruby)).to_string();
                    report::detail(format!("{} are installed", counted(&now.gems, "gem")));
                }
            }
        }
        layer.write(&now).map_err(GemsLayerError::Layer)?;
        Ok((now, draft))
    }

    /// Returns the archive of what was installed, where Bundler had nothing left to do.
    fn install(
        &self,
        layer: &Path,
        layer_env: &LayerEnv,
        archive: &GemsArchive,
        target: &Target,
    ) -> Result<Option<Draft>, GemsLayerError> {
        let bundle = self.bundle;
        let mut env = self.ruby.bring_here(&Env::from_current())?;
        bundle.settings.env.apply(&mut env);
        let env = layer_env.apply(Scope::Build, &env);
        let ruby = &self.ruby.layer;
        let gem_home = gem_home(layer, ruby);
        let tidy_up = || {
            remove_left_overs(layer)
                .and_then(|()| link_copies(&gem_home))
                .map_err(GemsLayerError::Layer)
        };
        remove_unfinished_checkouts(&gem_home).map_err(GemsLayerError::Layer)?;
        let archives = UnpackedGems {
            bundle,
            ruby,
            target,
            env: &env,
            gem_home: &gem_home,
            cache: self.cache,
            downloader: &self.supply.downloader,
        }
        .install()?;
        let archives = archives.as_ref().map(TempDir::path);
        tidy_up()?;
        let repositories = GitRepositories::new(self.cache.git_repositories(), &gem_home);
        repositories.lend(bundle).map_err(GemsLayerError::Layer)?;
        let draft = thread::scope(|scope| {
            // Bundler looks at everything meanwhile, on one processor.
            let has_git_gems = bundle.lockfile.sources.iter().any(Source::is_git);
            let is_whole = archives.is_some_and(is_empty) && !has_git_gems;
            let certificates = &self.supply.settings.certificates;
            let draft = is_whole.then(|| scope.spawn(|| archive.draft(layer)));
            bundler::run(bundle, ruby, &env, archives, certificates)?;
            // Where Bundler has something to do after all, the draft may have failed for it.
            Ok::<_, GemsLayerError>(draft.and_then(|draft| draft.join().ok()?.ok()))
        })?;
        repositories.keep().map_err(GemsLayerError::Layer)?;
        tidy_up()?;
        Ok(draft)
    }

    /// Puts the gems of the last build into the layer, where they can be used; empties it otherwise. Until it is written what the layer
    /// holds, it counts as unfinished. Returns what is in it.
    fn start(
        &self,
        layer: &LaunchLayer,
        archive: &GemsArchive,
        last: &Last<Metadata>,
        now: &Metadata,
    ) -> Result<Option<Metadata>, GemsLayerError> {
        let can_be_used = |metadata: &&Metadata| reasons(metadata, now).is_empty();
        let archived = archive.holds();
        let last_known = match last {
            Last::Known(metadata) => Some(metadata),
            Last::Nothing | Last::Unknown => None,
        };
        let here = last_known.filter(|_| layer.is_here()).filter(can_be_used);
        if here.is_none() {
            layer
                .forget()
                .and_then(|()| remove_dir(&layer.path))
                .map_err(GemsLayerError::Layer)?;
        }
        let before = here.or(archived.as_ref());
        let inputs = before.map_or_else(BundleInputs::default, |before| {
            now.inputs.unfinished_since(&before.inputs)
        });
        layer
            .write(&Metadata {
                inputs,
                ..now.clone()
            })
            .map_err(GemsLayerError::Layer)?;
        if let Some(before) = here {
            now.say_what_has_changed_since(before);
            return Ok(Some(before.clone()));
        }
        if let Some(before) = archived.as_ref().filter(can_be_used) {
            now.say_what_has_changed_since(before);
            match self.unpack(archive, layer, before.inputs != now.inputs)? {
                Ok(()) => return Ok(archived),
                Err(error) => {
                    report::detail(format!("The cached gems are of no use: {error}"));
                    archive.clear().map_err(GemsLayerError::Layer)?;
                }
            }
        }
        let why_not = match last_known.or(archived.as_ref()) {
            Some(before) => {
                let mut why_not = reasons(before, now);
                if why_not.is_empty() {
                    why_not = now.inputs.changes_since(&before.inputs);
                    why_not.push("the cache has none that can be used".into());
                }
                why_not
            }
            None if *last == Last::Unknown => vec![UNKNOWN_METADATA.to_string()],
            None => Vec::new(),
        };
        if !why_not.is_empty() {
            report::detail(format!("Not reusing the last gems: {}", why_not.join(", ")));
        }
        Ok(None)
    }

    /// Removes the gems whose compiler flags are different now: whoever installs gems takes those for installed that are there.
    fn remove_compiled_differently(
        &self,
        layer: &Path,
        before: &BundleInputs,
        now: &BundleInputs,
    ) -> io::Result<()> {
        let gem_home = gem_home(layer, &self.ruby.layer);
        for source in &self.bundle.lockfile.sources {
            for spec in &source.specs {
                if !now.compile_differently(before, &spec.name) {
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

    /// With Ruby side by side, where that is going to be needed.
    fn unpack(
        &self,
        archive: &GemsArchive,
        layer: &LaunchLayer,
        needs_ruby: bool,
    ) -> Result<io::Result<()>, RubyLayerError> {
        thread::scope(|scope| {
            let unpacking = scope.spawn(|| archive.unpack(&layer.path));
            let ruby = if needs_ruby {
                self.ruby.bring_here(&Env::new()).map(drop)
            } else {
                Ok(())
            };
            let unpacked = unpacking
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("it cannot be unpacked")));
            ruby.map(|()| unpacked)
        })
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use crate::ruby::layer::RubyLayer;
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

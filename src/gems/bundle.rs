//! The app's bundle, as Bundler calls a Gemfile with its gems: its files, and what they say.

use crate::app::{App, Mistake, Unreadable};
use crate::gems::gemfile::GemfilePaths;
use crate::gems::lockfile::{GemfileLock, GemfileLockError};
use crate::gems::settings::BundlerSettings;
use crate::gems::settings::bundle_config::{self, BundleConfig};
use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Clone, Debug)]
pub struct Bundle {
    pub app: App,
    pub paths: GemfilePaths,
    pub lockfile: GemfileLock,
    pub settings: BundlerSettings,
}

/// The bundle cannot be used.
#[derive(Debug, Diagnostic, Error)]
pub enum BundleError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("{gemfile} has no {lockfile}")]
    #[diagnostic(help(
        "Run `bundle lock`, and commit {lockfile}: the image gets exactly the gems that it names. \
         If it is committed, see that .dockerignore or project.toml do not leave it out."
    ))]
    NoLockfile { gemfile: String, lockfile: String },
    /// There is a lockfile, or `BUNDLE_GEMFILE`, but not its Gemfile.
    #[error("{gemfile} is not in the app")]
    #[diagnostic(help(
        "Commit {gemfile}, and see that .dockerignore or project.toml do not leave it out."
    ))]
    NoGemfile { gemfile: String },
    #[error("{lockfile} takes {gems} from the folder `{folder}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {folder}, and see that .dockerignore or project.toml do not leave it out. \
         A folder outside the app cannot be built from: take the gem from a gem server or from git."
    ))]
    NoPathGem {
        lockfile: String,
        /// As in the lockfile: relative to it.
        folder: String,
        gems: String,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    GemfileLock(#[from] GemfileLockError),
}

/// The files of a bundle, with mistakes or without: the Ruby version is read from files that have
/// none.
#[derive(Debug, Default)]
pub struct BundleFiles {
    /// None for an app that has neither a Gemfile nor a lockfile.
    pub paths: Option<GemfilePaths>,
    pub gemfile: Option<String>,
    pub bundle: Option<Bundle>,
    pub mistakes: Vec<Mistake>,
}

impl BundleFiles {
    /// Reads Gemfile, lockfile and `.bundle/config` of an app.
    #[must_use]
    pub fn read(app: &App, env: &BuildVariables) -> Self {
        let named = named_gemfile(app, env);
        let Some(paths) = GemfilePaths::find(&app.dir, named.as_deref()) else {
            return Self::default();
        };
        let mut mistakes: Vec<Mistake> = Vec::new();
        let gemfile = read_gemfile(app, &paths)
            .map_err(|error| mistakes.push(error.into()))
            .ok();
        let bundle = match Bundle::read(app, env, &paths) {
            Ok(bundle) => Some(bundle),
            // A missing Gemfile is the only mistake, even if the lockfile is missing too.
            Err(BundleError::NoLockfile { .. }) if gemfile.is_none() => None,
            Err(error) => {
                mistakes.push(error.into());
                None
            }
        };
        let missing = bundle.iter().flat_map(Bundle::missing_path_gems);
        mistakes.extend(missing.map(Mistake::from));
        Self {
            paths: Some(paths),
            gemfile,
            bundle,
            mistakes,
        }
    }
}

impl Bundle {
    fn read(app: &App, env: &BuildVariables, paths: &GemfilePaths) -> Result<Self, BundleError> {
        let name = app.name_of(&paths.lockfile);
        let text = app
            .read_text(&paths.lockfile)?
            .ok_or_else(|| BundleError::NoLockfile {
                gemfile: app.name_of(&paths.gemfile),
                lockfile: name.clone(),
            })?;
        let config = app.read_text(&paths.gemfile.with_file_name(bundle_config::FILE_NAME))?;
        Ok(Self {
            app: app.clone(),
            paths: paths.clone(),
            lockfile: GemfileLock::parse(&name, &text)?,
            settings: BundlerSettings {
                env: env.clone(),
                config: BundleConfig::parse(&config.unwrap_or_default()),
            },
        })
    }

    /// The Gemfile's path, relative to the app.
    #[must_use]
    pub fn gemfile_name(&self) -> String {
        self.app.name_of(&self.paths.gemfile)
    }

    /// The lockfile's path, relative to the app.
    #[must_use]
    pub fn lockfile_name(&self) -> String {
        self.app.name_of(&self.paths.lockfile)
    }

    fn missing_path_gems(&self) -> Vec<BundleError> {
        let sources = self.lockfile.sources.iter();
        sources
            .filter_map(|source| Some((source, source.folder()?)))
            .filter(|(_, folder)| !self.paths.lockfile.with_file_name(folder).is_dir())
            .map(|(source, folder)| BundleError::NoPathGem {
                lockfile: self.lockfile_name(),
                folder: folder.to_string(),
                gems: match source.specs.as_slice() {
                    [] => "gems".to_string(),
                    specs => specs
                        .iter()
                        .map(|spec| spec.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                },
            })
            .collect()
    }
}

/// The Gemfile that the user's variable names, else the app's `.bundle/config`, as in Bundler.
fn named_gemfile(app: &App, env: &BuildVariables) -> Option<PathBuf> {
    if let Some(path) = env.get(bundle_config::GEMFILE) {
        return Some(path.into());
    }
    // If the settings cannot be read, reading the bundle reports it.
    let config = app.read_text(&app.dir.join(bundle_config::FILE_NAME));
    let config = BundleConfig::parse(&config.ok()??);
    config.gemfile().map(Path::to_path_buf)
}

fn read_gemfile(app: &App, paths: &GemfilePaths) -> Result<String, BundleError> {
    app.read_text(&paths.gemfile)?
        .ok_or_else(|| BundleError::NoGemfile {
            gemfile: app.name_of(&paths.gemfile),
        })
}

#[cfg(test)]
impl Bundle {
    /// For tests: the bundle of an app's folder.
    pub(crate) fn at(dir: &Path, env: &BuildVariables) -> Self {
        let files = BundleFiles::read(&App::new(dir), env);
        files
            .bundle
            .expect("the folder has a Gemfile and its lockfile")
    }
}

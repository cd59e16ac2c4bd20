//! The app's bundle, as Bundler calls a Gemfile with its gems: its files, and what they say.

use crate::app::{App, Mistake, Unreadable};
use crate::gems::gemfile::GemfilePaths;
use crate::gems::git_lfs::pointers_in;
use crate::gems::lockfile::{GemfileLock, GemfileLockError};
use crate::gems::other_lockfile::{self, InGemfile};
use crate::gems::settings::BundlerSettings;
use crate::gems::settings::bundle_config::{self, BundleConfig};
use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use std::path::PathBuf;
use thiserror::Error;

/// Bundler's setting for the folder of gem archives, relative to the Gemfile.
const CACHE_PATH: &str = "BUNDLE_CACHE_PATH";

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
        "Commit {gemfile}, and see that .dockerignore or project.toml do not leave it out.{}",
        named_by.map(|named_by| format!(" It is named by {named_by}.")).unwrap_or_default()
    ))]
    NoGemfile {
        gemfile: String,
        /// The setting that names it, in words.
        named_by: Option<&'static str>,
    },
    #[error("{lockfile} takes {gems} from the folder `{folder}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {folder}, and see that .dockerignore or project.toml do not leave it out. \
         A folder outside the app cannot be built from: take the gem from a gem server or from git."
    ))]
    NoPathGem {
        lockfile: String,
        /// As in the lockfile: relative to the Gemfile.
        folder: String,
        gems: String,
    },
    #[error("{gemfile} computes which lockfile it has: `{call}`")]
    #[diagnostic(help(
        "The lockfile is read before there is a Ruby, and the image gets exactly the gems that it names. \
         Write its name as a plain string, or leave the line out and name it by the build variable BUNDLE_LOCKFILE."
    ))]
    ComputedLockfile { gemfile: String, call: String },
    #[error("{gemfile} names the lockfile {in_gemfile}, and BUNDLE_LOCKFILE {by_setting}")]
    #[diagnostic(help("Bundler would read both, each for a part of its work. Name one."))]
    TwoLockfiles {
        gemfile: String,
        in_gemfile: String,
        by_setting: String,
    },
    #[error(
        "{named_by} names the lockfile {lockfile}, which only Bundler 4 would read: it is locked by {bundler}"
    )]
    #[diagnostic(help(
        "Older ones read {default} alone. Lock it with Bundler 4 (`bundle update --bundler`), or give each lockfile a \
         Gemfile of its own and choose one by BUNDLE_GEMFILE: `gemfiles/next.gemfile` has `gemfiles/next.gemfile.lock`."
    ))]
    LockfileOfOldBundler {
        /// The Gemfile, or the setting.
        named_by: String,
        lockfile: String,
        /// What BUNDLED WITH says, in words.
        bundler: String,
        /// The lockfile beside the Gemfile.
        default: String,
    },
    #[error("{folder} has pointers of Git LFS in the place of gems: {}", gems.join(", "))]
    #[diagnostic(help(
        "Have Git LFS fetch the files before the build (`git lfs pull`; in CI, `lfs: true` or \
         GIT_LFS_SKIP_SMUDGE=0), or commit the gems without LFS."
    ))]
    LfsPointers { folder: String, gems: Vec<String> },
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
        let (named, named_by) = named_gemfile(app, env).unzip();
        let Some(mut paths) = GemfilePaths::find(&app.dir, named.as_deref()) else {
            return Self::default();
        };
        let mut mistakes: Vec<Mistake> = Vec::new();
        let gemfile = read_gemfile(app, &paths, named_by)
            .map_err(|error| mistakes.push(error.into()))
            .ok();
        let bundle = match Bundle::read(app, env, &mut paths, gemfile.as_deref()) {
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
        let pointers = bundle.as_ref().and_then(Bundle::lfs_pointers);
        mistakes.extend(pointers.map(Mistake::from));
        Self {
            paths: Some(paths),
            gemfile,
            bundle,
            mistakes,
        }
    }
}

impl Bundle {
    /// Reads the lockfile, and sets its path where the app names another one than the one beside the
    /// Gemfile.
    fn read(
        app: &App,
        env: &BuildVariables,
        paths: &mut GemfilePaths,
        gemfile: Option<&str>,
    ) -> Result<Self, BundleError> {
        let config = app.read_text(&paths.gemfile.with_file_name(bundle_config::FILE_NAME))?;
        let settings = BundlerSettings {
            env: env.clone(),
            config: BundleConfig::parse(&config.unwrap_or_default()),
        };
        let other = other_lockfile(app.name_of(&paths.gemfile), gemfile, &settings)?;
        let default = app.name_of(&paths.lockfile);
        if let Some((_, other)) = &other {
            paths.lockfile = app.dir.join(other);
        }
        let name = app.name_of(&paths.lockfile);
        let text = app
            .read_text(&paths.lockfile)?
            .ok_or_else(|| BundleError::NoLockfile {
                gemfile: app.name_of(&paths.gemfile),
                lockfile: name.clone(),
            })?;
        let lockfile = GemfileLock::parse(&name, &text)?;
        if let Some((named_by, _)) = other
            && name != default
            && !other_lockfile::is_read_by(lockfile.bundled_with.as_ref())
        {
            let bundler = lockfile.bundled_with;
            return Err(BundleError::LockfileOfOldBundler {
                named_by,
                lockfile: name,
                bundler: bundler.map_or_else(
                    || "a Bundler that it does not name".to_string(),
                    |version| format!("Bundler {version}"),
                ),
                default,
            });
        }
        Ok(Self {
            app: app.clone(),
            paths: paths.clone(),
            lockfile,
            settings,
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

    /// The folder where the app keeps gem archives, as `bundle cache` writes it.
    #[must_use]
    pub fn cache_folder(&self) -> PathBuf {
        let name = self.settings.get(CACHE_PATH).unwrap_or("vendor/cache");
        self.paths.gemfile.with_file_name(name)
    }

    fn lfs_pointers(&self) -> Option<BundleError> {
        let folder = self.cache_folder();
        let gems = pointers_in(&folder);
        (!gems.is_empty()).then(|| BundleError::LfsPointers {
            folder: self.app.name_of(&folder),
            gems,
        })
    }

    fn missing_path_gems(&self) -> Vec<BundleError> {
        let sources = self.lockfile.sources.iter();
        sources
            .filter_map(|source| Some((source, source.folder()?)))
            .filter(|(_, folder)| !self.paths.gemfile.with_file_name(folder).is_dir())
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
/// Returns it with the setting, in words.
fn named_gemfile(app: &App, env: &BuildVariables) -> Option<(PathBuf, &'static str)> {
    if let Some(path) = env.get(bundle_config::GEMFILE) {
        return Some((path.into(), "the variable BUNDLE_GEMFILE"));
    }
    // If the settings cannot be read, reading the bundle reports it.
    let config = app.read_text(&app.dir.join(bundle_config::FILE_NAME));
    let config = BundleConfig::parse(&config.ok()??);
    let path = config.gemfile()?.to_path_buf();
    Some((path, "BUNDLE_GEMFILE in .bundle/config"))
}

/// The lockfile that a setting or the Gemfile names, relative to the app, after what names it.
fn other_lockfile(
    gemfile_name: String,
    gemfile: Option<&str>,
    settings: &BundlerSettings,
) -> Result<Option<(String, String)>, BundleError> {
    let by_setting = settings.get(other_lockfile::SETTING).map(String::from);
    match (gemfile.and_then(other_lockfile::called_in), by_setting) {
        (Some(InGemfile::Computed(call)), _) => Err(BundleError::ComputedLockfile {
            gemfile: gemfile_name,
            call: call.to_string(),
        }),
        (Some(InGemfile::Named(name)), Some(by_setting)) if name != by_setting => {
            Err(BundleError::TwoLockfiles {
                gemfile: gemfile_name,
                in_gemfile: name.to_string(),
                by_setting,
            })
        }
        (Some(InGemfile::Named(name)), _) => Ok(Some((gemfile_name, name.to_string()))),
        (None, by_setting) => {
            Ok(by_setting.map(|name| (other_lockfile::SETTING.to_string(), name)))
        }
    }
}

fn read_gemfile(
    app: &App,
    paths: &GemfilePaths,
    named_by: Option<&'static str>,
) -> Result<String, BundleError> {
    app.read_text(&paths.gemfile)?
        .ok_or_else(|| BundleError::NoGemfile {
            gemfile: app.name_of(&paths.gemfile),
            named_by,
        })
}

#[cfg(test)]
impl Bundle {
    /// For tests: the bundle of an app's folder.
    pub(crate) fn at(dir: &std::path::Path, env: &BuildVariables) -> Self {
        let files = BundleFiles::read(&App::new(dir), env);
        files
            .bundle
            .expect("the folder has a Gemfile and its lockfile")
    }
}

//! Reading the files of an app, and what is wrong with them.

use super::app_json::{self, AppJson, AppJsonWarning};
use super::bindings::{self, Binding};
use super::bundle_config::{self, BundleConfig};
use super::command::{CommandSyntaxError, is_shell_script};
use super::download_settings::DownloadSettingsError;
use super::gemfile::GemfilePaths;
use super::gemfile_lock::{GemfileLock, GemfileLockError};
use super::procfile::{self, Entry, ProcessType, Procfile, ProcfileError, ProcfileSource, Reading};
use super::ruby_version::{self, RubyInputs, RubyRequests, RubyVersionError};
use super::user_env::UserEnv;
use super::{Bundle, DEFAULT_PROCESS, mise, ruby_version_file, tool_versions};
use miette::Diagnostic;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An input that cannot be used.
#[derive(Debug, Diagnostic, Error)]
pub enum AppError {
    /// A file is there but cannot be read.
    #[error("{file} cannot be read")]
    #[diagnostic(help("Check that it is a file and that the build user may read it."))]
    Unreadable {
        /// Its name in the app.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody has resolved the Gemfile.
    #[error("{gemfile} has no {lockfile}")]
    #[diagnostic(help(
        "Run `bundle lock`, and commit {lockfile}: the image gets exactly the gems that it names. \
         If it is committed, see that .dockerignore or project.toml do not leave it out."
    ))]
    NoLockfile {
        /// The Gemfile's name.
        gemfile: String,
        /// The name that the lockfile would have.
        lockfile: String,
    },
    /// A lockfile, or `BUNDLE_GEMFILE`, without its Gemfile.
    #[error("{gemfile} is not in the app")]
    #[diagnostic(help(
        "Commit {gemfile}, and see that .dockerignore or project.toml do not leave it out."
    ))]
    NoGemfile {
        /// The Gemfile's name.
        gemfile: String,
    },
    /// A gem that lives in the app is not there.
    #[error("{lockfile} takes {gems} from the folder `{folder}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {folder}, and see that .dockerignore or project.toml do not leave it out. \
         A folder outside the app cannot be built from: take the gem from a gem server or from git."
    ))]
    NoPathGem {
        /// The lockfile's name.
        lockfile: String,
        /// The folder, as the lockfile has it.
        folder: String,
        /// The gems that it would hold.
        gems: String,
    },
    /// The lockfile is broken.
    #[error(transparent)]
    #[diagnostic(transparent)]
    GemfileLock(#[from] GemfileLockError),
    /// A Ruby that cannot be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    RubyVersion(#[from] RubyVersionError),
    /// The Procfile is broken.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Procfile(#[from] ProcfileError),
    /// A mirror, mapping, certificate or proxy that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    DownloadSettings(#[from] DownloadSettingsError),
    /// The service bindings are there but cannot be read.
    #[error("the service bindings in {folder} cannot be read")]
    #[diagnostic(help(
        "Each is a folder with a text file `type`. Check that the build user may read them all, or mount no folder there."
    ))]
    Bindings {
        /// Their folder.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// A service binding of type `Procfile` that holds none.
    #[error("the service binding `{binding}` is of type Procfile, but has no entry `Procfile`")]
    #[diagnostic(help(
        "Add the file `Procfile` to the binding, or remove the binding to use the app's own."
    ))]
    EmptyBinding {
        /// Its name.
        binding: String,
    },
    /// The command of [`DEFAULT_PROCESS`] is broken.
    #[error("{DEFAULT_PROCESS} holds no command that can be run")]
    DefaultProcess {
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: CommandSyntaxError,
    },
}

/// All inputs that cannot be used.
#[derive(Debug, Diagnostic, Error)]
#[error("the app cannot be built as it is")]
pub struct AppErrors(#[related] pub Vec<AppError>);

/// Keeps the value, or puts the error with the others.
pub(super) fn collect<T>(result: Result<T, AppError>, errors: &mut Vec<AppError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

pub(super) fn read_bindings(root: &Path) -> Result<Vec<Binding>, AppError> {
    bindings::read(root).map_err(|source| AppError::Bindings {
        folder: root.display().to_string(),
        source,
    })
}

/// The files below an app's folder.
pub(super) struct AppFiles<'a> {
    pub(super) dir: &'a Path,
}

impl AppFiles<'_> {
    pub(super) fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(self.dir)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The Gemfile that the user's variable names, else the app's `.bundle/config`: Bundler's commands heed both.
    pub(super) fn named_gemfile(&self, env: &UserEnv) -> Option<PathBuf> {
        if let Some(path) = env.get(bundle_config::GEMFILE) {
            return Some(path.into());
        }
        // Settings that cannot be read are reported where the bundle is read.
        let config = self.read_text(&self.dir.join(bundle_config::FILE_NAME));
        let config = BundleConfig::parse(&config.ok()??);
        config.gemfile().map(Path::to_path_buf)
    }

    pub(super) fn read_gemfile(&self, paths: &GemfilePaths) -> Result<String, AppError> {
        self.read_text(&paths.gemfile)?
            .ok_or_else(|| AppError::NoGemfile {
                gemfile: self.name_of(&paths.gemfile),
            })
    }

    pub(super) fn read_bundle(&self, paths: &GemfilePaths) -> Result<Bundle, AppError> {
        let name = self.name_of(&paths.lockfile);
        let text = self
            .read_text(&paths.lockfile)?
            .ok_or_else(|| AppError::NoLockfile {
                gemfile: self.name_of(&paths.gemfile),
                lockfile: name.clone(),
            })?;
        let config = self.read_text(&paths.gemfile.with_file_name(bundle_config::FILE_NAME))?;
        Ok(Bundle {
            paths: paths.clone(),
            lockfile: GemfileLock::parse(&name, &text)?,
            config: BundleConfig::parse(&config.unwrap_or_default()),
        })
    }

    pub(super) fn missing_path_gems(&self, bundle: &Bundle) -> Vec<AppError> {
        let sources = bundle.lockfile.sources.iter();
        sources
            .filter_map(|source| Some((source, source.folder()?)))
            .filter(|(_, folder)| !bundle.paths.lockfile.with_file_name(folder).is_dir())
            .map(|(source, folder)| AppError::NoPathGem {
                lockfile: self.name_of(&bundle.paths.lockfile),
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

    pub(super) fn read_ruby(
        &self,
        env: &UserEnv,
        paths: Option<&GemfilePaths>,
        gemfile: Option<&str>,
        bundle: Option<&Bundle>,
    ) -> Result<RubyRequests, Vec<AppError>> {
        let gemfile_name = paths.map(|paths| self.name_of(&paths.gemfile));
        let lockfile_name = paths.map(|paths| self.name_of(&paths.lockfile));
        let read = |name: &str| self.read_text(&self.dir.join(name));
        let mut errors = Vec::new();
        let ruby_version_file = collect(read(ruby_version_file::FILE_NAME), &mut errors).flatten();
        let tool_versions = collect(read(tool_versions::FILE_NAME), &mut errors).flatten();
        let mise = mise::FILE_NAMES
            .iter()
            .find_map(|name| Some((*name, collect(read(name), &mut errors)??)));
        if !errors.is_empty() {
            return Err(errors);
        }
        let variables: Vec<_> = ruby_version::VARIABLES
            .iter()
            .filter_map(|name| Some((*name, env.get(name)?)))
            .collect();
        let inputs = RubyInputs {
            variables: &variables,
            lockfile: lockfile_name
                .as_deref()
                .zip(bundle.map(|bundle| &bundle.lockfile)),
            gemfile: gemfile_name.as_deref().zip(gemfile),
            ruby_version_file: ruby_version_file.as_deref(),
            tool_versions: tool_versions.as_deref(),
            mise: mise.as_ref().map(|(name, text)| (*name, text.as_str())),
        };
        let beside_gemfile = |name: &str| {
            let path = paths?.gemfile.with_file_name(name);
            self.read_text(&path).ok().flatten()
        };
        RubyRequests::read(inputs, &beside_gemfile)
            .map_err(|errors| errors.into_iter().map(AppError::from).collect())
    }

    /// The Procfile of a service binding, else the app's.
    pub(super) fn read_procfile(&self, bindings: &[Binding]) -> Result<Option<Procfile>, AppError> {
        let bound = bindings
            .iter()
            .find(|binding| binding.is_of_type(procfile::FILE_NAME));
        let (path, source) = match bound {
            Some(binding) => (
                binding.folder.join(procfile::FILE_NAME),
                ProcfileSource::Binding(binding.name.clone()),
            ),
            None => (self.dir.join(procfile::FILE_NAME), ProcfileSource::File),
        };
        let Some(bytes) = self.read_bytes(&path)? else {
            return match source {
                ProcfileSource::File => Ok(None),
                ProcfileSource::Binding(binding) => Err(AppError::EmptyBinding { binding }),
            };
        };
        Ok(Some(
            Reading::of(&bytes, &|path| is_shell_script(self.dir, path)).into_procfile(source)?,
        ))
    }

    /// Not to be found out only when somebody exports from the image.
    pub(super) fn check_app_json(&self) -> Option<AppJsonWarning> {
        let read = match self.read_bytes(&self.dir.join(app_json::FILE_NAME)) {
            Ok(bytes) => String::from_utf8(bytes?).map_err(|error| error.to_string()),
            Err(error) => Err(error.source().map_or_else(String::new, ToString::to_string)),
        };
        match read {
            Ok(text) => AppJson::read(&text).err().map(AppJsonWarning::from),
            Err(reason) => Some(AppJsonWarning::Unreadable { reason }),
        }
    }

    pub(super) fn read_default_web(&self, env: &UserEnv) -> Result<Option<Entry>, AppError> {
        let Some(command) = env
            .get(DEFAULT_PROCESS)
            .map(str::trim)
            .filter(|command| !command.is_empty())
        else {
            return Ok(None);
        };
        let web = ProcessType::known(ProcessType::WEB);
        Entry::new(web, command, &|path| is_shell_script(self.dir, path))
            .map(Some)
            .map_err(|source| AppError::DefaultProcess { source })
    }

    /// The text of a file, none where there is no file. What is not UTF-8 in it is replaced: it can only be in a comment.
    fn read_text(&self, path: &Path) -> Result<Option<String>, AppError> {
        Ok(self
            .read_bytes(path)?
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read_bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, AppError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) && path.symlink_metadata().is_err() =>
            {
                Ok(None)
            }
            Err(source) => Err(AppError::Unreadable {
                file: self.name_of(path),
                source,
            }),
        }
    }
}

//! What is wrong with the app.

use super::DEFAULT_PROCESS;
use super::command::CommandSyntaxError;
use super::download_settings::DownloadSettingsError;
use super::gemfile_lock::GemfileLockError;
use super::procfile::ProcfileError;
use super::ruby_version::RubyVersionError;
use miette::Diagnostic;
use std::io;
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

//! Installing gems without Bundler. Their archives are downloaded and unpacked side by side, and
//! one Ruby process has RubyGems do the rest, with a process for each compilation. Bundler installs
//! what is left (gems from git, and gems that failed), and has the last word.

mod archive;
pub(super) mod fetch;
mod gem_file;
mod likely;
mod messages;
mod plan;
mod rubygems_process;

use crate::fetch::file::FileError;
use crate::gems::bundler;
use crate::gems::installed::is_installed;
use crate::gems::mutex::lock;
use crate::gems::stage::GemsStage;
use crate::platform::files::{new_beside, remove_dir, replace_dir};
use crate::report;
use crate::ruby::layer::RubyLayer;
use archive::GemArchive;
use fetch::{Fetched, archives_to_fetch, fetch_all};
use fs_err as fs;
use gem_file::GemFile;
use libcnb::Env;
use plan::{InstallPlan, locked_bundler};
use rubygems_process::{Evaluated, RubyGemsProcess};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tempfile::TempDir;

/// What the gems are installed with.
pub(super) struct GemInstaller<'a> {
    pub(super) stage: &'a GemsStage<'a>,
    pub(super) ruby: &'a RubyLayer,
    /// The environment of Bundler and RubyGems.
    pub(super) env: &'a Env,
    /// The folder where RubyGems keeps the gems of one ABI.
    pub(super) gem_home: &'a Path,
}

/// A question without an answer: the Gemfile could not be evaluated but by Bundler itself.
const NOT_OBSERVED: &str = "evaluation of the Gemfile";

/// What an install has done.
pub(super) struct Installation {
    /// A folder with the archives of the gems that Bundler has to install; none where Bundler has
    /// to ask the servers.
    pub(super) left: Option<TempDir>,
    /// What the Gemfile has asked for.
    pub(super) questions: BTreeSet<String>,
}

/// Why nothing more is installed here.
enum Stop {
    /// An archive is not the one that the lockfile names: the build fails.
    WrongArchive(FileError),
    /// Bundler goes on.
    LeftToBundler(String),
}

impl GemInstaller<'_> {
    /// Observes what the Gemfile asks for, and installs as many gems as it can. What failed is in
    /// the log.
    ///
    /// # Errors
    /// An archive is not the one that the lockfile names.
    pub(super) fn install(&self) -> Result<Installation, FileError> {
        let mut questions = BTreeSet::from([NOT_OBSERVED.to_string()]);
        let left = match self.try_install(&mut questions) {
            Ok(left) => left,
            Err(Stop::WrongArchive(error)) => return Err(error),
            Err(Stop::LeftToBundler(reason)) => {
                report::detail(messages::left_to_bundler(&reason));
                None
            }
        };
        Ok(Installation { left, questions })
    }

    /// The archive of the lockfile's own Bundler, where Ruby has another.
    fn locked_bundler(&self) -> Option<GemArchive> {
        let bundle = self.stage.bundle;
        if bundler::obsolete_bundler(bundle, self.ruby).is_some() {
            return None;
        }
        locked_bundler(&bundle.lockfile, &bundle.settings).filter(|gem| !self.is_default_gem(gem))
    }

    /// Whether Ruby has the gem, in this very version.
    fn is_default_gem(&self, gem: &GemArchive) -> bool {
        let gems = self.ruby.path.join("lib/ruby/gems").join(&self.ruby.abi);
        gems.join(format!("specifications/default/{}.gemspec", gem.full_name))
            .is_file()
    }

    /// Returns what is [left](Installation::left) to install, and sets the questions once they are
    /// known.
    fn try_install(&self, questions: &mut BTreeSet<String>) -> Result<Option<TempDir>, Stop> {
        let started = Instant::now();
        let state = tempfile::tempdir()?;
        let archives = archives_to_fetch(self.stage.bundle, self.stage.target);
        let bundler = archives.is_some().then(|| self.locked_bundler()).flatten();
        let unpacked = match &bundler {
            Some(bundler) => self.unpack_bundler(bundler, state.path())?,
            None => None,
        };
        let (process, evaluated) = self.start_rubygems(bundler.as_ref(), state.path())?;
        *questions = evaluated.questions;
        let settings = &self.stage.bundle.settings;
        for warning in settings.unknown_groups(&evaluated.groups) {
            report::warning(&warning);
        }
        let Some(archives) = archives else {
            process.finish(|_| {})?;
            return Ok(None);
        };
        let is_installed = |full_name: &str| is_installed(self.gem_home, full_name);
        let plan = InstallPlan::new(archives, bundler, &evaluated.names, is_installed);
        self.stage.cache.keep_only(&plan.needed)?;
        self.warn_of_missing_checksums(&plan);

        if let Some(specification) = unpacked {
            process.install(&specification)?;
        }
        let failure = self.fetch_and_install(&plan, process, state.path())?;

        let (installed, left): (Vec<_>, Vec<_>) = plan
            .archives()
            .partition(|archive| is_installed(&archive.full_name));
        if !installed.is_empty() {
            report::detail(messages::installed(&installed, started.elapsed()));
        }
        match failure {
            Some(reason) => Err(Stop::LeftToBundler(reason)),
            None => Ok(Some(self.folder_of(&left)?)),
        }
    }

    /// Puts the lockfile's own Bundler into its place, where it is not installed. Returns its specification;
    /// none where it cannot be had: the install goes on without it.
    fn unpack_bundler(
        &self,
        bundler: &GemArchive,
        state: &Path,
    ) -> Result<Option<PathBuf>, FileError> {
        if is_installed(self.gem_home, &bundler.full_name) {
            return Ok(None);
        }
        let unpacked = Mutex::new(None);
        let archives = slice::from_ref(bundler);
        let fetched = self.fetch(archives, &|archive, path| {
            *lock(&unpacked) = Some(self.unpack(archive, path, state));
        })?;
        let reason = match lock(&unpacked).take() {
            Some(Ok(specification)) => return Ok(Some(specification)),
            Some(Err(reason)) => Some(reason),
            None => fetched.failure,
        };
        report::detail(messages::no_locked_bundler(&reason.unwrap_or_default()));
        Ok(None)
    }

    /// Starts the process with RubyGems, and the lockfile's own Bundler, where that is in its place. Returns what
    /// the Gemfile says, too.
    fn start_rubygems(
        &self,
        bundler: Option<&GemArchive>,
        state: &Path,
    ) -> io::Result<(RubyGemsProcess, Evaluated)> {
        let ruby = self.ruby.path.join("bin/ruby");
        let mut command = bundler::command(&ruby, self.stage.bundle, self.env, state)?;
        let library =
            bundler.map(|gem| self.gem_home.join("gems").join(&gem.full_name).join("lib"));
        if let Some(library) = library.filter(|library| library.is_dir()) {
            command.arg("-I").arg(library);
        }
        RubyGemsProcess::start(command, state)
    }

    fn warn_of_missing_checksums(&self, plan: &InstallPlan) {
        let count = plan.without_checksum();
        if count > 0 {
            let lockfile = self.stage.bundle.lockfile_name();
            report::detail(messages::without_checksum(count, &lockfile));
        }
    }

    /// Downloads, unpacks and installs the plan's gems. Returns why it could not install all of
    /// them.
    fn fetch_and_install(
        &self,
        plan: &InstallPlan,
        process: RubyGemsProcess,
        state: &Path,
    ) -> Result<Option<String>, Stop> {
        let failure = Mutex::new(None);
        let install = |archive: &GemArchive, path: &Path| {
            if let Err(reason) = self.unpack_and_install(archive, path, &process, state) {
                lock(&failure).get_or_insert(reason);
            }
        };
        let gems = self.fetch(&plan.gems, &install);
        let (count, bytes) = self.stage.cache.downloaded();
        if count > 0 {
            report::detail(messages::fetched(count, bytes));
        }
        let finished = process.finish(|line| report::detail(line));
        let gems = gems?;
        finished?;
        Ok(gems.failure.or(lock(&failure).take()))
    }

    fn fetch(
        &self,
        archives: &[GemArchive],
        take: &(dyn Fn(&GemArchive, &Path) + Sync),
    ) -> Result<Fetched, FileError> {
        let GemsStage { cache, fetcher, .. } = self.stage;
        let never = AtomicBool::new(false);
        let fetched = fetch_all(archives, &cache.folder, &fetcher.downloader, &never, take)?;
        cache.add_downloaded(fetched.count, fetched.bytes);
        Ok(fetched)
    }

    /// The error says in words why the gem cannot be installed.
    fn unpack_and_install(
        &self,
        archive: &GemArchive,
        path: &Path,
        process: &RubyGemsProcess,
        state: &Path,
    ) -> Result<(), String> {
        let specification = self.unpack(archive, path, state)?;
        process
            .install(&specification)
            .map_err(|error| error.to_string())
    }

    /// Puts a gem's files into their place, and its specification into a file. The error says in words why that
    /// cannot be done.
    fn unpack(&self, archive: &GemArchive, path: &Path, state: &Path) -> Result<PathBuf, String> {
        let unpack = || {
            let gem = GemFile::read(path, !archive.checksums.is_empty())?;
            let place = self.gem_home.join("gems").join(&archive.full_name);
            let new = new_beside(&place);
            remove_dir(&new)?;
            gem.unpack(&new)?;
            replace_dir(&new, &place)?;
            let specification = state.join(format!("{}.yaml", archive.full_name));
            fs::write(&specification, &gem.specification)?;
            Ok(specification)
        };
        unpack().map_err(|error: io::Error| {
            // The next build downloads it again.
            let _ = fs::remove_file(path);
            format!("{}: {error}", archive.full_name)
        })
    }

    /// A folder with links to those archives that are in the cache.
    fn folder_of(&self, archives: &[&GemArchive]) -> io::Result<TempDir> {
        let folder = tempfile::tempdir()?;
        let cached = archives
            .iter()
            .map(|archive| archive.path(&self.stage.cache.folder));
        for path in cached.filter(|path| path.is_file()) {
            let name = path.file_name().unwrap_or_default();
            std::os::unix::fs::symlink(&path, folder.path().join(name))?;
        }
        Ok(folder)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::WrongArchive(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::LeftToBundler(error.to_string())
    }
}

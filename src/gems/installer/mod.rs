//! Installing gems past Bundler: their archives are fetched and unpacked side by side, and one Ruby process has RubyGems do the rest, with
//! a process for each compilation. Bundler installs what is left (gems of git, and what went wrong), and has the last word.

use crate::fetch::digest::Sha256Hex;
use crate::fetch::download::Downloader;
use crate::fetch::file::FileError;
use crate::fetch::masked::masked;
use crate::gems::archive::{Fetched, GemArchive, GemFile, fetch_all};
use crate::gems::bundle::Bundle;
use crate::gems::cache::GemCache;
use crate::gems::installed::is_installed;
use crate::gems::lockfile::Checksum;
use crate::gems::platform::GemPlatform;
use crate::gems::servers::GemServers;
use crate::gems::{bundler, lock, vendored};
use crate::report::{self, counted, megabytes};
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::{Env, Target};
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tempfile::TempDir;

/// Bundler's setting that leaves precompiled gems alone.
const FORCE_RUBY_PLATFORM: &str = "BUNDLE_FORCE_RUBY_PLATFORM";

const NAMED_AT_MOST: usize = 5;

const DRIVER: &str = include_str!("driver.rb");

/// Settings of Bundler that change how gems are installed: it is left to Bundler then.
const LEFT_TO_BUNDLER: [&str; 3] = [
    "BUNDLE_TRUST___POLICY",
    "BUNDLE_NO_INSTALL",
    "BUNDLE_PLUGINS",
];

/// Where everything is.
pub(super) struct UnpackedGems<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) ruby: &'a RubyLayer,
    pub(super) target: &'a Target,
    /// Of Bundler's and RubyGems' processes.
    pub(super) env: &'a Env,
    /// Where RubyGems keeps the gems of one ABI.
    pub(super) gem_home: &'a Path,
    /// Where archives are kept.
    pub(super) cache: &'a GemCache,
    pub(super) downloader: &'a Downloader,
}

impl UnpackedGems<'_> {
    /// Installs what can be installed. Whatever keeps it from that, but for an archive that is not the published one, is Bundler's to
    /// deal with, and told in the log. Returns a folder with the archives of what is left; none where Bundler needs the servers.
    ///
    /// # Errors
    /// An archive is not the one that the lockfile names.
    pub(super) fn install(&self) -> Result<Option<TempDir>, FileError> {
        let Some(archives) = self.archives() else {
            return Ok(None);
        };
        match self.try_install(&archives) {
            Ok(left) => Ok(Some(left)),
            Err(Stop::Refused(error)) => Err(error),
            Err(Stop::LeftToBundler(reason)) => {
                report::detail(format!("Leaving the rest to Bundler: {reason}"));
                Ok(None)
            }
        }
    }

    /// The archives of the lockfile's gems for this target, and of its own Bundler where Ruby has another.
    fn archives(&self) -> Option<Vec<GemArchive>> {
        let mut archives = archives(self.bundle, self.target)?;
        let ruby = self.ruby.path.join("lib/ruby/gems").join(&self.ruby.abi);
        let is_default = |gem: &GemArchive| {
            let specification = format!("specifications/default/{}.gemspec", gem.full_name);
            ruby.join(specification).is_file()
        };
        if bundler::obsolete_bundler(self.bundle, self.ruby).is_none() {
            let bundler = locked_bundler(self.bundle);
            archives.extend(bundler.filter(|gem| !is_default(gem)));
        }
        Some(archives)
    }

    fn try_install(&self, archives: &[GemArchive]) -> Result<TempDir, Stop> {
        let started = Instant::now();
        self.remove_partial()?;
        let state = tempfile::tempdir()?;
        let (driver, names) = Driver::start(self, state.path())?;
        // Those of groups that are not chosen may have been fetched before that was known.
        let needed = archives
            .iter()
            .filter(|archive| names.contains(&archive.name))
            .map(|archive| archive.full_name.clone());
        self.cache.keep_only(&needed.collect())?;
        let wanted: Vec<_> = archives
            .iter()
            .filter(|archive| {
                names.contains(&archive.name) && !is_installed(self.gem_home, &archive.full_name)
            })
            .cloned()
            .collect();
        let without_checksum = wanted.iter().filter(|gem| gem.checksums.is_empty());
        let without_checksum = without_checksum.count();
        if without_checksum > 0 {
            report::detail(format!(
                "{} without a checksum in {} (`bundle lock --add-checksums` adds them): verified by what their archives say of themselves",
                counted(without_checksum, "gem"),
                self.bundle.lockfile_name()
            ));
        }
        let failure = Mutex::new(None);
        let take = |archive: &GemArchive, path: &Path| {
            let unpacked = self.unpack(archive, path, state.path());
            match unpacked.map(|specification| driver.write(&specification)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    lock(&failure).get_or_insert(error.to_string());
                }
                Err(error) => {
                    // It is not trusted again.
                    let _ = fs::remove_file(path);
                    lock(&failure).get_or_insert(format!("{}: {error}", archive.full_name));
                }
            }
        };
        // Where only the lockfile's own Bundler cannot be had, Ruby's does.
        let (bundler, gems): (Vec<_>, Vec<_>) = wanted
            .iter()
            .cloned()
            .partition(|archive| archive.name == "bundler");
        let fetched = self.fetch(&gems, &take);
        let fetched_bundler = self.fetch(&bundler, &take);
        let (count, bytes) = self.cache.fetched();
        if count > 0 {
            report::detail(format!(
                "Fetched {}, {} MB, verified",
                counted(count, "gem"),
                megabytes(bytes)
            ));
        }
        let finished = driver.finish();
        let fetched = fetched?;
        if let Some(reason) = fetched_bundler?.failure {
            report::detail(format!(
                "Ruby's own Bundler is used instead of the lockfile's: {reason}"
            ));
        }
        finished?;
        let (installed, left): (Vec<_>, Vec<_>) = wanted
            .iter()
            .partition(|archive| is_installed(self.gem_home, &archive.full_name));
        if !installed.is_empty() {
            report::detail(format!(
                "Installed {} ({:.1} s)",
                named(&installed),
                started.elapsed().as_secs_f32()
            ));
        }
        if let Some(reason) = fetched.failure.or(lock(&failure).take()) {
            return Err(Stop::LeftToBundler(reason));
        }
        let left: Vec<_> = left
            .iter()
            .map(|archive| archive.path(&self.cache.folder))
            .filter(|path| path.is_file())
            .collect();
        Ok(folder_of(&left)?)
    }

    fn fetch(
        &self,
        archives: &[GemArchive],
        take: &(dyn Fn(&GemArchive, &Path) + Sync),
    ) -> Result<Fetched, FileError> {
        let never = AtomicBool::new(false);
        let folder = &self.cache.folder;
        let fetched = fetch_all(archives, folder, self.downloader, &never, take)?;
        self.cache.count(&fetched);
        Ok(fetched)
    }

    /// What a killed build has left.
    fn remove_partial(&self) -> io::Result<()> {
        let gems = self.gem_home.join("gems");
        if !gems.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(gems)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Puts a gem's files into their place, and its specification into a file.
    fn unpack(&self, archive: &GemArchive, path: &Path, state: &Path) -> io::Result<PathBuf> {
        let gem = GemFile::read(path, !archive.checksums.is_empty())?;
        let gems = self.gem_home.join("gems");
        let partial = gems.join(format!(".{}.partial", archive.full_name));
        let place = gems.join(&archive.full_name);
        for folder in [&partial, &place] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        gem.unpack(&partial)?;
        fs::rename(partial, place)?;
        let specification = state.join(format!("{}.yaml", archive.full_name));
        fs::write(&specification, &gem.specification)?;
        Ok(specification)
    }
}

/// The archives of the lockfile's gems for a target; none where only Bundler can tell.
fn archives(bundle: &Bundle, target: &Target) -> Option<Vec<GemArchive>> {
    if vendored::complete_cache(bundle).is_some() {
        return None; // Bundler has all that it needs.
    }
    let is_set = |name: &&str| bundle.settings.sets(name);
    if LEFT_TO_BUNDLER.iter().any(is_set) {
        return None;
    }
    let force = bundle.settings.get(FORCE_RUBY_PLATFORM);
    let local = GemPlatform::linux(&target.arch, target.distro_name == "alpine");
    let choice = bundle
        .lockfile
        .gems_for(&local, force.is_some_and(|value| value != "false"));
    if choice.servers_decide {
        return None;
    }
    let servers = GemServers(&bundle.settings);
    let archives = choice.gems.iter().filter_map(|gem| {
        let full_name = gem.spec.full_name();
        let sources = gem.servers()?;
        // A name is one of a file.
        (!full_name.contains('/')).then(|| GemArchive {
            name: gem.spec.name.clone(),
            // As Bundler does, the last first.
            urls: sources
                .iter()
                .rev()
                .filter_map(|source| servers.archive(source, &full_name))
                .collect(),
            checksums: sha256s(gem.checksums),
            full_name,
        })
    });
    Some(archives.collect())
}

/// The lockfile's own Bundler.
fn locked_bundler(bundle: &Bundle) -> Option<GemArchive> {
    const VERSION: &str = "BUNDLE_VERSION";
    if bundle.settings.sets(VERSION) {
        return None;
    }
    let full_name = format!("bundler-{}", bundle.lockfile.bundled_with.as_ref()?);
    let checksums = bundle.lockfile.checksums.as_ref();
    let servers = GemServers(&bundle.settings);
    Some(GemArchive {
        name: "bundler".to_string(),
        urls: servers
            .archive("https://rubygems.org/", &full_name)
            .into_iter()
            .collect(),
        checksums: sha256s(checksums.and_then(|checksums| checksums.of(&full_name))),
        full_name,
    })
}

/// Fetches archives into the cache while something else is under way, until that is done (`stop`): whatever is not here by then, or cannot
/// be had, is seen to when the gems are installed.
pub fn prefetch(
    bundle: &Bundle,
    target: &Target,
    cache: &GemCache,
    downloader: &Downloader,
    stop: &AtomicBool,
) {
    if let Some(archives) = archives(bundle, target)
        && let Ok(fetched) = fetch_all(&archives, &cache.folder, downloader, stop, &|_, _| {})
    {
        cache.count(&fetched);
    }
}

/// A few gems by their names, many by their number.
fn named(gems: &[&GemArchive]) -> String {
    let names: Vec<_> = gems.iter().map(|gem| gem.full_name.as_str()).collect();
    if names.len() <= NAMED_AT_MOST {
        return names.join(", ");
    }
    counted(names.len(), "gem")
}

/// A folder of these archives alone.
fn folder_of(paths: &[PathBuf]) -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(path, folder.path().join(name))?;
    }
    Ok(folder)
}

/// Bundler knows no other digests.
fn sha256s(checksums: Option<&[Checksum]>) -> Vec<Sha256Hex> {
    let checksums = checksums.unwrap_or_default().iter();
    checksums
        .filter(|checksum| checksum.algorithm == "sha256")
        .map(|checksum| Sha256Hex(checksum.digest.clone()))
        .collect()
}

/// Why nothing more is installed here.
enum Stop {
    Refused(FileError),
    LeftToBundler(String),
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::LeftToBundler(error.to_string())
    }
}

/// The Ruby process that has RubyGems do its part.
struct Driver {
    child: Child,
    stdin: Mutex<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    errors: PathBuf,
}

impl Driver {
    /// Returns the names of the gems that the Gemfile needs, too.
    fn start(gems: &UnpackedGems<'_>, state: &Path) -> Result<(Self, BTreeSet<String>), Stop> {
        let script = state.join("driver.rb");
        fs::write(&script, DRIVER)?;
        let errors = state.join("errors");
        let ruby = gems.ruby.path.join("bin/ruby");
        let mut child = bundler::command(&ruby, gems.bundle, gems.env, state)?
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Stop::LeftToBundler("Ruby has no input or output".into()));
        };
        let mut driver = Self {
            child,
            stdin: Mutex::new(stdin),
            stdout: BufReader::new(stdout),
            errors,
        };
        let mut line = String::new();
        driver.stdout.read_line(&mut line)?;
        if let Ok(names) = serde_json::from_str(&line) {
            return Ok((driver, names));
        }
        driver.finish()?;
        Err(Stop::LeftToBundler("Ruby named no gems".into()))
    }

    fn write(&self, specification: &Path) -> io::Result<()> {
        writeln!(lock(&self.stdin), "{}", specification.display())
    }

    fn finish(self) -> Result<(), Stop> {
        let Self {
            mut child,
            stdin,
            stdout,
            errors,
        } = self;
        drop(stdin);
        for line in stdout.lines() {
            report::detail(line?);
        }
        if child.wait()?.success() {
            return Ok(());
        }
        Err(failed(&errors))
    }
}

/// What Ruby said first before it ended.
fn failed(errors: &Path) -> Stop {
    let text = fs::read_to_string(errors).unwrap_or_default();
    let first = text.lines().next().unwrap_or("Ruby ended early");
    Stop::LeftToBundler(masked(first))
}

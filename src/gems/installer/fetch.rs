//! Downloading `.gem` archives side by side, into the cache.

use crate::fetch::download::{DownloadError, Downloader, MOST_CONNECTIONS};
use crate::fetch::expected::Expected;
use crate::fetch::file::{self, FileError};
use crate::gems::bundle::Bundle;
use crate::gems::installer::archive::GemArchive;
use crate::gems::installer::likely::likely_gems;
use crate::gems::installer::plan::locked_archives;
use crate::gems::mutex::lock;
use crate::gems::stage::GemsStage;
use crate::gems::vendored::Vendored;
use fs_err as fs;
use libcnb::Target;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use thiserror::Error;

/// What [`fetch_all`] has done.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// How many archives were downloaded.
    pub(super) count: usize,
    pub(super) bytes: u64,
    /// Why an archive could not be downloaded. Bundler tries again, and says what to do.
    pub(super) failure: Option<String>,
}

/// Downloads the archives that the app is likely to need into the cache, beside other work, until that is done
/// (`stop`). An archive that is not there by then is downloaded when the gems are installed; errors
/// are ignored until then.
pub fn prefetch(stage: &GemsStage<'_>, stop: &AtomicBool) {
    let bundle = stage.bundle;
    let Some(mut archives) = archives_to_fetch(bundle, stage.target) else {
        return;
    };
    if let Ok(gemfile) = fs::read_to_string(&bundle.paths.gemfile) {
        let likely = likely_gems(&gemfile, &bundle.lockfile, &bundle.settings);
        archives.retain(|archive| likely.contains(archive.name.as_str()));
    }
    let folder = &stage.cache.folder;
    let fetched = fetch_all(
        &archives,
        folder,
        &stage.fetcher.prefetch_downloader,
        stop,
        &|_, _| {},
    );
    if let Ok(fetched) = fetched {
        stage.cache.add_downloaded(fetched.count, fetched.bytes);
    }
}

/// The archives of the lockfile's gems for this target. None where Bundler installs the gems by
/// itself: from `vendor/cache`, or because of its settings.
pub(super) fn archives_to_fetch(bundle: &Bundle, target: &Target) -> Option<Vec<GemArchive>> {
    if Vendored::find(bundle, target) != Vendored::Some {
        return None;
    }
    locked_archives(&bundle.lockfile, &bundle.settings, target)
}

/// Downloads the archives that are not in the folder yet, side by side. Each that is there is given
/// to `take`, from several threads. After the first failure, and once `stop` is set, nothing more
/// is downloaded.
///
/// # Errors
/// An archive is not the one that the lockfile names. Other failures are [`Fetched::failure`].
pub(super) fn fetch_all(
    archives: &[GemArchive],
    folder: &Path,
    downloader: &Downloader,
    stop: &AtomicBool,
    take: &(dyn Fn(&GemArchive, &Path) + Sync),
) -> Result<Fetched, FileError> {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Ok(Fetched::default()));
    let work = || {
        while !stop.load(Ordering::Relaxed)
            && let Some(archive) = archives.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let path = archive.path(folder);
            let bytes = if archive.is_at(&path) {
                Ok(None)
            } else {
                fetch(archive, &path, downloader).map(Some)
            };
            if add(bytes, &mut lock(&result)) {
                take(archive, &path);
            } else {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..MOST_CONNECTIONS.min(archives.len()) {
            scope.spawn(work);
        }
    });
    let mut result = lock(&result);
    std::mem::replace(&mut *result, Ok(Fetched::default()))
}

/// Why a single archive could not be downloaded.
#[derive(Debug, Error)]
enum FetchError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the lockfile names no server for {0}")]
    NoServer(String),
}

fn is_checksum_error(error: &FileError) -> bool {
    matches!(error, FileError::Download(DownloadError::Checksum(_)))
}

/// Adds one archive to the result: the bytes that were downloaded, none if it was there. Returns
/// whether the archive can be used, and the next one may follow.
fn add(bytes: Result<Option<u64>, FetchError>, result: &mut Result<Fetched, FileError>) -> bool {
    match (bytes, result) {
        (Ok(bytes), Ok(so_far)) => {
            so_far.count += usize::from(bytes.is_some());
            so_far.bytes += bytes.unwrap_or_default();
            true
        }
        (Err(FetchError::File(error)), result) if is_checksum_error(&error) => {
            *result = Err(error);
            false
        }
        (Err(error), Ok(so_far)) => {
            so_far.failure.get_or_insert(error.to_string());
            false
        }
        (_, Err(_)) => false,
    }
}

/// Downloads an archive from the first server that has it. Returns its bytes.
fn fetch(archive: &GemArchive, path: &Path, downloader: &Downloader) -> Result<u64, FetchError> {
    let expected = Expected::by_lockfile(&archive.checksums);
    let mut urls = archive.urls.iter().peekable();
    loop {
        let Some(url) = urls.next() else {
            return Err(FetchError::NoServer(archive.full_name.clone()));
        };
        match file::download(downloader, url, &expected, path) {
            Err(FileError::Download(DownloadError::Status { status: 404, .. }))
                if urls.peek().is_some() => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::digest::Sha256Hex;
    use url::Url;

    fn archive(name: &str, folder: &Path, checksums: Vec<Sha256Hex>) -> GemArchive {
        GemArchive {
            name: name.into(),
            full_name: format!("{name}-1.0"),
            urls: vec![Url::from_file_path(folder.join(name)).unwrap()],
            checksums,
        }
    }

    #[test]
    fn archives_are_fetched_once_and_a_wrong_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        fs::create_dir(&cache).unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        fs::write(folder.path().join("b"), "b").unwrap();
        let right = Sha256Hex::of("a");
        let archives = [
            archive("a", folder.path(), vec![right.clone()]),
            archive("b", folder.path(), Vec::new()),
        ];
        let taken = Mutex::new(Vec::new());
        let fetch = |archives: &[GemArchive]| {
            let stop = AtomicBool::new(false);
            fetch_all(
                archives,
                &cache,
                &Downloader::default(),
                &stop,
                &|archive, _| {
                    taken.lock().unwrap().push(archive.full_name.clone());
                },
            )
        };
        assert_eq!(fetch(&archives).unwrap().count, 2);
        let again = fetch(&archives).unwrap();
        assert_eq!((again.count, again.bytes), (0, 0));
        assert_eq!(taken.lock().unwrap().len(), 4);

        fs::write(cache.join("a-1.0.gem"), "of another lockfile").unwrap();
        assert_eq!(fetch(&archives).unwrap().count, 1);

        fs::remove_file(cache.join("a-1.0.gem")).unwrap();
        let wrong = [
            archive("b", folder.path(), Vec::new()),
            archive("a", folder.path(), vec![Sha256Hex("0".repeat(64))]),
        ];
        assert!(is_checksum_error(&fetch(&wrong).unwrap_err()));
        assert!(!cache.join("a-1.0.gem").exists());

        let gone = [archive("gone", folder.path(), vec![right])];
        assert!(fetch(&gone).unwrap().failure.is_some());
        let no_server = [GemArchive {
            urls: Vec::new(),
            ..archive("a", folder.path(), Vec::new())
        }];
        assert_eq!(
            fetch(&no_server).unwrap().failure.unwrap(),
            "the lockfile names no server for a-1.0"
        );
    }
}

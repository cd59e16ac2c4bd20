//! `.gem` archives: downloaded side by side, verified, read and unpacked.

use crate::fetch::digest::Sha256Hex;
use crate::fetch::download::{DownloadError, Downloader, MOST_CONNECTIONS};
use crate::fetch::expected::Expected;
use crate::fetch::file::{self, FileError};
use crate::fetch::unpack::{LARGEST, Unpacking};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use sha2::{Digest, Sha256, Sha512};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use thiserror::Error;
use url::Url;

/// The archive of a locked gem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemArchive {
    /// Such as `nokogiri`.
    pub name: String,
    /// Such as `nokogiri-1.18.2-x86_64-linux-gnu`.
    pub full_name: String,
    /// The addresses that it may have, in the order in which they are tried.
    pub urls: Vec<Url>,
    /// From the lockfile's CHECKSUMS; empty where they do not have the gem.
    pub checksums: Vec<Sha256Hex>,
}

impl GemArchive {
    /// Its path in a folder of archives.
    #[must_use]
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.gem", self.full_name))
    }

    /// Whether a file is this archive. Without checksums any file is.
    fn is_at(&self, path: &Path) -> bool {
        if self.checksums.is_empty() {
            return path.is_file();
        }
        fs::read(path).is_ok_and(|bytes| self.checksums.contains(&Sha256Hex::of(bytes)))
    }
}

/// The result of [`fetch_all`].
#[derive(Debug, Default)]
pub struct Fetched {
    /// The number of archives that were downloaded.
    pub count: usize,
    /// Their length.
    pub bytes: u64,
    /// Why the others could not be downloaded; they are left to Bundler.
    pub failure: Option<String>,
}

/// Downloads the archives that are not in the folder yet, side by side, and gives each that is
/// there to `take`, from several threads. After the first that cannot be downloaded, and once
/// `stop` is set, no further download begins: Bundler tries again, and reports the error.
///
/// # Errors
/// An archive is not the one that the lockfile names. No other error is returned.
pub fn fetch_all(
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
            let fetched = if archive.is_at(&path) {
                Ok(None)
            } else {
                fetch(archive, &path, downloader).map(Some)
            };
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            match (fetched, &mut *result) {
                (Ok(bytes), Ok(so_far)) => {
                    so_far.count += usize::from(bytes.is_some());
                    so_far.bytes += bytes.unwrap_or_default();
                    drop(result);
                    take(archive, &path);
                }
                (Err(FetchError::File(error)), _) if is_checksum_error(&error) => {
                    *result = Err(error);
                    stop.store(true, Ordering::Relaxed);
                }
                (Err(error), Ok(so_far)) => {
                    so_far.failure.get_or_insert(error.to_string());
                    stop.store(true, Ordering::Relaxed);
                }
                (_, Err(_)) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..MOST_CONNECTIONS.min(archives.len()) {
            scope.spawn(work);
        }
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
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

/// Downloads an archive from the first server that has it. Returns its length in bytes.
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

/// The contents of an archive: a tar file that holds the gzipped specification and a gzipped tar
/// file of the gem's files.
pub struct GemFile {
    /// The specification, as YAML.
    pub specification: String,
    data: Vec<u8>,
}

impl GemFile {
    /// Reads an archive. One that was not verified by a checksum of the lockfile must have the
    /// checksums of its own `checksums.yaml`.
    pub fn read(path: &Path, is_verified: bool) -> io::Result<Self> {
        let mut archive = tar::Archive::new(io::BufReader::new(fs::File::open(path)?));
        let [mut specification, mut data, mut checksums] = [const { Vec::new() }; 3];
        for entry in archive.entries()? {
            let mut entry = entry?;
            match entry.path_bytes().as_ref() {
                b"metadata.gz" => entry.read_to_end(&mut specification)?,
                b"data.tar.gz" => entry.read_to_end(&mut data)?,
                b"checksums.yaml.gz" => entry.read_to_end(&mut checksums)?,
                _ => 0, // Signatures.
            };
        }
        if !is_verified {
            let checksums = gunzip_text(&checksums)?;
            for (name, bytes) in [("metadata.gz", &specification), ("data.tar.gz", &data)] {
                if !has_checksum(&checksums, name, bytes) {
                    let reason = format!("{name} does not have its checksum");
                    return Err(io::Error::other(reason));
                }
            }
        }
        Ok(Self {
            specification: gunzip_text(&specification)?,
            data,
        })
    }

    /// Unpacks the gem's files into a folder, as RubyGems does: with the time of now, and writable
    /// by their owner alone.
    pub fn unpack(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        Unpacking {
            folder,
            root: Path::new("."),
            is_wanted: &|_| true,
            largest: LARGEST,
            as_rubygems: true,
        }
        .run(&mut self.data.as_slice())
    }
}

fn gunzip_text(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    MultiGzDecoder::new(bytes)
        .take(LARGEST)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a `checksums.yaml` (`SHA256:` or `SHA512:`, and a line for each file) has the digest of
/// a file's bytes.
fn has_checksum(checksums: &str, name: &str, bytes: &[u8]) -> bool {
    let mut algorithm = "";
    for line in checksums.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if !line.starts_with(' ') {
            algorithm = key;
        } else if key.trim() == name {
            let expected = value.trim().trim_matches(['\'', '"']);
            match algorithm {
                "SHA256" => return hex::encode(Sha256::digest(bytes)) == expected,
                "SHA512" => return hex::encode(Sha512::digest(bytes)) == expected,
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn tarball(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, mode, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(*mode);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// An archive like those of `gem build`.
    fn gem(damaged: bool) -> Vec<u8> {
        let metadata = gzipped(b"--- !ruby/object:Gem::Specification\nname: x\n");
        let data = gzipped(&tarball(&[
            ("lib/x.rb", 0o664, b"X = 1"),
            ("exe/x", 0o755, b"#!ruby"),
        ]));
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let checksums = format!(
            "---\nSHA256:\n  metadata.gz: {}\n  data.tar.gz: '{}'\nSHA512:\n  metadata.gz: 0\n",
            digest(&metadata),
            digest(if damaged { b"other" } else { &data })
        );
        tarball(&[
            ("metadata.gz", 0o444, &metadata),
            ("data.tar.gz", 0o444, &data),
            ("checksums.yaml.gz", 0o444, &gzipped(checksums.as_bytes())),
        ])
    }

    fn archive(name: &str, folder: &Path, checksums: Vec<Sha256Hex>) -> GemArchive {
        GemArchive {
            name: name.into(),
            full_name: format!("{name}-1.0"),
            urls: vec![Url::from_file_path(folder.join(name)).unwrap()],
            checksums,
        }
    }

    #[test]
    fn a_gem_is_unpacked_as_by_rubygems() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-1.0.gem");
        fs::write(&path, gem(false)).unwrap();
        let gem = GemFile::read(&path, false).unwrap();
        assert!(gem.specification.contains("name: x"));
        let place = folder.path().join("x-1.0");
        gem.unpack(&place).unwrap();
        for (name, mode) in [("lib/x.rb", 0o644), ("exe/x", 0o755)] {
            let metadata = fs::metadata(place.join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
            assert!(metadata.modified().unwrap().elapsed().unwrap().as_secs() < 60);
        }
    }

    #[test]
    fn without_a_locked_checksum_its_own_checksums_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-1.0.gem");
        fs::write(&path, gem(true)).unwrap();
        assert!(GemFile::read(&path, true).is_ok());
        let error = GemFile::read(&path, false).err().unwrap();
        assert_eq!(error.to_string(), "data.tar.gz does not have its checksum");
        fs::write(&path, "no archive").unwrap();
        assert!(GemFile::read(&path, true).is_err());
    }

    #[test]
    fn archives_are_downloaded_once_and_a_wrong_one_is_not_kept() {
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

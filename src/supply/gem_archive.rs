//! `.gem` archives: fetched side by side, verified, read and unpacked.

use crate::supply::download::{DownloadError, Downloader, MOST_CONNECTIONS, Sha256Hex};
use crate::supply::file::{self, FileError};
use crate::supply::unpack::{LARGEST, Unpacking};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use sha2::{Digest, Sha256, Sha512};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use url::Url;

/// A gem that is to be fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemArchive {
    /// Such as `nokogiri-1.18.2-x86_64-linux-gnu`.
    pub full_name: String,
    /// Where it may be, in the order in which they are asked.
    pub urls: Vec<Url>,
    /// The lockfile's CHECKSUMS; none where it names none.
    pub checksums: Vec<Sha256Hex>,
}

impl GemArchive {
    /// Where it is below a folder of archives.
    #[must_use]
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.gem", self.full_name))
    }
}

/// What came of fetching.
#[derive(Debug, Default)]
pub struct Fetched {
    /// How many archives were downloaded.
    pub count: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Why some were not: Bundler will have to see to them.
    pub failure: Option<String>,
}

/// Fetches archives that are not in the folder yet, side by side, and gives each that is there to `take`, from several threads. After
/// the first that cannot be had, nothing more is asked for: whatever ails the server is Bundler's to tell.
///
/// # Errors
/// One is not the archive that the lockfile names.
pub fn fetch_all(
    archives: &[GemArchive],
    folder: &Path,
    downloader: &Downloader,
    take: &(dyn Fn(&GemArchive, &Path) + Sync),
) -> Result<Fetched, FileError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let result = Mutex::new(Ok(Fetched::default()));
    let work = || {
        while !stop.load(Ordering::Relaxed)
            && let Some(archive) = archives.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let path = archive.path(folder);
            let fetched = if path.is_file() {
                Ok(None)
            } else {
                fetch(archive, &path, downloader).map(Some)
            };
            let mut result = result
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match (fetched, &mut *result) {
                (Ok(bytes), Ok(so_far)) => {
                    so_far.count += usize::from(bytes.is_some());
                    so_far.bytes += bytes.unwrap_or_default();
                    drop(result);
                    take(archive, &path);
                }
                (Err(error @ FileError::Checksum { .. }), _) => {
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
    result
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// From the first server that has it.
fn fetch(archive: &GemArchive, path: &Path, downloader: &Downloader) -> Result<u64, FileError> {
    let mut urls = archive.urls.iter().peekable();
    loop {
        let Some(url) = urls.next() else {
            let name = archive.full_name.clone();
            return Err(FileError::Nowhere { name });
        };
        match file::fetch(downloader, url, &archive.checksums, path) {
            Err(FileError::Download(DownloadError::Status { status: 404, .. }))
                if urls.peek().is_some() => {}
            result => return result,
        }
    }
}

/// An archive that was read: a tar file of a gzipped specification, and a gzipped tar file of the gem's files.
pub struct GemFile {
    /// The specification, as YAML.
    pub specification: String,
    data: Vec<u8>,
}

impl GemFile {
    /// Reads an archive. Where the lockfile had no checksum to verify it by, its own `checksums.yaml` has to be right.
    ///
    /// # Errors
    /// It is no such archive, or is damaged.
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
                    return Err(io::Error::other(format!(
                        "{name} does not have its checksum"
                    )));
                }
            }
        }
        Ok(Self {
            specification: gunzip_text(&specification)?,
            data,
        })
    }

    /// Whether nothing has to be compiled when it is installed: RubyGems writes it in this one way.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        self.specification
            .lines()
            .any(|line| line == "extensions: []")
    }

    /// Puts the gem's files into a folder, as RubyGems does: they are as new as they are, and not for others to write.
    ///
    /// # Errors
    /// They cannot be unpacked, or are not safe to be.
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

/// Whether a `checksums.yaml` (`SHA256:` or `SHA512:`, and a line for each file) has the digest of some bytes.
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

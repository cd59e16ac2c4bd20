//! Downloading a file as it is, into its place only when it is verified.

use crate::fetch::digest::{HashingReader, Sha256Hex};
use crate::fetch::download::{DownloadError, Downloader, TakeError, Taken};
use crate::fetch::masked::Shown;
use miette::Diagnostic;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;
use thiserror::Error;
use url::Url;

/// The file did not get to its place; nothing of it is there.
#[derive(Debug, Diagnostic, Error)]
pub enum FileError {
    /// It could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Download(#[from] DownloadError),
    /// It is not the file that was published.
    #[error(
        "{url} is not the file that was published: its SHA-256 differs\n  expected {expected}\n  got      {actual}"
    )]
    #[diagnostic(help(
        "The file was changed or damaged, on the server or on the way; it was thrown away. Try again; if it stays so, ask whoever runs \
         that server."
    ))]
    Checksum {
        /// Without credentials.
        url: String,
        /// From whoever published it.
        expected: String,
        /// Of the bytes that came.
        actual: String,
    },
    /// Nobody says where it is.
    #[error("no server is known for {name}")]
    #[diagnostic(help("Check the sources that the lockfile names."))]
    Nowhere {
        /// The file's name.
        name: String,
    },
    /// The disk refuses.
    #[error("a downloaded file cannot be written")]
    #[diagnostic(help("Check that the disk of the build is not full."))]
    Write(#[source] io::Error),
}

/// Downloads a file. It has to have one of the digests, where there are any. Returns its length in bytes.
///
/// # Errors
/// It cannot be had, is another one, or cannot be written.
pub fn fetch(
    downloader: &Downloader,
    url: &Url,
    expected: &[Sha256Hex],
    destination: &Path,
) -> Result<u64, FileError> {
    let folder = destination.parent().unwrap_or(Path::new("."));
    let taken = downloader.with_bytes_of(url, |reader| {
        let mut file = match NamedTempFile::new_in(folder) {
            Ok(file) => file,
            Err(error) => return Taken::Refused(FileError::Write(error)),
        };
        let mut hashed = HashingReader::new(reader);
        let copied = io::copy(&mut hashed, &mut file);
        let Ok((actual, length)) = hashed.digest_to_end() else {
            return Taken::Broken;
        };
        match copied {
            Err(error) => Taken::Refused(FileError::Write(error)),
            Ok(_) if expected.is_empty() || expected.contains(&actual) => {
                Taken::Whole((file, length))
            }
            Ok(_) => Taken::Doubtful(FileError::Checksum {
                url: Shown(url).to_string(),
                expected: expected[0].0.clone(),
                actual: actual.0,
            }),
        }
    });
    let (file, length) = taken.map_err(|error| match error {
        TakeError::Download(error) => FileError::Download(error),
        TakeError::Refused(error) => error,
    })?;
    place(file, destination).map_err(FileError::Write)?;
    Ok(length)
}

fn place(file: NamedTempFile, destination: &Path) -> io::Result<()> {
    // A temporary file is its owner's alone; others may have to read this one.
    let readable = PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.persist(destination).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;
    use procfile::assert_report;
    use sha2::{Digest, Sha256};

    #[test]
    fn only_the_published_file_gets_to_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let destination = folder.path().join("destination");
        fs::write(&source, "gem").unwrap();
        let url = Url::from_file_path(&source).unwrap();
        let downloader = Downloader::default();
        let right = Sha256Hex(hex::encode(Sha256::digest("gem")));
        let wrong = Sha256Hex("0".repeat(64));

        let refused = fetch(
            &downloader,
            &url,
            std::slice::from_ref(&wrong),
            &destination,
        );
        assert!(matches!(refused, Err(FileError::Checksum { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let expected = [wrong, right];
        assert_eq!(
            fetch(&downloader, &url, &expected, &destination).unwrap(),
            3
        );
        assert_eq!(fs::read(&destination).unwrap(), b"gem");
    }

    #[test]
    fn each_is_shown() {
        assert_report!(
            "checksum",
            FileError::Checksum {
                url: "https://rubygems.org/gems/rack-3.1.20.gem".into(),
                expected: "0".repeat(64),
                actual: "1".repeat(64),
            }
        );
        let name = "rack-3.1.20".into();
        assert_report!("nowhere", FileError::Nowhere { name });
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("write", FileError::Write(full));
    }
}

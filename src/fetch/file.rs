//! A file that is downloaded as it is, and put in place only when it is verified.

use crate::fetch::download::{DownloadError, Downloader};
use crate::fetch::expected::Expected;
use miette::Diagnostic;
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;
use thiserror::Error;
use url::Url;

/// The file is not downloaded; nothing of it is at its place.
#[derive(Debug, Diagnostic, Error)]
pub enum FileError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Download(#[from] DownloadError),
    #[error("a downloaded file cannot be written")]
    #[diagnostic(help("Check that the disk of the build is not full."))]
    Write(#[source] io::Error),
}

/// Downloads a file, verifies it, and puts it at `destination`. Returns its length in bytes.
pub fn download(
    downloader: &Downloader,
    url: &Url,
    expected: &Expected<'_>,
    destination: &Path,
) -> Result<u64, FileError> {
    let folder = destination.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(FileError::Write)?;
    let ((), length) = downloader.download(url, expected, |reader| {
        write(reader, &mut file).map_err(FileError::Write)
    })?;
    place(file, destination).map_err(FileError::Write)?;
    Ok(length)
}

/// Replaces what a try before this one wrote.
fn write(reader: &mut dyn Read, file: &mut NamedTempFile) -> io::Result<()> {
    file.as_file().set_len(0)?;
    file.rewind()?;
    io::copy(reader, file)?;
    Ok(())
}

fn place(file: NamedTempFile, destination: &Path) -> io::Result<()> {
    // Only its owner can read a temporary file; everybody must be able to read this one.
    let readable = PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.persist(destination).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::digest::Sha256Hex;
    use fs_err as fs;
    use procfile::assert_report;

    #[test]
    fn only_the_expected_file_is_put_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let destination = folder.path().join("destination");
        fs::write(&source, "gem").unwrap();
        let url = Url::from_file_path(&source).unwrap();
        let downloader = Downloader::default();
        let digests = [Sha256Hex("0".repeat(64)), Sha256Hex::of("gem")];

        let wrong = Expected::by_lockfile(&digests[..1]);
        let refused = download(&downloader, &url, &wrong, &destination);
        assert!(matches!(
            refused,
            Err(FileError::Download(DownloadError::Checksum(_)))
        ));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        for expected in [Expected::by_lockfile(&digests), Expected::ANYTHING] {
            let length = download(&downloader, &url, &expected, &destination).unwrap();
            assert_eq!(length, 3);
            assert_eq!(fs::read(&destination).unwrap(), b"gem");
        }
    }

    #[test]
    fn a_second_try_replaces_what_the_first_wrote() {
        let mut file = NamedTempFile::new().unwrap();
        for bytes in ["a longer text", "text"] {
            write(&mut bytes.as_bytes(), &mut file).unwrap();
            assert_eq!(fs::read_to_string(file.path()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_disk_that_is_full_is_shown() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("write", FileError::Write(full));
    }
}

//! A file of this machine, by its `file:` URL.

use super::error::DownloadError;
use std::io::{self, Read};
use url::Url;

/// Keeps its error, so that a disk that fails is not mistaken for a file with wrong contents.
pub(super) struct LocalFile {
    file: std::fs::File,
    error: Option<io::Error>,
}

impl LocalFile {
    pub(super) fn open(url: &Url) -> Result<Self, DownloadError> {
        let path = url
            .to_file_path()
            .map_err(|()| file_error(url, io::Error::other("it is on another host")))?;
        let file = std::fs::File::open(path).map_err(|error| file_error(url, error))?;
        Ok(Self { file, error: None })
    }

    /// Why it could not be read to its end, if it could not.
    pub(super) fn into_error(self, url: &Url) -> Option<DownloadError> {
        self.error.map(|error| file_error(url, error))
    }
}

pub(super) fn file_error(url: &Url, source: io::Error) -> DownloadError {
    let path = url.path().to_string();
    DownloadError::File { path, source }
}

impl Read for LocalFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            io::Error::from(kind)
        })
    }
}

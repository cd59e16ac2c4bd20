//! The one way to download a URL: retries, broken connections, and proof that the file is the
//! expected one.

mod attempt;
mod basic_auth;
mod body;
mod error;
mod forward_proxy;
mod http;
mod local_file;
mod patience;
mod retries;

pub use error::DownloadError;
pub(crate) use http::MOST_CONNECTIONS;
pub use patience::Patience;

use crate::fetch::expected::Expected;
use crate::fetch::masked::Shown;
use crate::fetch::settings::DownloadSettings;
use attempt::{Outcome, attempt};
use body::{Body, End};
use error::LONGEST_TEXT;
use http::Http;
use local_file::{LocalFile, file_error};
use retries::Retries;
use std::io::Read;
use url::Url;

/// Downloads URLs: `https` and `http` by the platform's settings, and `file`.
#[derive(Debug, Default)]
pub struct Downloader {
    http: Http,
    patience: Patience,
}

impl Downloader {
    #[must_use]
    pub fn new(settings: &DownloadSettings) -> Self {
        Self {
            http: Http::new(settings),
            patience: Patience::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Downloads a file and verifies it. `sink` gets its bytes while they arrive; it is called
    /// again, from the first byte, where a try has to start anew, and then replaces what it has
    /// made. Returns what the last call made, and the file's length in bytes.
    ///
    /// A connection that breaks is resumed where the server still has the same file. A wrong digest
    /// is tried once more where the response may have been cut short or joined of two files.
    ///
    /// # Errors
    /// The file cannot be downloaded, or has another digest: a [`DownloadError`]. Else the sink's
    /// own error.
    pub fn download<T, E: From<DownloadError>>(
        &self,
        url: &Url,
        expected: &Expected<'_>,
        mut sink: impl FnMut(&mut dyn Read) -> Result<T, E>,
    ) -> Result<(T, u64), E> {
        check_scheme(url)?;
        if url.scheme() == "file" {
            return read_local_file(url, expected, &mut sink);
        }
        let mut retries = Retries::start(&self.patience);
        let mut is_second_look = false;
        loop {
            let mut body = Body::open(&self.http, url, &self.patience, &mut retries)?;
            let outcome = attempt(url, &mut body, expected, &mut sink);
            let is_doubtful = body.is_doubtful();
            match (body.into_end(), outcome) {
                (Some(End::Failed(error)), _) => return Err(error.into()),
                (Some(End::FromStart), _) => {}
                (None, Ok(Outcome::WrongDigest(_)))
                    if is_doubtful && !is_second_look && retries.take_one() =>
                {
                    is_second_look = true;
                }
                (None, Ok(outcome)) => return finish(outcome),
                (None, Err(error)) => {
                    return Err(DownloadError::of_reading(url, &error, &self.patience).into());
                }
            }
        }
    }

    /// The whole of a text file, at most 16 MiB.
    pub fn text_of(&self, url: &Url) -> Result<String, DownloadError> {
        let (text, _) = self.download(url, &Expected::ANYTHING, |reader| {
            read_text(reader, LONGEST_TEXT)
                .map_err(|error| DownloadError::of_reading(url, &error, &self.patience))?
                .ok_or_else(|| DownloadError::TooLong {
                    url: Shown(url).to_string(),
                })
        })?;
        Ok(text)
    }
}

fn read_local_file<T, E: From<DownloadError>>(
    url: &Url,
    expected: &Expected<'_>,
    sink: &mut dyn FnMut(&mut dyn Read) -> Result<T, E>,
) -> Result<(T, u64), E> {
    let mut file = LocalFile::open(url)?;
    let outcome = attempt(url, &mut file, expected, sink);
    match (file.into_error(url), outcome) {
        (Some(error), _) => Err(error.into()),
        (None, Ok(outcome)) => finish(outcome),
        (None, Err(error)) => Err(file_error(url, error).into()),
    }
}

fn finish<T, E: From<DownloadError>>(outcome: Outcome<T, E>) -> Result<(T, u64), E> {
    match outcome {
        Outcome::Verified(value, length) => Ok((value, length)),
        Outcome::WrongDigest(error) => Err(DownloadError::Checksum(error).into()),
        Outcome::SinkFailed(error) => Err(error),
    }
}

/// The whole text; none where it is longer than `longest` bytes.
fn read_text(reader: &mut dyn Read, longest: u64) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let count = reader.take(longest + 1).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((count as u64 <= longest).then_some(text))
}

/// Whether a URL has a scheme that can be downloaded.
pub fn check_scheme(url: &Url) -> Result<(), DownloadError> {
    match url.scheme() {
        "http" | "https" | "file" => Ok(()),
        _ => Err(DownloadError::Scheme {
            url: Shown(url).to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_text_without_end_is_refused() {
        let mut endless = io::repeat(b'x');
        assert_eq!(read_text(&mut endless, 1000).unwrap(), None);
        let mut short = io::repeat(b'x').take(1000);
        assert_eq!(read_text(&mut short, 1000).unwrap(), Some("x".repeat(1000)));
    }

    #[test]
    fn a_path_with_a_space_or_a_percent_sign() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b%20c.toml");
        fs_err::write(&path, "text").unwrap();
        let url = Url::from_file_path(path).unwrap();
        assert_eq!(Downloader::default().text_of(&url).unwrap(), "text");
    }
}

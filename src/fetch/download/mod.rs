//! One way to get a URL, for everything that is downloaded.

mod body;
mod error;
mod forward_proxy;
mod http;
mod retries;

pub use error::DownloadError;
pub(crate) use http::MOST_CONNECTIONS;

use crate::fetch::masked::Shown;
use crate::fetch::settings::DownloadSettings;
use body::{Body, End};
use http::Http;
use retries::Retries;
use std::io::{self, Read};
use std::time::Duration;
use url::Url;

/// A text file that is longer is none that anybody meant.
const LONGEST_TEXT: u64 = 16 << 20;

/// How long a server is waited for. A download that makes progress may take its time.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub stall: Duration,
    /// For everything, tries and pauses included.
    pub total: Duration,
    /// How often something that may pass is tried.
    pub tries: u32,
    /// Before the second try; before each further one it is twice as long.
    pub first_pause: Duration,
    /// No pause is longer, and a server that wants to be left alone for longer is not asked again.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(60),
            total: Duration::from_secs(3600),
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}

/// Why a file could not be taken in: it could not be had, or what takes it in refused it.
#[derive(Debug)]
pub enum TakeError<E> {
    /// It could not be had, or not to its end.
    Download(DownloadError),
    /// It was refused.
    Refused(E),
}

/// What takes a file in while it arrives.
pub enum Taken<T, E> {
    /// The file was read to its end.
    Whole(T),
    /// The reader failed; the downloader knows why.
    Broken,
    /// The file is not what it should be.
    Refused(E),
    /// The file is not what it should be, but it may only be cut short, or pieced together from two states of it: where the server did
    /// not say how long it is, nothing else would tell.
    Doubtful(E),
}

/// Gets URLs: `https` and `http` by the platform's settings, and `file`.
#[derive(Debug, Default)]
pub struct Downloader {
    http: Http,
    patience: Patience,
}

impl Downloader {
    /// One that keeps to the settings.
    #[must_use]
    pub fn new(settings: &DownloadSettings) -> Self {
        Self {
            http: Http::new(settings),
            patience: Patience::default(),
        }
    }

    /// The same, with other limits.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Gives the bytes of a URL to `take` while they arrive. A connection that breaks is taken up again; where that cannot be, `take`
    /// is called again, from the start.
    ///
    /// # Errors
    /// [`TakeError::Download`] after the last try, [`TakeError::Refused`] at once.
    pub fn with_bytes_of<T, E>(
        &self,
        url: &Url,
        mut take: impl FnMut(&mut (dyn Read + Send)) -> Taken<T, E>,
    ) -> Result<T, TakeError<E>> {
        check_scheme(url).map_err(TakeError::Download)?;
        if url.scheme() == "file" {
            return take_file(url, take);
        }
        let mut retries = Retries::start(&self.patience);
        let mut doubted = false;
        loop {
            let mut body = Body::open(&self.http, url, &self.patience, &mut retries)
                .map_err(TakeError::Download)?;
            let taken = take(&mut body);
            let is_doubtful = body.is_doubtful();
            let end = body.into_end();
            match (taken, end) {
                (_, Some(End::Failed(error))) => return Err(TakeError::Download(error)),
                (_, Some(End::FromStart)) => {}
                (Taken::Whole(value), None) => return Ok(value),
                (Taken::Doubtful(_), None) if is_doubtful && !doubted && retries.take_one() => {
                    doubted = true;
                }
                (Taken::Doubtful(error) | Taken::Refused(error), None) => {
                    return Err(TakeError::Refused(error));
                }
                (Taken::Broken, None) => {
                    let error = io::Error::other("it was not read to its end");
                    let error = DownloadError::of_reading(url, error, &self.patience);
                    return Err(TakeError::Download(error));
                }
            }
        }
    }

    /// The whole of a text file, which is not longer than 16 MiB.
    ///
    /// # Errors
    /// As for [`Self::with_bytes_of`].
    pub fn text_of(&self, url: &Url) -> Result<String, DownloadError> {
        self.with_bytes_of(url, |reader| read_text(reader, LONGEST_TEXT))
            .map_err(|error| match error {
                TakeError::Download(error) => error,
                TakeError::Refused(TooLong) => DownloadError::TooLong {
                    url: Shown(url).to_string(),
                },
            })
    }
}

fn take_file<T, E>(
    url: &Url,
    mut take: impl FnMut(&mut (dyn Read + Send)) -> Taken<T, E>,
) -> Result<T, TakeError<E>> {
    let fails = |source| {
        let path = url.path().to_string();
        TakeError::Download(DownloadError::File { path, source })
    };
    let path = url
        .to_file_path()
        .map_err(|()| fails(io::Error::other("it is on another host")))?;
    let mut file = LocalFile {
        file: std::fs::File::open(path).map_err(fails)?,
        error: None,
    };
    let taken = take(&mut file);
    match (taken, file.error) {
        (_, Some(error)) => Err(fails(error)),
        (Taken::Whole(value), None) => Ok(value),
        (Taken::Broken, None) => Err(fails(io::Error::other("it was not read to its end"))),
        (Taken::Refused(error) | Taken::Doubtful(error), None) => Err(TakeError::Refused(error)),
    }
}

/// Keeps its error, so that a disk that fails is not taken for a file that is wrong.
struct LocalFile {
    file: std::fs::File,
    error: Option<io::Error>,
}

impl Read for LocalFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let told = io::Error::from(error.kind());
            if error.kind() != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            told
        })
    }
}

struct TooLong;

fn read_text(reader: &mut dyn Read, longest: u64) -> Taken<String, TooLong> {
    let mut bytes = Vec::new();
    match reader.take(longest + 1).read_to_end(&mut bytes) {
        Ok(count) if count as u64 > longest => Taken::Refused(TooLong),
        Ok(_) => Taken::Whole(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => Taken::Broken,
    }
}

/// Whether something can be downloaded from a URL at all.
///
/// # Errors
/// Nobody serves its scheme.
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

    #[test]
    fn a_text_without_end_is_refused() {
        let endless = io::repeat(b'x').take(2000);
        let mut reader: Box<dyn Read> = Box::new(endless);
        assert!(matches!(
            read_text(&mut reader, 1000),
            Taken::Refused(TooLong)
        ));
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

//! The bytes of a file, by as many connections as it takes.

use super::http::{Http, Response, Rest};
use super::retries::Retries;
use super::{DownloadError, Patience};
use crate::report::{self, megabytes};
use std::io::{self, Read};
use std::time::{Duration, Instant};
use url::Url;

/// A download that takes longer says how far it is, this often.
const PROGRESS: Duration = Duration::from_secs(10);

/// Reads a file. A connection that breaks is taken up again where it broke, if the server still has the same file; who reads does not
/// notice.
pub(super) struct Body<'a, 'r> {
    http: &'a Http,
    url: &'a Url,
    patience: &'a Patience,
    retries: &'r mut Retries<'a>,
    response: Response,
    position: u64,
    progress: Instant,
    end: Option<End>,
    resumed: bool,
}

/// Why a file ended before its end.
#[derive(Debug)]
pub(super) enum End {
    /// It cannot be had.
    Failed(DownloadError),
    /// It can only be had from the beginning.
    FromStart,
}

impl<'a, 'r> Body<'a, 'r> {
    /// Asks for the file, as often as it may help.
    pub(super) fn open(
        http: &'a Http,
        url: &'a Url,
        patience: &'a Patience,
        retries: &'r mut Retries<'a>,
    ) -> Result<Self, DownloadError> {
        let response = loop {
            match http.get(url, None, patience, retries.time_left()) {
                Ok(response) => break response,
                Err(error) if retries.wait_after(&error) => {}
                Err(error) => return Err(error),
            }
        };
        Ok(Self {
            http,
            url,
            patience,
            retries,
            response,
            position: 0,
            progress: Instant::now() + PROGRESS,
            end: None,
            resumed: false,
        })
    }

    /// Why it ended before its end, if it did.
    pub(super) fn into_end(self) -> Option<End> {
        self.end
    }

    /// Whether nobody can tell if these are the bytes of one file, and all of them: its length was not said, or it came in pieces.
    pub(super) fn is_doubtful(&self) -> bool {
        self.response.length.is_none() || self.resumed
    }

    /// Goes on after an error, with a new connection.
    fn resume(&mut self, mut error: DownloadError) -> Result<(), End> {
        loop {
            if !self.retries.wait_after(&error) {
                return Err(End::Failed(error));
            }
            let Some(validator) = self.response.validator.clone() else {
                return Err(End::FromStart);
            };
            let rest = Rest {
                from: self.position,
                validator: validator.clone(),
            };
            let left = self.retries.time_left();
            error = match self.http.get(self.url, Some(&rest), self.patience, left) {
                Ok(response) => match self.take_up(response, &validator)? {
                    None => return Ok(()),
                    Some(error) => error,
                },
                // Some other part comes, or the file has become shorter than what is here already.
                Err(DownloadError::Status {
                    status: 206 | 416, ..
                }) => return Err(End::FromStart),
                Err(error) => error,
            };
        }
    }

    /// Reads on from another response: it has the rest, or the whole of the same file again. Returns why it could not be read either.
    fn take_up(
        &mut self,
        mut response: Response,
        validator: &str,
    ) -> Result<Option<DownloadError>, End> {
        let is_same_file = response.validator.as_deref().unwrap_or(validator) == validator;
        let has_rest = response.start == self.position;
        if !is_same_file || (response.validator.is_none() && !has_rest) {
            return Err(End::FromStart);
        }
        if !has_rest {
            let mut known = response.reader.by_ref().take(self.position);
            match io::copy(&mut known, &mut io::sink()) {
                Ok(count) if count == self.position => {}
                Ok(_) => return Err(End::FromStart),
                Err(error) => {
                    return Ok(Some(DownloadError::of_reading(
                        self.url,
                        error,
                        self.patience,
                    )));
                }
            }
        }
        response.validator = Some(validator.to_string());
        self.response = response;
        self.resumed = true;
        Ok(None)
    }

    fn show_progress(&mut self) {
        if Instant::now() >= self.progress {
            self.progress = Instant::now() + PROGRESS;
            let so_far = megabytes(self.position);
            report::interjection(match self.response.length {
                Some(length) => format!("{so_far} of {} MB", megabytes(length)),
                None => format!("{so_far} MB so far"),
            });
        }
    }
}

impl Read for Body<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.end.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let error = match self.response.reader.read(buffer) {
                Ok(0)
                    if self
                        .response
                        .length
                        .is_some_and(|length| self.position < length) =>
                {
                    io::Error::from(io::ErrorKind::UnexpectedEof)
                }
                Ok(count) => {
                    self.position += count as u64;
                    self.show_progress();
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => error,
            };
            let error = DownloadError::of_reading(self.url, error, self.patience);
            if let Err(end) = self.resume(error) {
                self.end = Some(end);
                // What is told to the user is `end`; this only stops whoever reads.
                return Err(io::Error::other("the download broke off"));
            }
        }
    }
}

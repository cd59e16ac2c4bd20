//! The bytes of a file, by as many connections as it takes.

use super::error::DownloadError;
use super::http::{Http, RangeRequest, Response};
use super::patience::Patience;
use super::retries::Retries;
use crate::report::{self, megabytes};
use std::io::{self, Read};
use std::time::{Duration, Instant};
use url::Url;

/// How often a long download shows its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Reads a file. A connection that breaks is resumed where it broke, if the server still has the
/// same file; the reader does not notice.
pub(super) struct Body<'a, 'r> {
    http: &'a Http,
    url: &'a Url,
    patience: &'a Patience,
    retries: &'r mut Retries<'a>,
    response: Response,
    position: u64,
    next_progress: Instant,
    end: Option<End>,
    was_resumed: bool,
}

/// Why the bytes ended before the end of the file.
#[derive(Debug)]
pub(super) enum End {
    /// It cannot be downloaded.
    Failed(DownloadError),
    /// It cannot be resumed, but it can be downloaded from its first byte.
    FromStart,
}

impl<'a, 'r> Body<'a, 'r> {
    /// Requests the file, and again after an error that may be temporary.
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
            next_progress: Instant::now() + PROGRESS_INTERVAL,
            end: None,
            was_resumed: false,
        })
    }

    /// None where the file was read to its end.
    pub(super) fn into_end(self) -> Option<End> {
        self.end
    }

    /// Whether the bytes may be too few, or those of two files: the server did not state the
    /// length, or the download was resumed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.response.length.is_none() || self.was_resumed
    }

    /// Continues after an error, with a new connection.
    fn resume(&mut self, mut error: DownloadError) -> Result<(), End> {
        loop {
            if !self.retries.wait_after(&error) {
                return Err(End::Failed(error));
            }
            let Some(validator) = self.response.validator.clone() else {
                return Err(End::FromStart);
            };
            let rest = RangeRequest {
                from: self.position,
                validator: validator.clone(),
            };
            let left = self.retries.time_left();
            error = match self.http.get(self.url, Some(&rest), self.patience, left) {
                Ok(response) => match self.continue_with(response, &validator)? {
                    None => return Ok(()),
                    Some(error) => error,
                },
                // Another part comes, or the file is now shorter than what is here already.
                Err(DownloadError::Status {
                    status: 206 | 416, ..
                }) => return Err(End::FromStart),
                Err(error) => error,
            };
        }
    }

    /// Reads on from another response, which holds the rest or the whole of the same file. Returns
    /// the error where that connection breaks too.
    fn continue_with(
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
                    let error = DownloadError::of_reading(self.url, &error, self.patience);
                    return Ok(Some(error));
                }
            }
        }
        response.validator = Some(validator.to_string());
        self.response = response;
        self.was_resumed = true;
        Ok(None)
    }

    fn show_progress(&mut self) {
        if Instant::now() >= self.next_progress {
            self.next_progress = Instant::now() + PROGRESS_INTERVAL;
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
            let error = DownloadError::of_reading(self.url, &error, self.patience);
            if let Err(end) = self.resume(error) {
                self.end = Some(end);
                // The user is shown `end`; this error only stops the reader.
                return Err(io::Error::other("the download broke off"));
            }
        }
    }
}

//! One way to get a URL, for everything that is downloaded.

use crate::supply::Shown;
use miette::Diagnostic;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::time::Duration;
use thiserror::Error;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

/// Tries at a download whose failure may pass, and the pause before each further one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// For a whole file; Ruby archives have 10 to 50 MB.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(900);

/// A URL could not be had.
#[derive(Debug, Diagnostic, Error)]
pub enum DownloadError {
    /// The server answers, but not with the file.
    #[error("{url} answers with HTTP status {status}")]
    #[diagnostic(help(
        "Check that the file is there. A build reaches servers by the engine's network, so `localhost` is the build container itself."
    ))]
    Status {
        /// Without credentials.
        url: String,
        /// HTTP status code.
        status: u16,
    },
    /// No server, no network, a broken connection.
    #[error("{url} cannot be reached: {reason}")]
    #[diagnostic(help(
        "Check the network, and the proxy where there is one (http_proxy, https_proxy, no_proxy), then build again. \
         A build reaches servers by the engine's network, so `localhost` is the build container itself."
    ))]
    Unreachable {
        /// Without credentials.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// `file:` and no such file.
    #[error("{path} cannot be read")]
    #[diagnostic(help("The path is one of the build container: mount it with `--volume`."))]
    File {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Some scheme that nobody serves.
    #[error("{url} is not an https, http or file URL")]
    Scheme {
        /// Without credentials.
        url: String,
    },
}

impl DownloadError {
    /// Whether another try may help: a missing file stays missing, a broken connection may not break again.
    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::File { .. } | Self::Scheme { .. } => false,
        }
    }

    fn unreachable(url: &Url, reason: &dyn ToString) -> Self {
        Self::Unreachable {
            url: Shown(url).to_string(),
            reason: reason.to_string(),
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
    /// The connection broke under the reader.
    Broken(io::Error),
    /// The file is not what it should be.
    Refused(E),
}

/// Gives the bytes of a URL to `take` while they arrive. Where the connection breaks and may hold next time, it is called again,
/// from the start.
///
/// # Errors
/// [`TakeError::Download`] after the last try, [`TakeError::Refused`] at once.
pub fn with_bytes_of<T, E>(
    url: &Url,
    mut take: impl FnMut(&mut dyn Read) -> Taken<T, E>,
) -> Result<T, TakeError<E>> {
    let mut pauses = PAUSES.iter();
    loop {
        let error = match open(url).map(|mut reader| take(&mut reader)) {
            Ok(Taken::Whole(value)) => return Ok(value),
            Ok(Taken::Refused(error)) => return Err(TakeError::Refused(error)),
            Ok(Taken::Broken(error)) => DownloadError::unreachable(url, &error),
            Err(error) => error,
        };
        match pauses.next().filter(|_| error.is_transient()) {
            Some(pause) => std::thread::sleep(*pause),
            None => return Err(TakeError::Download(error)),
        }
    }
}

/// The whole of a small text file.
///
/// # Errors
/// As for [`with_bytes_of`].
pub fn text_of(url: &Url) -> Result<String, DownloadError> {
    with_bytes_of::<_, std::convert::Infallible>(url, |reader| {
        let mut bytes = Vec::new();
        match reader.read_to_end(&mut bytes) {
            Ok(_) => Taken::Whole(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Taken::Broken(error),
        }
    })
    .map_err(|error| match error {
        TakeError::Download(error) => error,
        TakeError::Refused(never) => match never {},
    })
}

fn open(url: &Url) -> Result<Box<dyn Read>, DownloadError> {
    match url.scheme() {
        "http" | "https" => open_http(url),
        "file" => open_file(url),
        _ => Err(DownloadError::Scheme {
            url: Shown(url).to_string(),
        }),
    }
}

fn open_file(url: &Url) -> Result<Box<dyn Read>, DownloadError> {
    let path = url.path().to_string();
    match std::fs::File::open(&path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(DownloadError::File { path, source }),
    }
}

fn open_http(url: &Url) -> Result<Box<dyn Read>, DownloadError> {
    let response = agent()
        .get(url.as_str())
        .call()
        .map_err(|error| match error {
            ureq::Error::StatusCode(status) => DownloadError::Status {
                url: Shown(url).to_string(),
                status,
            },
            error => DownloadError::unreachable(url, &error),
        })?;
    Ok(Box::new(response.into_body().into_reader()))
}

/// Proxies are taken from the environment; certificates are those of the build image, so that a company's own count too.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .user_agent(concat!("formation/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .timeout_global(Some(TOTAL_TIMEOUT))
        .build()
        .into()
}

/// A SHA-256 digest in lower-case hexadecimal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sha256Hex(pub String);

/// Hashes what is read through it.
pub struct HashingReader<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> HashingReader<R> {
    /// Starts with nothing read.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
        }
    }

    /// The digest of the whole: what is left is read first.
    ///
    /// # Errors
    /// The rest cannot be read.
    pub fn digest_to_end(mut self) -> io::Result<Sha256Hex> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Sha256Hex(hex::encode(self.digest.finalize())))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

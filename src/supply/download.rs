//! One way to get a URL, for everything that is downloaded.

use crate::report;
use crate::supply::{Shown, masked};
use miette::Diagnostic;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::time::{Duration, Instant};
use thiserror::Error;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Timeout};
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A text file that is longer is none that anybody meant.
const LONGEST_TEXT: u64 = 16 << 20;

/// How long a server is waited for. A download that makes progress may take its time.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For the next bytes.
    stall: Duration,
    /// For everything, tries and pauses included.
    total: Duration,
    /// Before each further try at what may pass.
    pauses: [Duration; 2],
}

const PATIENCE: Patience = Patience {
    stall: Duration::from_secs(60),
    total: Duration::from_secs(3600),
    pauses: [Duration::from_secs(1), Duration::from_secs(4)],
};

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
        /// Whether another try may help.
        may_pass: bool,
    },
    /// The server is not who it says it is, or nobody that the build image knows vouches for it.
    #[error("{url} cannot be trusted: {reason}")]
    #[diagnostic(help(
        "Check the server's certificate. One that your company issues has to be among those that the build image trusts."
    ))]
    Untrusted {
        /// Without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text file without end.
    #[error("{url} is longer than {} MiB, which no inventory is", LONGEST_TEXT >> 20)]
    #[diagnostic(help("Check that the address is that of the file itself."))]
    TooLong {
        /// Without credentials.
        url: String,
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
            Self::Unreachable { may_pass, .. } => *may_pass,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Untrusted { .. }
            | Self::TooLong { .. }
            | Self::File { .. }
            | Self::Scheme { .. } => false,
        }
    }

    /// Of a request that came to no response.
    fn of_request(url: &Url, error: &ureq::Error, patience: &Patience) -> Self {
        let shown = Shown(url).to_string();
        let reason = masked(&reason_of(error, patience));
        match error {
            ureq::Error::StatusCode(status) => Self::Status {
                url: shown,
                status: *status,
            },
            error if is_about_trust(error) => Self::Untrusted { url: shown, reason },
            error => Self::Unreachable {
                url: shown,
                reason,
                may_pass: matches!(
                    error,
                    ureq::Error::Io(_)
                        | ureq::Error::Timeout(_)
                        | ureq::Error::Protocol(_)
                        | ureq::Error::HostNotFound
                        | ureq::Error::ConnectionFailed
                ),
            },
        }
    }

    /// Of a file that broke off while it was read.
    fn of_reading(url: &Url, error: io::Error, patience: &Patience) -> Self {
        if url.scheme() == "file" {
            return Self::File {
                path: url.path().to_string(),
                source: error,
            };
        }
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        let reason = cause.map_or_else(|| error.to_string(), |cause| reason_of(cause, patience));
        Self::Unreachable {
            url: Shown(url).to_string(),
            reason: format!("the connection broke: {}", masked(&reason)),
            may_pass: true,
        }
    }
}

fn reason_of(error: &ureq::Error, patience: &Patience) -> String {
    match error {
        ureq::Error::Timeout(Timeout::PerRead | Timeout::RecvResponse) => {
            format!("nothing came for {} s", patience.stall.as_secs())
        }
        ureq::Error::Timeout(Timeout::Global) => {
            format!("it was not through after {} s", patience.total.as_secs())
        }
        error => error.to_string(),
    }
}

/// Whether TLS failed: rustls says so itself, or as data that is invalid where the handshake is part of the first write.
fn is_about_trust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
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
    /// The file is not what it should be, but it may only be cut short: where the server did not say how long it is, nothing else
    /// would tell.
    Doubtful(E),
}

/// Gives the bytes of a URL to `take` while they arrive. Where the connection breaks and may hold next time, it is called again,
/// from the start.
///
/// # Errors
/// [`TakeError::Download`] after the last try, [`TakeError::Refused`] at once.
pub fn with_bytes_of<T, E>(
    url: &Url,
    take: impl FnMut(&mut dyn Read) -> Taken<T, E>,
) -> Result<T, TakeError<E>> {
    with_patience(&PATIENCE, url, take)
}

fn with_patience<T, E>(
    patience: &Patience,
    url: &Url,
    mut take: impl FnMut(&mut dyn Read) -> Taken<T, E>,
) -> Result<T, TakeError<E>> {
    let started = Instant::now();
    let left = || patience.total.saturating_sub(started.elapsed());
    let tries = patience.pauses.len() + 1;
    let mut pauses = patience.pauses.iter().zip(2..);
    let mut doubted = false;
    loop {
        let failure = match try_once(patience, left(), url, &mut take) {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let is_doubt = matches!(failure, Failure::Doubt(_));
        let may_help = failure.may_pass() && !(is_doubt && doubted);
        doubted |= is_doubt;
        match pauses
            .next()
            .filter(|(pause, _)| may_help && left() > **pause)
        {
            Some((pause, number)) => {
                let why = failure.why(url);
                report::interjection(format!("trying again ({number} of {tries}): {why}"));
                std::thread::sleep(*pause);
            }
            None => return Err(failure.into()),
        }
    }
}

fn try_once<T, E>(
    patience: &Patience,
    left: Duration,
    url: &Url,
    take: &mut impl FnMut(&mut dyn Read) -> Taken<T, E>,
) -> Result<T, Failure<E>> {
    let mut body = open(url, patience, left).map_err(Failure::Download)?;
    match take(&mut body.reader) {
        Taken::Whole(value) => Ok(value),
        Taken::Broken(error) => Err(Failure::Download(DownloadError::of_reading(
            url, error, patience,
        ))),
        Taken::Doubtful(error) if !body.has_length => Err(Failure::Doubt(error)),
        Taken::Doubtful(error) | Taken::Refused(error) => Err(Failure::Refused(error)),
    }
}

/// Why one try came to nothing.
enum Failure<E> {
    Download(DownloadError),
    Refused(E),
    /// It was refused, and may have been cut short.
    Doubt(E),
}

impl<E> Failure<E> {
    fn may_pass(&self) -> bool {
        match self {
            Self::Download(error) => error.is_transient(),
            Self::Refused(_) => false,
            Self::Doubt(_) => true,
        }
    }

    fn why(&self, url: &Url) -> String {
        match self {
            Self::Download(error) => error.to_string(),
            Self::Refused(_) => format!("{} was refused", Shown(url)),
            Self::Doubt(_) => format!("{} may have been cut short", Shown(url)),
        }
    }
}

impl<E> From<Failure<E>> for TakeError<E> {
    fn from(failure: Failure<E>) -> Self {
        match failure {
            Failure::Download(error) => Self::Download(error),
            Failure::Refused(error) | Failure::Doubt(error) => Self::Refused(error),
        }
    }
}

/// The whole of a text file, which is not longer than 16 MiB.
///
/// # Errors
/// As for [`with_bytes_of`].
pub fn text_of(url: &Url) -> Result<String, DownloadError> {
    with_bytes_of(url, |reader| read_text(reader, LONGEST_TEXT)).map_err(|error| match error {
        TakeError::Download(error) => error,
        TakeError::Refused(TooLong) => DownloadError::TooLong {
            url: Shown(url).to_string(),
        },
    })
}

struct TooLong;

fn read_text(reader: &mut dyn Read, longest: u64) -> Taken<String, TooLong> {
    let mut bytes = Vec::new();
    match reader.take(longest + 1).read_to_end(&mut bytes) {
        Ok(count) if count as u64 > longest => Taken::Refused(TooLong),
        Ok(_) => Taken::Whole(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Taken::Broken(error),
    }
}

/// What comes from a URL.
struct Body {
    reader: Box<dyn Read>,
    /// Whether it was said how long it is, so that one which is cut short is noticed.
    has_length: bool,
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

fn open(url: &Url, patience: &Patience, left: Duration) -> Result<Body, DownloadError> {
    check_scheme(url)?;
    if url.scheme() == "file" {
        open_file(url)
    } else {
        open_http(url, patience, left)
    }
}

fn open_file(url: &Url) -> Result<Body, DownloadError> {
    let opened = match url.to_file_path() {
        Ok(path) => std::fs::File::open(path),
        Err(()) => Err(io::Error::other("it is on another host")),
    };
    match opened {
        Ok(file) => Ok(Body {
            reader: Box::new(file),
            has_length: true,
        }),
        Err(source) => Err(DownloadError::File {
            path: url.path().to_string(),
            source,
        }),
    }
}

fn open_http(url: &Url, patience: &Patience, left: Duration) -> Result<Body, DownloadError> {
    let body = agent(patience, left)
        .get(url.as_str())
        .call()
        .map_err(|error| DownloadError::of_request(url, &error, patience))?
        .into_body();
    Ok(Body {
        has_length: body.content_length().is_some(),
        reader: Box::new(body.into_reader()),
    })
}

/// Proxies are taken from the environment; certificates are those of the build image, so that a company's own count too.
fn agent(patience: &Patience, left: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .user_agent(concat!("formation/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        // Of one read from the socket: it starts anew with all that comes, so that only a server that stalls runs into it.
        .timeout_per_read(Some(patience.stall))
        .timeout_recv_response(Some(patience.stall))
        .timeout_global(Some(left))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    const QUICK: Patience = Patience {
        stall: Duration::from_millis(400),
        total: Duration::from_secs(30),
        pauses: [Duration::from_millis(1); 2],
    };

    /// A server that answers each request by a function of the request's number, from 1.
    fn serve(
        answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> (Url, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    answer(number, &mut stream);
                });
            }
        });
        (url.parse().unwrap(), requests)
    }

    fn get(url: &Url) -> Result<String, DownloadError> {
        with_patience(&QUICK, url, |reader| read_text(reader, 1000)).map_err(|error| match error {
            TakeError::Download(error) => error,
            TakeError::Refused(TooLong) => DownloadError::TooLong {
                url: Shown(url).to_string(),
            },
        })
    }

    #[test]
    fn a_server_that_stalls_is_given_up() {
        let (url, requests) = serve(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            thread::sleep(Duration::from_secs(20));
        });
        let started = Instant::now();
        let error = get(&url).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(requests.load(Ordering::SeqCst), 3);
        assert!(error.to_string().contains("nothing came for"), "{error}");
    }

    #[test]
    fn a_slow_server_may_take_its_time() {
        let (url, requests) = serve(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
            for _ in 0..10 {
                thread::sleep(QUICK.stall / 4);
                let _ = stream.write_all(b"x");
            }
        });
        assert_eq!(get(&url).unwrap(), "x".repeat(10));
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let (url, requests) = serve(|number, stream| {
            let _ = stream.write_all(match number {
                1 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".as_slice(),
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            });
        });
        assert_eq!(get(&url).unwrap(), "ok");
        assert_eq!(requests.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_file_of_unknown_length_is_doubted_once() {
        for (head, expected) in [("", 2), ("Content-Length: 3\r\n", 1)] {
            let (url, requests) = serve(move |_, stream| {
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\ncut"
                );
            });
            let result = with_patience(&QUICK, &url, |reader| {
                let _ = io::copy(reader, &mut io::sink());
                Taken::<(), _>::Doubtful("another file")
            });
            assert!(matches!(result, Err(TakeError::Refused("another file"))));
            assert_eq!(requests.load(Ordering::SeqCst), expected, "{head:?}");
        }
    }

    #[test]
    fn a_text_without_end_is_refused() {
        let (url, _) = serve(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = stream.write_all(&[b'x'; 2000]);
        });
        assert!(matches!(get(&url), Err(DownloadError::TooLong { .. })));
        assert_report!(
            "a_text_without_end_is_refused",
            DownloadError::TooLong {
                url: "https://example.com/inventory.toml".into()
            }
        );
    }

    #[test]
    fn a_certificate_does_not_get_better() {
        let url = "https://user:secret@example.com/a?token=secret"
            .parse()
            .unwrap();
        let invalid = io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        let error = DownloadError::of_request(&url, &ureq::Error::Io(invalid), &PATIENCE);
        assert!(!error.is_transient());
        assert_report!(error);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = DownloadError::of_request(&url, &ureq::Error::Io(reset), &PATIENCE);
        assert!(error.is_transient());
        let error = DownloadError::of_request(&url, &ureq::Error::InvalidProxyUrl, &PATIENCE);
        assert!(!error.is_transient());
    }

    #[test]
    fn a_path_with_a_space_or_a_percent_sign() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b%20c.toml");
        fs_err::write(&path, "text").unwrap();
        assert_eq!(
            text_of(&Url::from_file_path(path).unwrap()).unwrap(),
            "text"
        );
    }
}

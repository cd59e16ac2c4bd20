//! Why a URL cannot be downloaded.

use super::patience::Patience;
use crate::fetch::expected::ChecksumError;
use crate::fetch::masked::{Shown, masked};
use miette::Diagnostic;
use std::io;
use std::time::Duration;
use thiserror::Error;
use ureq::{Proxy, Timeout};
use url::Url;

/// The longest text file that is read, in bytes.
pub(super) const LONGEST_TEXT: u64 = 16 << 20;

/// What glibc and musl say where the name server answers that there is no such host: trying again
/// does not help.
const UNKNOWN_HOST: [&str; 2] = ["Name or service not known", "Name does not resolve"];

#[derive(Debug, Diagnostic, Error)]
pub enum DownloadError {
    /// The server answers without the file.
    #[error("{url} answers with HTTP status {status}{}", wait(*retry_after))]
    #[diagnostic(help("{}", remedy(*status)))]
    Status {
        /// Without credentials.
        url: String,
        status: u16,
        /// How long the server asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// No server, no network, a broken connection.
    #[error("{url} cannot be reached: {reason}")]
    #[diagnostic(help(
        "Check the network, and the proxy if there is one (http_proxy, https_proxy, no_proxy), \
         then build again. In a build, `localhost` is the build container itself."
    ))]
    Unreachable {
        /// Without credentials.
        url: String,
        /// What the network said.
        reason: String,
        /// Whether another try may help.
        is_temporary: bool,
    },
    /// The server's certificate is not valid, or its issuer is not trusted.
    #[error("{url} cannot be trusted: {reason}")]
    #[diagnostic(help(
        "Check the server's certificate. If your company issued it, add the issuer with a \
         service binding of type `ca-certificates`, or to the build image."
    ))]
    Untrusted {
        /// Without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server redirects to an address that is not followed.
    #[error("{url} {reason}")]
    #[diagnostic(help(
        "Ask the operator of that server, or use the address that the file itself has."
    ))]
    Redirect {
        /// Without credentials.
        url: String,
        /// Such as `redirects from https to http`.
        reason: String,
    },
    /// A text file that is too long.
    #[error("{url} is longer than {} MiB: it is not an inventory", LONGEST_TEXT >> 20)]
    #[diagnostic(help("Check that the address is that of the file itself."))]
    TooLong {
        /// Without credentials.
        url: String,
    },
    /// A `file:` URL whose file cannot be read.
    #[error("{path} cannot be read")]
    #[diagnostic(help("This is a path in the build container. Mount the file with `--volume`."))]
    File { path: String, source: io::Error },
    /// A URL with a scheme that is not supported.
    #[error("{url} is not an https, http or file URL")]
    #[diagnostic(help("Use a URL of one of these kinds."))]
    Scheme {
        /// Without credentials.
        url: String,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Checksum(ChecksumError),
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!(" and asks clients to wait {} s", wait.as_secs())
    })
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => {
            "The server (for 407: the proxy) requires a name and a password. Put them into the \
             URL, https://USER:PASSWORD@…; they are not shown."
        }
        429 => {
            "The server limits how often it is asked. Build again later, or use a mirror \
             (BP_DEPENDENCY_MIRROR)."
        }
        500.. => {
            "The server has a problem. Build again later, or use a mirror (BP_DEPENDENCY_MIRROR)."
        }
        _ => {
            "Check that the server has the file. In a build, `localhost` is the build container \
             itself."
        }
    }
}

impl DownloadError {
    /// Whether another try may help: a missing file stays missing, a broken connection may not
    /// break again.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { is_temporary, .. } => *is_temporary,
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            Self::Untrusted { .. }
            | Self::Redirect { .. }
            | Self::TooLong { .. }
            | Self::File { .. }
            | Self::Scheme { .. }
            | Self::Checksum(_) => false,
        }
    }

    /// How long the server asks clients to wait before another try.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of a request without a response.
    pub(super) fn of_request(
        url: &Url,
        proxy: Option<&Proxy>,
        error: &ureq::Error,
        patience: &Patience,
    ) -> Self {
        let shown = Shown(url).to_string();
        let reason = masked(&reason_of(error, patience));
        let by_proxy = proxy.map_or_else(String::new, |proxy| {
            format!(" (by the proxy {}:{})", proxy.host(), proxy.port())
        });
        let reason = reason + &by_proxy;
        if is_about_trust(error) {
            return Self::Untrusted { url: shown, reason };
        }
        let is_unknown = UNKNOWN_HOST.iter().any(|text| reason.contains(text));
        let may_be_temporary = matches!(
            error,
            ureq::Error::Io(_)
                | ureq::Error::Timeout(_)
                | ureq::Error::Protocol(_)
                | ureq::Error::HostNotFound
                | ureq::Error::ConnectionFailed
        );
        Self::Unreachable {
            url: shown,
            reason,
            is_temporary: may_be_temporary && !is_unknown,
        }
    }

    /// The error of a connection that breaks while the file is read.
    pub(super) fn of_reading(url: &Url, error: &io::Error, patience: &Patience) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        let reason = cause.map_or_else(|| error.to_string(), |cause| reason_of(cause, patience));
        Self::Unreachable {
            url: Shown(url).to_string(),
            reason: format!("the connection broke: {}", masked(&reason)),
            is_temporary: true,
        }
    }
}

fn reason_of(error: &ureq::Error, patience: &Patience) -> String {
    match error {
        ureq::Error::Timeout(Timeout::PerRead | Timeout::RecvResponse) => {
            format!("no data for {} s", patience.stall.as_secs_f32())
        }
        ureq::Error::Timeout(Timeout::Connect) => {
            format!("no connection after {} s", patience.connect.as_secs_f32())
        }
        ureq::Error::Timeout(Timeout::Global) => {
            format!("not complete after {} s", patience.total.as_secs_f32())
        }
        ureq::Error::LargeResponseHeader(_, most) => {
            format!("its headers are longer than {} KiB", most >> 10)
        }
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Whether TLS failed. Where the handshake is part of the first write, rustls reports invalid data.
fn is_about_trust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_bad_certificate_is_permanent_and_a_broken_connection_is_temporary() {
        let url = "https://user:secret@example.com/a?token=secret"
            .parse()
            .unwrap();
        let patience = Patience::default();
        let invalid = io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(invalid), &patience);
        assert!(!error.is_temporary());
        assert_report!(error);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(reset), &patience);
        assert!(error.is_temporary());
        assert_report!("a_broken_connection", error);
        let unknown =
            io::Error::other("failed to lookup address information: Name or service not known");
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(unknown), &patience);
        assert!(!error.is_temporary());
        let error = DownloadError::of_request(&url, None, &ureq::Error::InvalidProxyUrl, &patience);
        assert!(!error.is_temporary());
    }

    #[test]
    fn each_is_shown() {
        let url = || "https://example.com/ruby.tgz".to_string();
        let status = |status, retry_after| DownloadError::Status {
            url: url(),
            status,
            retry_after,
        };
        assert_report!("status_404", status(404, None));
        assert_report!("status_401", status(401, None));
        assert_report!("status_429", status(429, Some(Duration::from_secs(900))));
        assert_report!("status_503", status(503, None));
        assert_report!("scheme", DownloadError::Scheme { url: url() });
        assert_report!("too_long", DownloadError::TooLong { url: url() });
        let path = "/srv/ruby.tgz".to_string();
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_report!("file", DownloadError::File { path, source });
        let reason = "redirects from https to http".to_string();
        assert_report!("redirect", DownloadError::Redirect { url: url(), reason });
    }
}

//! Why a URL could not be had.

use super::{LONGEST_TEXT, Patience};
use crate::fetch::masked::{Shown, masked};
use miette::Diagnostic;
use std::io;
use std::time::Duration;
use thiserror::Error;
use ureq::{Proxy, Timeout};
use url::Url;

/// What glibc and musl say where the name server itself says that there is no such host: that does not pass.
const UNKNOWN_HOST: [&str; 2] = ["Name or service not known", "Name does not resolve"];

/// A URL could not be had.
#[derive(Debug, Diagnostic, Error)]
pub enum DownloadError {
    /// The server answers, but not with the file.
    #[error("{url} answers with HTTP status {status}{}", wait(*retry_after))]
    #[diagnostic(help("{}", remedy(*status)))]
    Status {
        /// Without credentials.
        url: String,
        /// HTTP status code.
        status: u16,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
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
        "Check the server's certificate. One that your company issues is trusted with a service binding of type `ca-certificates`, \
         or where the build image has it."
    ))]
    Untrusted {
        /// Without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server sends to somewhere that is not gone to.
    #[error("{url} {reason}")]
    #[diagnostic(help("Ask whoever runs that server, or name the file's own address."))]
    Redirect {
        /// Without credentials.
        url: String,
        /// Where it leads.
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
    #[diagnostic(help("Name the file by such a URL."))]
    Scheme {
        /// Without credentials.
        url: String,
    },
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| {
        format!(" and wants to be left alone for {} s", wait.as_secs())
    })
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => {
            "The server (or the proxy: 407) wants a name and a password: put them into the URL, https://USER:PASSWORD@…; they are not shown."
        }
        429 => {
            "The server has been asked too often. Build again later, or use a mirror (BP_DEPENDENCY_MIRROR)."
        }
        500.. => {
            "The server has a problem of its own. Build again later, or use a mirror (BP_DEPENDENCY_MIRROR)."
        }
        _ => {
            "Check that the file is there. A build reaches servers by the engine's network, so `localhost` is the build container itself."
        }
    }
}

impl DownloadError {
    /// Whether another try may help: a missing file stays missing, a broken connection may not break again.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { may_pass, .. } => *may_pass,
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            Self::Untrusted { .. }
            | Self::Redirect { .. }
            | Self::TooLong { .. }
            | Self::File { .. }
            | Self::Scheme { .. } => false,
        }
    }

    /// How long the server wants to be left alone before another try.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Of a request that came to no response.
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
        let may_pass = matches!(
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
            may_pass: may_pass && !is_unknown,
        }
    }

    /// Of a file that broke off while it was read.
    pub(super) fn of_reading(url: &Url, error: io::Error, patience: &Patience) -> Self {
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
            format!("nothing came for {} s", patience.stall.as_secs_f32())
        }
        ureq::Error::Timeout(Timeout::Connect) => {
            format!("no connection after {} s", patience.connect.as_secs_f32())
        }
        ureq::Error::Timeout(Timeout::Global) => {
            format!(
                "it was not through after {} s",
                patience.total.as_secs_f32()
            )
        }
        ureq::Error::LargeResponseHeader(_, most) => {
            format!("its headers are longer than {} KiB", most >> 10)
        }
        ureq::Error::Io(error) => error.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_certificate_does_not_get_better() {
        let url = "https://user:secret@example.com/a?token=secret"
            .parse()
            .unwrap();
        let patience = Patience::default();
        let invalid = io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(invalid), &patience);
        assert!(!error.is_transient());
        assert_report!(error);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(reset), &patience);
        assert!(error.is_transient());
        assert_report!("a_broken_connection", error);
        let unknown =
            io::Error::other("failed to lookup address information: Name or service not known");
        let error = DownloadError::of_request(&url, None, &ureq::Error::Io(unknown), &patience);
        assert!(!error.is_transient());
        let error = DownloadError::of_request(&url, None, &ureq::Error::InvalidProxyUrl, &patience);
        assert!(!error.is_transient());
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

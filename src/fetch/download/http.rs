//! One HTTP request: redirects, proxies, credentials, certificates.

use super::error::DownloadError;
use super::patience::Patience;
use super::{basic_auth, forward_proxy};
use crate::fetch::masked::Shown;
use crate::fetch::settings::{CaCertificates, DownloadSettings, Proxies};
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use url::Url;

const MOST_REDIRECTS: usize = 10;

/// The most connections to a server that are kept open.
pub(crate) const MOST_CONNECTIONS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Http {
    proxies: Proxies,
    certificates: CaCertificates,
    plain: OnceLock<Agent>,
    /// Created when it is needed: reading the build image's own certificates takes a while.
    tls: OnceLock<Agent>,
}

/// A request for a file from some byte on, if it is still the same file.
#[derive(Clone, Debug)]
pub(super) struct RangeRequest {
    pub(super) from: u64,
    /// For `If-Range`.
    pub(super) validator: String,
}

/// A response that holds the file, or the rest of it.
pub(super) struct Response {
    pub(super) reader: Box<dyn Read + Send>,
    /// Bytes of the whole file, where the server states them.
    pub(super) length: Option<u64>,
    /// The offset in the file at which the reader begins.
    pub(super) start: u64,
    /// Identifies this state of the file: its strong `ETag`, else `Last-Modified`.
    pub(super) validator: Option<String>,
}

impl Http {
    pub(super) fn new(settings: &DownloadSettings) -> Self {
        Self {
            proxies: settings.proxies.clone(),
            certificates: settings.certificates.clone(),
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }
    }

    /// Requests a URL, or the rest of its file, and follows redirects.
    pub(super) fn get(
        &self,
        url: &Url,
        rest: Option<&RangeRequest>,
        patience: &Patience,
        time_left: Duration,
    ) -> Result<Response, DownloadError> {
        let deadline = Instant::now() + time_left;
        let mut current = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let left = deadline.saturating_duration_since(Instant::now());
            let response = self.send(&current, rest, patience, left)?;
            match redirect(&current, response.status(), response.headers())? {
                Some(next) => current = next,
                None => return read_response(&current, response, rest),
            }
        }
        Err(DownloadError::Redirect {
            url: Shown(url).to_string(),
            reason: format!("redirects more than {MOST_REDIRECTS} times"),
        })
    }

    fn send(
        &self,
        url: &Url,
        rest: Option<&RangeRequest>,
        patience: &Patience,
        time_left: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, DownloadError> {
        let mut bare = url.clone();
        // Both refuse only URLs that cannot hold credentials.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        let proxy = self.proxies.of(url);
        let through = proxy.filter(|proxy| forward_proxy::is_for(url, proxy));
        let own_agent = through.map(|proxy| forward_proxy::agent(config().build(), url, proxy));
        let agent = own_agent.as_ref().unwrap_or_else(|| self.agent(url));
        let tunnel = proxy.filter(|_| through.is_none());
        let mut request = agent
            .get(bare.as_str())
            .config()
            .proxy(tunnel.cloned())
            .timeout_connect(Some(patience.connect.min(time_left)))
            // For one read from the socket: only a server that stalls runs into it.
            .timeout_per_read(Some(patience.stall))
            .timeout_recv_response(Some(patience.stall))
            .timeout_global(Some(time_left))
            .build();
        if let Some(credentials) = through.and_then(basic_auth::of_proxy) {
            request = request.header("Proxy-Authorization", credentials);
        }
        if let Some(credentials) = basic_auth::of_url(url) {
            request = request.header("Authorization", credentials);
        }
        if let Some(RangeRequest { from, validator }) = rest {
            request = request
                .header("Range", format!("bytes={from}-"))
                .header("If-Range", validator);
        }
        request
            .call()
            .map_err(|error| DownloadError::of_request(url, proxy, &error, patience))
    }

    /// The agent for a URL's scheme. Its connections stay open for the next request to the same
    /// server.
    fn agent(&self, url: &Url) -> &Agent {
        if url.scheme() == "https" {
            self.tls.get_or_init(|| {
                let tls = TlsConfig::builder()
                    .root_certs(RootCerts::Specific(Arc::new(self.read_roots())))
                    .build();
                config().tls_config(tls).build().into()
            })
        } else {
            self.plain.get_or_init(|| config().build().into())
        }
    }

    /// The certificates that the build image trusts (by `SSL_CERT_FILE` and `SSL_CERT_DIR` too),
    /// and the platform's.
    fn read_roots(&self) -> Vec<Certificate<'static>> {
        // Certificates that cannot be read are left out: where one was needed, the request fails.
        let image = rustls_native_certs::load_native_certs().certs;
        image
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .chain(self.certificates.certificates())
            .collect()
    }
}

/// The settings of all requests.
fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .user_agent(concat!("formation/", env!("CARGO_PKG_VERSION")))
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(MOST_CONNECTIONS)
        .max_idle_connections_per_host(MOST_CONNECTIONS)
}

/// The target of a redirect; none for any other response.
fn redirect(
    url: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, DownloadError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let fails = |reason: String| {
        let url = Shown(url).to_string();
        Err(DownloadError::Redirect { url, reason })
    };
    let Some(next) = text(headers, "location").and_then(|location| url.join(location).ok()) else {
        return fails("redirects to nowhere".into());
    };
    match (url.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(with_credentials_of(url, next))),
        ("https", "http") => fails(format!("redirects from https to http, to {}", Shown(&next))),
        _ => fails(format!("redirects to {}", Shown(&next))),
    }
}

/// The next URL with the name and password of the one before, if it is on the same server and has
/// none of its own.
fn with_credentials_of(url: &Url, mut next: Url) -> Url {
    if next.origin() == url.origin() && basic_auth::of_url(&next).is_none() {
        // Both refuse only URLs that cannot hold credentials.
        let _ = next.set_username(url.username());
        let _ = next.set_password(url.password());
    }
    next
}

fn read_response(
    url: &Url,
    response: ureq::http::Response<ureq::Body>,
    rest: Option<&RangeRequest>,
) -> Result<Response, DownloadError> {
    let headers = response.headers();
    let validator = validator(headers);
    let content_length = response.body().content_length();
    let range = rest.and_then(|rest| {
        let range = text(headers, "content-range").and_then(content_range);
        range.filter(|(start, _)| *start == rest.from)
    });
    let (start, length) = match (response.status().as_u16(), range) {
        (200, _) => (0, content_length),
        // The whole file may be longer than this part of it.
        (206, Some((start, whole))) => (
            start,
            whole.or(content_length.map(|length| start.saturating_add(length))),
        ),
        (status, _) => {
            return Err(DownloadError::Status {
                url: Shown(url).to_string(),
                status,
                retry_after: text(headers, "retry-after").and_then(retry_after),
            });
        }
    };
    Ok(Response {
        reader: Box::new(response.into_body().into_reader()),
        length,
        start,
        validator,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A weak `ETag` does not count: it promises the same meaning, not the same bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    text(headers, "etag")
        .filter(|etag| !etag.starts_with("W/"))
        .or_else(|| text(headers, "last-modified"))
        .map(String::from)
}

/// Of `bytes 100-199/200`: the first byte, and the length of the whole file, where it is stated.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, whole.trim().parse().ok()))
}

/// `Retry-After` is a number of seconds or a point in time.
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Parsing fails only for too many digits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let time = httpdate::parse_http_date(value).ok()?;
    Some(time.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            retry_after("99999999999999999999"),
            Some(Duration::from_secs(u64::MAX))
        );
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after(""), None);
    }

    #[test]
    fn content_range_names_the_first_byte_and_the_whole_length() {
        for (header, expected) in [
            ("bytes 100-199/200", Some((100, Some(200)))),
            ("bytes 100-199/*", Some((100, None))),
            ("bytes */200", None),
            ("100-199/200", None),
            ("", None),
        ] {
            assert_eq!(content_range(header), expected, "{header}");
        }
    }
}

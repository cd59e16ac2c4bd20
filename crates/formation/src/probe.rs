//! `formation probe`: checks whether `web` is healthy. For Docker's health checks, which run a
//! program of the image: `curl` may not be there.

use miette::Diagnostic;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long connection and response may take together: less than the timeout in exported files.
const TIMEOUT: Duration = Duration::from_secs(4);

/// The longest status line, in bytes.
const MAX_STATUS_LINE: usize = 8 * 1024;

/// A health check of a server in this container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    pub port: u16,
    /// The path to request. `None`: it is enough that the server accepts a connection.
    pub path: Option<String>,
    /// The `Host` of the request; `None` for `localhost`.
    pub host: Option<String>,
}

/// The server is not healthy.
#[derive(Debug, Diagnostic, Error)]
pub enum ProbeError {
    #[error("`{path}` is not a path for an HTTP request")]
    #[diagnostic(help("A path starts with `/` and has no spaces: `--path /up`."))]
    BadPath { path: String },
    #[error("`{host}` is not a host for an HTTP request")]
    #[diagnostic(help(
        "Write the name alone, without `https://` and path: `--host shop.example`."
    ))]
    BadHost { host: String },
    #[error("nothing accepts connections on port {port}")]
    #[diagnostic(help(
        "`web` may still be starting. If not, check that it listens on $PORT, and on 0.0.0.0 \
         rather than on localhost."
    ))]
    NoConnection { port: u16, source: io::Error },
    #[error("no response to GET {path} on port {port}")]
    #[diagnostic(help(
        "Check the log of `web`: it may be overloaded, or may not be an HTTP server."
    ))]
    NoResponse {
        port: u16,
        path: String,
        source: io::Error,
    },
    #[error("the response to GET {path} is {status_line:?}")]
    #[diagnostic(help("{}", help_of(status_line)))]
    Unhealthy { path: String, status_line: String },
}

/// Rails answers `403 Forbidden` to hosts that are not in its `config.hosts`.
fn help_of(status_line: &str) -> &'static str {
    if status_of(status_line) == Some(403) {
        "`web` forbids it. The reason may be Rails' host authorization (`config.hosts`): name a host \
         that it knows, `--host shop.example` (`--health-host` of `formation export`), or let it \
         answer this path for any host: `config.host_authorization = { exclude: ->(request) { \
         request.path == \"/up\" } }`."
    } else {
        "A status from 200 to 399 counts as healthy. Check the path, and the log of `web`."
    }
}

impl Probe {
    /// # Errors
    /// The server is not healthy.
    pub fn run(&self) -> Result<(), ProbeError> {
        let port = self.port;
        let deadline = Instant::now() + TIMEOUT;
        if let Some(path) = self.path.clone().filter(|path| !is_request_path(path)) {
            return Err(ProbeError::BadPath { path });
        }
        if let Some(host) = self.host.clone().filter(|host| !is_host(host)) {
            return Err(ProbeError::BadHost { host });
        }
        let connection =
            connect(port, deadline).map_err(|source| ProbeError::NoConnection { port, source })?;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let host = self.host.as_deref().unwrap_or("localhost");
        let status_line =
            request(connection, path, host, deadline).map_err(|source| ProbeError::NoResponse {
                port,
                path: path.clone(),
                source,
            })?;
        if is_healthy(&status_line) {
            return Ok(());
        }
        Err(ProbeError::Unhealthy {
            path: path.clone(),
            status_line,
        })
    }
}

fn connect(port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let connect_to =
        |address: SocketAddr| TcpStream::connect_timeout(&address, time_until(deadline)?);
    connect_to((Ipv4Addr::LOCALHOST, port).into())
        .or_else(|error| connect_to((Ipv6Addr::LOCALHOST, port).into()).map_err(|_| error))
}

/// Sends a request, and returns the first line of the response.
fn request(
    mut connection: TcpStream,
    path: &str,
    host: &str,
    deadline: Instant,
) -> io::Result<String> {
    connection.set_write_timeout(Some(time_until(deadline)?))?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: formation\r\n\
         Connection: close\r\n\r\n"
    )?;
    let mut response = Vec::new();
    let mut buffer = [0; 1024];
    // A timeout counts for one read only: a server that sends single bytes would never exceed it.
    loop {
        if let Some(end) = response.iter().position(|byte| *byte == b'\n') {
            response.truncate(end);
            break;
        }
        if response.len() >= MAX_STATUS_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the first line of the response is too long",
            ));
        }
        connection.set_read_timeout(Some(time_until(deadline)?))?;
        match connection.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => response.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&response).trim_end().into())
}

/// The time that is left; an error if none is.
fn time_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Whether the text can be the path of an HTTP request.
pub(super) fn is_request_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether the text can be the `Host` of an HTTP request: a name or an address, perhaps with a
/// port.
pub(super) fn is_host(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    !text.is_empty() && text.chars().all(is_allowed)
}

fn is_healthy(status_line: &str) -> bool {
    status_of(status_line).is_some_and(|status| (200..400).contains(&status))
}

fn status_of(status_line: &str) -> Option<u16> {
    let after_version = status_line.strip_prefix("HTTP/1.")?;
    after_version.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    /// The timeout of health checks in exported files.
    const TIMEOUT_IN_FILES: Duration = Duration::from_secs(5);

    /// Probes a server that sends this response, once.
    fn probe(response: &'static str, path: Option<&str>) -> Result<(), ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut request).is_ok_and(|length| length > 2) {}
            let _ = stream.write_all(response.as_bytes());
        });
        let path = path.map(String::from);
        let host = None;
        Probe { port, path, host }.run()
    }

    /// The probe of whether the server accepts a connection.
    fn accepts(port: u16) -> Probe {
        Probe {
            port,
            path: None,
            host: None,
        }
    }

    #[test]
    fn a_server_that_responds_is_healthy() {
        assert!(probe("", None).is_ok());
        for response in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 301 Moved\r\n",
            "HTTP/1.1 204\n",
        ] {
            assert!(probe(response, Some("/up")).is_ok(), "{response}");
        }
    }

    #[test]
    fn a_server_that_does_not_respond_is_not_healthy() {
        let error = probe("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("/up")).unwrap_err();
        assert_report!("unhealthy", error);
        for response in ["", "220 smtp.example\r\n", "HTTP/1.1 404 Not Found\r\n"] {
            let error = probe(response, Some("/")).unwrap_err();
            assert!(matches!(error, ProbeError::Unhealthy { .. }), "{response}");
        }
        let error = probe("HTTP/1.1 403 Forbidden\r\n\r\n", Some("/up")).unwrap_err();
        assert_report!("forbidden", error);
        let source = || io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_report!(
            "no_connection",
            ProbeError::NoConnection {
                port: 8080,
                source: source()
            }
        );
        let path = "/up".to_string();
        let source = io::Error::from(io::ErrorKind::TimedOut);
        assert_report!(
            "no_response",
            ProbeError::NoResponse {
                port: 8080,
                path,
                source
            }
        );
    }

    #[test]
    fn a_path_that_cannot_be_requested_is_refused() {
        for path in ["up", "", "/a b", "/a\r\nHost: b"] {
            let error = Probe {
                port: 1,
                path: Some(path.into()),
                host: None,
            }
            .run()
            .unwrap_err();
            assert!(matches!(error, ProbeError::BadPath { .. }), "{path:?}");
        }
        let path = "up".to_string();
        assert_report!("bad_path", ProbeError::BadPath { path });
    }

    #[test]
    fn a_host_that_cannot_be_sent_is_refused() {
        for host in [
            "",
            "https://shop.example",
            "shop.example/up",
            "a\r\nb: c",
            "a b",
        ] {
            let error = Probe {
                path: Some("/up".into()),
                host: Some(host.into()),
                ..accepts(1)
            }
            .run()
            .unwrap_err();
            assert!(matches!(error, ProbeError::BadHost { .. }), "{host:?}");
        }
        for host in ["shop.example", "127.0.0.1:3000", "[::1]"] {
            assert!(is_host(host), "{host}");
        }
        let host = "https://shop.example".to_string();
        assert_report!("bad_host", ProbeError::BadHost { host });
    }

    /// Probes a server that sends these bytes again and again: the error, and how long the probe
    /// took.
    fn probe_of_endless(bytes: &'static [u8], pause: Duration) -> (ProbeError, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(bytes).is_ok() {
                thread::sleep(pause);
            }
        });
        let started = Instant::now();
        let path = Some("/up".to_string());
        let host = None;
        let error = Probe { port, path, host }.run().unwrap_err();
        (error, started.elapsed())
    }

    #[test]
    fn a_status_line_without_end_is_not_read_for_ever() {
        let (error, took) = probe_of_endless(&[b'x'; 1024], Duration::ZERO);
        assert!(took < TIMEOUT, "{took:?}");
        let ProbeError::NoResponse { path, source, .. } = error else {
            panic!("{error:?}");
        };
        assert_report!(
            "a_long_line",
            ProbeError::NoResponse {
                port: 8080,
                path,
                source
            }
        );
    }

    /// No single read takes long, all together do.
    #[test]
    fn a_response_of_single_bytes_times_out() {
        let (error, took) = probe_of_endless(b"x", Duration::from_millis(200));
        assert!(matches!(error, ProbeError::NoResponse { .. }), "{error:?}");
        assert!(took < TIMEOUT_IN_FILES, "{took:?}");
    }

    /// With both versions of IP, a server listens that accepts no connection.
    #[test]
    fn both_versions_of_ip_share_one_timeout() {
        let listener = TcpListener::bind("[::]:0")
            .or_else(|_| TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let waiting_connections: Vec<_> = (0..8)
            .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect();
        let started = Instant::now();
        let error = accepts(port).run().unwrap_err();
        let took = started.elapsed();
        assert!(
            matches!(error, ProbeError::NoConnection { .. }),
            "{error:?}"
        );
        assert!(took < TIMEOUT_IN_FILES, "{took:?}");
        drop(waiting_connections);
    }

    #[test]
    fn a_port_without_a_server_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let result = accepts(port).run();
        assert!(matches!(result, Err(ProbeError::NoConnection { .. })));
    }
}

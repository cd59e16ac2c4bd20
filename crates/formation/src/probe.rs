//! `formation probe`: does `web` answer? For the health checks of Docker, whose images need not have a program that could ask.

use miette::Diagnostic;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long connection and answer may take together: less than the orchestrators' files give a probe.
const PATIENCE: Duration = Duration::from_secs(4);

/// Bytes of a status line at most.
const LONGEST: usize = 8 * 1024;

/// A question to a server in this container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Where it listens.
    pub port: u16,
    /// What to ask it for; without it, that it takes connections is enough.
    pub path: Option<String>,
}

/// It is not well.
#[derive(Debug, Diagnostic, Error)]
pub enum ProbeError {
    /// What is to be asked for.
    #[error("`{path}` is no path of an HTTP request")]
    #[diagnostic(help("It starts with `/` and has no spaces: `--path /up`."))]
    BadPath {
        /// As it was given.
        path: String,
    },
    /// Nobody takes the connection.
    #[error("nobody listens on port {port}")]
    #[diagnostic(help(
        "`web` may still be starting. If it stays so, check that it listens on $PORT, and on 0.0.0.0 rather than on localhost."
    ))]
    NoConnection {
        /// The port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// The server says nothing.
    #[error("port {port} gives no answer to GET {path}")]
    #[diagnostic(help("Check the log of `web`: it may be busy, or no HTTP server."))]
    NoAnswer {
        /// The port.
        port: u16,
        /// What was asked for.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The server says that it is not well, or that there is no such page.
    #[error("GET {path} is answered with {answer:?}")]
    #[diagnostic(help(
        "A status from 200 to 399 counts as well. Check the path, and the log of `web`."
    ))]
    BadAnswer {
        /// What was asked for.
        path: String,
        /// The first line.
        answer: String,
    },
}

impl Probe {
    /// Asks.
    ///
    /// # Errors
    /// It is not well.
    pub fn run(&self) -> Result<(), ProbeError> {
        let port = self.port;
        let deadline = Instant::now() + PATIENCE;
        if let Some(path) = self.path.clone().filter(|path| !is_request_path(path)) {
            return Err(ProbeError::BadPath { path });
        }
        let connection =
            connect(port, deadline).map_err(|source| ProbeError::NoConnection { port, source })?;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let answer = ask(connection, path, deadline).map_err(|source| ProbeError::NoAnswer {
            port,
            path: path.clone(),
            source,
        })?;
        if is_well(&answer) {
            return Ok(());
        }
        Err(ProbeError::BadAnswer {
            path: path.clone(),
            answer,
        })
    }
}

fn connect(port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let to = |address: SocketAddr| TcpStream::connect_timeout(&address, left_until(deadline)?);
    to((Ipv4Addr::LOCALHOST, port).into())
        .or_else(|error| to((Ipv6Addr::LOCALHOST, port).into()).map_err(|_| error))
}

/// The first line of the answer.
fn ask(mut connection: TcpStream, path: &str, deadline: Instant) -> io::Result<String> {
    connection.set_write_timeout(Some(left_until(deadline)?))?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: formation\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut bytes = [0; 1024];
    // A timeout is for one read, and each byte would be in time after the one before it.
    loop {
        if let Some(end) = answer.iter().position(|byte| *byte == b'\n') {
            answer.truncate(end);
            break;
        }
        if answer.len() >= LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the first line of what it sends does not end",
            ));
        }
        connection.set_read_timeout(Some(left_until(deadline)?))?;
        match connection.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().into())
}

/// What is left of the time; an error where nothing is.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Whether an HTTP request can ask for it.
pub(super) fn is_request_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_well(answer: &str) -> bool {
    let status = (answer.strip_prefix("HTTP/1.")).and_then(|rest| rest.split(' ').nth(1));
    status
        .and_then(|status| status.parse::<u16>().ok())
        .is_some_and(|status| (200..400).contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    /// `timeout` of the exported files.
    const ORCHESTRATORS_TIMEOUT: Duration = Duration::from_secs(5);

    /// What a probe says of a server that gives this answer, once.
    fn probe(answer: &'static str, path: Option<&str>) -> Result<(), ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while lines.read_line(&mut request).is_ok_and(|length| length > 2) {}
            let _ = stream.write_all(answer.as_bytes());
        });
        let path = path.map(String::from);
        Probe { port, path }.run()
    }

    #[test]
    fn who_answers_is_well() {
        assert!(probe("", None).is_ok());
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 301 Moved\r\n",
            "HTTP/1.1 204\n",
        ] {
            assert!(probe(answer, Some("/up")).is_ok(), "{answer}");
        }
    }

    #[test]
    fn who_does_not_is_not() {
        let error = probe("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("/up")).unwrap_err();
        assert_report!("bad_answer", error);
        for answer in ["", "220 smtp.example\r\n", "HTTP/1.1 404 Not Found\r\n"] {
            let error = probe(answer, Some("/")).unwrap_err();
            assert!(matches!(error, ProbeError::BadAnswer { .. }), "{answer}");
        }
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
            "no_answer",
            ProbeError::NoAnswer {
                port: 8080,
                path,
                source
            }
        );
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for path in ["up", "", "/a b", "/a\r\nHost: b"] {
            let error = Probe {
                port: 1,
                path: Some(path.into()),
            }
            .run()
            .unwrap_err();
            assert!(matches!(error, ProbeError::BadPath { .. }), "{path:?}");
        }
        let path = "up".to_string();
        assert_report!("bad_path", ProbeError::BadPath { path });
    }

    /// How a probe fails of a server that sends these bytes again and again, and after how long.
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
        let error = Probe { port, path }.run().unwrap_err();
        (error, started.elapsed())
    }

    #[test]
    fn a_line_without_an_end_is_not_read_to_it() {
        let (error, took) = probe_of_endless(&[b'x'; 1024], Duration::ZERO);
        assert!(took < PATIENCE, "{took:?}");
        let ProbeError::NoAnswer { path, source, .. } = error else {
            panic!("{error:?}");
        };
        assert_report!(
            "a_long_line",
            ProbeError::NoAnswer {
                port: 8080,
                path,
                source
            }
        );
    }

    /// Each byte is in time after the one before it.
    #[test]
    fn one_byte_after_the_other_is_too_slow() {
        let (error, took) = probe_of_endless(b"x", Duration::from_millis(200));
        assert!(matches!(error, ProbeError::NoAnswer { .. }), "{error:?}");
        assert!(took < ORCHESTRATORS_TIMEOUT, "{took:?}");
    }

    /// With each version of IP somebody listens who takes no connection.
    #[test]
    fn both_versions_of_ip_share_the_time() {
        let listener = TcpListener::bind("[::]:0")
            .or_else(|_| TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let in_the_queue: Vec<_> = (0..8)
            .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect();
        let started = Instant::now();
        let error = Probe { port, path: None }.run().unwrap_err();
        let took = started.elapsed();
        assert!(
            matches!(error, ProbeError::NoConnection { .. }),
            "{error:?}"
        );
        assert!(took < ORCHESTRATORS_TIMEOUT, "{took:?}");
        drop(in_the_queue);
    }

    #[test]
    fn nobody_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let result = Probe { port, path: None }.run();
        assert!(matches!(result, Err(ProbeError::NoConnection { .. })));
    }
}

//! `formation probe`: does `web` answer? For the health checks of Docker, whose images need not have a program that could ask.

use miette::Diagnostic;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;
use thiserror::Error;

/// How long a connection, and each part of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(4);

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
        let connection =
            connect(port).map_err(|source| ProbeError::NoConnection { port, source })?;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let answer = ask(connection, path).map_err(|source| ProbeError::NoAnswer {
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

fn connect(port: u16) -> io::Result<TcpStream> {
    let of_version_4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let of_version_6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&of_version_4, PATIENCE)
        .or_else(|error| TcpStream::connect_timeout(&of_version_6, PATIENCE).map_err(|_| error))
}

/// The first line of the answer.
fn ask(mut connection: TcpStream, path: &str) -> io::Result<String> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: formation\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    Ok(line.trim_end().into())
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
    use crate::report::tests::assert_report;
    use std::net::TcpListener;
    use std::thread;

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
    fn nobody_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let result = Probe { port, path: None }.run();
        assert!(matches!(result, Err(ProbeError::NoConnection { .. })));
    }
}

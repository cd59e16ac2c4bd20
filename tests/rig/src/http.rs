//! Plain HTTP requests, each with a connection of its own.

use crate::wait::becomes_true;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some(Self {
            status: head.split(' ').nth(1)?.parse().ok()?,
            body: body.to_string(),
        })
    }
}

/// Sends a request without a body to `HOST:PORT`.
pub fn ask(address: &str, method: &str, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let request =
        format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    // In one piece: a small server may read once and answer.
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer::parse(&text).ok_or_else(|| io::Error::other(text))
}

/// The body of the answer to `GET /`, of a server that may still be starting.
pub fn get_when_ready(address: &str, patience: Duration) -> io::Result<String> {
    let mut last = Err(io::Error::other("not asked"));
    let is_ready = becomes_true(patience, Duration::from_millis(200), || {
        last = ask(address, "GET", "/");
        last.as_ref().is_ok_and(|answer| answer.status == 200)
    });
    match last? {
        answer if is_ready => Ok(answer.body),
        answer => Err(io::Error::other(format!("{answer:?}"))),
    }
}

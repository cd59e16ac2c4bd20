//! Answers of a server.

use crate::faulty_server::{Act, Answer};
use std::time::Duration;

pub(super) const ETAG: &[&str] = &["ETag: \"one\""];
pub(super) const OTHER_ETAG: &[&str] = &["ETag: \"two\""];
pub(super) const MODIFIED: &[&str] = &["Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"];

pub(super) fn send(bytes: &[u8]) -> Act {
    Act::Send(bytes.to_vec())
}

/// The start of a response: its status and its headers.
pub(super) fn head(status: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    (head + "\r\n").into_bytes()
}

/// The same for every request.
pub(super) fn always(acts: Vec<Act>) -> Answer {
    Box::new(move |_| acts.clone())
}

/// A response without a body.
pub(super) fn status(status: &str, headers: &[&str]) -> Answer {
    let head = head(status, &[headers, &["Content-Length: 0"]].concat());
    always(vec![Act::Send(head)])
}

/// A whole response of these bytes.
pub(super) fn body(bytes: &[u8], headers: &[&str]) -> Answer {
    cut(bytes, headers, bytes.len(), vec![])
}

/// The first bytes of a response, then other acts.
pub(super) fn cut(bytes: &[u8], headers: &[&str], at: usize, then: Vec<Act>) -> Answer {
    let length = format!("Content-Length: {}", bytes.len());
    let mut sent = head("200 OK", &[headers, &[&length]].concat());
    sent.extend(&bytes[..at]);
    // Bytes that are on their way when a connection is reset may be lost.
    let delay = Act::Wait(Duration::from_millis(20));
    always([vec![Act::Send(sent), delay], then].concat())
}

/// The rest of a file, from the requested byte on; an error for a request of the whole.
pub(super) fn rest(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    rest_until(bytes, headers, bytes.len(), vec![])
}

/// The same up to some byte, then other acts.
pub(super) fn rest_until(
    bytes: &'static [u8],
    headers: &'static [&'static str],
    end: usize,
    then: Vec<Act>,
) -> Answer {
    Box::new(move |request| {
        let Some(start) = request.range_start() else {
            return vec![Act::Send(head("400 Not A Range", &["Content-Length: 0"]))];
        };
        let (last, whole) = (bytes.len() - 1, bytes.len());
        let range = format!("Content-Range: bytes {start}-{last}/{whole}");
        let length = format!("Content-Length: {}", whole - start);
        let mut sent = head(
            "206 Partial Content",
            &[headers, &[&range, &length]].concat(),
        );
        sent.extend(&bytes[start..end]);
        [vec![Act::Send(sent)], then.clone()].concat()
    })
}

/// The whole file; an error for a request of a part.
pub(super) fn only_whole(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    let whole = body(bytes, headers);
    Box::new(move |request| match request.range_start() {
        None => whole(request),
        Some(_) => vec![Act::Send(head("400 A Range", &["Content-Length: 0"]))],
    })
}

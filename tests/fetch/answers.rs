//! Answers of a server.

use rig::server::faulty::{Act, Answer};
use rig::server::http::head;
use std::time::Duration;

pub(crate) const ETAG: &[&str] = &["ETag: \"one\""];
pub(crate) const OTHER_ETAG: &[&str] = &["ETag: \"two\""];
pub(crate) const MODIFIED: &[&str] = &["Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"];

pub(crate) fn send(bytes: &[u8]) -> Act {
    Act::Send(bytes.to_vec())
}

/// The same answer to every request.
pub(crate) fn always(acts: Vec<Act>) -> Answer {
    Box::new(move |_| acts.clone())
}

/// A response without a body, from a server that says that it closes the connection: the request for
/// the target of a redirect could still go into the old one.
pub(crate) fn status(status: &str, headers: &[&str]) -> Answer {
    let own = ["Content-Length: 0", "Connection: close"];
    let head = head(status, &[headers, &own].concat());
    always(vec![Act::Send(head)])
}

/// A whole response of these bytes.
pub(crate) fn body(bytes: &[u8], headers: &[&str]) -> Answer {
    cut(bytes, headers, bytes.len(), vec![])
}

/// The first bytes of a response, and then other acts.
pub(crate) fn cut(bytes: &[u8], headers: &[&str], at: usize, then: Vec<Act>) -> Answer {
    let length = format!("Content-Length: {}", bytes.len());
    let mut sent = head("200 OK", &[headers, &[&length]].concat());
    sent.extend(&bytes[..at]);
    // A reset may discard bytes that are still on their way.
    let delay = Act::Wait(Duration::from_millis(20));
    always([vec![Act::Send(sent), delay], then].concat())
}

/// The rest of a file, as it was asked for; an error to a request for the whole file.
pub(crate) fn rest(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    rest_until(bytes, headers, bytes.len(), vec![])
}

/// The same, but only up to some byte, and then other acts.
pub(crate) fn rest_until(
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

/// A whole file; an error to a request for a part.
pub(crate) fn only_whole(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    let whole = body(bytes, headers);
    Box::new(move |request| match request.range_start() {
        None => whole(request),
        Some(_) => vec![Act::Send(head("400 A Range", &["Content-Length: 0"]))],
    })
}

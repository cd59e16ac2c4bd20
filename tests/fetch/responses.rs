//! Responses that are malformed, refuse, ask to wait, or redirect.

use crate::answers::{ETAG, always, body, cut, rest, send, status};
use crate::case::{case, check, differs};
use crate::download::{PATIENCE, millis};
use crate::tarballs::FILE;
use formation_buildpack::fetch::download::Patience;
use rig::server::faulty::Act;
use rig::server::http::head;
use std::time::Duration;

#[test]
fn malformed_responses_are_handled() {
    let half = FILE.len() / 2;
    let unsized_head = head("200 OK", &[]);
    let unsized_body = |bytes: &[u8]| always(vec![send(&unsized_head), send(bytes)]);
    let chunked = head("200 OK", &["Transfer-Encoding: chunked"]);
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunks = |end: &[u8]| {
        always(vec![
            send(&chunked),
            Act::Send(chunk(&FILE[..half])),
            Act::Send(chunk(&FILE[half..])),
            send(end),
        ])
    };
    let longer = [FILE.as_slice(), b"and more"].concat();
    check([
        case("a short body", [cut(&FILE, &[], half, vec![]), body(&FILE, &[])]),
        case("a short body, always", [cut(&FILE, &[], half, vec![])])
            .fails(3, "http://server/ruby.tgz cannot be reached: the connection broke: Peer disconnected"),
        case("more than the length", [cut(&FILE, &[], FILE.len(), vec![send(b"and more")])]),
        case("a length that is no number", [always(vec![send(&head("200 OK", &["Content-Length: many"])), send(&FILE)])])
            .fails(3, "http://server/ruby.tgz cannot be reached: protocol: content-length header not a number"),
        case("no length", [unsized_body(&FILE)]),
        case("no length and cut", [unsized_body(&FILE[..half]), unsized_body(&FILE)]),
        case("no length and cut, always", [unsized_body(&FILE[..half])]).fails(2, &differs("http://server/ruby.tgz", &FILE[..half])),
        case("no length and more", [unsized_body(&longer)]).fails(2, &differs("http://server/ruby.tgz", &longer)),
        case("in chunks", [chunks(b"0\r\n\r\n")]),
        case("chunks without an end", [chunks(b""), chunks(b"0\r\n\r\n")]),
        case("cut in a chunk", [always(vec![send(&chunked), Act::Send(chunk(&FILE)[..half].to_vec())]), body(&FILE, &[])]),
        case("chunks that are none", [always(vec![send(&chunked), send(b"no number\r\n\r\n")]), body(&FILE, &[])]),
        case("no HTTP", [always(vec![send(b"SSH-2.0-OpenSSH_9.6\r\n")])])
            .fails(3, "http://server/ruby.tgz cannot be reached: protocol: http parse fail: invalid HTTP version"),
        case("nothing at all", [always(vec![]), body(&FILE, &[])]),
        case("headers without end", [always(vec![send(b"HTTP/1.1 200 OK\r\nX: "), Act::Endless(b"x".repeat(1000))])])
            .fails(1, "http://server/ruby.tgz cannot be reached: its headers are longer than 64 KiB"),
        case("a hint comes first", [always(vec![send(&head("103 Early Hints", &["Link: </a>"])), send(&head("100 Continue", &[])), send(&unsized_head), send(&FILE)])]),
        case("hints without end", [always(vec![Act::Endless(head("103 Early Hints", &["Link: </a>"]))])])
            .fails(1, "http://server/ruby.tgz cannot be reached: its headers are longer than 64 KiB"),
        case("no content", [status("204 No Content", &[])]).fails(1, "http://server/ruby.tgz answers with HTTP status 204"),
        case("HTTP 1.0", [always(vec![send(b"HTTP/1.0 200 OK\r\n\r\n"), send(&FILE)])]),
        case("a gzip file that is said to be gzipped", [body(&FILE, &["Content-Encoding: gzip", "Content-Type: application/x-tar"])]),
    ]);
}

#[test]
fn a_temporary_status_is_tried_again() {
    let after = |seconds: u64| {
        httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(seconds))
    };
    let wait = |value: &str| status("429 Too Many Requests", &[&format!("Retry-After: {value}")]);
    let once = |name, line: &'static str, code| {
        case(name, [status(line, &[])]).fails(
            1,
            &format!("http://server/ruby.tgz answers with HTTP status {code}"),
        )
    };
    check([
        case("429, a second", [wait("1"), body(&FILE, &[])]).takes(1000, 12_000),
        case("429, a date", [wait(&after(4)), body(&FILE, &[])]).takes(1000, 12_000),
        case("429, a date in the past", [wait("Wed, 21 Oct 2015 07:28:00 GMT"), body(&FILE, &[])]),
        case("429, no number", [wait("soon"), body(&FILE, &[])]),
        case("429, too long", [wait("3600")])
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and asks clients to wait 3600 s"),
        case("429, longer than a number can be", [wait("99999999999999999999999")])
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and asks clients to wait 18446744073709551615 s"),
        case("429, longer than is left", [wait("2")]).patience(Patience { total: millis(1500), ..PATIENCE })
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and asks clients to wait 2 s"),
        case("503, a second", [status("503 Busy", &["Retry-After: 1"]), body(&FILE, &[])]).takes(1000, 12_000),
        case("500 once", [status("500 Oh", &[]), body(&FILE, &[])]),
        case("500 twice", [status("500 Oh", &[]), status("502 Oh", &[]), body(&FILE, &[])]),
        case("503 always", [status("503 Busy", &[])]).fails(3, "http://server/ruby.tgz answers with HTTP status 503"),
        case("408 once", [status("408 Request Timeout", &[]), body(&FILE, &[])]),
        once("404", "404 Not Found", 404),
        once("401", "401 Unauthorized", 401),
        once("403", "403 Forbidden", 403),
        once("410", "410 Gone", 410),
        once("501", "501 Not Implemented", 501),
        once("300", "300 Multiple Choices", 300),
        once("999", "999 Who Knows", 999),
    ]);
}

#[test]
fn redirects_are_followed_if_they_are_safe() {
    let to = |location: &str| status("302 Found", &[&format!("Location: {location}")]);
    let fails = |name, location: &'static str, error: &'static str| {
        case(name, [to(location)]).fails(1, error)
    };
    check([
        case("relative", [to("sub/ruby.tgz"), body(&FILE, &[])]),
        case(
            "several",
            [
                to("/a"),
                status("301 Moved", &["Location: /b"]),
                status("307 Moved", &["Location: ?c"]),
                status("308 Moved", &["Location: /d#e"]),
                body(&FILE, &[]),
            ],
        ),
        case("a loop", [to("/ruby.tgz")])
            .fails(11, "http://server/ruby.tgz redirects more than 10 times"),
        case("to nowhere", [status("302 Found", &[])])
            .fails(1, "http://server/ruby.tgz redirects to nowhere"),
        fails(
            "to what is no URL",
            "http://[",
            "http://server/ruby.tgz redirects to nowhere",
        ),
        fails(
            "to a file",
            "file:///etc/passwd",
            "http://server/ruby.tgz redirects to file:///etc/passwd",
        ),
        fails(
            "to FTP, with secrets",
            "ftp://user:secret@example.com/a?token=secret",
            "http://server/ruby.tgz redirects to ftp://example.com/a?…",
        ),
        case(
            "to what is busy at first",
            [
                to("/a"),
                status("503 Busy", &[]),
                to("/a"),
                body(&FILE, &[]),
            ],
        ),
        case(
            "to what breaks off at first",
            [
                to("/a"),
                cut(&FILE, ETAG, 9, vec![Act::Reset]),
                to("/a"),
                rest(&FILE, ETAG),
            ],
        ),
        case(
            "to what is not there",
            [to("/a?token=secret"), status("404 Not Found", &[])],
        )
        .fails(2, "http://server/a?… answers with HTTP status 404"),
    ]);
}

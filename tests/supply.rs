//! Downloads from servers that fail in every way that servers fail: each is installed after the right number of tries, or ends in its
//! error; the layer is then as it was, nothing lies beside it, and none takes longer than it may.
//!
//! A folder that cannot be written is not among them: who builds as root can write everywhere. A path below a file stands for it.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

mod faulty_server;
mod issuer;
mod supply_rig;

use faulty_server::{Act, Answer, FaultyServer, refused_authority};
use formation::supply::download::Patience;
use std::time::Duration;
use supply_rig::{
    Case, Download, FILE, OTHER_FILE, PATIENCE, always, body, case, check, cut, head, only_whole,
    rest, rest_until, sha256_of, status,
};

const ETAG: &[&str] = &["ETag: \"one\""];
const OTHER_ETAG: &[&str] = &["ETag: \"two\""];
const MODIFIED: &[&str] = &["Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"];

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn send(bytes: &[u8]) -> Act {
    Act::Send(bytes.to_vec())
}

#[test]
fn a_connection_that_is_reset_is_made_anew() {
    let reset_at =
        |name, at, headers, next| case(name, [cut(&FILE, headers, at, vec![Act::Reset]), next]);
    let (half, last) = (FILE.len() / 2, FILE.len() - 1);
    check([
        case("nothing goes wrong", [body(&FILE, &[])]),
        case(
            "before the response",
            [always(vec![Act::Reset]), body(&FILE, &[])],
        ),
        case("before the response, always", [always(vec![Act::Reset])]).fails(
            3,
            "http://server/ruby.tgz cannot be reached: io: Connection reset by peer (os error 104)",
        ),
        case(
            "in the headers",
            [
                always(vec![send(b"HTTP/1.1 200 OK\r\nETa"), Act::Reset]),
                body(&FILE, &[]),
            ],
        ),
        reset_at("at byte 0", 0, &[], only_whole(&FILE, &[])),
        reset_at("at byte 1", 1, &[], only_whole(&FILE, &[])),
        reset_at("in the middle", half, &[], only_whole(&FILE, &[])),
        reset_at("at the last byte", last, &[], only_whole(&FILE, &[])),
        reset_at("at byte 0, ETag", 0, ETAG, rest(&FILE, ETAG)),
        reset_at("at byte 1, ETag", 1, ETAG, rest(&FILE, ETAG)),
        reset_at("in the middle, ETag", half, ETAG, rest(&FILE, ETAG)),
        reset_at("at the last byte, ETag", last, ETAG, rest(&FILE, ETAG)),
        reset_at(
            "in the middle, Last-Modified",
            half,
            MODIFIED,
            rest(&FILE, MODIFIED),
        ),
        reset_at(
            "in the middle, a weak ETag",
            half,
            &["ETag: W/\"one\""],
            only_whole(&FILE, &[]),
        ),
        case(
            "in the middle, always",
            [cut(&FILE, &[], half, vec![Act::Reset])],
        )
        .fails(
            3,
            "http://server/ruby.tgz cannot be reached: the connection broke: Peer disconnected",
        ),
    ]);
}

#[test]
fn the_rest_is_fetched_where_the_server_can() {
    let half = FILE.len() / 2;
    let broken = || cut(&FILE, ETAG, half, vec![Act::Reset]);
    check([
        case(
            "the rest breaks off too",
            [
                broken(),
                rest_until(
                    &FILE,
                    ETAG,
                    half + half / 2,
                    vec![Act::Wait(millis(20)), Act::Reset],
                ),
                rest(&FILE, ETAG),
            ],
        ),
        case(
            "the rest does not come at first",
            [broken(), status("503 Busy", &[]), rest(&FILE, ETAG)],
        ),
        case("the whole comes again", [broken(), body(&FILE, ETAG)]),
        case(
            "the whole comes again, as far as before, and then the rest",
            [broken(), broken(), rest(&FILE, ETAG)],
        ),
        case(
            "another file comes",
            [
                broken(),
                body(&FILE, OTHER_ETAG),
                only_whole(&FILE, OTHER_ETAG),
            ],
        ),
        case(
            "the whole of who knows what comes",
            [broken(), body(&FILE, &[]), only_whole(&FILE, &[])],
        ),
        case(
            "the rest of another file comes",
            [
                broken(),
                rest(&FILE, OTHER_ETAG),
                only_whole(&FILE, OTHER_ETAG),
            ],
        ),
        case(
            "the file has become shorter",
            [
                broken(),
                status("416 Range Not Satisfiable", &[]),
                only_whole(&FILE, ETAG),
            ],
        ),
        case(
            "the rest of some other place comes",
            [
                broken(),
                partial("bytes 7-9/10", b"xyz"),
                only_whole(&FILE, ETAG),
            ],
        ),
        case(
            "the rest comes without its place",
            [broken(), partial("", b"xyz"), only_whole(&FILE, ETAG)],
        ),
        case(
            "not all of the rest comes at once",
            [broken(), part(10_000), rest(&FILE, ETAG)],
        ),
        case(
            "the file was taken away",
            [broken(), status("404 Not Found", &[])],
        )
        .fails(2, "http://server/ruby.tgz answers with HTTP status 404"),
        case(
            "the file changes under it, the server does not notice",
            [broken(), rest(&OTHER_FILE, ETAG), only_whole(&FILE, ETAG)],
        ),
        case("a part nobody asked for", [partial("bytes 0-2/3", b"xyz")])
            .fails(1, "http://server/ruby.tgz answers with HTTP status 206"),
    ]);
}

/// Some bytes as a part of the file.
fn partial(range: &str, bytes: &'static [u8]) -> Answer {
    let (range, length) = (
        format!("Content-Range: {range}"),
        format!("Content-Length: {}", bytes.len()),
    );
    always(vec![Act::Send(
        [
            &head("206 Partial Content", &[&range, &length, ETAG[0]]),
            bytes,
        ]
        .concat(),
    )])
}

/// A part from where it was asked for on, shorter than what is left, as a cache in pieces gives it.
fn part(length: usize) -> Answer {
    Box::new(move |request| {
        let start = request.range_start().unwrap();
        let range = format!(
            "Content-Range: bytes {start}-{}/{}",
            start + length - 1,
            FILE.len()
        );
        let content_length = format!("Content-Length: {length}");
        let head = head("206 Partial Content", &[&range, &content_length, ETAG[0]]);
        vec![Act::Send(head), send(&FILE[start..start + length])]
    })
}

#[test]
fn a_server_that_is_slow_is_waited_for_and_one_that_stalls_is_not() {
    let half = FILE.len() / 2;
    let headers = head("200 OK", &[&format!("Content-Length: {}", FILE.len())]);
    let drip = |bytes: &[u8], pieces: usize, pause| {
        Act::Drip(
            bytes
                .chunks(bytes.len().div_ceil(pieces))
                .map(<[u8]>::to_vec)
                .collect(),
            millis(pause),
        )
    };
    let hurried = Patience {
        total: millis(1000),
        tries: 100,
        ..PATIENCE
    };
    check([
        case("before the headers", [always(vec![Act::Stall]), body(&FILE, &[])]).takes(400, 2000),
        case("before the headers, always", [always(vec![Act::Stall])])
            .fails(3, "http://server/ruby.tgz cannot be reached: nothing came for 0.4 s").takes(1200, 3000),
        case("in the headers", [always(vec![send(&headers[..20]), Act::Stall]), body(&FILE, &[])]).takes(400, 2000),
        case("headers that drip without end", [always(vec![drip(&headers[..headers.len() - 2].repeat(5), 100, 30)])])
            .fails(3, "http://server/ruby.tgz cannot be reached: nothing came for 0.4 s").takes(1200, 3000),
        case("in the body", [cut(&FILE, ETAG, half, vec![Act::Stall]), rest(&FILE, ETAG)]).takes(400, 2000),
        case("in the body, always", [cut(&FILE, &[], half, vec![Act::Stall])])
            .fails(3, "http://server/ruby.tgz cannot be reached: the connection broke: nothing came for 0.4 s").takes(1200, 3000),
        case("a drip that takes longer than a stall", [always(vec![send(&headers), drip(&FILE, 20, 50)])]).takes(1000, 3000),
        case("a drip that takes longer than all may", [always(vec![send(&headers), drip(&FILE, 300, 50)])])
            .patience(hurried)
            .fails(1, "http://server/ruby.tgz cannot be reached: the connection broke: it was not through after 1 s").takes(1000, 1500),
        case("stalls until all is over", [always(vec![Act::Stall])])
            .patience(hurried)
            .fails(3, "http://server/ruby.tgz cannot be reached: it was not through after 1 s").takes(900, 1500),
        case("redirects until all is over", [always(vec![Act::Wait(millis(300)), send(&head("302 Found", &["Location: /", "Content-Length: 0"]))])])
            .patience(hurried)
            .fails(4, "http://server/ cannot be reached: it was not through after 1 s").takes(900, 1500),
    ]);
}

#[test]
fn a_response_that_is_malformed_ends_well() {
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
        case("nothing to say", [status("204 No Content", &[])]).fails(1, "http://server/ruby.tgz answers with HTTP status 204"),
        case("HTTP of old", [always(vec![send(b"HTTP/1.0 200 OK\r\n\r\n"), send(&FILE)])]),
        case("a gzip file that is said to be gzipped", [body(&FILE, &["Content-Encoding: gzip", "Content-Type: application/x-tar"])]),
    ]);
}

/// The error of a file that is another one.
fn differs(url: &str, bytes: &[u8]) -> String {
    format!(
        "{url} is not the file that the inventory lists: its SHA-256 differs\n  expected {}\n  got      {}",
        sha256_of(&FILE),
        sha256_of(bytes)
    )
}

#[test]
fn a_status_is_tried_again_where_that_may_help() {
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
        case("429, a second", [wait("1"), body(&FILE, &[])]).takes(1000, 3000),
        case("429, a date", [wait(&after(2)), body(&FILE, &[])]).takes(900, 4000),
        case("429, a date that is over", [wait("Wed, 21 Oct 2015 07:28:00 GMT"), body(&FILE, &[])]),
        case("429, some time", [wait("soon"), body(&FILE, &[])]),
        case("429, too long", [wait("3600")])
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and wants to be left alone for 3600 s"),
        case("429, longer than anybody can say", [wait("99999999999999999999999")])
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and wants to be left alone for 18446744073709551615 s"),
        case("429, longer than is left", [wait("2")]).patience(Patience { total: millis(1500), ..PATIENCE })
            .fails(1, "http://server/ruby.tgz answers with HTTP status 429 and wants to be left alone for 2 s"),
        case("503, a second", [status("503 Busy", &["Retry-After: 1"]), body(&FILE, &[])]).takes(1000, 3000),
        case("500 once", [status("500 Oh", &[]), body(&FILE, &[])]),
        case("500 twice", [status("500 Oh", &[]), status("502 Oh", &[]), body(&FILE, &[])]),
        case("503 for ever", [status("503 Busy", &[])]).fails(3, "http://server/ruby.tgz answers with HTTP status 503"),
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
fn redirects_are_followed_to_where_it_is_safe() {
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

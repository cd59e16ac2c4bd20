//! Downloads from servers that fail in every way that servers fail: each is installed after the right number of tries, or ends in its
//! error; the layer is then as it was, nothing lies beside it, and none takes longer than it may.
//!
//! A folder that cannot be written is not among them: who builds as root can write everywhere. A path below a file stands for it.

// A broken expectation is a failed test, also in what the tests share.
#![allow(clippy::unwrap_used)]

mod faulty_server;
mod issuer;
mod supply_rig;

use faulty_server::{Act, Answer, FaultyServer, full_queue, refused_authority};
use formation::supply::archive::{Archive, ArchiveError};
use formation::supply::download::{Downloader, Patience, Sha256Hex};
use issuer::CompanyIssuer;
use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use supply_rig::{
    Download, Entry, FILE, OTHER_FILE, PATIENCE, always, archive_of, body, case, check, cut, entry,
    gzipped, head, only_whole, rest, rest_until, sha256_of, status, tar_of,
};
use tar::EntryType;
use url::Url;

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
            "http://server/ruby.tgz cannot be reached: Connection reset by peer (os error 104)",
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

#[test]
fn a_password_goes_to_its_server_only() {
    let other = FaultyServer::start(vec![body(&FILE, &[])]);
    let elsewhere = format!("Location: http://{}/ruby.tgz", other.authority());
    let server = FaultyServer::start(vec![
        status("302 Found", &["Location: /moved"]),
        Box::new(|request| {
            let here = format!("Location: http://{}/again", request.header("host").unwrap());
            vec![Act::Send(head("302 Found", &[&here, "Content-Length: 0"]))]
        }),
        status("302 Found", &[&elsewhere]),
    ]);
    let url = format!("http://user:p%40secret@{}/ruby.tgz", server.authority());
    Download::of(&url).run().unwrap();
    let sent = |server: &FaultyServer| -> Vec<_> {
        let requests = server.requests();
        requests
            .iter()
            .map(|request| request.header("authorization").map(String::from))
            .collect()
    };
    let credentials = Some("Basic dXNlcjpwQHNlY3JldA==".to_string());
    assert_eq!(sent(&server), vec![credentials; 3]);
    assert_eq!(sent(&other), [None]);
}

#[test]
fn no_error_shows_a_password() {
    let refused = refused_authority();
    for (answer, expected) in [
        (
            status("401 Unauthorized", &[]),
            "http://server/ruby.tgz?… answers with HTTP status 401",
        ),
        (
            always(vec![Act::Reset]),
            "http://server/ruby.tgz?… cannot be reached: Connection reset by peer (os error 104)",
        ),
        (
            status("302 Found", &["Location: ftp://user:secret@server/?secret"]),
            "http://server/ruby.tgz?… redirects to ftp://server/?…",
        ),
        (
            body(b"another file", &[]),
            &differs("http://server/ruby.tgz?…", b"another file"),
        ),
    ] {
        let server = FaultyServer::start(vec![answer]);
        let url = format!(
            "http://user:secret@{}/ruby.tgz?token=secret#secret",
            server.authority()
        );
        let error = Download::of(&url).run().unwrap_err();
        assert_eq!(error.replace(&server.authority(), "server"), expected);
    }
    let url = format!("http://user:secret@{refused}/?token=secret");
    let error = Download::of(&url).run().unwrap_err();
    assert_eq!(
        error,
        format!("http://{refused}/?… cannot be reached: Connection refused (os error 111)")
    );
}

/// What several tries say in the log.
#[test]
fn the_log_tells_of_every_further_try_and_of_no_password() {
    let log = Log::default();
    bullet_stream::global::set_writer(log.clone());
    let server = FaultyServer::start(vec![
        status("500 Oh", &[]),
        always(vec![Act::Reset]),
        body(&FILE, &[]),
    ]);
    let address = server.authority();
    let url = format!("http://user:secret@{address}/log.tgz?token=secret");
    Download::of(&url).run().unwrap();
    let log = log.text();
    assert!(!log.contains("secret"), "{log}");
    // Other tests write to the log as well.
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("log.tgz"))
        .collect();
    let [first, second] = lines[..] else {
        panic!("{log}");
    };
    assert!(
        first.ends_with(&format!(
            " s (2 of 3): http://{address}/log.tgz?… answers with HTTP status 500"
        )),
        "{first}"
    );
    assert!(
        second.contains(" s (3 of 3): ") && second.contains("Connection reset by peer"),
        "{second}"
    );
}

/// Takes what the build log gets.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn tls_is_trusted_where_the_issuer_is() {
    let issuer = CompanyIssuer::new();
    let pem = issuer.pem();
    let trusted = [
        ("company/type", "ca-certificates"),
        ("company/ca.pem", &pem),
    ];
    let right = || issuer.server("127.0.0.1");
    let untrusted = |reason| {
        Err(format!(
            "https://server/ruby.tgz cannot be trusted: {reason}"
        ))
    };
    for (name, tls, bindings, expected) in [
        (
            "an issuer that nobody knows",
            right(),
            &[][..],
            untrusted("invalid peer certificate: UnknownIssuer"),
        ),
        ("the issuer of the binding", right(), &trusted[..], Ok(())),
        (
            "a certificate of another name",
            issuer.server("example.com"),
            &trusted[..],
            untrusted(
                "invalid peer certificate: certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"example.com\")",
            ),
        ),
        (
            "a certificate that is over",
            issuer.expired_server("127.0.0.1"),
            &trusted[..],
            untrusted("invalid peer certificate: certificate expired"),
        ),
    ] {
        let server = FaultyServer::start_tls(vec![body(&FILE, &[])], tls);
        let url = format!("https://{}/ruby.tgz", server.authority());
        let start = Instant::now();
        let result = Download {
            bindings,
            ..Download::of(&url)
        }
        .run();
        let result = result.map_err(|error| {
            let error = error.replace(&server.authority(), "server");
            // What follows tells the time.
            let end = error.find(": verification time");
            error[..end.unwrap_or(error.len())].to_string()
        });
        assert_eq!(result, expected, "{name}");
        assert_eq!(server.requests().len(), 1, "{name}");
        assert!(start.elapsed() < millis(2000), "{name}");
    }
}

#[test]
fn a_tls_connection_that_breaks_is_made_anew() {
    let issuer = CompanyIssuer::new();
    let pem = issuer.pem();
    let half = FILE.len() / 2;
    for (name, answers) in [
        (
            "reset in the body",
            vec![cut(&FILE, ETAG, half, vec![Act::Reset]), rest(&FILE, ETAG)],
        ),
        (
            "closed in the body",
            vec![cut(&FILE, &[], half, vec![]), body(&FILE, &[])],
        ),
        (
            "stalled in the body",
            vec![
                cut(&FILE, ETAG, half, vec![Act::Wait(millis(600))]),
                rest(&FILE, ETAG),
            ],
        ),
    ] {
        let server = FaultyServer::start_tls(answers, issuer.server("127.0.0.1"));
        let url = format!("https://{}/ruby.tgz", server.authority());
        let result = Download {
            bindings: &[
                ("company/type", "ca-certificates"),
                ("company/ca.pem", &pem),
            ],
            ..Download::of(&url)
        }
        .run();
        assert_eq!(result, Ok(()), "{name}");
        assert_eq!(server.requests().len(), 2, "{name}");
    }
}

#[test]
fn a_server_without_tls_is_not_one_with_it() {
    for (name, answer, requests, expected) in [
        (
            "plain HTTP",
            status("400 Bad Request", &[]),
            1,
            "https://server/ruby.tgz cannot be trusted: received corrupt message of type InvalidContentType",
        ),
        (
            "a handshake that is not answered",
            always(vec![Act::Stall]),
            3,
            "https://server/ruby.tgz cannot be reached: nothing came for 0.4 s",
        ),
        (
            "a handshake that is broken off",
            always(vec![Act::Reset]),
            3,
            "https://server/ruby.tgz cannot be reached: Connection reset by peer (os error 104)",
        ),
    ] {
        let server = FaultyServer::start(vec![answer]);
        let start = Instant::now();
        let error = Download::of(&format!("https://{}/ruby.tgz", server.authority()))
            .run()
            .unwrap_err();
        assert_eq!(error.replace(&server.authority(), "server"), expected);
        assert_eq!(server.requests().len(), requests, "{name}");
        assert!(start.elapsed() < millis(3000), "{name}");
    }
}

#[test]
fn a_redirect_may_lead_to_https_but_not_away_from_it() {
    let issuer = CompanyIssuer::new();
    let pem = issuer.pem();
    let bindings = [
        ("company/type", "ca-certificates"),
        ("company/ca.pem", pem.as_str()),
    ];
    let tls = |answer| FaultyServer::start_tls(vec![answer], issuer.server("127.0.0.1"));
    let to = |scheme: &str, server: &FaultyServer| {
        let location = format!("Location: {scheme}://{}/ruby.tgz", server.authority());
        status("302 Found", &[&location])
    };

    let secure = tls(body(&FILE, &[]));
    let plain = FaultyServer::start(vec![to("https", &secure)]);
    let url = format!("http://{}/ruby.tgz", plain.authority());
    let download = Download {
        bindings: &bindings,
        ..Download::of(&url)
    };
    assert_eq!(download.run(), Ok(()));

    let plain = FaultyServer::start(vec![body(&FILE, &[])]);
    let secure = tls(to("http", &plain));
    let url = format!("https://{}/ruby.tgz", secure.authority());
    let download = Download {
        bindings: &bindings,
        ..Download::of(&url)
    };
    let expected = format!(
        "{url} redirects from https to http, to http://{}/ruby.tgz",
        plain.authority()
    );
    assert_eq!(download.run(), Err(expected));
    assert_eq!((secure.requests().len(), plain.requests().len()), (1, 0));
}

#[test]
fn a_host_that_is_not_there() {
    let refused = refused_authority();
    assert_eq!(
        Download::of(&format!("http://{refused}/ruby.tgz")).run(),
        Err(format!(
            "http://{refused}/ruby.tgz cannot be reached: Connection refused (os error 111)"
        ))
    );
    let (silent, _queue) = full_queue();
    let start = Instant::now();
    assert_eq!(
        Download::of(&format!("http://{silent}/ruby.tgz")).run(),
        Err(format!(
            "http://{silent}/ruby.tgz cannot be reached: no connection after 0.6 s"
        ))
    );
    assert!((millis(1800)..millis(4000)).contains(&start.elapsed()));
    // A name that no resolver may know (RFC 6761). What a resolver that cannot be reached says is another text.
    let error = Download::of("http://nowhere.invalid/ruby.tgz").run();
    let error = error.unwrap_err();
    assert!(
        error.starts_with("http://nowhere.invalid/ruby.tgz cannot be reached: "),
        "{error}"
    );
}

#[test]
fn ipv6_and_names_of_this_machine() {
    let server = FaultyServer::start(vec![body(&FILE, &[])]);
    let url = format!("http://localhost:{}/ruby.tgz", server.port());
    assert_eq!(Download::of(&url).run(), Ok(()));
    // Some machines have no IPv6.
    if let Ok(address) = TcpListener::bind("[::1]:0").map(|listener| listener.local_addr().unwrap())
    {
        let server = FaultyServer::start_on(address.ip(), vec![body(&FILE, &[])], None);
        let url = format!("http://{}/ruby.tgz", server.authority());
        assert_eq!(Download::of(&url).run(), Ok(()));
        assert_eq!(
            server.requests()[0].header("host"),
            Some(server.authority().as_str())
        );
    }
}

#[test]
fn a_proxy_gets_the_whole_url_of_plain_http() {
    let proxy = FaultyServer::start(vec![
        cut(&FILE, ETAG, 1000, vec![Act::Reset]),
        rest(&FILE, ETAG),
        body(&FILE, &[]),
    ]);
    let variable = format!("http://user:p%40secret@{}", proxy.authority());
    for url in [
        "http://nowhere.invalid/a/ruby.tgz?token=secret",
        "http://name:secret@nowhere.invalid:8080/",
    ] {
        let download = Download {
            variables: &[("http_proxy", &variable)],
            ..Download::of(url)
        };
        assert_eq!(download.run(), Ok(()), "{url}");
    }
    let requests = proxy.requests();
    let lines: Vec<_> = requests
        .iter()
        .map(|request| request.line.as_str())
        .collect();
    assert_eq!(
        lines,
        [
            "GET http://nowhere.invalid/a/ruby.tgz?token=secret HTTP/1.1",
            "GET http://nowhere.invalid/a/ruby.tgz?token=secret HTTP/1.1",
            "GET http://nowhere.invalid:8080/ HTTP/1.1",
        ]
    );
    for request in &requests {
        assert_eq!(
            request.header("proxy-authorization"),
            Some("Basic dXNlcjpwQHNlY3JldA==")
        );
    }
    assert_eq!(requests[0].header("host"), Some("nowhere.invalid"));
    assert_eq!(requests[0].header("authorization"), None);
    assert_eq!(requests[2].header("host"), Some("nowhere.invalid:8080"));
    assert!(requests[2].header("authorization").is_some());
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_for_https() {
    let issuer = CompanyIssuer::new();
    let pem = issuer.pem();
    let server = FaultyServer::start_tls(vec![body(&FILE, &[])], issuer.server("nowhere.invalid"));
    let proxy = FaultyServer::start(vec![always(vec![
        send(&head("200 Connection established", &[])),
        Act::Tunnel(server.authority()),
    ])]);
    let variable = format!("http://user:p%40secret@{}", proxy.authority());
    let download = Download {
        variables: &[("https_proxy", &variable)],
        bindings: &[
            ("company/type", "ca-certificates"),
            ("company/ca.pem", &pem),
        ],
        ..Download::of("https://name:secret@nowhere.invalid/ruby.tgz")
    };
    assert_eq!(download.run(), Ok(()));
    let asked = &proxy.requests()[0];
    assert_eq!(asked.line, "CONNECT nowhere.invalid:443 HTTP/1.1");
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic dXNlcjpwQHNlY3JldA==")
    );
    assert_eq!(asked.header("authorization"), None);
    let served = &server.requests()[0];
    assert_eq!(served.line, "GET /ruby.tgz HTTP/1.1");
    assert_eq!(served.header("proxy-authorization"), None);
    assert!(served.header("authorization").is_some());
}

#[test]
fn a_proxy_that_refuses_is_told() {
    for (name, answer, url, requests, expected) in [
        (
            "a password is wanted for plain HTTP",
            status("407 Proxy Authentication Required", &[]),
            "http://nowhere.invalid/ruby.tgz",
            1,
            "http://nowhere.invalid/ruby.tgz answers with HTTP status 407",
        ),
        (
            "a password is wanted for a tunnel",
            status("407 Proxy Authentication Required", &[]),
            "https://nowhere.invalid/ruby.tgz",
            1,
            "https://nowhere.invalid/ruby.tgz cannot be reached: CONNECT proxy failed: proxy server responded 407/407 (by the proxy PROXY)",
        ),
        (
            "the server cannot be reached by plain HTTP",
            status("502 Bad Gateway", &[]),
            "http://nowhere.invalid/ruby.tgz",
            3,
            "http://nowhere.invalid/ruby.tgz answers with HTTP status 502",
        ),
        (
            "the connection is reset",
            always(vec![Act::Reset]),
            "http://nowhere.invalid/ruby.tgz",
            3,
            "http://nowhere.invalid/ruby.tgz cannot be reached: Connection reset by peer (os error 104) (by the proxy PROXY)",
        ),
        (
            "the tunnel stalls",
            always(vec![Act::Stall]),
            "https://nowhere.invalid/ruby.tgz",
            3,
            "https://nowhere.invalid/ruby.tgz cannot be reached: nothing came for 0.4 s (by the proxy PROXY)",
        ),
    ] {
        let proxy = FaultyServer::start(vec![answer]);
        let variable = format!("user:secret@{}", proxy.authority());
        let start = Instant::now();
        let error = Download {
            variables: &[("all_proxy", &variable)],
            ..Download::of(url)
        }
        .run()
        .unwrap_err();
        assert_eq!(
            error.replace(&proxy.authority(), "PROXY"),
            expected,
            "{name}"
        );
        assert_eq!(proxy.requests().len(), requests, "{name}");
        assert!(start.elapsed() < millis(3000), "{name}");
    }
    let refused = refused_authority();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://nowhere.invalid/ruby.tgz");
        let error = Download {
            variables: &[("all_proxy", &format!("http://user:secret@{refused}"))],
            ..Download::of(&url)
        }
        .run()
        .unwrap_err();
        assert_eq!(
            error,
            format!(
                "{url} cannot be reached: Connection refused (os error 111) (by the proxy {refused})"
            )
        );
    }
}

#[test]
fn no_proxy_for_what_is_excepted() {
    let server = FaultyServer::start(vec![body(&FILE, &[])]);
    let url = format!("http://{}/ruby.tgz", server.authority());
    let refused = refused_authority();
    for exception in ["127.0.0.1", "localhost,127.0.0.1", "*"] {
        let download = Download {
            variables: &[("http_proxy", &refused), ("no_proxy", exception)],
            ..Download::of(&url)
        };
        assert_eq!(download.run(), Ok(()), "{exception}");
    }
}

#[test]
fn mirrors_and_mappings_stand_for_the_origin() {
    let mirror = FaultyServer::start(vec![body(&FILE, &[])]);
    let address = format!("http://{}", mirror.authority());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ruby.tgz");
    std::fs::write(&file, &*FILE).unwrap();
    let file_url = Url::from_file_path(&file).unwrap().to_string();
    let file_mirror = Url::from_directory_path(folder.path()).unwrap().to_string();
    let mapping = format!("mapping/{}", sha256_of(&FILE));
    let origin = "https://nowhere.invalid/ruby.tgz";
    let by_host = format!("{address}/of/{{originalHost}}");
    let with_password = format!("http://user:secret@{}/all", mirror.authority());
    for (name, variables, bindings, path) in [
        (
            "for all",
            vec![("BP_DEPENDENCY_MIRROR", with_password.as_str())],
            vec![],
            Some("/all/ruby.tgz"),
        ),
        (
            "for a host",
            vec![
                ("BP_DEPENDENCY_MIRROR", "http://127.0.0.1:9/"),
                ("BP_DEPENDENCY_MIRROR_NOWHERE_INVALID", &by_host),
            ],
            vec![],
            Some("/of/nowhere.invalid/ruby.tgz"),
        ),
        (
            "a folder",
            vec![("BP_DEPENDENCY_MIRROR", &file_mirror)],
            vec![],
            None,
        ),
        (
            "a binding",
            vec![],
            vec![
                ("mirror/type", "dependency-mirror"),
                ("mirror/default", &address),
            ],
            Some("/ruby.tgz"),
        ),
        (
            "a mapping comes first",
            vec![("BP_DEPENDENCY_MIRROR", "http://127.0.0.1:9/")],
            vec![
                ("mapping/type", "dependency-mapping"),
                (&mapping, &with_password),
            ],
            Some("/all"),
        ),
        (
            "a mapping to a file",
            vec![],
            vec![
                ("mapping/type", "dependency-mapping"),
                (&mapping, &file_url),
            ],
            None,
        ),
    ] {
        let before = mirror.requests().len();
        let download = Download {
            variables: &variables,
            bindings: &bindings,
            ..Download::of(origin)
        };
        assert_eq!(download.run(), Ok(()), "{name}");
        let requests = mirror.requests();
        let lines: Vec<_> = requests[before..]
            .iter()
            .map(|request| request.line.clone())
            .collect();
        let expected: Vec<_> = path
            .map(|path| format!("GET {path} HTTP/1.1"))
            .into_iter()
            .collect();
        assert_eq!(lines, expected, "{name}");
    }
}

#[test]
fn another_file_is_refused_and_its_address_told() {
    let page = b"<html>Please log in</html>";
    let short = &FILE[..1000];
    let once = |name, bytes: &[u8]| {
        case(name, [body(bytes, &[])]).fails(1, &differs("http://server/ruby.tgz", bytes))
    };
    check([
        once("another archive", &OTHER_FILE),
        once("a page with status 200", page),
        // Where the length is nought, it counts as not said.
        case("nothing", [body(b"", &[])]).fails(2, &differs("http://server/ruby.tgz", b"")),
        once("cut, with the length of what is left", short),
        case(
            "another, and its length is not said",
            [always(vec![send(&head("200 OK", &[])), send(page)])],
        )
        .fails(2, &differs("http://server/ruby.tgz", page)),
    ]);

    let mirror = FaultyServer::start(vec![body(&OTHER_FILE, &[])]);
    let address = format!("http://{}", mirror.authority());
    let download = Download {
        variables: &[("BP_DEPENDENCY_MIRROR", &address)],
        ..Download::of("https://nowhere.invalid/ruby.tgz")
    };
    assert_eq!(
        download.run(),
        Err(differs(&format!("{address}/ruby.tgz"), &OTHER_FILE))
    );
    assert_eq!(mirror.requests().len(), 1);
}

/// The right bytes, so that the checksum does not help.
#[test]
fn an_archive_that_is_broken_or_evil_is_refused() {
    let good = || entry("ruby/bin/ruby", b"x");
    let refused = |name, bytes: Vec<u8>, reason: &str| {
        case(name, [body(&bytes, &[])]).of(&bytes).fails(
            1,
            &format!("http://server/ruby.tgz cannot be unpacked: {reason}"),
        )
    };
    let evil = |name, entry: Entry, reason: &str| {
        let reason = format!("at its entry `{}`: {reason}", entry.name);
        refused(name, archive_of(&[good(), entry]), &reason)
    };
    let special = |kind, target| Entry {
        kind,
        target,
        ..entry("ruby/thing", b"")
    };
    let with_mode = |mode| Entry {
        mode,
        ..entry("ruby/thing", b"x")
    };
    let link_out = "it is a link that leads out of the layer";
    let set_id = "it would run with the rights of its owner (set-uid or set-gid)";
    let neither = "it is neither a file, a folder nor a link";
    let half = FILE.len() / 2;
    let mut corrupt = FILE.clone();
    corrupt[half..half + 100].fill(0xff);
    let zeros = vec![0; 70 << 20];
    check([
        refused(
            "cut",
            FILE[..half].to_vec(),
            "at its entry `ruby/bin/ruby`: incomplete deflate stream",
        ),
        refused(
            "corrupt",
            corrupt,
            "at its end: corrupt gzip stream does not have a matching checksum",
        ),
        refused(
            "cut in its checksum",
            FILE[..FILE.len() - 4].to_vec(),
            "at its end: unexpected end of file",
        ),
        refused(
            "more after its end",
            [FILE.as_slice(), b"more"].concat(),
            "at its end: unexpected end of file",
        ),
        refused(
            "far more after its end than it says",
            gzipped(&[tar_of(&[good()]), zeros.clone()].concat()),
            "at its end: the archive unpacks to more than 100 times its size",
        )
        .takes(0, 4000),
        refused(
            "no gzip file",
            b"<html>".to_vec(),
            "at its start: unexpected end of file",
        ),
        refused(
            "gzip, but no tar",
            gzipped(&b"text ".repeat(500)),
            &format!(
                "at its start: numeric field was not a number: t text t when getting cksum for {}",
                "text ".repeat(20)
            ),
        ),
        refused("empty", Vec::new(), "at its start: unexpected end of file"),
        refused(
            "without its folder",
            archive_of(&[entry("python/bin", b"x")]),
            "it has no folder `ruby`",
        ),
        refused(
            "far larger than it says",
            archive_of(&[entry("ruby/zeros", &zeros)]),
            "at its entry `ruby/zeros`: the archive unpacks to more than 100 times its size",
        )
        .takes(0, 4000),
        evil(
            "a path that leaves",
            entry("../evil", b"x"),
            "it would leave the layer",
        ),
        evil(
            "a path that goes up and leaves",
            entry("ruby/../../evil", b"x"),
            "it would leave the layer",
        ),
        evil(
            "an absolute path",
            entry("/etc/evil", b"x"),
            "it would leave the layer",
        ),
        evil(
            "a link out",
            special(EntryType::Symlink, "../../etc"),
            link_out,
        ),
        evil(
            "an absolute link",
            special(EntryType::Symlink, "/etc/passwd"),
            link_out,
        ),
        evil(
            "a hard link out",
            special(EntryType::Link, "../../etc/passwd"),
            "it is a hard link that leads out of the layer",
        ),
        evil(
            "an absolute hard link",
            special(EntryType::Link, "/etc/passwd"),
            "it is a hard link that leads out of the layer",
        ),
        evil("a device", special(EntryType::Block, ""), neither),
        evil("a terminal", special(EntryType::Char, ""), neither),
        evil("a pipe", special(EntryType::Fifo, ""), neither),
        evil("set-uid", with_mode(0o4755), set_id),
        evil("set-gid", with_mode(0o2755), set_id),
    ]);
}

#[test]
fn a_layer_that_cannot_be_written_is_told_before_anything_is_fetched() {
    let server = FaultyServer::start(vec![body(&FILE, &[])]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let archive = Archive {
        url: format!("http://{}/ruby.tgz", server.authority())
            .parse()
            .unwrap(),
        sha256: Sha256Hex(sha256_of(&FILE)),
        root: "ruby".into(),
    };
    let result = archive.install(
        &Downloader::default(),
        &archive.url,
        &file.join("ruby"),
        &|_| true,
    );
    let error = result.unwrap_err();
    assert!(matches!(&error, ArchiveError::Place(_)), "{error}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
    assert_eq!(server.requests().len(), 0);
}

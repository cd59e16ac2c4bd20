//! Connections that break, stall, drip, or are never opened.

use crate::answers::{
    ETAG, MODIFIED, OTHER_ETAG, always, body, cut, only_whole, rest, rest_until, send, status,
};
use crate::case::{case, check};
use crate::download::{Download, PATIENCE, millis};
use crate::tarballs::{FILE, OTHER_FILE};
use formation_buildpack::fetch::download::Patience;
use rig::server::faulty::{Act, Answer, FaultyServer, full_queue};
use rig::server::http::head;
use rig::server::unused_address;
use std::net::TcpListener;
use std::time::Instant;

#[test]
fn a_connection_that_is_reset_is_opened_again() {
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
fn only_the_rest_is_fetched_where_the_server_supports_it() {
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
            "the whole of an unknown file comes",
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
        case(
            "a part that was not asked for",
            [partial("bytes 0-2/3", b"xyz")],
        )
        .fails(1, "http://server/ruby.tgz answers with HTTP status 206"),
    ]);
}

/// A response with some bytes as a part of the file.
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

/// A part that starts where it was asked for and is shorter than the rest, as some caches answer.
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
fn a_slow_server_is_waited_for_and_a_stalled_one_is_not() {
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
        total: millis(3000),
        tries: 100,
        ..PATIENCE
    };
    check([
        case("before the headers", [always(vec![Act::Stall]), body(&FILE, &[])]).takes(1200, 12_000),
        case("before the headers, always", [always(vec![Act::Stall])])
            .fails(3, "http://server/ruby.tgz cannot be reached: no data for 1.2 s").takes(3600, 12_000),
        case("in the headers", [always(vec![send(&headers[..20]), Act::Stall]), body(&FILE, &[])]).takes(1200, 12_000),
        case("headers that drip without end", [always(vec![drip(&headers[..headers.len() - 2].repeat(5), 100, 90)])])
            .fails(3, "http://server/ruby.tgz cannot be reached: no data for 1.2 s").takes(3600, 12_000),
        case("in the body", [cut(&FILE, ETAG, half, vec![Act::Stall]), rest(&FILE, ETAG)]).takes(1200, 12_000),
        case("in the body, always", [cut(&FILE, &[], half, vec![Act::Stall])])
            .fails(3, "http://server/ruby.tgz cannot be reached: the connection broke: no data for 1.2 s").takes(3600, 12_000),
        case("a drip that takes longer than a stall", [always(vec![send(&headers), drip(&FILE, 20, 150)])]).takes(3000, 12_000),
        case("a drip that takes longer than all may", [always(vec![send(&headers), drip(&FILE, 300, 50)])])
            .patience(hurried)
            .fails(1, "http://server/ruby.tgz cannot be reached: the connection broke: not complete after 3 s").takes(3000, 12_000),
        case("stalls until all is over", [always(vec![Act::Stall])])
            .patience(Patience { stall: millis(1800), ..hurried })
            .fails(2, "http://server/ruby.tgz cannot be reached: not complete after 3 s").takes(2800, 12_000),
        case("redirects until all is over", [always(vec![Act::Wait(millis(900)), send(&head("302 Found", &["Location: /", "Content-Length: 0"]))])])
            .patience(hurried)
            .fails(4, "http://server/ cannot be reached: not complete after 3 s").requests(2..=4).takes(2800, 12_000),
    ]);
}

#[test]
fn a_host_that_cannot_be_reached() {
    let refused = unused_address().to_string();
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
            "http://{silent}/ruby.tgz cannot be reached: no connection after 1.8 s"
        ))
    );
    assert!((millis(5400)..millis(12_000)).contains(&start.elapsed()));
    // A name that no resolver may know (RFC 6761). A resolver that cannot be reached gives another
    // text.
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

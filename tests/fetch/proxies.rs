//! Proxies.

use crate::answers::{ETAG, always, body, cut, rest, send, status};
use crate::download::{Download, millis};
use crate::tarballs::FILE;
use rig::server::certificates::CompanyIssuer;
use rig::server::faulty::{Act, FaultyServer};
use rig::server::http::head;
use rig::server::unused_address;
use std::time::Instant;

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
    let issuer = CompanyIssuer::create();
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
    let forwarded = &server.requests()[0];
    assert_eq!(forwarded.line, "GET /ruby.tgz HTTP/1.1");
    assert_eq!(forwarded.header("proxy-authorization"), None);
    assert!(forwarded.header("authorization").is_some());
}

#[test]
fn the_error_names_a_proxy_that_refuses() {
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
            "https://nowhere.invalid/ruby.tgz cannot be reached: no data for 1.2 s (by the proxy PROXY)",
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
        assert!(start.elapsed() < millis(12_000), "{name}");
    }
    let refused = unused_address().to_string();
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
fn no_proxy_excludes_hosts() {
    let server = FaultyServer::start(vec![body(&FILE, &[])]);
    let url = format!("http://{}/ruby.tgz", server.authority());
    let refused = unused_address().to_string();
    for exception in ["127.0.0.1", "localhost,127.0.0.1", "*"] {
        let download = Download {
            variables: &[("http_proxy", &refused), ("no_proxy", exception)],
            ..Download::of(&url)
        };
        assert_eq!(download.run(), Ok(()), "{exception}");
    }
}

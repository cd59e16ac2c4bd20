//! Servers that are trusted, and servers that are not.

use crate::answers::{ETAG, always, body, cut, rest, status};
use crate::download::{Download, millis};
use crate::tarballs::FILE;
use rig::server::certificates::CompanyIssuer;
use rig::server::faulty::{Act, FaultyServer};
use std::time::Instant;

#[test]
fn a_certificate_is_trusted_if_its_issuer_is() {
    let issuer = CompanyIssuer::create();
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
            "an unknown issuer",
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
            "an expired certificate",
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
            // The rest of the message names the time.
            let end = error.find(": verification time");
            error[..end.unwrap_or(error.len())].to_string()
        });
        assert_eq!(result, expected, "{name}");
        assert_eq!(server.requests().len(), 1, "{name}");
        assert!(start.elapsed() < millis(12_000), "{name}");
    }
}

#[test]
fn a_broken_tls_connection_is_opened_again() {
    let issuer = CompanyIssuer::create();
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
fn a_server_without_tls_is_refused() {
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
            "https://server/ruby.tgz cannot be reached: no data for 1.2 s",
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
        assert!(start.elapsed() < millis(12_000), "{name}");
    }
}

#[test]
fn a_redirect_may_lead_to_https_but_not_away_from_it() {
    let issuer = CompanyIssuer::create();
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

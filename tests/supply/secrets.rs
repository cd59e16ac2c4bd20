//! Names, passwords and tokens: where they are sent, and that they are never shown.

use crate::answers::{always, body, head, status};
use crate::faulty_server::{Act, FaultyServer, refused_authority};
use crate::rig::{Download, differs};
use crate::tarballs::FILE;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

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

/// The log of several tries.
#[test]
fn the_log_has_a_line_for_each_further_try_and_no_password() {
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

/// A writer that keeps the build log.
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

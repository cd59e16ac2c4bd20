//! `formation probe`: whether a process listens on its port.

use crate::formation::{err_of, formation};
use rig::server::unused_address;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

#[test]
fn the_exit_status_says_whether_a_server_listens() {
    let listener = TcpListener::bind(unused_address()).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let by_option = formation(&["probe", "--port", &port]).output().unwrap();
    assert_eq!(by_option.status.code(), Some(0));
    let by_variable = formation(&["probe"]).env("PORT", &port).output().unwrap();
    assert_eq!(by_variable.status.code(), Some(0));
    drop(listener);
    let unused = formation(&["probe", "--port", &port]).output().unwrap();
    assert_eq!(unused.status.code(), Some(1));
    assert!(err_of(&unused).contains(&format!("nothing accepts connections on port {port}")));
}

/// As Rails does for the hosts that are not in its `config.hosts`.
#[test]
fn a_server_that_knows_its_hosts_gets_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request: Vec<String> = (lines.map_while(Result::ok))
                .take_while(|line| !line.is_empty())
                .collect();
            let is_known = request.iter().any(|line| line == "Host: shop.example");
            let status = if is_known { "200 OK" } else { "403 Forbidden" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n\r\n");
        }
    });
    let probe = |options: &[&str]| {
        let words = [&["probe", "--port", &port, "--path", "/up"], options].concat();
        formation(&words).output().unwrap()
    };
    assert_eq!(probe(&["--host", "shop.example"]).status.code(), Some(0));
    let unknown = probe(&[]);
    assert_eq!(unknown.status.code(), Some(1));
    for text in ["403 Forbidden", "host authorization", "--host shop.example"] {
        assert!(err_of(&unknown).contains(text), "{}", err_of(&unknown));
    }
}

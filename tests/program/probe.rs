//! `formation probe`: whether a process listens on its port.

use crate::formation::{err_of, formation};
use std::net::TcpListener;

#[test]
fn the_exit_status_says_whether_a_server_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

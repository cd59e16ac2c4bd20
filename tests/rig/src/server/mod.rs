//! Servers that tests and benchmarks start.

pub mod certificates;
pub mod faulty;
pub mod git;
pub mod http;
pub mod redis;
pub mod rig;

use std::iter;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::thread;

/// Takes connections until the process ends, each in a thread of its own, with its number from 0
/// on.
pub fn listen(
    address: impl ToSocketAddrs,
    answer: impl Fn(usize, TcpStream) + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let answer = answer.clone();
            thread::spawn(move || answer(number, stream));
        }
    });
    address
}

/// An address of this machine that refuses connections. The port is none of those that the kernel gives to whoever
/// asks for any: a server of another test does not get it.
pub fn unused_address() -> SocketAddr {
    const PORTS: Range<u16> = 20_000..32_000;
    let mut addresses = iter::repeat_with(|| ("127.0.0.1", fastrand::u16(PORTS)));
    let listener = addresses.find_map(|address| TcpListener::bind(address).ok());
    listener
        .and_then(|listener| listener.local_addr().ok())
        .expect("an address")
}

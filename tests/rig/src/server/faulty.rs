//! A web server that fails in exactly the way that a test asks for, byte by byte.

use crate::server::http::Request;
use crate::server::listen;
use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(60);

/// A request that is not HTTP ends when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(400);

/// A step of an answer. After the last one the connection is closed in order.
#[derive(Clone, Debug)]
pub enum Act {
    Send(Vec<u8>),
    /// Sends the bytes one piece at a time, and waits after each.
    Drip(Vec<Vec<u8>>, Duration),
    /// Sends the same bytes again and again until the client has gone.
    Endless(Vec<u8>),
    Wait(Duration),
    /// Does nothing until the client has gone.
    Stall,
    /// Ends the connection with a TCP reset.
    Reset,
    /// Passes everything on to another server and back, as a proxy does.
    Tunnel(String),
}

/// The steps of the answer to a request.
pub type Answer = Box<dyn Fn(&Request) -> Vec<Act> + Send + Sync>;

/// A server that lives as long as the test process does.
pub struct FaultyServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FaultyServer {
    /// Answers the first request with the first answer, and so on; the last answer is given to all
    /// requests that follow.
    pub fn start(answers: Vec<Answer>) -> Self {
        Self::start_on([127, 0, 0, 1].into(), answers, None)
    }

    /// The same by TLS.
    pub fn start_tls(answers: Vec<Answer>, tls: Arc<ServerConfig>) -> Self {
        Self::start_on([127, 0, 0, 1].into(), answers, Some(tls))
    }

    pub fn start_on(host: IpAddr, answers: Vec<Answer>, tls: Option<Arc<ServerConfig>>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answers, received) = (Arc::new(answers), Arc::clone(&requests));
        let address = listen((host, 0), move |number, socket| {
            let set = |request: Request| {
                let mut requests = received.lock().expect("no thread panics");
                let length = requests.len().max(number + 1);
                requests.resize(length, Request::default());
                requests[number] = request;
            };
            set(Request::default());
            let mut connection = Connection::accept(socket, tls.clone());
            let request = connection.read_request();
            set(request.clone());
            let answer = &answers[number.min(answers.len() - 1)];
            connection.play(answer(&request));
        });
        Self { address, requests }
    }

    /// `127.0.0.1:12345`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far: one for each connection.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panics").clone()
    }
}

/// An address where connections are neither accepted nor refused, because its queue is full. It
/// stays so until the second value is dropped.
pub fn full_queue() -> (String, impl Drop) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("a queue");
    let address = listener.local_addr().expect("an address");
    let waiting: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&address, QUIET))
        .collect();
    (address.to_string(), vec![(listener, waiting)])
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Connection {
    /// The same socket as the stream's.
    socket: TcpStream,
    stream: Box<dyn Stream>,
}

impl Connection {
    fn accept(socket: TcpStream, tls: Option<Arc<ServerConfig>>) -> Self {
        socket.set_nodelay(true).expect("a socket");
        let same = socket.try_clone().expect("a descriptor");
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => {
                let tls = ServerConnection::new(tls).expect("TLS");
                Box::new(StreamOwned::new(tls, socket))
            }
            None => Box::new(socket),
        };
        Self {
            socket: same,
            stream,
        }
    }

    fn read_request(&mut self) -> Request {
        let _ = self.socket.set_read_timeout(Some(QUIET));
        Request::read(&mut self.stream)
    }

    fn play(mut self, acts: Vec<Act>) {
        for act in acts {
            if !self.act(act) {
                return;
            }
        }
    }

    /// Returns whether the connection is still open.
    fn act(&mut self, act: Act) -> bool {
        match act {
            Act::Send(bytes) => self.send(&bytes),
            Act::Drip(pieces, pause) => pieces.iter().all(|piece| {
                thread::sleep(pause);
                self.send(piece)
            }),
            Act::Endless(bytes) => loop {
                if !self.send(&bytes) {
                    return false;
                }
            },
            Act::Wait(pause) => {
                thread::sleep(pause);
                true
            }
            Act::Stall => {
                let _ = self.socket.set_read_timeout(Some(FOREVER));
                let _ = self.socket.read(&mut [0; 512]);
                false
            }
            Act::Reset => {
                set_socket_linger(&self.socket, Some(Duration::ZERO)).expect("a socket");
                false
            }
            Act::Tunnel(authority) => self.tunnel(&authority),
        }
    }

    /// Whether the client still takes what is sent.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .is_ok()
    }

    fn tunnel(&mut self, authority: &str) -> bool {
        let _ = self.socket.set_read_timeout(Some(FOREVER));
        let mut from_server = TcpStream::connect(authority).expect("the server listens");
        let mut to_server = from_server.try_clone().expect("a descriptor");
        let mut from_client = self.socket.try_clone().expect("a descriptor");
        thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        io::copy(&mut from_server, &mut self.socket).is_ok()
    }
}

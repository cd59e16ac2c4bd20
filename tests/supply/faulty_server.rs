//! A web server whose answers are given byte by byte, right or wrong.

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A request ends with its empty line; without HTTP it ends after a pause this long.
const QUIET: Duration = Duration::from_millis(400);

/// A request. That of a connection without one, such as after a failed TLS handshake, is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// `GET /path HTTP/1.1`.
    pub(super) line: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn of(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        Self {
            line: lines.next().unwrap_or_default().to_string(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
                .collect(),
        }
    }

    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// The first byte of a request for the rest of a file.
    pub(super) fn range_start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// A step of an answer. After the last step the connection is closed normally.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Send(Vec<u8>),
    /// Sends the bytes one piece at a time, and waits after each.
    Drip(Vec<Vec<u8>>, Duration),
    /// Sends the same bytes again and again until the client disconnects.
    Endless(Vec<u8>),
    Wait(Duration),
    /// Does nothing until the client disconnects.
    Stall,
    /// Ends the connection with a TCP reset.
    Reset,
    /// Forwards all bytes to another server and back, as a proxy does.
    Tunnel(String),
}

/// The steps for a request.
pub(super) type Answer = Box<dyn Fn(&Request) -> Vec<Act> + Send + Sync>;

/// A server that lives as long as the test process does.
pub(super) struct FaultyServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FaultyServer {
    /// Answers the first request with the first answer, and so on; the last answer is repeated.
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        Self::start_on([127, 0, 0, 1].into(), answers, None)
    }

    /// A server with TLS.
    pub(super) fn start_tls(answers: Vec<Answer>, tls: Arc<ServerConfig>) -> Self {
        Self::start_on([127, 0, 0, 1].into(), answers, Some(tls))
    }

    pub(super) fn start_on(
        host: IpAddr,
        answers: Vec<Answer>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            address,
            requests: Arc::clone(&requests),
        };
        let answers = Arc::new(answers);
        thread::spawn(move || {
            for (number, socket) in listener.incoming().map_while(Result::ok).enumerate() {
                requests.lock().unwrap().push(Request::default());
                let (requests, answers, tls) =
                    (Arc::clone(&requests), Arc::clone(&answers), tls.clone());
                thread::spawn(move || {
                    let mut connection = Connection::accept(socket, tls);
                    let request = connection.read_request();
                    requests.lock().unwrap()[number] = request.clone();
                    let answer = &answers[number.min(answers.len() - 1)];
                    connection.play(answer(&request));
                });
            }
        });
        server
    }

    /// `127.0.0.1:12345`.
    pub(super) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far: one for each connection.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// An address whose queue of connections is full: they are neither accepted nor refused, until the
/// second value is dropped.
pub(super) fn full_queue() -> (String, impl Drop) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&address, QUIET))
        .collect();
    (address.to_string(), vec![(listener, waiting)])
}

/// An address on which no server listens.
pub(super) fn refused_authority() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
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
        socket.set_nodelay(true).unwrap();
        let same = socket.try_clone().unwrap();
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => {
                let tls = ServerConnection::new(tls).unwrap();
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
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => break,
            }
        }
        Request::of(&head)
    }

    fn play(mut self, acts: Vec<Act>) {
        for act in acts {
            let is_open = match act {
                Act::Send(bytes) => self.send(&bytes),
                Act::Drip(pieces, pause) => pieces.iter().all(|piece| {
                    thread::sleep(pause);
                    self.send(piece)
                }),
                Act::Endless(bytes) => loop {
                    if !self.send(&bytes) {
                        break false;
                    }
                },
                Act::Wait(pause) => {
                    thread::sleep(pause);
                    true
                }
                Act::Stall => {
                    let _ = self.socket.set_read_timeout(Some(FOR_EVER));
                    let _ = self.socket.read(&mut [0; 512]);
                    false
                }
                Act::Reset => {
                    set_socket_linger(&self.socket, Some(Duration::ZERO)).unwrap();
                    false
                }
                Act::Tunnel(authority) => {
                    let _ = self.socket.set_read_timeout(Some(FOR_EVER));
                    let server = TcpStream::connect(authority).unwrap();
                    let (mut there, mut back) = (server.try_clone().unwrap(), server);
                    let mut from_client = self.socket.try_clone().unwrap();
                    thread::spawn(move || io::copy(&mut from_client, &mut there));
                    io::copy(&mut back, &mut self.socket).is_ok()
                }
            };
            if !is_open {
                return;
            }
        }
    }

    /// Whether the client is still connected.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush())
            .is_ok()
    }
}

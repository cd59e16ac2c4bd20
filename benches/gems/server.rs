//! The gem server that every side downloads from: it keeps connections open, lets each request wait, and counts them.

use crate::container::Files;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Serves until the process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Asked for what is not here; once for each file, so that its own speed does not count.
    upstream: String,
    files: Mutex<HashMap<String, Option<Arc<Vec<u8>>>>>,
    latency_ms: AtomicU64,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// On a free port of the upstream's own address, which every build reaches, with further files in front of the upstream's.
    pub(crate) fn start(upstream: &str, files: Files) -> Self {
        let host = upstream
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .rsplit_once(':')
            .map_or(upstream, |(host, _)| host);
        let listener = TcpListener::bind((host, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let files = files
            .into_iter()
            .map(|(path, bytes)| (format!("/{path}"), Some(Arc::new(bytes))));
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_string(),
            files: Mutex::new(files.collect()),
            latency_ms: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let server = Self {
            url: format!("http://{address}"),
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is its own affair.
                thread::spawn(move || shared.answer_all(&stream));
            }
        });
        server
    }

    pub(crate) fn add_latency(&self, milliseconds: u64) {
        self.shared
            .latency_ms
            .store(milliseconds, Ordering::Relaxed);
    }

    /// The paths asked for since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.requests))
    }
}

impl Shared {
    fn answer_all(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut request = String::new();
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
            let mut closes = false;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header)? == 0 {
                    return Ok(());
                }
                let header = header.trim_end().to_ascii_lowercase();
                closes |= header == "connection: close";
                if header.is_empty() {
                    break;
                }
            }
            let mut words = request.split_whitespace();
            let (method, path) = (words.next(), words.next().unwrap_or("/"));
            lock(&self.requests).push(path.to_string());
            thread::sleep(Duration::from_millis(
                self.latency_ms.load(Ordering::Relaxed),
            ));
            let file = self.file(path);
            let status = if file.is_some() {
                "200 OK"
            } else {
                "404 Not Found"
            };
            let bytes = file.unwrap_or_default();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            let mut answer = head.into_bytes();
            if method != Some("HEAD") {
                answer.extend(bytes.iter());
            }
            (&*stream).write_all(&answer)?;
            if closes {
                return Ok(());
            }
        }
    }

    fn file(&self, path: &str) -> Option<Arc<Vec<u8>>> {
        if let Some(known) = lock(&self.files).get(path) {
            return known.clone();
        }
        let file = self.fetch(path).map(Arc::new);
        lock(&self.files).insert(path.to_string(), file.clone());
        file
    }

    fn fetch(&self, path: &str) -> Option<Vec<u8>> {
        // The rig's server is on this machine: no proxy reaches it.
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let mut response = agent.get(format!("{}{path}", self.upstream)).call().ok()?;
        let body = response.body_mut().with_config().limit(1 << 30);
        Some(body.read_to_vec().expect("the rig's server answers"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

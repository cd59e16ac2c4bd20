//! The gem server of all sides: it keeps connections open, delays each request, and counts them.

use crate::build_container::Files;
use rig::server::http::{Request, head};
use rig::server::listen;
use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
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
    /// The server that has all other files. It is asked once for each, so that its speed does not
    /// count.
    upstream: String,
    files: Mutex<HashMap<String, Option<Arc<Vec<u8>>>>>,
    latency_ms: AtomicU64,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// Listens on a free port of the upstream's address, which every build reaches. Its own files
    /// come before the upstream's.
    pub(crate) fn start(upstream: &str, files: Files) -> Self {
        let host = upstream
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .rsplit_once(':')
            .map_or(upstream, |(host, _)| host);
        let files = files
            .into_iter()
            .map(|(path, bytes)| (format!("/{path}"), Some(Arc::new(bytes))));
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_string(),
            files: Mutex::new(files.collect()),
            latency_ms: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        let address = listen((host, 0), move |_, stream| {
            // A client may close its connection at any time.
            let _ = answering.answer_all(&stream);
        });
        Self {
            url: format!("http://{address}"),
            shared,
        }
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
            let request = Request::read(&mut reader);
            let mut words = request.line.split_whitespace();
            let (Some(method), Some(path)) = (words.next(), words.next()) else {
                return Ok(());
            };
            lock(&self.requests).push(path.to_string());
            let latency = self.latency_ms.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(latency));
            (&*stream).write_all(&self.answer(method, path))?;
            if request.header("connection") == Some("close") {
                return Ok(());
            }
        }
    }

    fn answer(&self, method: &str, path: &str) -> Vec<u8> {
        let file = self.file(path);
        let status = match file {
            Some(_) => "200 OK",
            None => "404 Not Found",
        };
        let bytes = file.unwrap_or_default();
        let length = format!("Content-Length: {}", bytes.len());
        let mut answer = head(status, &[&length]);
        if method != "HEAD" {
            answer.extend(bytes.iter());
        }
        answer
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

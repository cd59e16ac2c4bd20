//! What the Ruby step costs, compared with `curl | tar xz` of the same archive from the same
//! server, in the same run: time, time with a network of 20 MB/s, and memory.
//!
//! ```text
//! ARCHIVE=path/to/ruby.tar.gz cargo bench --bench ruby
//! ```
//!
//! The Ruby step downloads, hashes and unpacks, and leaves out what an image does not need. It runs
//! in a process of its own, as does the other side. Fails when a limit is exceeded: 1.15 times the
//! time, 32 MiB more memory than before the step.

use formation_buildpack::fetch::Fetcher;
use formation_buildpack::fetch::archive::Archive;
use formation_buildpack::fetch::digest::Sha256Hex;
use formation_buildpack::fetch::settings::DownloadSettings;
use formation_buildpack::ruby::inventory::Ruby;
use formation_buildpack::ruby::layer;
use rig::median::median_time;
use rig::program::proc::peak_resident_kib;
use rig::server::http::{Request, head};
use rig::server::listen;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use url::Url;

const RUNS: usize = 15;
const HIGHEST_RATIO: f64 = 1.15;
const MOST_MEMORY_KIB: u64 = 32 << 10;
const SLOW_BYTES_A_SECOND: u64 = 20_000_000;

/// The URL of the archive, in the process that does the step.
const STEP: &str = "FORMATION_BENCH_STEP";

fn main() -> ExitCode {
    if let Ok(url) = env::var(STEP) {
        return step(&url);
    }
    let Some(path) = env::var_os("ARCHIVE").map(PathBuf::from) else {
        eprintln!("ARCHIVE must be the path of a Ruby archive, a gzipped tar file");
        return ExitCode::from(2);
    };
    let bytes = fs::read(&path).expect("ARCHIVE can be read");
    println!(
        "{} ({} bytes), medians of {RUNS}",
        path.display(),
        bytes.len()
    );
    let bytes = Arc::new(bytes);

    let fast = compare(&serve(Arc::clone(&bytes), None));
    println!("as fast as the machine:  {fast}");
    let slow = compare(&serve(Arc::clone(&bytes), Some(SLOW_BYTES_A_SECOND)));
    println!("at 20 MB/s:              {slow}");
    let memory = step_in_a_process(&serve(bytes, None));
    println!("memory of the step:      {memory} KiB more than before");
    let large = Arc::new(large_archive());
    let memory_of_large = step_in_a_process(&serve(Arc::clone(&large), None));
    println!(
        "of an archive of {} MB:  {memory_of_large} KiB more than before (limit {MOST_MEMORY_KIB})",
        large.len() / 1_000_000
    );
    let is_over = fast.ratio() > HIGHEST_RATIO
        || slow.ratio() > HIGHEST_RATIO
        || memory.max(memory_of_large) > MOST_MEMORY_KIB;
    ExitCode::from(u8::from(is_over))
}

struct Comparison {
    curl_and_tar: Duration,
    step: Duration,
}

impl Comparison {
    fn ratio(&self) -> f64 {
        self.step.as_secs_f64() / self.curl_and_tar.as_secs_f64()
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "curl | tar xz {:.0?}, the Ruby step {:.0?}, ratio {:.2} (limit {HIGHEST_RATIO})",
            self.curl_and_tar,
            self.step,
            self.ratio()
        )
    }
}

/// The two take turns, so that other work of the machine affects both alike.
fn compare(url: &str) -> Comparison {
    let mut curl_and_tar = Vec::new();
    let mut step = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let started = Instant::now();
        let status = Command::new("sh")
            .args([
                "-c",
                "curl --silent --fail \"$0\" | tar xz --directory \"$1\"",
                url,
            ])
            .arg(folder.path())
            .status()
            .expect("sh starts");
        curl_and_tar.push(started.elapsed());
        assert!(status.success());
        let started = Instant::now();
        step_in_a_process(url);
        step.push(started.elapsed());
    }
    Comparison {
        curl_and_tar: median_time(&curl_and_tar),
        step: median_time(&step),
    }
}

/// Returns the highest memory use of the step, in KiB beyond that of the process before it.
fn step_in_a_process(url: &str) -> u64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env::current_exe().expect("this program has a path"))
        .env(STEP, url)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let last = text.lines().last().unwrap_or_default();
    last.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Installs the archive of a URL whose fragment is its digest, and prints how much memory that
/// takes.
fn step(url: &str) -> ExitCode {
    let mut url: Url = url.parse().expect("a URL");
    let sha256 = Sha256Hex(url.fragment().expect("a digest").to_string());
    url.set_fragment(None);
    let ruby = Ruby {
        version: "3.3.8".parse().expect("a version"),
        archive: Archive {
            url,
            sha256,
            root: ".".into(),
        },
    };
    let layers = tempfile::tempdir().expect("a temporary folder");
    let fetcher = Fetcher::new(&DownloadSettings::default(), Path::new("/nowhere"));
    let before = peak_kib();
    let archives = layers.path().join("ruby-archive");
    fs::create_dir(&archives).expect("a folder for the archive");
    let filled = layer::fill(&layers.path().join("ruby"), &ruby, &fetcher, &archives);
    filled.expect("it can be installed");
    eprintln!("\n{}", peak_kib() - before);
    // The process that started this one removes the folder, as it does for the other side.
    let _ = layers.keep();
    ExitCode::SUCCESS
}

/// The most KiB of memory that the process has used so far.
fn peak_kib() -> u64 {
    peak_resident_kib(std::process::id()).expect("the kernel counts it")
}

/// Answers every request with the bytes; returns the URL, with their digest after `#`.
fn serve(bytes: Arc<Vec<u8>>, bytes_a_second: Option<u64>) -> String {
    let digest = hex::encode(Sha256::digest(bytes.as_slice()));
    let address = listen("127.0.0.1:0", move |_, stream| {
        answer(stream, &bytes, bytes_a_second);
    });
    format!("http://{address}/ruby.tar.gz#{digest}")
}

fn answer(mut stream: TcpStream, bytes: &[u8], bytes_a_second: Option<u64>) {
    Request::read(&mut stream);
    let length = format!("Content-Length: {}", bytes.len());
    let _ = stream.write_all(&head("200 OK", &[&length]));
    let started = Instant::now();
    let mut sent = 0;
    for chunk in bytes.chunks(64 << 10) {
        if stream.write_all(chunk).is_err() {
            return;
        }
        sent += chunk.len() as u64;
        if let Some(rate) = bytes_a_second {
            let due = Duration::from_micros(sent * 1_000_000 / rate);
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
    }
}

/// An archive of 1,600 files of 160 KB, whose bytes cannot be compressed.
fn large_archive() -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    let mut bytes = vec![0; 160_000];
    for number in 0..1600 {
        bytes.fill_with(|| fastrand::u8(..));
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let name = format!("file-{number}");
        builder
            .append_data(&mut header, name, bytes.as_slice())
            .expect("memory");
    }
    builder
        .into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("memory")
}

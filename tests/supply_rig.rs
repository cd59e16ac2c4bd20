//! One download of an archive into a layer: what is asked, what comes out, and what has to be so afterwards in any case.

use crate::faulty_server::{Act, Answer, FaultyServer};
use flate2::{Compression, write::GzEncoder};
use formation::app::bindings;
use formation::app::download_settings::DownloadSettings;
use formation::app::user_env::UserEnv;
use formation::report;
use formation::supply::Supply;
use formation::supply::archive::Archive;
use formation::supply::download::{Downloader, Patience, Sha256Hex};
use libcnb::Env;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};
use tar::EntryType;
use url::Url;

/// As a build's, but in milliseconds.
pub(crate) const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(600),
    stall: Duration::from_millis(400),
    total: Duration::from_secs(6),
    tries: 3,
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(2500),
};

/// What the layer holds when nothing has gone wrong.
pub(crate) const PROGRAM: &str = "bin/ruby";

/// A program as long as a few dozen network packets, which cannot be compressed.
static PROGRAM_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1));

/// The archive that is published.
pub(crate) static FILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| archive_of(&[entry("ruby/bin/ruby", &PROGRAM_BYTES)]));

/// Another one, longer, that takes its place.
pub(crate) static OTHER_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    archive_of(&[
        entry("ruby/bin/ruby", &noise(2)),
        entry("ruby/bin/irb", &noise(3)),
    ])
});

/// Bytes without a pattern.
fn noise(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(60_000)
        .collect()
}

/// An entry of an archive. Names are written as they are, however evil.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: EntryType,
    pub(crate) target: &'a str,
    pub(crate) mode: u32,
    pub(crate) bytes: &'a [u8],
}

pub(crate) fn entry<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        kind: EntryType::Regular,
        target: "",
        mode: 0o755,
        bytes,
    }
}

pub(crate) fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode);
        if !entry.target.is_empty() {
            header.set_link_name_literal(entry.target).unwrap();
        }
        header.set_cksum();
        builder.append(&header, entry.bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn archive_of(entries: &[Entry]) -> Vec<u8> {
    gzipped(&tar_of(entries))
}

pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The start of a response: its status and its headers.
pub(crate) fn head(status: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    (head + "\r\n").into_bytes()
}

/// The same for every request.
pub(crate) fn always(acts: Vec<Act>) -> Answer {
    Box::new(move |_| acts.clone())
}

/// A response without a body.
pub(crate) fn status(status: &str, headers: &[&str]) -> Answer {
    let head = head(status, &[headers, &["Content-Length: 0"]].concat());
    always(vec![Act::Send(head)])
}

/// A whole response of these bytes.
pub(crate) fn body(bytes: &[u8], headers: &[&str]) -> Answer {
    cut(bytes, headers, bytes.len(), vec![])
}

/// The first of a response's bytes, and then something else.
pub(crate) fn cut(bytes: &[u8], headers: &[&str], at: usize, then: Vec<Act>) -> Answer {
    let length = format!("Content-Length: {}", bytes.len());
    let mut sent = head("200 OK", &[headers, &[&length]].concat());
    sent.extend(&bytes[..at]);
    // What is on its way when a connection is reset may be thrown away.
    let delay = Act::Wait(Duration::from_millis(20));
    always([vec![Act::Send(sent), delay], then].concat())
}

/// The rest of a file, from where it was asked for on; an error to a request for the whole.
pub(crate) fn rest(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    rest_until(bytes, headers, bytes.len(), vec![])
}

/// The same, but no further than to some byte, and then something else.
pub(crate) fn rest_until(
    bytes: &'static [u8],
    headers: &'static [&'static str],
    end: usize,
    then: Vec<Act>,
) -> Answer {
    Box::new(move |request| {
        let Some(start) = request.range_start() else {
            return vec![Act::Send(head("400 Not A Range", &["Content-Length: 0"]))];
        };
        let (last, whole) = (bytes.len() - 1, bytes.len());
        let range = format!("Content-Range: bytes {start}-{last}/{whole}");
        let length = format!("Content-Length: {}", whole - start);
        let mut sent = head(
            "206 Partial Content",
            &[headers, &[&range, &length]].concat(),
        );
        sent.extend(&bytes[start..end]);
        [vec![Act::Send(sent)], then.clone()].concat()
    })
}

/// A whole file for whoever does not ask for a part; an error to others.
pub(crate) fn only_whole(bytes: &'static [u8], headers: &'static [&'static str]) -> Answer {
    let whole = body(bytes, headers);
    Box::new(move |request| match request.range_start() {
        None => whole(request),
        Some(_) => vec![Act::Send(head("400 A Range", &["Content-Length: 0"]))],
    })
}

/// What is asked of the supply.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a str,
    /// Of the archive, as the inventory has it.
    pub(crate) sha256: String,
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// Files below the folder of service bindings.
    pub(crate) bindings: &'a [(&'a str, &'a str)],
    pub(crate) patience: Patience,
}

impl<'a> Download<'a> {
    /// Of the published archive.
    pub(crate) fn of(url: &'a str) -> Self {
        Self {
            url,
            sha256: sha256_of(&FILE),
            variables: &[],
            bindings: &[],
            patience: PATIENCE,
        }
    }

    /// Installs it into a layer that holds an old file. What is wrong with the folder afterwards is a failed test; the error comes back
    /// as its report's text, without the report's frame.
    pub(crate) fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let layers = folder.path().join("layers");
        fs::create_dir_all(layers.join("ruby")).unwrap();
        fs::write(layers.join("ruby/old"), "old").unwrap();
        for (name, text) in self.bindings {
            write(&folder.path().join("bindings").join(name), text);
        }
        let settings = self.settings(&folder.path().join("bindings"));
        let supply = Supply::new(&settings, folder.path());
        let archive = Archive {
            url: self.url.parse().unwrap(),
            sha256: Sha256Hex(self.sha256.clone()),
            root: "ruby".into(),
        };
        let place: Url = supply.place_of(&archive).url;
        let downloader = Downloader::new(&settings).with_patience(self.patience);
        let result = archive.install(&downloader, &place, &layers.join("ruby"), &|_| true);
        assert_eq!(names_in(&layers), ["ruby"], "something stays beside");
        match result {
            Ok(_) => {
                assert_eq!(names_in(&layers.join("ruby")), ["bin"]);
                let program = fs::read(layers.join("ruby").join(PROGRAM)).unwrap();
                assert!(program == *PROGRAM_BYTES, "it has other bytes");
                Ok(())
            }
            Err(error) => {
                assert_eq!(names_in(&layers.join("ruby")), ["old"]);
                assert_eq!(fs::read_to_string(layers.join("ruby/old")).unwrap(), "old");
                assert!(
                    !report::plain(&error).contains("secret"),
                    "{}",
                    report::plain(&error)
                );
                Err(error.to_string())
            }
        }
    }

    fn settings(&self, bindings_root: &Path) -> DownloadSettings {
        let mut env = Env::new();
        for (name, value) in self.variables {
            env.insert(name, value);
        }
        let bindings = bindings::read(bindings_root).unwrap();
        DownloadSettings::read(&UserEnv::new(&env), &bindings, &|_| None).unwrap()
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A download from one server: what the server does for each request, and what comes of it.
pub(crate) struct Case {
    name: &'static str,
    answers: Vec<Answer>,
    requests: usize,
    expected: Result<(), String>,
    /// What the inventory says; the published archive's where nothing else is said.
    sha256: String,
    patience: Patience,
    at_least: Duration,
    at_most: Duration,
}

/// The last answer is given to all requests that follow. Without a word more, the archive is installed with as many requests.
pub(crate) fn case<const N: usize>(name: &'static str, answers: [Answer; N]) -> Case {
    Case {
        name,
        answers: answers.into(),
        requests: N,
        expected: Ok(()),
        sha256: sha256_of(&FILE),
        patience: PATIENCE,
        at_least: Duration::ZERO,
        at_most: Duration::from_secs(2),
    }
}

impl Case {
    /// It ends after so many requests, with an error. `http://server` in it is the server.
    pub(crate) fn fails(self, requests: usize, error: &str) -> Self {
        Self {
            requests,
            expected: Err(error.to_string()),
            ..self
        }
    }

    /// The inventory lists this file.
    pub(crate) fn of(self, bytes: &[u8]) -> Self {
        let sha256 = sha256_of(bytes);
        Self { sha256, ..self }
    }

    pub(crate) fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// How long it takes, in milliseconds.
    pub(crate) fn takes(self, at_least: u64, at_most: u64) -> Self {
        Self {
            at_least: Duration::from_millis(at_least),
            at_most: Duration::from_millis(at_most),
            ..self
        }
    }

    fn check(self) {
        let name = self.name;
        let server = FaultyServer::start(self.answers);
        let address = format!("http://{}", server.authority());
        let start = Instant::now();
        let result = Download {
            sha256: self.sha256,
            patience: self.patience,
            ..Download::of(&format!("{address}/ruby.tgz"))
        }
        .run()
        .map_err(|error| error.replace(&address, "http://server"));
        let took = start.elapsed();
        let requests = server.requests();
        assert_eq!(result, self.expected, "{name}");
        assert_eq!(requests.len(), self.requests, "{name}: {requests:#?}");
        assert!(
            (self.at_least..=self.at_most).contains(&took),
            "{name} takes {took:?}"
        );
    }
}

/// Checks all of them, each with its own server, at the same time: most of them wait.
pub(crate) fn check<const N: usize>(cases: [Case; N]) {
    let failed = thread::scope(|scope| {
        let checks: Vec<_> = cases
            .into_iter()
            .map(|case| (case.name, scope.spawn(|| case.check())))
            .collect();
        checks
            .into_iter()
            .filter_map(|(name, check)| check.join().is_err().then_some(name))
            .collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

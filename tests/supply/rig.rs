//! One download of an archive into a layer: its request, its result, and what must be true
//! afterwards.

use crate::faulty_server::{Answer, FaultyServer};
use crate::tarballs::{FILE, PROGRAM, PROGRAM_BYTES, sha256_of};
use formation_buildpack::fetch::Fetcher;
use formation_buildpack::fetch::archive::{Archive, Installation};
use formation_buildpack::fetch::digest::Sha256Hex;
use formation_buildpack::fetch::download::{Downloader, Patience};
use formation_buildpack::fetch::settings::DownloadSettings;
use formation_buildpack::platform::bindings;
use formation_buildpack::platform::variables::BuildVariables;
use formation_buildpack::report;
use libcnb::Env;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};
use url::Url;

/// Shorter than in a build, but long enough for a busy machine.
pub(super) const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(1800),
    stall: Duration::from_millis(1200),
    total: Duration::from_secs(18),
    tries: 3,
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_secs(5),
};

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A download with its settings.
pub(super) struct Download<'a> {
    pub(super) url: &'a str,
    /// From the inventory.
    pub(super) sha256: String,
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// Files below the folder of service bindings.
    pub(super) bindings: &'a [(&'a str, &'a str)],
    pub(super) patience: Patience,
}

impl<'a> Download<'a> {
    /// The download of the published archive.
    pub(super) fn of(url: &'a str) -> Self {
        Self {
            url,
            sha256: sha256_of(&FILE),
            variables: &[],
            bindings: &[],
            patience: PATIENCE,
        }
    }

    /// Installs it into a layer that holds an old file. Panics if the folder is wrong afterwards;
    /// the error is the text of the report without its frame.
    pub(super) fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let layers = folder.path().join("layers");
        fs::create_dir_all(layers.join("ruby")).unwrap();
        fs::write(layers.join("ruby/old"), "old").unwrap();
        for (name, text) in self.bindings {
            write(&folder.path().join("bindings").join(name), text);
        }
        let settings = self.settings(&folder.path().join("bindings"));
        let fetcher = Fetcher::new(&settings, folder.path());
        let archive = Archive {
            url: self.url.parse().unwrap(),
            sha256: Sha256Hex(self.sha256.clone()),
            root: "ruby".into(),
        };
        let url: Url = fetcher.location_of(&archive).url;
        let downloader = Downloader::new(&settings).with_patience(self.patience);
        let copies = folder.path().join("copies");
        fs::create_dir(&copies).unwrap();
        let copy = copies.join("ruby.tgz");
        let installation = Installation {
            destination: &layers.join("ruby"),
            is_wanted: &|_| true,
            finish: &|_| Ok(()),
            copy: Some(&copy),
        };
        let result = archive.install(&downloader, &url, &installation);
        assert_eq!(
            names_in(&layers),
            ["ruby"],
            "something is left beside the layer"
        );
        match result {
            Ok(_) => {
                assert_eq!(names_in(&layers.join("ruby")), ["bin"]);
                let program = fs::read(layers.join("ruby").join(PROGRAM)).unwrap();
                assert!(program == *PROGRAM_BYTES, "the program has other bytes");
                assert_eq!(names_in(&copies), ["ruby.tgz"]);
                let digest = sha256_of(&fs::read(copy).unwrap());
                assert_eq!(digest, self.sha256, "the copy has other bytes");
                Ok(())
            }
            Err(error) => {
                assert_eq!(names_in(&layers.join("ruby")), ["old"]);
                assert_eq!(fs::read_to_string(layers.join("ruby/old")).unwrap(), "old");
                assert!(names_in(&copies).is_empty(), "a copy is left");
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
        DownloadSettings::read(&BuildVariables::new(&env), &bindings, &|_| None).unwrap()
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

/// A download from one server: the server's answer to each request, and the expected result.
pub(super) struct Case {
    name: &'static str,
    answers: Vec<Answer>,
    requests: RangeInclusive<usize>,
    expected: Result<(), String>,
    /// From the inventory: that of the published archive, unless [`Case::of`] is called.
    sha256: String,
    patience: Patience,
    at_least: Duration,
    at_most: Duration,
}

/// The last answer is repeated for all further requests. By default the archive is installed after
/// as many requests as there are answers.
pub(super) fn case<const N: usize>(name: &'static str, answers: [Answer; N]) -> Case {
    Case {
        name,
        answers: answers.into(),
        requests: N..=N,
        expected: Ok(()),
        sha256: sha256_of(&FILE),
        patience: PATIENCE,
        at_least: Duration::ZERO,
        at_most: Duration::from_secs(12),
    }
}

impl Case {
    /// It ends with an error after so many requests. `http://server` in it is the server.
    pub(super) fn fails(self, requests: usize, error: &str) -> Self {
        Self {
            requests: requests..=requests,
            expected: Err(error.to_string()),
            ..self
        }
    }

    /// The number of requests, where it depends on the speed of the machine.
    pub(super) fn requests(self, requests: RangeInclusive<usize>) -> Self {
        Self { requests, ..self }
    }

    /// The inventory lists this file instead.
    pub(super) fn of(self, bytes: &[u8]) -> Self {
        let sha256 = sha256_of(bytes);
        Self { sha256, ..self }
    }

    pub(super) fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The milliseconds that it takes. The machine may be busy: the upper limit only excludes that
    /// it has waited for another limit.
    pub(super) fn takes(self, at_least: u64, at_most: u64) -> Self {
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
        assert!(
            self.requests.contains(&requests.len()),
            "{name}: {requests:#?}"
        );
        assert!(
            (self.at_least..=self.at_most).contains(&took),
            "{name} takes {took:?}"
        );
    }
}

/// Checks all cases at the same time, each with its own server: most of them wait.
pub(super) fn check<const N: usize>(cases: [Case; N]) {
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

/// The error of a wrong file.
pub(super) fn differs(url: &str, bytes: &[u8]) -> String {
    format!(
        "{url} is not the file that the inventory lists: its SHA-256 differs\n  expected {}\n  got      {}",
        sha256_of(&FILE),
        sha256_of(bytes)
    )
}

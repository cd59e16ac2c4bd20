//! A table of downloads, each from a server of its own.

use crate::download::{Download, PATIENCE};
use crate::tarballs::{FILE, sha256_of};
use formation_buildpack::fetch::download::Patience;
use rig::server::faulty::{Answer, FaultyServer};
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

/// A download from one server: its answers, and the expected result.
pub(crate) struct Case {
    name: &'static str,
    answers: Vec<Answer>,
    requests: RangeInclusive<usize>,
    expected: Result<(), String>,
    /// The digest in the inventory; that of the published archive unless told otherwise.
    sha256: String,
    patience: Patience,
    at_least: Duration,
    at_most: Duration,
}

/// The last answer is given to all requests that follow. Unless told otherwise, the archive is
/// installed after as many requests as there are answers.
pub(crate) fn case<const N: usize>(name: &'static str, answers: [Answer; N]) -> Case {
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
    /// It ends after so many requests, with an error that names the server as `http://server`.
    pub(crate) fn fails(self, requests: usize, error: &str) -> Self {
        Self {
            requests: requests..=requests,
            expected: Err(error.to_string()),
            ..self
        }
    }

    /// How many requests there are, if that depends on the speed of the machine.
    pub(crate) fn requests(self, requests: RangeInclusive<usize>) -> Self {
        Self { requests, ..self }
    }

    /// The inventory lists this file.
    pub(crate) fn of(self, bytes: &[u8]) -> Self {
        let sha256 = sha256_of(bytes);
        Self { sha256, ..self }
    }

    pub(crate) fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// How long it takes, in milliseconds. `at_most` leaves time for a busy machine, and is shorter
    /// than the next longer limit.
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

/// Checks all cases at the same time, each with its own server: most of the time they wait.
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

/// The error when the server sends another file.
pub(crate) fn differs(url: &str, bytes: &[u8]) -> String {
    format!(
        "{url} is not the file that the inventory lists: its SHA-256 differs\n  expected {}\n  got      {}",
        sha256_of(&FILE),
        sha256_of(bytes)
    )
}

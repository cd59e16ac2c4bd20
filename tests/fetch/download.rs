//! One download of an archive into a layer, and what has to be true afterwards in any case.

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
use rig::files;
use std::fs;
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Shorter than in a build, and long enough for a busy machine.
pub(crate) const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(1800),
    stall: Duration::from_millis(1200),
    total: Duration::from_secs(18),
    tries: 3,
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_secs(5),
};

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A download, and the settings that it depends on.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a str,
    /// The digest of the archive in the inventory.
    pub(crate) sha256: String,
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// Files below the folder of service bindings.
    pub(crate) bindings: &'a [(&'a str, &'a str)],
    pub(crate) patience: Patience,
}

impl<'a> Download<'a> {
    /// A download of the published archive.
    pub(crate) fn of(url: &'a str) -> Self {
        Self {
            url,
            sha256: sha256_of(&FILE),
            variables: &[],
            bindings: &[],
            patience: PATIENCE,
        }
    }

    /// Installs it into a layer that holds an old file, and checks the folders afterwards. An error
    /// is returned as the text of its message.
    pub(crate) fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let layers = folder.path().join("layers");
        fs::create_dir_all(layers.join("ruby")).unwrap();
        fs::write(layers.join("ruby/old"), "old").unwrap();
        for (name, text) in self.bindings {
            files::write(&folder.path().join("bindings").join(name), text);
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
        assert_eq!(names_in(&layers), ["ruby"], "something stays beside");
        match result {
            Ok(_) => {
                assert_eq!(names_in(&layers.join("ruby")), ["bin"]);
                let program = fs::read(layers.join("ruby").join(PROGRAM)).unwrap();
                assert!(program == *PROGRAM_BYTES, "it has other bytes");
                assert_eq!(names_in(&copies), ["ruby.tgz"]);
                let digest = sha256_of(&fs::read(copy).unwrap());
                assert_eq!(digest, self.sha256, "the copy has other bytes");
                Ok(())
            }
            Err(error) => {
                assert_eq!(names_in(&layers.join("ruby")), ["old"]);
                assert_eq!(fs::read_to_string(layers.join("ruby/old")).unwrap(), "old");
                assert!(names_in(&copies).is_empty(), "a copy of it stays");
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

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

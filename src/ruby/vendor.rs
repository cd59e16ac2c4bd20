//! Putting Rubies into a buildpack's package, for builds without a network.

use crate::fetch::expected::Expected;
use crate::fetch::file::{self, FileError};
use crate::fetch::{Fetcher, VENDORED, VENDORED_INVENTORY};
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::inventory::{Inventory, Row};
use fs_err as fs;
use miette::Diagnostic;
use serde::Serialize;
use std::io;
use std::path::Path;
use thiserror::Error;
use url::Url;

/// The Rubies that a package brings along.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// For each, the newest version that meets it, in its archives for all distributions.
    pub requirements: Vec<GemRequirement>,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Name and version of the builders' distribution; none for all distributions.
    pub distro: Option<(String, String)>,
}

/// The package could not be filled.
#[derive(Debug, Diagnostic, Error)]
pub enum VendorError {
    #[error("no inventory has a Ruby {requirement} for {arch}")]
    #[diagnostic(help(
        "Name a version that the inventory lists, and the distribution of the builders that will \
         use the package."
    ))]
    Unknown {
        requirement: GemRequirement,
        arch: String,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] FileError),
    #[error("the package's folder cannot be written")]
    #[diagnostic(help(
        "Check that it is the folder that `script/package` prints, and that the disk is not full."
    ))]
    Write(#[source] io::Error),
}

#[derive(Serialize)]
struct VendoredInventory<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a GemVersion>,
    artifacts: Vec<Row>,
}

/// Downloads and verifies archives into a buildpack's folder, with an inventory of them. The first
/// requirement is the default of apps that ask for no Ruby. Returns the URL and the length in bytes
/// of each archive.
///
/// # Errors
/// A Ruby cannot be downloaded. The archives before it stay, and are verified again when they are
/// used.
pub fn vendor(
    wanted: &Wanted,
    inventories: &[Inventory],
    fetcher: &Fetcher,
    buildpack_dir: &Path,
) -> Result<Vec<(Url, u64)>, VendorError> {
    let folder = buildpack_dir.join(VENDORED);
    fs::create_dir_all(&folder).map_err(VendorError::Write)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut downloaded = Vec::new();
    for requirement in &wanted.requirements {
        for (inventory, row) in newest(inventories, requirement, wanted)? {
            let Some(ruby) = inventory.ruby(row) else {
                continue;
            };
            let url = fetcher.location_of(&ruby.archive).url;
            let sha256 = &ruby.archive.sha256;
            let destination = folder.join(&sha256.0);
            let expected = Expected::by_inventory(sha256);
            let length = file::download(&fetcher.downloader, &url, &expected, &destination)?;
            downloaded.push((url, length));
            let mut row = row.clone();
            row.url.clone_from(&sha256.0); // Relative to the inventory.
            rows.push(row);
        }
    }
    let default = rows.first().map(|row| row.version.clone());
    let inventory = VendoredInventory {
        default: default.as_ref(),
        artifacts: rows,
    };
    let text =
        toml::to_string(&inventory).map_err(|error| VendorError::Write(io::Error::other(error)))?;
    fs::write(folder.join(VENDORED_INVENTORY), text).map_err(VendorError::Write)?;
    Ok(downloaded)
}

/// The rows of the newest version that meets a requirement, from the first inventory that has one.
fn newest<'a>(
    inventories: &'a [Inventory],
    requirement: &GemRequirement,
    wanted: &Wanted,
) -> Result<Vec<(&'a Inventory, &'a Row)>, VendorError> {
    let distro = wanted
        .distro
        .as_ref()
        .map(|(name, version)| (name.as_str(), version.as_str()));
    for inventory in inventories {
        let rows: Vec<_> = inventory.rows(requirement, &wanted.arch, distro).collect();
        if let Some(newest) = rows.iter().map(|row| &row.version).max() {
            let of_newest = rows.iter().filter(|row| row.version == *newest);
            return Ok(of_newest.map(|row| (inventory, *row)).collect());
        }
    }
    Err(VendorError::Unknown {
        requirement: requirement.clone(),
        arch: wanted.arch.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::digest::Sha256Hex;
    use crate::fetch::settings::DownloadSettings;
    use procfile::assert_report;
    use std::path::PathBuf;

    /// A folder with an inventory of two Rubies, whose archives hold their versions as text.
    fn inventory_of_two(damaged: bool) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = String::new();
        for version in ["3.3.7", "3.3.8"] {
            fs::write(folder.path().join(version), version).unwrap();
            let digest = Sha256Hex::of(version).0;
            let row = format!(
                "[[artifacts]]\nversion = \"{version}\"\nos = \"linux\"\narch = \"amd64\"\n\
                 url = \"{version}\"\n\
                 checksum = \"sha256:{digest}\"\n[artifacts.metadata]\nlibc = \"glibc\"\n"
            );
            inventory.push_str(&row);
        }
        if damaged {
            fs::write(folder.path().join("3.3.8"), "another").unwrap();
        }
        let path = folder.path().join("inventory.toml");
        fs::write(&path, inventory).unwrap();
        (folder, path)
    }

    fn run(requirement: &str, damaged: bool, package: &Path) -> Result<usize, VendorError> {
        let (_folder, path) = inventory_of_two(damaged);
        let fetcher = Fetcher::default();
        let inventories = [Inventory::at(path.to_str().unwrap(), &fetcher.downloader).unwrap()];
        let wanted = Wanted {
            requirements: vec![requirement.parse().unwrap()],
            arch: "amd64".into(),
            distro: Some(("debian".into(), "13".into())),
        };
        vendor(&wanted, &inventories, &fetcher, package).map(|downloaded| downloaded.len())
    }

    #[test]
    fn a_package_is_asked_before_the_network() {
        let package = tempfile::tempdir().unwrap();
        assert_eq!(run("~> 3.3.0", false, package.path()).unwrap(), 1);
        let fetcher = Fetcher::new(&DownloadSettings::default(), package.path());
        let inventories = Inventory::all(None, &fetcher).unwrap();
        let [row] = inventories[0].artifacts() else {
            panic!("one row");
        };
        let archive = inventories[0].ruby(row).unwrap().archive;
        let location = fetcher.location_of(&archive);
        assert_eq!(location.instead, Some("the buildpack itself"));
        let path = location.url.to_file_path().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "3.3.8");
    }

    #[test]
    fn another_file_is_not_kept() {
        let package = tempfile::tempdir().unwrap();
        let error = run("3.3.8", true, package.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not the file that the inventory lists")
        );
        assert_eq!(
            fs::read_dir(package.path().join(VENDORED)).unwrap().count(),
            0
        );
    }

    #[test]
    fn each_is_shown() {
        let package = tempfile::tempdir().unwrap();
        assert_report!("unknown", run("3.4.1", false, package.path()).unwrap_err());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_report!("write", VendorError::Write(full));
    }
}

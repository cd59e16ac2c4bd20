//! Putting Rubies into a buildpack's package, for builds without a network.

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

/// Which Rubies a package brings along.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What their versions meet; of each inventory and requirement the newest, for each distribution.
    pub requirements: Vec<GemRequirement>,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Name and version of the one distribution that builders will have; none for whatever there is.
    pub distro: Option<(String, String)>,
}

/// The package could not be filled.
#[derive(Debug, Diagnostic, Error)]
pub enum VendorError {
    /// No inventory has it.
    #[error("no inventory has a Ruby {requirement} for {arch}")]
    #[diagnostic(help(
        "Name a version that is there, and the distribution of the builders that will use the package."
    ))]
    Unknown {
        /// What was asked for.
        requirement: GemRequirement,
        /// For which architecture.
        arch: String,
    },
    /// An archive cannot be had, or is another one.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] FileError),
    /// The package's folder cannot be written.
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

/// Downloads and verifies archives into a buildpack's folder, with an inventory of them. An app that asks for no Ruby gets the first that
/// was asked for. Returns the URLs, and the number of bytes of each.
///
/// # Errors
/// A Ruby cannot be had. What was downloaded before stays, and is verified again when it is used.
pub fn vendor(
    wanted: &Wanted,
    inventories: &[Inventory],
    supply: &Fetcher,
    buildpack_dir: &Path,
) -> Result<Vec<(Url, u64)>, VendorError> {
    let folder = buildpack_dir.join(VENDORED);
    fs::create_dir_all(&folder).map_err(VendorError::Write)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut fetched = Vec::new();
    for requirement in &wanted.requirements {
        for (inventory, row) in newest(inventories, requirement, wanted)? {
            let Some(ruby) = inventory.ruby(row) else {
                continue;
            };
            let url = supply.place_of(&ruby.archive).url;
            let sha256 = &ruby.archive.sha256;
            let destination = folder.join(&sha256.0);
            let expected = [sha256.clone()];
            let length = file::fetch(&supply.downloader, &url, &expected, &destination)?;
            fetched.push((url, length));
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
    Ok(fetched)
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
    use procfile::assert_report;
    use sha2::{Digest, Sha256};
    use std::path::PathBuf;

    /// A folder with an inventory of two Rubies, whose archives hold their versions.
    fn shop(damaged: bool) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut inventory = String::new();
        for version in ["3.3.7", "3.3.8"] {
            fs::write(folder.path().join(version), version).unwrap();
            let digest = hex::encode(Sha256::digest(version));
            let row = format!(
                "[[artifacts]]\nversion = \"{version}\"\nos = \"linux\"\narch = \"amd64\"\nurl = \"{version}\"\n\
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
        let (_shop, path) = shop(damaged);
        let supply = Fetcher::default();
        let inventories = [Inventory::at(path.to_str().unwrap(), &supply.downloader).unwrap()];
        let wanted = Wanted {
            requirements: vec![requirement.parse().unwrap()],
            arch: "amd64".into(),
            distro: Some(("debian".into(), "13".into())),
        };
        vendor(&wanted, &inventories, &supply, package).map(|fetched| fetched.len())
    }

    #[test]
    fn a_package_is_asked_before_the_network() {
        let package = tempfile::tempdir().unwrap();
        assert_eq!(run("~> 3.3.0", false, package.path()).unwrap(), 1);
        let supply = Fetcher::new(
            &crate::fetch::settings::DownloadSettings::default(),
            package.path(),
        );
        let inventories = Inventory::all(None, &supply).unwrap();
        let [row] = inventories[0].artifacts() else {
            panic!("one row");
        };
        let archive = inventories[0].ruby(row).unwrap().archive;
        let place = supply.place_of(&archive);
        assert_eq!(place.instead, Some("the buildpack itself"));
        let path = place.url.to_file_path().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "3.3.8");
    }

    #[test]
    fn another_file_is_not_kept() {
        let package = tempfile::tempdir().unwrap();
        let error = run("3.3.8", true, package.path()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not the file that was published")
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

//! Which Rubies there are: the inventory that is compiled in, and the user's own.

mod glibc;
mod support;
mod unknown;

pub use support::{Support, today};
pub use unknown::{UnknownRuby, unknown};

use crate::fetch::Fetcher;
use crate::fetch::archive::Archive;
use crate::fetch::digest::Sha256Hex;
use crate::fetch::download::{DownloadError, Downloader, check_scheme};
use crate::fetch::masked::masked;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use jiff::civil::Date;
use libcnb::Target;
use libherokubuildpack::inventory::artifact::{Arch, Artifact, Os};
use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use support::Series;
use thiserror::Error;
use url::Url;

/// Compiled in: the buildpack is one file, and what it installs is known when it is released.
const EMBEDDED: &str = include_str!("../../../inventory.toml");

/// The build variable that names a further inventory, which is asked first.
pub const VARIABLE: &str = "BP_RUBY_INVENTORY";

/// Rubies that can be installed. The format is that of libherokubuildpack's `Inventory`, and a default.
#[derive(Debug, Deserialize)]
pub struct Inventory {
    /// The series that an app gets that asks for none.
    default: Option<GemVersion>,
    /// How long each series is supported.
    #[serde(default)]
    series: Vec<Series>,
    #[serde(default)]
    artifacts: Vec<Row>,
    /// What a relative `url` in a row is relative to: the inventory's own address.
    #[serde(skip)]
    base: Option<Url>,
}

pub(super) type Row = Artifact<GemVersion, Sha256, RowMetadata>;

/// What Formation needs to know of an archive beyond libherokubuildpack's own fields.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowMetadata {
    /// With `distro_version`, the one distribution that the archive was built for; without, it runs on any with its C library.
    distro_name: Option<String>,
    distro_version: Option<String>,
    /// `glibc`, `glibc>=2.17` or `musl`.
    libc: String,
    /// The folder inside the archive that holds `bin` and `lib`; `.` for none.
    #[serde(default = "whole_archive", deserialize_with = "inside_archive")]
    root: PathBuf,
}

fn whole_archive() -> PathBuf {
    ".".into()
}

fn inside_archive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let root = PathBuf::deserialize(deserializer)?;
    let is_inside = root
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    if is_inside {
        Ok(root)
    } else {
        Err(serde::de::Error::custom(
            "`root` has to be a folder inside the archive",
        ))
    }
}

/// A Ruby for the app's target: which, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruby {
    /// The whole version.
    pub version: GemVersion,
    /// Where it is.
    pub archive: Archive,
}

/// An inventory cannot be used.
#[derive(Debug, Diagnostic, Error)]
pub enum InventoryError {
    /// `BP_RUBY_INVENTORY` is neither a URL nor an absolute path.
    #[error("{VARIABLE} is {value}, which is neither a URL nor an absolute path")]
    #[diagnostic(help(
        "Set it to https://…/inventory.toml, or to a path in the build container such as /bindings/inventory.toml."
    ))]
    Address {
        /// The variable's value, unless it may hold a secret.
        value: String,
    },
    /// It is not there.
    #[error("the inventory that {VARIABLE} names cannot be downloaded")]
    Download {
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: DownloadError,
    },
    /// It is not in the format.
    #[error("the Ruby inventory cannot be read: {reason}")]
    #[diagnostic(help(
        "Each [[artifacts]] row has version, os, arch, url and checksum (`sha256:…`), and metadata with libc and root; \
         `script/build-ruby` writes one."
    ))]
    Format {
        /// What the parser says.
        reason: String,
        /// The inventory's text.
        #[source_code]
        source_code: NamedSource<String>,
        /// Where.
        #[label("here")]
        span: SourceSpan,
    },
}

impl Inventory {
    /// The inventory that is compiled in.
    ///
    /// # Errors
    /// None in a build that passes its tests.
    pub fn embedded() -> Result<Self, InventoryError> {
        Self::parse("inventory.toml", EMBEDDED, None)
    }

    /// All of them, in the order in which they are asked: the user's, that of the archives that the buildpack brings along, and the one
    /// that is compiled in.
    ///
    /// # Errors
    /// The user's cannot be had, or one is not in the format.
    pub fn all(address: Option<&str>, supply: &Fetcher) -> Result<Vec<Self>, InventoryError> {
        let vendored = supply.vendored_inventory();
        let vendored = vendored.as_deref().and_then(Path::to_str);
        let mut inventories = Vec::new();
        for address in address.into_iter().chain(vendored) {
            inventories.push(Self::at(address, &supply.downloader)?);
        }
        inventories.push(Self::embedded()?);
        Ok(inventories)
    }

    /// The inventory at a URL (`https`, `http`, `file`) or an absolute path.
    ///
    /// # Errors
    /// It cannot be had, or is not in the format.
    pub fn at(address: &str, downloader: &Downloader) -> Result<Self, InventoryError> {
        let url = Url::parse(address)
            .ok()
            .or_else(|| Url::from_file_path(address).ok())
            .ok_or_else(|| InventoryError::Address {
                value: shown_address(address),
            })?;
        check_scheme(&url).map_err(|source| InventoryError::Download { source })?;
        let text = downloader
            .text_of(&url)
            .map_err(|source| InventoryError::Download { source })?;
        Self::parse(VARIABLE, &text, Some(url))
    }

    fn parse(name: &str, text: &str, base: Option<Url>) -> Result<Self, InventoryError> {
        let format_error = |reason: &str, span: Range<usize>| InventoryError::Format {
            reason: masked(reason),
            source_code: NamedSource::new(name, masked(text)),
            span: span.into(),
        };
        let mut inventory: Self = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let reason = match row_at(text, span.start) {
                0 => error.message().to_string(),
                row => format!("row {row}: {}", error.message()),
            };
            format_error(&reason, span)
        })?;
        inventory.base = base;
        for (row, number) in inventory.artifacts.iter().zip(1..) {
            if inventory.url_of(row).is_none() {
                let place = text.find(&row.url).unwrap_or(0);
                let reason = format!(
                    "row {number} (Ruby {}): its url is no https, http or file URL",
                    row.version
                );
                return Err(format_error(&reason, place..place + row.url.len()));
            }
        }
        Ok(inventory)
    }

    /// Where a row's archive is; none where its address is none.
    fn url_of(&self, row: &Row) -> Option<Url> {
        let url = match &self.base {
            Some(base) => base.join(&row.url),
            None => row.url.parse(),
        };
        url.ok().filter(|url| check_scheme(url).is_ok())
    }

    /// Whether it is the one that is compiled in.
    fn is_embedded(&self) -> bool {
        self.base.is_none()
    }

    /// The newest Ruby that meets a requirement on a target; of archives of one version that of the very distribution.
    fn newest(&self, requirement: &GemRequirement, target: &Target) -> Option<&Row> {
        self.artifacts
            .iter()
            .filter(|row| is_for(row, target) && requirement.matches(&row.version))
            .max_by(|left, right| {
                (&left.version, left.metadata.distro_name.is_some())
                    .cmp(&(&right.version, right.metadata.distro_name.is_some()))
            })
    }

    pub(super) fn ruby(&self, row: &Row) -> Option<Ruby> {
        Some(Ruby {
            version: row.version.clone(),
            archive: Archive {
                url: self.url_of(row)?,
                sha256: Sha256Hex(hex::encode(&row.checksum.value)),
                root: row.metadata.root.clone(),
            },
        })
    }
}

impl Inventory {
    /// Every row.
    #[cfg(test)]
    pub(super) fn artifacts(&self) -> &[Row] {
        &self.artifacts
    }

    /// The rows of this inventory whose version meets a requirement, for an architecture and, where one is named, a distribution.
    pub(super) fn rows(
        &self,
        requirement: &GemRequirement,
        arch: &str,
        distro: Option<(&str, &str)>,
    ) -> impl Iterator<Item = &Row> {
        self.artifacts.iter().filter(move |row| {
            requirement.matches(&row.version)
                && match distro {
                    None => arch_name(row) == arch,
                    Some((name, version)) => is_for(
                        row,
                        &Target {
                            os: "linux".into(),
                            arch: arch.into(),
                            arch_variant: None,
                            distro_name: name.into(),
                            distro_version: version.into(),
                        },
                    ),
                }
        })
    }
}

/// A value that is no address may be a password that was put into the wrong variable.
fn shown_address(address: &str) -> String {
    if address.contains(['@', '?']) {
        "a value that is not shown, for it may hold a password".to_string()
    } else {
        format!("`{address}`")
    }
}

/// The number of the row that holds a place of an inventory, from 1; 0 before the first.
fn row_at(text: &str, place: usize) -> usize {
    text.match_indices("[[artifacts]]")
        .take_while(|(start, _)| *start <= place)
        .count()
}

fn is_for(row: &Row, target: &Target) -> bool {
    matches!(row.os, Os::Linux)
        && target.os == "linux"
        && target.arch == arch_name(row)
        && row.metadata.suits(target)
}

fn arch_name(row: &Row) -> &'static str {
    match row.arch {
        Arch::Amd64 => "amd64",
        Arch::Arm64 => "arm64",
    }
}

impl RowMetadata {
    fn suits(&self, target: &Target) -> bool {
        let is_release = |release: &String| *release == target.distro_version;
        match &self.distro_name {
            Some(name) => {
                *name == target.distro_name && self.distro_version.as_ref().is_none_or(is_release)
            }
            None => glibc::suits(&self.libc, target),
        }
    }

    /// What it was built for, in words.
    fn place(&self) -> String {
        match (&self.distro_name, &self.distro_version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            (Some(name), None) => name.clone(),
            (None, _) => format!("any Linux with {}", self.libc),
        }
    }
}

/// The newest Ruby that meets a requirement on a target, from the first inventory that has one.
#[must_use]
pub fn find(
    inventories: &[Inventory],
    requirement: &GemRequirement,
    target: &Target,
) -> Option<Ruby> {
    inventories
        .iter()
        .find_map(|inventory| inventory.ruby(inventory.newest(requirement, target)?))
}

/// The series that an app gets that asks for none, from the first inventory that names one; and whether it is the user's own.
#[must_use]
pub fn default_series(inventories: &[Inventory]) -> Option<(&GemVersion, bool)> {
    inventories
        .iter()
        .find_map(|inventory| Some((inventory.default.as_ref()?, !inventory.is_embedded())))
}

/// What a version gets on a day; none for a series that no inventory knows.
#[must_use]
pub fn support(inventories: &[Inventory], version: &GemVersion, today: Date) -> Option<Support> {
    let name = version.series(2);
    inventories
        .iter()
        .flat_map(|inventory| &inventory.series)
        .find(|series| series.name.series(2) == name)
        .map(|series| series.support(today))
}

#[cfg(test)]
mod tests;

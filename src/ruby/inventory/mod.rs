//! Which Rubies can be installed: the inventory that is compiled in, that of a packaged buildpack,
//! and the user's own.

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

/// Compiled in, so that a release of the buildpack always installs the same Rubies.
const EMBEDDED: &str = include_str!("../../../inventory.toml");

/// The build variable that names the user's inventory, which takes precedence.
pub const VARIABLE: &str = "BP_RUBY_INVENTORY";

/// The format is that of libherokubuildpack's `Inventory`, with a default and the series.
#[derive(Debug, Deserialize)]
pub struct Inventory {
    /// The series of apps that ask for no Ruby.
    default: Option<GemVersion>,
    #[serde(default)]
    series: Vec<Series>,
    #[serde(default)]
    artifacts: Vec<Row>,
    /// The inventory's own address, for relative `url`s in its rows; none for the one that is
    /// compiled in.
    #[serde(skip)]
    base: Option<Url>,
}

pub(super) type Row = Artifact<GemVersion, Sha256, RowMetadata>;

/// Formation's own fields of a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowMetadata {
    /// With `distro_version`, the distribution that the archive was built for; none if it runs on
    /// any with its C library.
    distro_name: Option<String>,
    distro_version: Option<String>,
    /// `glibc`, `glibc>=2.17` or `musl`.
    libc: String,
    /// The folder in the archive that contains `bin` and `lib`; `.` for the archive itself.
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
            "`root` must be a folder inside the archive",
        ))
    }
}

/// A Ruby for a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruby {
    pub version: GemVersion,
    pub archive: Archive,
}

#[derive(Debug, Diagnostic, Error)]
pub enum InventoryError {
    #[error("{VARIABLE} is {value}, which is neither a URL nor an absolute path")]
    #[diagnostic(help(
        "Set it to https://…/inventory.toml, or to a path in the build container such as \
         /bindings/inventory.toml."
    ))]
    Address {
        /// The variable's value, unless it may hold a secret.
        value: String,
    },
    #[error("the inventory that {VARIABLE} names cannot be downloaded")]
    Download {
        #[source]
        #[diagnostic_source]
        source: DownloadError,
    },
    #[error("the Ruby inventory cannot be read: {reason}")]
    #[diagnostic(help(
        "Each [[artifacts]] row needs version, os, arch, url, checksum (`sha256:…`), and metadata \
         with libc and root. `script/build-ruby` writes such a row."
    ))]
    Format {
        reason: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("here")]
        span: SourceSpan,
    },
}

impl Inventory {
    /// The inventory that is compiled in.
    pub fn embedded() -> Result<Self, InventoryError> {
        Self::parse("inventory.toml", EMBEDDED, None)
    }

    /// All inventories in order of precedence: the user's, that of the archives in the packaged
    /// buildpack, and the one that is compiled in.
    pub fn all(address: Option<&str>, fetcher: &Fetcher) -> Result<Vec<Self>, InventoryError> {
        let vendored = fetcher.vendored_inventory();
        let vendored = vendored.as_deref().and_then(Path::to_str);
        let mut inventories = Vec::new();
        for address in address.into_iter().chain(vendored) {
            inventories.push(Self::at(address, &fetcher.downloader)?);
        }
        inventories.push(Self::embedded()?);
        Ok(inventories)
    }

    /// The inventory at a URL (`https`, `http`, `file`) or an absolute path.
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
                    "row {number} (Ruby {}): its url is not an https, http or file URL",
                    row.version
                );
                return Err(format_error(&reason, place..place + row.url.len()));
            }
        }
        Ok(inventory)
    }

    /// The address of a row's archive; none if it cannot be one.
    fn url_of(&self, row: &Row) -> Option<Url> {
        let url = match &self.base {
            Some(base) => base.join(&row.url),
            None => row.url.parse(),
        };
        url.ok().filter(|url| check_scheme(url).is_ok())
    }

    fn is_embedded(&self) -> bool {
        self.base.is_none()
    }

    /// The newest Ruby for a target that meets a requirement. Of several archives of one version,
    /// the one for the target's own distribution.
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
    #[cfg(test)]
    pub(super) fn artifacts(&self) -> &[Row] {
        &self.artifacts
    }

    /// The rows that meet a requirement, for an architecture and, if given, a distribution.
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

/// A value with `@` or `?` is hidden: it may contain a password.
fn shown_address(address: &str) -> String {
    if address.contains(['@', '?']) {
        "a value that is not shown, because it may contain a password".to_string()
    } else {
        format!("`{address}`")
    }
}

/// The number of the row at a place of an inventory, from 1; 0 before the first row.
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

    /// The target that it was built for, in words.
    fn target_name(&self) -> String {
        match (&self.distro_name, &self.distro_version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            (Some(name), None) => name.clone(),
            (None, _) => format!("any Linux with {}", self.libc),
        }
    }
}

/// The newest Ruby for a target that meets a requirement, from the first inventory that lists one.
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

/// The series of apps that ask for no Ruby, from the first inventory that names one; and whether
/// that is another inventory than the one that is compiled in.
#[must_use]
pub fn default_series(inventories: &[Inventory]) -> Option<(&GemVersion, bool)> {
    inventories
        .iter()
        .find_map(|inventory| Some((inventory.default.as_ref()?, !inventory.is_embedded())))
}

/// The fixes that a version gets on a day; none for a series that no inventory has.
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

//! Which Rubies there are: the inventory that is compiled in, and the user's own.

mod glibc;
mod support;
mod unknown;

pub use support::{Date, Support};
pub use unknown::{UnknownRuby, unknown};

use crate::app::gem_version::{GemRequirement, GemVersion};
use crate::supply::archive::Archive;
use crate::supply::download::{DownloadError, Downloader, Sha256Hex, check_scheme};
use crate::supply::{Supply, masked};
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
const EMBEDDED: &str = include_str!("../../inventory.toml");

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
    pub fn all(address: Option<&str>, supply: &Supply) -> Result<Vec<Self>, InventoryError> {
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
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use indoc::indoc;

    fn target(arch: &str, distro_name: &str, distro_version: &str) -> Target {
        Target {
            os: "linux".into(),
            arch: arch.into(),
            arch_variant: None,
            distro_name: distro_name.into(),
            distro_version: distro_version.into(),
        }
    }

    fn embedded() -> [Inventory; 1] {
        [Inventory::embedded().unwrap()]
    }

    #[test]
    fn every_embedded_row_is_usable() {
        let [inventory] = embedded();
        assert!(inventory.artifacts.len() > 100);
        for row in &inventory.artifacts {
            let ruby = inventory.ruby(row).unwrap();
            assert_eq!(ruby.archive.url.scheme(), "https", "{}", row.url);
        }
    }

    fn newest(inventories: &[Inventory], requirement: &str, target: &Target) -> Option<Ruby> {
        find(inventories, &requirement.parse().unwrap(), target)
    }

    #[test]
    fn the_newest_that_matches() {
        for (requirement, expected) in [
            ("3.3.8", "3.3.8"),
            ("~> 3.3.0", "3.3.12"),
            ("~> 3.3", "3.4.10"),
            (">= 3.2, < 3.4", "3.3.12"),
            (">= 4.0", "4.0.7"),
            ("4.0.0.preview2", "4.0.0.preview2"),
        ] {
            let debian = target("amd64", "debian", "13");
            let ruby = newest(&embedded(), requirement, &debian).unwrap();
            assert_eq!(ruby.version.to_string(), expected, "{requirement}");
        }
    }

    #[test]
    fn every_series_is_there_for_every_target() {
        for series in ["3.2", "3.3", "3.4", "4.0"] {
            for (distro_name, distro_version) in [
                ("ubuntu", "22.04"),
                ("ubuntu", "24.04"),
                ("ubuntu", "26.04"),
                ("debian", "12"),
                ("debian", "13"),
                ("rhel", "9.4"),
            ] {
                for arch in ["amd64", "arm64"] {
                    let target = target(arch, distro_name, distro_version);
                    let requirement = format!("~> {series}.0");
                    assert!(
                        newest(&embedded(), &requirement, &target).is_some(),
                        "{series} for {distro_name} {distro_version} on {arch}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_series_has_its_dates() {
        let inventories = embedded();
        let today = "d = 2026-11-21".parse::<toml::Table>().unwrap()["d"]
            .clone()
            .try_into()
            .unwrap();
        for row in &inventories[0].artifacts {
            let known = support(&inventories, &row.version, today).is_some();
            assert!(known || row.version.is_prerelease(), "{}", row.version);
        }
        let (default, _) = default_series(&inventories).unwrap();
        assert_eq!(support(&inventories, default, today), Some(Support::Normal));
    }

    #[test]
    fn the_very_distribution_comes_before_any() {
        let url = |distro_name, distro_version| {
            let target = target("amd64", distro_name, distro_version);
            newest(&embedded(), "3.4.10", &target).unwrap().archive.url
        };
        assert!(url("ubuntu", "24.04").as_str().contains("noble"));
        assert!(url("debian", "13").as_str().contains("x86_64_linux"));
    }

    #[test]
    fn a_c_library_that_is_too_old() {
        let text = ROW.replace("\"glibc\"", "\"glibc>=2.35\"");
        let inventories = [parse(&text).unwrap()];
        let jammy = target("amd64", "ubuntu", "22.04");
        assert!(newest(&inventories, "3.3.8", &jammy).is_some());
        let focal = target("amd64", "ubuntu", "20.04");
        assert!(newest(&inventories, "3.3.8", &focal).is_none());
        assert_report!(unknown(
            &inventories,
            &"3.3.8".parse().unwrap(),
            "Gemfile".into(),
            &focal
        ));
    }

    #[test]
    fn the_users_inventory_comes_first() {
        let text = indoc! {r#"
            [[artifacts]]
            version = "3.3.8"
            os = "linux"
            arch = "amd64"
            url = "ruby-3.3.8.tar.gz"
            checksum = "sha256:50d0d13316f4c29cc78f8c49dffe8c6626eeee831da559003cd9df11e396f2d5"

            [artifacts.metadata]
            distro_name = "debian"
            distro_version = "13"
            libc = "glibc"
            root = "ruby-3.3.8"
        "#};
        let base = "http://mirror.example.com/rubies/inventory.toml"
            .parse()
            .unwrap();
        let [embedded] = embedded();
        let inventories = [Inventory::parse("x", text, Some(base)).unwrap(), embedded];
        let on_debian = |requirement: &str, distro_version| {
            let target = target("amd64", "debian", distro_version);
            newest(&inventories, requirement, &target).unwrap()
        };
        let own = on_debian("~> 3.3.0", "13");
        assert_eq!(own.version.to_string(), "3.3.8");
        assert_eq!(
            own.archive.url.as_str(),
            "http://mirror.example.com/rubies/ruby-3.3.8.tar.gz"
        );
        assert_eq!(on_debian("~> 3.3.0", "12").version.to_string(), "3.3.12");
        assert_eq!(on_debian("~> 3.4.0", "13").version.to_string(), "3.4.10");
    }

    #[test]
    fn an_unknown_version_is_shown_with_what_there_is() {
        let shown = |requirement: &str, target| {
            let requirement = requirement.parse().unwrap();
            unknown(&embedded(), &requirement, "Gemfile.lock".into(), &target)
        };
        let debian = || target("amd64", "debian", "13");
        assert_report!("of_a_known_series", shown("3.3.99", debian()));
        assert_report!("of_an_old_series", shown("~> 2.7.0", debian()));
        assert_report!(
            "for_an_unknown_target",
            shown("~> 3.4.0", target("amd64", "alpine", "3.23"))
        );
        assert_report!(
            "for_another_architecture",
            shown("3.4.10", target("riscv64", "debian", "13"))
        );
    }

    #[test]
    fn an_inventory_that_cannot_be_read_is_shown() {
        let text = "[[artifacts]]\nversion = \"3.3.8\"\nos = \"linux\"\narch = \"amd64\"\nurl = \"x\"\nchecksum = \"md5:00\"\n";
        assert_report!(Inventory::parse(VARIABLE, text, None).unwrap_err());
        assert_report!(
            "no_address",
            Inventory::at("inventory.toml", &Downloader::default()).unwrap_err()
        );
        assert_report!(
            "no_file",
            Inventory::at("/nowhere/inventory.toml", &Downloader::default()).unwrap_err()
        );
    }

    const ROW: &str = indoc! {r#"
        [[artifacts]]
        version = "3.3.8"
        os = "linux"
        arch = "amd64"
        url = "ruby.tar.gz"
        checksum = "sha256:50d0d13316f4c29cc78f8c49dffe8c6626eeee831da559003cd9df11e396f2d5"

        [artifacts.metadata]
        libc = "glibc"
        root = "ruby-3.3.8"
    "#};

    fn parse(text: &str) -> Result<Inventory, InventoryError> {
        let base = "https://example.com/inventory.toml".parse().unwrap();
        Inventory::parse(VARIABLE, text, Some(base))
    }

    #[test]
    fn the_root_stays_inside_the_archive() {
        assert!(parse(ROW).is_ok());
        for root in ["..", "ruby/../..", "/etc"] {
            assert!(parse(&ROW.replace("ruby-3.3.8", root)).is_err(), "{root}");
        }
        let text = format!("{ROW}\n{}", ROW.replace("ruby-3.3.8", ".."));
        assert_report!(parse(&text).unwrap_err());
    }

    #[test]
    fn every_address_is_checked_before_anything_is_downloaded() {
        let url = "ftp://user:secret@example.com/ruby.tar.gz?token=secret";
        let text = format!("{ROW}\n{}", ROW.replace("ruby.tar.gz", url));
        assert_report!(parse(&text).unwrap_err());
    }

    #[test]
    fn an_address_that_may_be_a_secret_is_not_shown() {
        for address in ["user:secret@host/x", "x?token=secret"] {
            let error = Inventory::at(address, &Downloader::default()).unwrap_err();
            assert!(!crate::report::tests::plain(&error).contains("secret"));
        }
    }

    #[test]
    fn the_users_default_comes_first() {
        let text = format!("default = \"3.3\"\n{ROW}");
        let [embedded] = embedded();
        let inventories = [parse(&text).unwrap(), embedded];
        let (series, is_own) = default_series(&inventories).unwrap();
        assert_eq!((series.to_string().as_str(), is_own), ("3.3", true));
        let (series, is_own) = default_series(&inventories[1..]).unwrap();
        assert_eq!((series.to_string().as_str(), is_own), ("3.4", false));
    }
}

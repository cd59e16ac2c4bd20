//! Which Rubies there are, and which of them the app gets.

use crate::app::gem_version::GemVersion;
use crate::app::ruby_version::{RubyRequest, default_request};
use crate::supply::archive::Archive;
use crate::supply::download::{DownloadError, Downloader, Sha256Hex, check_scheme};
use crate::supply::masked;
use libcnb::Target;
use libherokubuildpack::inventory::artifact::{Arch, Artifact, Os};
use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;
use std::ops::Range;
use std::path::{Component, PathBuf};
use thiserror::Error;
use url::Url;

/// Compiled in: the buildpack is one file, and what it installs is known when it is released.
const EMBEDDED: &str = include_str!("../../inventory.toml");

/// The build variable that names a further inventory, which is asked first.
pub const VARIABLE: &str = "BP_RUBY_INVENTORY";

/// How many versions an error lists.
const LISTED: usize = 12;

/// Rubies that can be installed. The format is that of libherokubuildpack's `Inventory`, and a default.
#[derive(Debug, Deserialize)]
pub struct Inventory {
    /// The series that an app gets that asks for none.
    default: Option<GemVersion>,
    #[serde(default)]
    artifacts: Vec<Row>,
    /// What a relative `url` in a row is relative to: the inventory's own address.
    #[serde(skip)]
    base: Option<Url>,
}

type Row = Artifact<GemVersion, Sha256, RowMetadata>;

/// What Formation needs to know of an archive beyond libherokubuildpack's own fields.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RowMetadata {
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

/// No inventory has a Ruby that the app could use.
#[derive(Clone, Debug, Diagnostic, Error, Eq, PartialEq)]
#[error("there is no Ruby {asked} (asked for by {source_name}) for {target}")]
#[diagnostic(help(
    "{available}\n\
     To bring a Ruby of your own, build it with `script/build-ruby` and name its inventory in {VARIABLE}."
))]
pub struct UnknownRuby {
    /// The requirement.
    asked: String,
    /// Who asks.
    source_name: String,
    /// Distribution and architecture.
    target: String,
    /// What there is.
    available: String,
}

impl Inventory {
    /// The inventory that is compiled in.
    ///
    /// # Errors
    /// None in a build that passes its tests.
    pub fn embedded() -> Result<Self, InventoryError> {
        Self::parse("inventory.toml", EMBEDDED, None)
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

    /// The newest Ruby that meets a requirement on a target; of archives of one version that of the very distribution.
    fn newest(&self, request: &RubyRequest, target: &Target) -> Option<&Row> {
        self.for_target(target)
            .filter(|row| request.requirement.matches(&row.version))
            .max_by(|left, right| {
                (&left.version, left.metadata.distro_name.is_some())
                    .cmp(&(&right.version, right.metadata.distro_name.is_some()))
            })
    }

    fn for_target(&self, target: &Target) -> impl Iterator<Item = &Row> {
        self.artifacts.iter().filter(|row| {
            matches!(row.os, Os::Linux)
                && target.os == "linux"
                && target.arch
                    == match row.arch {
                        Arch::Amd64 => "amd64",
                        Arch::Arm64 => "arm64",
                    }
                && row.metadata.suits(target)
        })
    }

    fn ruby(&self, row: &Row) -> Option<Ruby> {
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

impl RowMetadata {
    fn suits(&self, target: &Target) -> bool {
        let target_has_musl = target.distro_name == "alpine";
        match (&self.distro_name, &self.distro_version) {
            (Some(name), Some(version)) => {
                *name == target.distro_name && *version == target.distro_version
            }
            (Some(name), None) => *name == target.distro_name,
            _ => self.libc.starts_with("musl") == target_has_musl,
        }
    }
}

/// The Ruby for a request: the first inventory that has one gives its newest. Without a request, the default
/// series of the first that names one.
///
/// # Errors
/// No inventory has one; the error lists what there is.
pub fn resolve(
    inventories: &[Inventory],
    request: Option<&RubyRequest>,
    target: &Target,
) -> Result<(Ruby, RubyRequest), UnknownRuby> {
    let default = inventories
        .iter()
        .find_map(|inventory| inventory.default.as_ref());
    let request = request
        .cloned()
        .or_else(|| default.map(default_request))
        .ok_or_else(|| unknown(inventories, None, target))?;
    inventories
        .iter()
        .find_map(|inventory| inventory.ruby(inventory.newest(&request, target)?))
        .map(|ruby| (ruby, request.clone()))
        .ok_or_else(|| unknown(inventories, Some(&request), target))
}

fn unknown(
    inventories: &[Inventory],
    request: Option<&RubyRequest>,
    target: &Target,
) -> UnknownRuby {
    let mut versions: Vec<_> = inventories
        .iter()
        .flat_map(|inventory| inventory.for_target(target))
        .map(|row| row.version.clone())
        .collect();
    versions.sort();
    versions.dedup();
    versions.reverse();
    if let Some(request) = request {
        // Stable: within each series the newest stays first.
        versions.sort_by_key(|version| distance(version, request.requirement.anchor()));
    }
    let listed = versions
        .iter()
        .take(LISTED)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let available = match versions.len() {
        0 => "There is no Ruby at all for this target.".to_string(),
        count if count <= LISTED => format!("There is: {listed}."),
        count => format!("Nearest: {listed} (of {count} versions)."),
    };
    UnknownRuby {
        asked: request.map_or_else(String::new, |request| request.requirement.to_string()),
        source_name: request.map_or_else(String::new, |request| request.source.to_string()),
        target: format!(
            "{} {} on {}",
            target.distro_name, target.distro_version, target.arch
        ),
        available,
    }
}

/// How many minor versions lie between a version and the one that was wanted.
fn distance(version: &GemVersion, wanted: &GemVersion) -> u64 {
    let series = |version: &GemVersion| {
        let majors = version.number(0).saturating_mul(100);
        majors.saturating_add(version.number(1))
    };
    series(version).abs_diff(series(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ruby_version::RubySource;
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

    fn request(requirement: &str) -> RubyRequest {
        RubyRequest {
            requirement: requirement.parse().unwrap(),
            source: RubySource::File("Gemfile.lock".into()),
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

    #[test]
    fn the_newest_that_matches() {
        for (requirement, expected) in [
            ("3.3.8", "3.3.8"),
            ("~> 3.3.0", "3.3.12"),
            ("~> 3.3", "3.4.10"),
            (">= 3.2, < 3.4", "3.3.12"),
            (">= 4.0", "4.0.6"),
        ] {
            let (ruby, _) = resolve(
                &embedded(),
                Some(&request(requirement)),
                &target("amd64", "debian", "13"),
            )
            .unwrap();
            assert_eq!(ruby.version.to_string(), expected, "{requirement}");
        }
    }

    #[test]
    fn the_default_series_is_for_those_who_do_not_ask() {
        for arch in ["amd64", "arm64"] {
            let (ruby, request) =
                resolve(&embedded(), None, &target(arch, "ubuntu", "24.04")).unwrap();
            assert_eq!(ruby.version.to_string(), "3.4.10");
            assert_eq!(request.source, RubySource::Default);
        }
    }

    #[test]
    fn the_very_distribution_comes_before_any() {
        let url = |distro_name, distro_version| {
            let target = target("amd64", distro_name, distro_version);
            resolve(&embedded(), Some(&request("3.4.10")), &target)
                .unwrap()
                .0
                .archive
                .url
        };
        assert!(url("ubuntu", "24.04").as_str().contains("noble"));
        assert!(url("debian", "13").as_str().contains("x86_64_linux"));
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
        let resolve = |requirement: &str, distro_version| {
            let target = target("amd64", "debian", distro_version);
            resolve(&inventories, Some(&request(requirement)), &target)
                .unwrap()
                .0
        };
        let own = resolve("~> 3.3.0", "13");
        assert_eq!(own.version.to_string(), "3.3.8");
        assert_eq!(
            own.archive.url.as_str(),
            "http://mirror.example.com/rubies/ruby-3.3.8.tar.gz"
        );
        assert_eq!(resolve("~> 3.3.0", "12").version.to_string(), "3.3.12");
        assert_eq!(resolve("~> 3.4.0", "13").version.to_string(), "3.4.10");
    }

    #[test]
    fn an_unknown_version_is_shown_with_what_there_is() {
        let debian = target("amd64", "debian", "13");
        assert_report!(
            "of_a_known_series",
            resolve(&embedded(), Some(&request("3.3.99")), &debian).unwrap_err()
        );
        assert_report!(
            "of_an_old_series",
            resolve(&embedded(), Some(&request("~> 2.7.0")), &debian).unwrap_err()
        );
        assert_report!(
            "for_an_unknown_target",
            resolve(&embedded(), None, &target("amd64", "alpine", "3.23")).unwrap_err()
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
        let [embedded] = embedded();
        let text = format!("default = \"3.3\"\n{ROW}");
        let inventories = [parse(&text).unwrap(), embedded];
        let (ruby, _) = resolve(&inventories, None, &target("amd64", "debian", "13")).unwrap();
        assert_eq!(ruby.version.to_string(), "3.3.8");
    }

    #[test]
    fn distances_do_not_overflow() {
        let version = |text: &str| text.parse::<GemVersion>().unwrap();
        let far = version(&format!("{0}.{0}", u64::MAX));
        assert!(distance(&version("3.3.8"), &far) > distance(&far, &far));
    }
}

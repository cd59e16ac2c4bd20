//! The Ruby archives of their publishers: Paketo lists them in the `buildpack.toml` of its
//! buildpack, the others in their releases on GitHub.

use crate::rows::{Published, Row, RowMetadata};
use formation_buildpack::ruby::gem_version::GemVersion;
use miette::Diagnostic;
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// How the URLs of GitHub's API begin.
pub(crate) const GITHUB_API: &str = "https://api.github.com/";

const PAKETO: &str = "https://raw.githubusercontent.com/paketo-buildpacks/mri/main/buildpack.toml";

/// How the URLs of Paketo's Rubies begin.
const PAKETO_ARCHIVES: &str = "https://artifacts.paketo.io/ruby/";

/// Paketo names an Ubuntu release by its code name.
const UBUNTU: &[(&str, &str)] = &[
    ("bionic", "18.04"),
    ("jammy", "22.04"),
    ("noble", "24.04"),
    ("resolute", "26.04"),
];

/// Repositories whose releases are Rubies for any Linux. A later repository only adds the Rubies
/// that the earlier ones do not have.
const REPOSITORIES: &[&str] = &["bazel-contrib/portable-ruby", "jdx/ruby"];

/// The C library that the archives of [`REPOSITORIES`] need.
const LIBC: &str = "glibc>=2.17";

/// The platforms in the names of their archives, with their architectures.
const PLATFORMS: &[(&str, &str)] = &[
    ("x86_64_linux", "amd64"),
    ("arm64_linux", "arm64"),
    ("aarch64_linux", "arm64"),
];

/// The most releases in one response of GitHub.
const PAGE: usize = 100;

/// The oldest series that is listed.
const OLDEST: &str = "3.2";

#[derive(Debug, Diagnostic, Error)]
pub(crate) enum PublisherError {
    #[error("{url} cannot be read: {reason}")]
    #[diagnostic(help(
        "Try again later. If GitHub answers with 403 or 429, set GITHUB_TOKEN to a token without \
         any rights."
    ))]
    Unreachable { url: String, reason: String },
    #[error("{url} is not in the expected format: {reason}")]
    #[diagnostic(help(
        "The publisher may have changed the format that examples/update-inventory/publishers.rs \
         reads."
    ))]
    Format { url: String, reason: String },
    #[error("{archive} has no SHA-256, so it is refused: {publisher} says {said}")]
    #[diagnostic(help(
        "Nothing was written. Ask the publisher for the checksum; an archive that cannot be \
         verified is not installed."
    ))]
    NoChecksum {
        archive: String,
        publisher: String,
        said: String,
    },
    #[error("{archive} is for {place}, which is not known")]
    #[diagnostic(help("Add it to the tables in examples/update-inventory/publishers.rs."))]
    UnknownTarget { archive: String, place: String },
}

/// Downloads the text at a URL.
pub(crate) type Get<'a> = &'a dyn Fn(&str) -> Result<String, PublisherError>;

/// All Rubies for Linux of all publishers.
pub(crate) fn published(get: Get<'_>) -> Result<Published, PublisherError> {
    let mut addresses = vec![PAKETO_ARCHIVES.to_string()];
    let mut rows = paketo(&get(PAKETO)?)?;
    let mut portable: BTreeMap<String, Row> = BTreeMap::new();
    for repository in REPOSITORIES {
        addresses.push(format!(
            "https://github.com/{repository}/releases/download/"
        ));
        for row in repository_rows(repository, get)? {
            portable.entry(row.key()).or_insert(row);
        }
    }
    rows.extend(portable.into_values());
    Ok(Published { rows, addresses })
}

#[derive(Deserialize)]
struct PaketoBuildpack {
    metadata: PaketoMetadata,
}

#[derive(Deserialize)]
struct PaketoMetadata {
    dependencies: Vec<PaketoDependency>,
}

#[derive(Deserialize)]
struct PaketoDependency {
    id: String,
    version: String,
    arch: String,
    os: String,
    uri: String,
    checksum: Option<String>,
    stacks: Vec<String>,
}

fn paketo(text: &str) -> Result<Vec<Row>, PublisherError> {
    let buildpack: PaketoBuildpack =
        toml::from_str(text).map_err(|error| format_error(PAKETO, &error))?;
    let mut rows = Vec::new();
    for dependency in buildpack.metadata.dependencies {
        let is_wanted = dependency.id == "ruby" && dependency.os == "linux";
        if !is_wanted || !is_new_enough(&dependency.version, PAKETO)? {
            continue;
        }
        let checksum = verified("Paketo", &dependency.uri, dependency.checksum.as_deref())?;
        for stack in &dependency.stacks {
            let release = UBUNTU
                .iter()
                .find(|(code_name, _)| stack.rsplit('.').next() == Some(code_name));
            let Some((_, release)) = release else {
                return Err(PublisherError::UnknownTarget {
                    archive: dependency.uri,
                    place: stack.clone(),
                });
            };
            rows.push(Row {
                version: dependency.version.clone(),
                os: dependency.os.clone(),
                arch: dependency.arch.clone(),
                url: dependency.uri.clone(),
                checksum: checksum.clone(),
                metadata: RowMetadata {
                    distro_name: Some("ubuntu".into()),
                    distro_version: Some((*release).to_string()),
                    libc: "glibc".into(),
                    root: ".".into(),
                },
            });
        }
    }
    Ok(rows)
}

/// Source: <https://docs.github.com/en/rest/releases/releases#list-releases>
#[derive(Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    browser_download_url: String,
    /// GitHub has it for files that were uploaded since June 2025.
    digest: Option<String>,
}

/// The Rubies of a repository's releases. Of several builds of one version, the last counts.
fn repository_rows(repository: &str, get: Get<'_>) -> Result<Vec<Row>, PublisherError> {
    let mut builds: BTreeMap<String, (u64, Row)> = BTreeMap::new();
    for release in releases(repository, get)? {
        for asset in &release.assets {
            let Some((version, arch)) = version_and_arch(&asset.name) else {
                continue;
            };
            let Some(build) = build_number(&release.tag_name, version) else {
                continue;
            };
            if !is_new_enough(version, &asset.browser_download_url)? {
                continue;
            }
            let row = Row {
                version: version.to_string(),
                os: "linux".into(),
                arch: arch.into(),
                url: asset.browser_download_url.clone(),
                checksum: checksum(repository, &release, asset, get)?,
                metadata: RowMetadata {
                    distro_name: None,
                    distro_version: None,
                    libc: LIBC.into(),
                    root: format!("ruby-{version}"),
                },
            };
            match builds.get(&row.key()) {
                Some((newer, _)) if *newer > build => {}
                _ => {
                    builds.insert(row.key(), (build, row));
                }
            }
        }
    }
    Ok(builds.into_values().map(|(_, row)| row).collect())
}

fn releases(repository: &str, get: Get<'_>) -> Result<Vec<Release>, PublisherError> {
    let mut releases = Vec::new();
    for page in 1.. {
        let url = format!("{GITHUB_API}repos/{repository}/releases?per_page={PAGE}&page={page}");
        let answer: Vec<Release> =
            serde_json::from_str(&get(&url)?).map_err(|error| format_error(&url, &error))?;
        let is_last = answer.len() < PAGE;
        releases.extend(answer.into_iter().filter(|release| !release.draft));
        if is_last {
            break;
        }
    }
    Ok(releases)
}

/// The version in a name like `ruby-3.4.10.x86_64_linux.tar.gz`, and the architecture as the
/// inventory names it. None for other files.
fn version_and_arch(archive: &str) -> Option<(&str, &'static str)> {
    let name = archive.strip_prefix("ruby-")?.strip_suffix(".tar.gz")?;
    PLATFORMS
        .iter()
        .find_map(|(platform, arch)| Some((name.strip_suffix(platform)?.strip_suffix('.')?, *arch)))
}

/// 2 for the tag `3.4.10-2` of version 3.4.10. A tag without a number is that of the first build.
fn build_number(tag: &str, version: &str) -> Option<u64> {
    match tag.strip_prefix(version)? {
        "" => Some(0),
        build => build.strip_prefix('-')?.parse().ok(),
    }
}

/// GitHub's own digest of an asset, else the file `NAME.sha256` beside it.
fn checksum(
    repository: &str,
    release: &Release,
    asset: &Asset,
    get: Get<'_>,
) -> Result<String, PublisherError> {
    let name = format!("{}.sha256", asset.name);
    let beside = release.assets.iter().find(|other| other.name == name);
    let said = match (&asset.digest, beside) {
        (Some(digest), _) => Some(digest.clone()),
        (None, Some(file)) => {
            let text = get(&file.browser_download_url)?;
            text.split_whitespace()
                .next()
                .map(|hex| format!("sha256:{hex}"))
        }
        (None, None) => None,
    };
    verified(repository, &asset.browser_download_url, said.as_deref())
}

/// A SHA-256 as the inventory has it. Anything else is refused.
fn verified(publisher: &str, archive: &str, said: Option<&str>) -> Result<String, PublisherError> {
    let is_sha256 = |checksum: &str| {
        checksum.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    said.filter(|checksum| is_sha256(checksum))
        .map(str::to_string)
        .ok_or_else(|| PublisherError::NoChecksum {
            archive: archive.to_string(),
            publisher: publisher.to_string(),
            said: said.map_or_else(|| "nothing".into(), |said| format!("`{said}`")),
        })
}

fn is_new_enough(version: &str, url: &str) -> Result<bool, PublisherError> {
    let parse = |text: &str| {
        text.parse::<GemVersion>()
            .map_err(|error| format_error(url, &error))
    };
    Ok(parse(version)? >= parse(OLDEST)?)
}

fn format_error(url: &str, error: &impl ToString) -> PublisherError {
    PublisherError::Format {
        url: url.to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Inventory;

    /// Answers in the publishers' form, cut down to a few archives.
    const ANSWERS: &[(&str, &str)] = &[
        (PAKETO, include_str!("recorded/paketo-buildpack.toml")),
        (
            "https://api.github.com/repos/bazel-contrib/portable-ruby/releases?per_page=100&page=1",
            include_str!("recorded/portable-ruby-releases.json"),
        ),
        (
            "https://api.github.com/repos/jdx/ruby/releases?per_page=100&page=1",
            include_str!("recorded/jdx-ruby-releases.json"),
        ),
        (
            "https://github.com/bazel-contrib/portable-ruby/releases/download/3.3.12-1/ruby-3.3.12.x86_64_linux.tar.gz.sha256",
            "1111111111111111111111111111111111111111111111111111111111111111  ruby-3.3.12.x86_64_linux.tar.gz\n",
        ),
    ];

    /// The recorded answers, with a change to one of them.
    fn answers(from: &str, to: &str) -> impl Fn(&str) -> Result<String, PublisherError> {
        move |url| {
            let answer = ANSWERS.iter().find(|(known, _)| *known == url);
            let (_, text) = answer.ok_or_else(|| PublisherError::Unreachable {
                url: url.to_string(),
                reason: "it was not recorded".into(),
            })?;
            Ok(text.replace(from, to))
        }
    }

    fn error(from: &str, to: &str) -> String {
        published(&answers(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn rows_from_recorded_answers() {
        let before = Inventory::parse("default = \"3.4\"\n\n").unwrap();
        let after = before.updated(published(&answers("", "")).unwrap());
        insta::assert_snapshot!(after.to_string());
    }

    #[test]
    fn what_is_written_can_be_read_and_stays() {
        let before = Inventory::parse("default = \"3.4\"\n\n").unwrap();
        let after = before.updated(published(&answers("", "")).unwrap());
        let again = Inventory::parse(&after.to_string()).unwrap();
        let again = again.updated(published(&answers("", "")).unwrap());
        assert_eq!(again.to_string(), after.to_string());
    }

    #[test]
    fn rows_of_others_stay_and_those_that_are_gone_go() {
        let row = |url: &str| Row {
            version: "3.4.1".into(),
            os: "linux".into(),
            arch: "amd64".into(),
            url: url.into(),
            checksum: format!("sha256:{}", "0".repeat(64)),
            metadata: RowMetadata {
                distro_name: None,
                distro_version: None,
                libc: "musl".into(),
                root: ".".into(),
            },
        };
        let text = format!(
            "default = \"3.4\"\n\n{}\n{}",
            row("https://rubies.example.com/ruby.tar.gz"),
            row("https://artifacts.paketo.io/ruby/old.tgz")
        );
        let after = Inventory::parse(&text)
            .unwrap()
            .updated(published(&answers("", "")).unwrap());
        let has = |part: &str| after.rows.iter().any(|row| row.url.contains(part));
        assert!(has("rubies.example.com"));
        assert!(!has("old.tgz"));
    }

    #[test]
    fn a_row_without_a_checksum_is_refused() {
        let digest = "sha256:6360231ee0873d001a3a03038a1a61a9e4ffe2b7e38183dbbf12493b5e73841b";
        for (from, to) in [
            ("checksum = ", "no-checksum = "),
            (digest, "sha512:00"),
            (digest, &digest[..20]),
        ] {
            let error = error(from, to);
            assert!(
                error.starts_with("https://artifacts.paketo.io/ruby/"),
                "{error}"
            );
            assert!(error.contains("has no SHA-256"), "{error}");
        }
        let error = error("\"digest\"", "\"other\"");
        assert!(error.contains("releases/download/"), "{error}");
        assert!(error.contains("has no SHA-256"), "{error}");
    }

    #[test]
    fn what_is_not_known_is_named() {
        let unknown = error("stacks.resolute", "stacks.zesty");
        assert!(
            unknown.contains("is for io.buildpacks.stacks.zesty"),
            "{unknown}"
        );
        assert!(error("[", "{").starts_with(PAKETO));
        assert!(error("\"tag_name\"", "\"tag\"").contains("portable-ruby/releases"));
    }

    #[test]
    fn names_of_archives_and_tags() {
        for (name, expected) in [
            ("ruby-3.4.10.x86_64_linux.tar.gz", Some(("3.4.10", "amd64"))),
            (
                "ruby-4.0.0-preview2.arm64_linux.tar.gz",
                Some(("4.0.0-preview2", "arm64")),
            ),
            (
                "ruby-3.4.10.aarch64_linux.tar.gz",
                Some(("3.4.10", "arm64")),
            ),
            ("ruby-3.4.10.arm64_darwin.tar.gz", None),
            ("ruby-3.4.10.x86_64_linux.no_yjit.tar.gz", None),
            ("ruby-3.4.10.x86_64_linux.tar.gz.sha256", None),
        ] {
            assert_eq!(version_and_arch(name), expected, "{name}");
        }
        assert_eq!(build_number("3.4.10-2", "3.4.10"), Some(2));
        assert_eq!(build_number("4.0.0-preview2-1", "4.0.0-preview2"), Some(1));
        assert_eq!(build_number("3.4.10", "3.4.10"), Some(0));
        assert_eq!(build_number("3.4.10-rc", "3.4.10"), None);
        assert_eq!(build_number("20260520", "3.4.10"), None);
    }

    #[test]
    fn every_page_is_read() {
        let release = |number: usize| {
            format!(
                "{{\"tag_name\": \"3.4.10-{number}\", \"assets\": [{{\"name\": \"ruby-3.4.10.x86_64_linux.tar.gz\", \"browser_download_url\": \"https://x/{number}\", \"digest\": \"sha256:{}\"}}]}}",
                "a".repeat(64)
            )
        };
        let get = |url: &str| {
            let numbers = if url.ends_with("page=1") {
                1..101
            } else {
                101..103
            };
            let releases: Vec<_> = numbers.map(release).collect();
            Ok(format!("[{}]", releases.join(", ")))
        };
        let rows = repository_rows("a/b", &get).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].url, "https://x/102");
    }
}

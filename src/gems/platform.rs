//! Platforms, read and compared as by RubyGems (`Gem::Platform`), and ranked as by Bundler
//! (`Bundler::MatchPlatform`).
//!
//! Source: <https://github.com/rubygems/rubygems/blob/master/lib/rubygems/platform.rb>

use std::fmt::{self, Display, Formatter};

/// The platform of a gem, or the one that gems are installed on.
///
/// Reading never fails: a text that RubyGems does not know has the operating system `unknown`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum GemPlatform {
    /// `ruby`: a gem for every platform, which may compile an extension when it is installed.
    #[default]
    Ruby,
    /// A gem with compiled code.
    Native {
        /// Such as `x86_64`, `universal`; none where any will do (`java`).
        cpu: Option<String>,
        /// Such as `linux`, `darwin`.
        os: String,
        /// Of the operating system. For Linux it is the C library: none is glibc.
        version: Option<String>,
    },
}

/// How far a gem's platform is from the local one: the lowest is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Distance(u32);

impl Distance {
    const NONE: Self = Self(0);
    /// Farther than every native platform, even one of another system.
    const RUBY: Self = Self(1_000_000);
}

/// Where a platform's text has the name of an operating system.
enum Name {
    /// Anywhere, with a version behind it.
    In(&'static str, Version),
    /// At its start.
    Starts(&'static str, Version),
    /// The whole text.
    Is(&'static str),
}

/// The form of the version behind a name and an optional dash.
#[derive(Clone, Copy)]
enum Version {
    None,
    Digits,
    /// `1.8`; without the dot it does not count.
    TwoNumbers,
    Numbers,
    Word,
}

impl GemPlatform {
    /// `Gem::Platform.local` on Linux. `architecture` is `amd64` or `arm64`, as in buildpacks.
    #[must_use]
    pub fn linux(architecture: &str, has_musl: bool) -> Self {
        let cpu = match architecture {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        Self::Native {
            cpu: Some(cpu.to_string()),
            os: "linux".to_string(),
            version: has_musl.then(|| "musl".to_string()),
        }
    }

    /// Reads the text behind the version in a gem's full name, as `Gem::Platform.new` does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() || text == "ruby" {
            return Self::Ruby;
        }
        let text = text.trim_end_matches('-');
        let (cpu, os) = match text.split_once('-') {
            Some((cpu, os)) => (Some(normal_cpu(cpu)), os),
            None => (None, text),
        };
        let (os, version) = read_os(os);
        let implied = (cpu.is_none() && os.starts_with("mswin") && os.ends_with("32"))
            .then(|| "x86".to_string());
        Self::Native {
            cpu: cpu.or(implied),
            os,
            version,
        }
    }

    /// Whether a gem of this platform runs on the local one. This is not equality: on Linux, a gem
    /// whose platform names no C library also runs with musl, but a local platform that names none
    /// has glibc.
    #[must_use]
    pub fn runs_on(&self, local: &Self) -> bool {
        let (
            Self::Native { cpu, os, version },
            Self::Native {
                cpu: local_cpu,
                os: local_os,
                version: local_version,
            },
        ) = (self, local)
        else {
            return *self == Self::Ruby || self == local;
        };
        let is_universal = |cpu: &Option<String>| cpu.as_ref().is_none_or(|cpu| cpu == "universal");
        if [cpu, local_cpu]
            .iter()
            .any(|cpu| cpu.as_deref() == Some("universal"))
            && [os, local_os].iter().all(|os| os.starts_with("mingw"))
        {
            return true;
        }
        let is_arm = cpu.as_deref() == Some("arm")
            && local_cpu
                .as_ref()
                .is_some_and(|local| local.starts_with("armv"));
        let suits_cpu = is_universal(cpu) || is_universal(local_cpu) || cpu == local_cpu || is_arm;
        let suits_version = version == local_version
            || if os == "linux" {
                suits_c_library(version.as_deref(), local_version.as_deref())
            } else {
                version.is_none() || local_version.is_none()
            };
        suits_cpu && os == local_os && suits_version
    }

    /// The distance of this platform from the local one, whether a gem of it runs there or not.
    #[must_use]
    pub fn distance_to(&self, local: &Self) -> Distance {
        if self == local {
            return Distance::NONE;
        }
        let (
            Self::Native { cpu, os, version },
            Self::Native {
                cpu: local_cpu,
                os: local_os,
                version: local_version,
            },
        ) = (self, local)
        else {
            return Distance::RUBY;
        };
        let of_os = u32::from(os != local_os);
        let of_cpu = match (cpu.as_deref(), local_cpu.as_deref()) {
            (own, local) if own == local => 0,
            (Some("arm"), Some(local)) if local.starts_with("arm") => 0,
            (None | Some("universal"), _) => 1,
            _ => 2,
        };
        let of_version = match version {
            version if version == local_version => 0,
            None => 1,
            Some(_) => 2,
        };
        // One more than Bundler's, so that only the platform itself has the distance 0.
        Distance(1 + of_os + of_cpu * 10 + of_version * 100)
    }
}

/// As in a gem's full name.
impl Display for GemPlatform {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self::Native { cpu, os, version } = self else {
            return formatter.write_str("ruby");
        };
        let parts = [cpu.as_deref(), Some(os), version.as_deref()];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        formatter.write_str(&parts.join("-"))
    }
}

/// `i386` to `i986` are all `x86`.
fn normal_cpu(cpu: &str) -> String {
    let is_x86 = cpu
        .as_bytes()
        .windows(4)
        .any(|bytes| matches!(bytes, [b'i', digit, b'8', b'6'] if digit.is_ascii_digit()));
    if is_x86 { "x86" } else { cpu }.to_string()
}

/// The operating system and its version.
fn read_os(text: &str) -> (String, Option<String>) {
    const NAMES: [Name; 16] = [
        Name::In("aix", Version::Digits),
        Name::In("cygwin", Version::None),
        Name::In("darwin", Version::Digits),
        Name::Starts("macruby", Version::Numbers),
        Name::In("freebsd", Version::Digits),
        Name::Is("java"),
        Name::Starts("java", Version::Numbers),
        Name::Starts("dalvik", Version::Digits),
        Name::Starts("dotnet", Version::Numbers),
        Name::In("linux", Version::Word),
        Name::In("mingw32", Version::None),
        Name::In("mingw", Version::Word),
        Name::In("netbsdelf", Version::None),
        Name::In("openbsd", Version::TwoNumbers),
        Name::In("solaris", Version::TwoNumbers),
        Name::In("wasi", Version::None),
    ];
    if text == "jruby" {
        return ("java".to_string(), None);
    }
    for name in NAMES {
        let (os, rest, version) = match name {
            Name::In(os, version) => (os, behind(text, os), version),
            Name::Starts(os, version) => (os, text.strip_prefix(os), version),
            Name::Is(os) => (os, (text == os).then_some(""), Version::None),
        };
        if let Some(rest) = rest {
            return (os.to_string(), version.of(rest));
        }
        // In RubyGems this comes between mingw and netbsdelf; no text has two of these names.
        if os == "mingw"
            && let Some(windows) = read_mswin(text)
        {
            return windows;
        }
    }
    ("unknown".to_string(), None)
}

/// `mswin32`, `mswin64_140`.
fn read_mswin(text: &str) -> Option<(String, Option<String>)> {
    let rest = behind(text, "mswin")?;
    let bits = digits_of(rest);
    let version = rest[bits.len()..].strip_prefix(['_', '-']).map(digits_of);
    (!bits.is_empty()).then(|| {
        let version = version.filter(|version| !version.is_empty());
        (format!("mswin{bits}"), version.map(str::to_string))
    })
}

fn behind<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.find(name).map(|start| &text[start + name.len()..])
}

fn digits_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

impl Version {
    fn of(self, rest: &str) -> Option<String> {
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let end = |is_part: &dyn Fn(char) -> bool| {
            let end = rest.find(|c: char| !is_part(c));
            end.unwrap_or(rest.len())
        };
        let version = match self {
            Self::None => "",
            Self::Digits => digits_of(rest),
            Self::Word => &rest[..end(&|c| c.is_ascii_alphanumeric() || c == '_')],
            Self::Numbers => rest[..end(&|c| c.is_ascii_digit() || c == '.')].trim_end_matches('.'),
            Self::TwoNumbers => {
                let first = digits_of(rest);
                let second = rest[first.len()..].strip_prefix('.').map(digits_of);
                match second {
                    Some(second) if !first.is_empty() && !second.is_empty() => {
                        &rest[..=first.len() + second.len()]
                    }
                    _ => "",
                }
            }
        };
        (!version.is_empty()).then(|| version.to_string())
    }
}

/// Whether a gem for one C library runs with the other. `gnu` and none are glibc; the suffixes
/// `eabi` and `eabihf` make no difference.
fn suits_c_library(gem: Option<&str>, local: Option<&str>) -> bool {
    normal_c_library(gem) == normal_c_library(local)
        || local.is_some_and(|local| {
            let gem = gem.unwrap_or_default();
            ["musl", "musleabi", "musleabihf"]
                .iter()
                .any(|musl| local.strip_prefix(musl) == Some(gem))
        })
}

fn normal_c_library(version: Option<&str>) -> Option<&str> {
    let version = version?;
    let version = version.strip_prefix("gnu").unwrap_or(version);
    let version = ["eabihf", "eabi"]
        .iter()
        .find_map(|abi| version.strip_suffix(abi))
        .unwrap_or(version);
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn platform(text: &str) -> GemPlatform {
        GemPlatform::parse(text)
    }

    #[test]
    fn platforms_in_all_their_spellings() {
        for (text, cpu, os, version) in [
            ("x86_64-linux", Some("x86_64"), "linux", None),
            ("x86_64-linux-gnu", Some("x86_64"), "linux", Some("gnu")),
            ("aarch64-linux-musl", Some("aarch64"), "linux", Some("musl")),
            (
                "arm-linux-gnueabihf",
                Some("arm"),
                "linux",
                Some("gnueabihf"),
            ),
            ("i686-linux", Some("x86"), "linux", None),
            ("arm64-darwin-23", Some("arm64"), "darwin", Some("23")),
            ("x86_64-darwin20", Some("x86_64"), "darwin", Some("20")),
            ("universal-darwin", Some("universal"), "darwin", None),
            ("java", None, "java", None),
            ("jruby", None, "java", None),
            ("universal-java-11", Some("universal"), "java", Some("11")),
            ("x64-mingw-ucrt", Some("x64"), "mingw", Some("ucrt")),
            ("x64-mingw32", Some("x64"), "mingw32", None),
            ("mswin32", Some("x86"), "mswin32", None),
            ("x64-mswin64-140", Some("x64"), "mswin64", Some("140")),
            ("x86_64-openbsd7.5", Some("x86_64"), "openbsd", Some("7.5")),
            ("amd64-freebsd-14", Some("amd64"), "freebsd", Some("14")),
            ("sparc-plan9", Some("sparc"), "unknown", None),
        ] {
            let expected = GemPlatform::Native {
                cpu: cpu.map(str::to_string),
                os: os.to_string(),
                version: version.map(str::to_string),
            };
            assert_eq!(platform(text), expected, "{text}");
        }
        assert_eq!(platform("ruby"), GemPlatform::Ruby);
    }

    #[test]
    fn which_gems_run_where() {
        for (gem, local, runs) in [
            ("ruby", "x86_64-linux", true),
            ("x86_64-linux", "x86_64-linux", true),
            ("x86_64-linux-gnu", "x86_64-linux", true),
            ("x86_64-linux", "x86_64-linux-gnu", true),
            ("x86_64-linux", "x86_64-linux-musl", true),
            ("x86_64-linux-gnu", "x86_64-linux-musl", false),
            ("x86_64-linux-musl", "x86_64-linux", false),
            ("arm-linux-gnueabihf", "armv7l-linux", true),
            ("arm-linux", "armv7l-linux-musleabihf", true),
            ("arm-linux", "aarch64-linux", false),
            ("universal-darwin", "arm64-darwin-23", true),
            ("x86_64-darwin-20", "x86_64-darwin-21", false),
            ("universal-mingw", "x64-mingw-ucrt", true),
            ("java", "x86_64-linux", false),
            ("x86_64-linux", "ruby", false),
        ] {
            assert_eq!(
                platform(gem).runs_on(&platform(local)),
                runs,
                "{gem} on {local}"
            );
        }
    }

    #[test]
    fn the_most_specific_is_nearest_and_ruby_is_last() {
        let local = platform("x86_64-linux-musl");
        let mut gems = [
            "ruby",
            "universal-linux",
            "x86_64-linux",
            "x86_64-linux-musl",
            "arm64-darwin-22",
        ]
        .map(platform);
        gems.sort_by_key(|gem| gem.distance_to(&local));
        assert_eq!(
            gems.map(|gem| gem.to_string()),
            [
                "x86_64-linux-musl",
                "x86_64-linux",
                "universal-linux",
                "arm64-darwin-22",
                "ruby"
            ]
        );
    }

    #[test]
    fn the_platform_of_a_target() {
        for (architecture, has_musl, expected) in [
            ("amd64", false, "x86_64-linux"),
            ("arm64", true, "aarch64-linux-musl"),
        ] {
            assert_eq!(
                GemPlatform::linux(architecture, has_musl).to_string(),
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = platform(&text).to_string();
        }

        #[test]
        fn a_gem_runs_on_its_own_platform(text in "(ruby|[a-z0-9_]{1,6}-(linux|darwin|freebsd|mingw)(-[a-z0-9]{1,5})?)") {
            prop_assert!(platform(&text).runs_on(&platform(&text)));
            prop_assert_eq!(platform(&platform(&text).to_string()), platform(&text));
        }
    }
}

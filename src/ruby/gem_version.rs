//! Versions and requirements as RubyGems orders them (`Gem::Version`, `Gem::Requirement`).
//!
//! Source: <https://docs.ruby-lang.org/en/master/Gem/Version.html>

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use thiserror::Error;

/// A version such as `3.3.8`, `7.2.2.2` or `4.0.0.rc1`.
///
/// It keeps its spelling. `1.0` and `1` are equal; a pre-release (any segment has a letter) sorts
/// below its release. Ruby's own spelling of pre-releases (`4.0.0-rc1`) is read as RubyGems'
/// `4.0.0.rc1`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct GemVersion {
    text: String,
    segments: Vec<Segment>,
}

/// Letters sort below numbers, so that `1.0.a` comes before `1.0`, which counts as `1.0.0`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
enum Segment {
    Letters(String),
    Number(u64),
}

#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("`{0}` is not a version")]
pub struct NotAVersion(pub String);

impl GemVersion {
    /// Whether it is a pre-release: some segment has a letter.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::Letters(_)))
    }

    /// The leading numbers, at most `count` of them: `3.3` for two of `3.3.8`.
    #[must_use]
    pub fn series(&self, count: usize) -> String {
        let numbers = self.leading_numbers();
        numbers
            .iter()
            .take(count)
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The number at an index of the version: 3 at 1 of `3.3.8`; 0 behind its end.
    #[must_use]
    pub fn number(&self, place: usize) -> u64 {
        self.leading_numbers().get(place).copied().unwrap_or(0)
    }

    fn leading_numbers(&self) -> Vec<u64> {
        self.segments
            .iter()
            .map_while(|segment| match segment {
                Segment::Number(number) => Some(*number),
                Segment::Letters(_) => None,
            })
            .collect()
    }

    /// `Gem::Version#release`: the release of a pre-release.
    fn release(&self) -> Self {
        Self::from_numbers(&self.leading_numbers())
    }

    /// `Gem::Version#bump`: the first version that `~> self` excludes.
    fn bump(&self) -> Self {
        let mut numbers = self.leading_numbers();
        if numbers.len() > 1 {
            numbers.pop();
        }
        if let Some(last) = numbers.last_mut() {
            *last = last.saturating_add(1);
        }
        Self::from_numbers(&numbers)
    }

    fn from_numbers(numbers: &[u64]) -> Self {
        Self {
            text: numbers
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join("."),
            segments: numbers.iter().copied().map(Segment::Number).collect(),
        }
    }
}

impl FromStr for GemVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let text = text.trim();
        let error = || NotAVersion(text.to_string());
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(error());
        }
        let mut segments = Vec::new();
        for part in text.split(['.', '-']) {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(error());
            }
            for run in split_runs(part) {
                segments.push(if run.starts_with(|c: char| c.is_ascii_digit()) {
                    // A number that is too large for the type (a time stamp) is larger than any
                    // other.
                    Segment::Number(run.parse().unwrap_or(u64::MAX))
                } else {
                    Segment::Letters(run.to_string())
                });
            }
        }
        Ok(Self {
            text: text.replace('-', "."),
            segments,
        })
    }
}

/// `rc1` is `rc` and `1`: a segment ends where letters and digits meet.
fn split_runs(part: &str) -> impl Iterator<Item = &str> {
    part.as_bytes()
        .chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit())
        .scan(0, |start, run| {
            let from = *start;
            *start += run.len();
            Some(&part[from..from + run.len()])
        })
}

impl Ord for GemVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let zero = Segment::Number(0);
        (0..self.segments.len().max(other.segments.len()))
            .map(|index| {
                let left = self.segments.get(index).unwrap_or(&zero);
                let right = other.segments.get(index).unwrap_or(&zero);
                left.cmp(right)
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for GemVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for GemVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for GemVersion {}

impl Display for GemVersion {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl TryFrom<String> for GemVersion {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

impl From<GemVersion> for String {
    fn from(version: GemVersion) -> Self {
        version.text
    }
}

/// One or more conditions on a version, such as `~> 3.3.0` or `>= 3.2, < 4`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemRequirement(Vec<Condition>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Condition {
    operator: Operator,
    version: GemVersion,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// `~>`: at least this version, and only its last segment may be greater.
    Pessimistic,
}

impl GemRequirement {
    #[must_use]
    pub fn exactly(version: GemVersion) -> Self {
        Self(vec![Condition {
            operator: Operator::Equal,
            version,
        }])
    }

    /// Any patch release of a series: 3.4.0 and later for `3.4`, but not 3.5.
    #[must_use]
    pub fn series(version: &GemVersion) -> Self {
        let mut numbers = version.leading_numbers();
        numbers.push(0);
        Self(vec![Condition {
            operator: Operator::Pessimistic,
            version: GemVersion::from_numbers(&numbers),
        }])
    }

    /// Every version; [`Self::matches`] excludes pre-releases.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![Condition {
            operator: Operator::GreaterOrEqual,
            version: GemVersion::from_numbers(&[0]),
        }])
    }

    /// All conditions of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether the version meets every condition. A pre-release meets only a requirement that names
    /// a pre-release.
    #[must_use]
    pub fn matches(&self, version: &GemVersion) -> bool {
        let names_prerelease = self
            .0
            .iter()
            .any(|condition| condition.version.is_prerelease());
        (names_prerelease || !version.is_prerelease()) && self.allows(version)
    }

    /// Whether the version meets every condition, also as a pre-release:
    /// `Gem::Requirement#satisfied_by?`.
    #[must_use]
    pub fn allows(&self, version: &GemVersion) -> bool {
        self.0.iter().all(|condition| condition.matches(version))
    }

    /// The version, if the requirement is one exact version.
    #[must_use]
    pub fn exact_version(&self) -> Option<&GemVersion> {
        match self.0.as_slice() {
            [
                Condition {
                    operator: Operator::Equal,
                    version,
                },
            ] => Some(version),
            _ => None,
        }
    }

    /// The version of the first condition, to find the nearest other versions.
    #[must_use]
    pub fn anchor(&self) -> &GemVersion {
        &self.0[0].version
    }
}

impl Condition {
    fn matches(&self, version: &GemVersion) -> bool {
        match self.operator {
            Operator::Equal => version == &self.version,
            Operator::NotEqual => version != &self.version,
            Operator::Greater => version > &self.version,
            Operator::GreaterOrEqual => version >= &self.version,
            Operator::Less => version < &self.version,
            Operator::LessOrEqual => version <= &self.version,
            Operator::Pessimistic => {
                version >= &self.version && version.release() < self.version.bump()
            }
        }
    }
}

impl FromStr for GemRequirement {
    type Err = NotAVersion;

    /// Reads `3.3.8`, `~> 3.3.0`, several conditions with commas, and `3.3.*` or `3.*` for a
    /// series.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        text.split(',')
            .map(|part| {
                let part = part.trim();
                let (operator, version) = [
                    ("~>", Operator::Pessimistic),
                    (">=", Operator::GreaterOrEqual),
                    ("<=", Operator::LessOrEqual),
                    ("!=", Operator::NotEqual),
                    (">", Operator::Greater),
                    ("<", Operator::Less),
                    ("=", Operator::Equal),
                ]
                .iter()
                .find_map(|(sign, operator)| Some((*operator, part.strip_prefix(sign)?)))
                .unwrap_or((Operator::Equal, part));
                match (operator, version.strip_suffix(".*")) {
                    (Operator::Equal, Some(series)) => Ok(Self::series(&series.parse()?)),
                    _ => Ok(Self(vec![Condition {
                        operator,
                        version: version.parse()?,
                    }])),
                }
            })
            .reduce(|all, next| Ok(all?.and(next?)))
            .unwrap_or_else(|| Err(NotAVersion(text.to_string())))
    }
}

impl Display for GemRequirement {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            let sign = match condition.operator {
                Operator::Equal => "",
                Operator::NotEqual => "!= ",
                Operator::Greater => "> ",
                Operator::GreaterOrEqual => ">= ",
                Operator::Less => "< ",
                Operator::LessOrEqual => "<= ",
                Operator::Pessimistic => "~> ",
            };
            write!(formatter, "{sign}{}", condition.version)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> GemVersion {
        text.parse().unwrap()
    }

    #[test]
    fn order_is_that_of_rubygems() {
        let sorted = [
            "1.0.a", "1.0.b1", "1.0.b2", "1.0.rc1", "1.0", "1.0.1", "1.1.a", "1.9", "1.10",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1"), version("1.0.0"));
        assert_eq!(version("4.0.0-preview2"), version("4.0.0.preview2"));
    }

    #[test]
    fn requirements_are_those_of_rubygems() {
        for (requirement, matching, others) in [
            ("3.3.8", vec!["3.3.8"], vec!["3.3.80", "3.3.9", "3.3.8.rc1"]),
            (
                "~> 3.3.0",
                vec!["3.3.0", "3.3.11"],
                vec!["3.4.0", "3.2.9", "3.4.0.rc1"],
            ),
            ("~> 3.3", vec!["3.3.0", "3.4.1"], vec!["4.0.0", "3.2.9"]),
            (">= 3.2, < 4", vec!["3.2.0", "3.9"], vec!["4.0.0", "3.1.9"]),
            ("3.4.*", vec!["3.4.0", "3.4.10"], vec!["3.5.0", "3.3.9"]),
            ("3.*", vec!["3.0.0", "3.4.10"], vec!["4.0.0", "2.7.8"]),
            (
                "~> 3.3.0.rc1",
                vec!["3.3.0.rc1", "3.3.1"],
                vec!["3.4.0.rc1"],
            ),
            (">= 4.0.0.rc1", vec!["4.0.0.rc1", "4.0.0"], vec!["3.4.9"]),
            ("!= 3.3.0", vec!["3.3.1"], vec!["3.3"]),
        ] {
            let requirement: GemRequirement = requirement.parse().unwrap();
            for text in matching {
                assert!(
                    requirement.matches(&version(text)),
                    "{requirement} should match {text}"
                );
            }
            for text in others {
                assert!(
                    !requirement.matches(&version(text)),
                    "{requirement} should not match {text}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_version_is_an_error() {
        for text in [
            "", "latest", "3..3", "3.3 8", ".3", "3.3.", "v3", "~> ", "3,,4",
        ] {
            assert!(text.parse::<GemRequirement>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = text.parse::<GemVersion>();
            let _ = text.parse::<GemRequirement>();
        }

        #[test]
        fn order_is_total(texts in prop::array::uniform3("[0-9]{1,3}(\\.([0-9]{1,2}|[a-c]{1,2}[0-9]?)){0,3}")) {
            let [a, b, c] = texts.map(|text| version(&text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn a_version_meets_its_own_requirements(text in "[0-9]{1,3}(\\.[0-9]{1,2}){0,3}") {
            for sign in ["", "=", "~>", ">=", "<="] {
                let requirement: GemRequirement = format!("{sign} {text}").parse().unwrap();
                prop_assert!(requirement.matches(&version(&text)));
                prop_assert_eq!(requirement.to_string().parse::<GemRequirement>().unwrap(), requirement);
            }
        }
    }
}

//! Versions and requirements as RubyGems orders them (`Gem::Version`, `Gem::Requirement`).
//!
//! Source: <https://docs.ruby-lang.org/en/master/Gem/Version.html>

mod requirement;

pub use requirement::GemRequirement;

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

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC*") {
            let _ = text.parse::<GemVersion>();
        }

        #[test]
        fn order_is_total(texts in prop::array::uniform3("[0-9]{1,3}(\\.([0-9]{1,2}|[a-c]{1,2}[0-9]?)){0,3}")) {
            let [a, b, c] = texts.map(|text| version(&text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}

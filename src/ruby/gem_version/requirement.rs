//! Requirements of a version as RubyGems reads them (`Gem::Requirement`).

use super::{GemVersion, NotAVersion};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

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
            let _ = text.parse::<GemRequirement>();
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

//! A range for the number of instances of a process type, for an autoscaler: `web=2-10`.

use crate::image::Image;
use crate::image::quantities::QuantityProblem;
use crate::image::quantities::assignments::{ValueSyntax, parse_number, read_assignments};
use procfile::ProcessType;
use std::fmt::{self, Display, Formatter};

/// A number of instances from `min` to `max`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InstanceRange {
    /// At least 1.
    pub min: u16,
    /// Not below `min`.
    pub max: u16,
}

impl Display for InstanceRange {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.min, self.max)
    }
}

struct RangeSyntax;

impl ValueSyntax for RangeSyntax {
    type Value = InstanceRange;
    const FORM: &'static str = "TYPE=MIN-MAX";
    const EXAMPLE: &'static str = "2-10";

    fn parse(&self, process_type: &str, text: &str) -> Result<InstanceRange, QuantityProblem> {
        let range = text
            .split_once('-')
            .and_then(|(min, max)| Some((parse_number(min)?, parse_number(max)?)))
            .filter(|(min, max)| *min >= 1 && min <= max);
        let Some((min, max)) = range else {
            return Err(QuantityProblem::BadRange {
                process_type: process_type.into(),
                range: text.into(),
            });
        };
        if process_type == ProcessType::RELEASE {
            return Err(QuantityProblem::Release);
        }
        Ok(InstanceRange { min, max })
    }
}

/// Reads words like `web=2-10`.
///
/// # Errors
/// Every problem with the words.
pub(super) fn read_ranges<'a>(
    words: impl IntoIterator<Item = &'a str>,
    image: &Image,
) -> Result<Vec<(String, InstanceRange)>, Vec<QuantityProblem>> {
    read_assignments(&RangeSyntax, words, image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::quantities::QuantitiesError;
    use procfile::assert_report;

    fn read(words: &str) -> Result<Vec<(String, InstanceRange)>, Vec<QuantityProblem>> {
        read_ranges([words], &Image::of_types(&["web", "worker", "release"]))
    }

    #[test]
    fn a_range_has_two_numbers() {
        let range = |min, max| InstanceRange { min, max };
        assert_eq!(
            read("web=2-10,worker=1-1").unwrap(),
            [
                ("web".to_string(), range(2, 10)),
                ("worker".to_string(), range(1, 1))
            ]
        );
    }

    #[test]
    fn every_problem_is_shown() {
        let words =
            "web web=3 worker=+1-2 worker=2-1 web=0-1 release=1-2 web=1-2 web=1-3 mailer=1-9";
        let problems = read(words).unwrap_err();
        assert_report!(QuantitiesError { problems });
    }
}

//! How many instances of a process type, where that changes by itself: `web=2-10`.

use crate::image::Image;
use crate::image::quantities::Quantities;
use miette::Diagnostic;
use procfile::ProcessType;
use std::collections::BTreeMap;
use thiserror::Error;

/// A number of instances from the least to the most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Autoscale {
    /// At least one.
    pub least: u16,
    /// Not below the least.
    pub most: u16,
}

/// They cannot be used: everything that is wrong with them.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("these ranges of processes cannot be used")]
pub struct AutoscaleError {
    /// Each by itself.
    #[related]
    pub problems: Vec<AutoscaleProblem>,
}

/// One of them is wrong.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
pub enum AutoscaleProblem {
    /// It is not of that form.
    #[error("`{word}` is not TYPE=MIN-MAX")]
    #[diagnostic(help(
        "Write a process type, `=`, and two numbers of instances, the first at least 1 and not above the second: `web=2-10`."
    ))]
    NotARange {
        /// As it was given.
        word: String,
    },
    /// The image has no such type, or it is no service.
    #[error("`{process_type}` is no process type that could be scaled")]
    #[diagnostic(help("Those of the image are {}.", known.join(", ")))]
    UnknownType {
        /// As it was given.
        process_type: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Which of them counts?
    #[error("`{process_type}` is scaled twice")]
    #[diagnostic(help(
        "Name each process type once, with a number (`--scale`) or with a range (`--autoscale`)."
    ))]
    Twice {
        /// The type.
        process_type: String,
    },
}

impl Autoscale {
    /// Reads words like `web=2-10`, several in a word where a comma parts them. A type that already has a number gets no range.
    ///
    /// # Errors
    /// Anything in it cannot be used: all of it.
    pub fn read(
        words: &[String],
        scale: &Quantities,
        image: &Image,
    ) -> Result<BTreeMap<String, Self>, AutoscaleError> {
        let mut ranges = BTreeMap::new();
        let mut problems = Vec::new();
        let words = words.iter().flat_map(|word| word.split([',', ' ']));
        for word in words.map(str::trim).filter(|word| !word.is_empty()) {
            match read_one(word, image) {
                Err(problem) => problems.push(problem),
                Ok((process_type, range)) => {
                    if scale.of(&process_type).is_some() || ranges.contains_key(&process_type) {
                        problems.push(AutoscaleProblem::Twice { process_type });
                    } else {
                        ranges.insert(process_type, range);
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(ranges)
        } else {
            Err(AutoscaleError { problems })
        }
    }
}

fn read_one(word: &str, image: &Image) -> Result<(String, Autoscale), AutoscaleProblem> {
    let not_a_range = || AutoscaleProblem::NotARange { word: word.into() };
    let (process_type, range) = word.split_once('=').ok_or_else(not_a_range)?;
    let known: Vec<String> = (image.processes.iter())
        .map(|process| process.process_type.clone())
        .filter(|name| name != ProcessType::RELEASE)
        .collect();
    if !known.iter().any(|name| name == process_type) {
        return Err(AutoscaleProblem::UnknownType {
            process_type: process_type.into(),
            known,
        });
    }
    let number = |digits: &str| -> Option<u16> {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| plain)
    };
    let (least, most) = (range.split_once('-'))
        .and_then(|(least, most)| Some((number(least)?, number(most)?)))
        .filter(|(least, most)| *least >= 1 && least <= most)
        .ok_or_else(not_a_range)?;
    Ok((process_type.into(), Autoscale { least, most }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn read(words: &[&str], scale: &[&str]) -> Result<BTreeMap<String, Autoscale>, AutoscaleError> {
        let image = Image::of_types(&["web", "worker", "release"]);
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let scale = Quantities::read(scale.iter().copied(), &image).unwrap();
        Autoscale::read(&words, &scale, &image)
    }

    #[test]
    fn ranges() {
        let ranges = read(&["web=2-10,worker=1-1"], &[]).unwrap();
        assert_eq!(ranges["web"], Autoscale { least: 2, most: 10 });
        assert_eq!(ranges["worker"], Autoscale { least: 1, most: 1 });
    }

    #[test]
    fn all_that_is_wrong_is_shown() {
        let words =
            "web web=3 worker=+1-2 worker=2-1 web=0-1 release=1-2 web=1-2 web=1-3 worker=1-9";
        assert_report!(read(&[words], &["worker=1"]).unwrap_err());
    }
}

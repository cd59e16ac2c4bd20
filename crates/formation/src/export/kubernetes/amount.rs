//! An amount of CPU or memory.

use miette::Diagnostic;
use std::str::FromStr;
use thiserror::Error;

/// An amount of CPU or memory in the syntax of Kubernetes: `250m`, `512Mi`. More than zero.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Amount(pub(super) String);

#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("expected an amount, such as 250m (of a CPU) or 512Mi (of memory)")]
pub struct NotAnAmount;

impl FromStr for Amount {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        const SUFFIXES: [&str; 13] = [
            "", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
        ];
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let positive = number.parse::<f64>().is_ok_and(|number| number > 0.0);
        if positive && SUFFIXES.contains(&suffix) {
            Ok(Self(text.into()))
        } else {
            Err(NotAnAmount)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_positive_numbers_with_a_unit() {
        for good in ["1", "0.5", "250m", "512Mi", "2G"] {
            assert!(good.parse::<Amount>().is_ok(), "{good}");
        }
        for bad in ["", "0", "-1", "1 Gi", "1GB", "1.2.3", "Mi", "1e3"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}

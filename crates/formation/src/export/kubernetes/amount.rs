//! An amount of a resource.

use miette::Diagnostic;
use std::str::FromStr;
use thiserror::Error;

/// An amount of a resource, as Kubernetes writes it: `250m`, `512Mi`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Amount(pub(super) String);

/// No amount can be read from that.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("an amount is expected, like 250m (of a CPU) or 512Mi (of memory)")]
pub struct NoAmount;

impl FromStr for Amount {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
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
            Err(NoAmount)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for good in ["1", "0.5", "250m", "512Mi", "2G"] {
            assert!(good.parse::<Amount>().is_ok(), "{good}");
        }
        for bad in ["", "0", "-1", "1 Gi", "1GB", "1.2.3", "Mi", "1e3"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}

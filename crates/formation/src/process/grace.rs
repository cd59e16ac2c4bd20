//! How long processes may take to end, and durations in seconds as users write them.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// How long processes may take to end before they are killed. Written in seconds: `8`, `0.5`.
///
/// `formation exec` counts from the end of the command, `formation run` from the signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grace(pub Duration);

/// Clocks can count that; nobody waits for longer than a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A text is not a duration in seconds.
#[derive(Debug, Error)]
#[error("a number of seconds is expected, like 8 or 0.5, of no more than a year")]
pub struct InvalidSeconds;

impl Default for Grace {
    /// Docker kills a container ten seconds after it asked it to stop.
    fn default() -> Self {
        Self(Duration::from_secs(8))
    }
}

impl FromStr for Grace {
    type Err = InvalidSeconds;

    fn from_str(text: &str) -> Result<Self, InvalidSeconds> {
        seconds(text).map(Self)
    }
}

/// Reads a number of seconds: `8`, `0.5`.
pub fn seconds(text: &str) -> Result<Duration, InvalidSeconds> {
    let seconds: f64 = text.trim().parse().map_err(|_| InvalidSeconds)?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| InvalidSeconds)?;
    if time > LONGEST {
        return Err(InvalidSeconds);
    }
    Ok(time)
}

impl Display for Grace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_number_of_seconds() {
        let grace = |text: &str| text.parse::<Grace>().ok().map(|Grace(time)| time);
        assert_eq!(grace("8"), Some(Duration::from_secs(8)));
        assert_eq!(grace(" 0.5\n"), Some(Duration::from_millis(500)));
        assert_eq!(grace("0"), Some(Duration::ZERO));
        for wrong in ["", "8s", "-1", "NaN", "inf", "1e99"] {
            assert_eq!(grace(wrong), None, "{wrong}");
        }
        assert_eq!(Grace::default().to_string(), "8");
    }
}

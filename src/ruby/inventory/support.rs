//! How long each series of Ruby is supported.

use crate::ruby::gem_version::GemVersion;
use serde::{Deserialize, Deserializer};
use std::fmt::{self, Display, Formatter};
use std::time::{SystemTime, UNIX_EPOCH};
use toml::value::Datetime;

/// A day.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// The day of a moment, in UTC. A moment before 1970 counts as its first day.
    #[must_use]
    pub fn of(moment: SystemTime) -> Self {
        let seconds = moment
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        // Years that start in March end with the leap day; 719,468 days lie between 1 March of the year 0 and 1970.
        // Source: https://howardhinnant.github.io/date_algorithms.html#civil_from_days
        let days = seconds / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }
}

impl Display for Date {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Datetime::deserialize(deserializer)? {
            Datetime {
                date: Some(date),
                time: None,
                offset: None,
            } => Ok(Self {
                year: date.year.into(),
                month: date.month.into(),
                day: date.day.into(),
            }),
            _ => Err(serde::de::Error::custom(
                "expected a date such as 2027-03-31",
            )),
        }
    }
}

/// A series of Ruby, with the dates that its maintainers have named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Series {
    /// Such as `3.3`.
    pub(super) name: GemVersion,
    /// From this day it gets fixes of security bugs only.
    security_only_from: Option<Date>,
    /// On this day it gets none any more.
    end_of_life: Date,
}

/// What a series gets on a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// Fixes of bugs.
    Normal,
    /// Fixes of security bugs only, until this day.
    SecurityOnly(Date),
    /// Nothing, since this day.
    Ended(Date),
}

impl Series {
    pub(super) fn support(&self, today: Date) -> Support {
        if today >= self.end_of_life {
            Support::Ended(self.end_of_life)
        } else if self.security_only_from.is_some_and(|from| today >= from) {
            Support::SecurityOnly(self.end_of_life)
        } else {
            Support::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_in_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_689_599, "2024-12-31"),
            (1_795_269_600, "2026-11-21"),
            (4_107_542_400, "2100-03-01"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Date::of(moment).to_string(), expected);
        }
        assert_eq!(
            Date::of(UNIX_EPOCH - Duration::from_secs(1)).to_string(),
            "1970-01-01"
        );
    }

    #[test]
    fn support_changes_on_the_day() {
        let series: Series = toml::from_str(
            "name = \"3.3\"\nsecurity_only_from = 2026-04-01\nend_of_life = 2027-03-31\n",
        )
        .unwrap();
        let on = |year, month, day| series.support(Date { year, month, day });
        let end = series.end_of_life;
        assert_eq!(on(2026, 3, 31), Support::Normal);
        assert_eq!(on(2026, 4, 1), Support::SecurityOnly(end));
        assert_eq!(on(2027, 3, 30), Support::SecurityOnly(end));
        assert_eq!(on(2027, 3, 31), Support::Ended(end));
        assert!(
            toml::from_str::<Series>("name = \"3.3\"\nend_of_life = 2027-03-31T00:00:00Z\n")
                .is_err()
        );
        assert!(toml::from_str::<Series>("name = \"3.3\"\nend_of_life = \"2027\"\n").is_err());
    }
}

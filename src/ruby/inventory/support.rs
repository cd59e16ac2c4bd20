//! How long each series of Ruby is supported.

use crate::ruby::gem_version::GemVersion;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::value::Datetime;

/// The day on which the build runs, in UTC.
#[must_use]
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// A date as TOML writes it: `2027-03-31`, without a time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Datetime")]
struct TomlDate(Date);

impl TryFrom<Datetime> for TomlDate {
    type Error = String;

    fn try_from(datetime: Datetime) -> Result<Self, String> {
        let date = match datetime {
            Datetime {
                date: Some(date),
                time: None,
                offset: None,
            } => date.to_string().parse().ok(),
            _ => None,
        };
        date.map(Self)
            .ok_or_else(|| "expected a date such as 2027-03-31".to_string())
    }
}

/// A series of Ruby, with the dates that its maintainers have announced.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Series {
    /// Such as `3.3`.
    pub(super) name: GemVersion,
    /// The first day on which it gets security fixes only.
    security_only_from: Option<TomlDate>,
    /// The first day on which it gets no fixes.
    end_of_life: TomlDate,
}

/// The fixes that a series gets on a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Support {
    /// Fixes of all bugs.
    Normal,
    /// Security fixes only, until this day.
    SecurityOnly(Date),
    /// No fixes, since this day.
    Ended(Date),
}

impl Series {
    pub(super) fn support(&self, today: Date) -> Support {
        let TomlDate(end_of_life) = self.end_of_life;
        if today >= end_of_life {
            Support::Ended(end_of_life)
        } else if self.security_only_from.is_some_and(|from| today >= from.0) {
            Support::SecurityOnly(end_of_life)
        } else {
            Support::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn dates_are_shown_as_in_the_inventory() {
        for text in ["1970-01-01", "2000-02-29", "2026-11-21", "2100-03-01"] {
            let series: Series =
                toml::from_str(&format!("name = \"3.3\"\nend_of_life = {text}\n")).unwrap();
            assert_eq!(series.end_of_life.0.to_string(), text);
        }
        assert!(today() > date(2026, 1, 1));
    }

    #[test]
    fn support_changes_on_the_day() {
        let series: Series = toml::from_str(
            "name = \"3.3\"\nsecurity_only_from = 2026-04-01\nend_of_life = 2027-03-31\n",
        )
        .unwrap();
        let on = |year, month, day| series.support(date(year, month, day));
        let end = date(2027, 3, 31);
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

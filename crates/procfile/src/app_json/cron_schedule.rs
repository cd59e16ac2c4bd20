//! When a scheduled task runs: five fields, as in a crontab.
//!
//! Only the syntax that every scheduler accepts: Kubernetes' `CronJob` (robfig/cron's standard
//! parser), dokku, and cron itself. The crates for this also accept seconds, `L`, `#`, and Sunday
//! as 7, which Kubernetes refuses.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::str::FromStr;
use thiserror::Error;

/// A schedule that every scheduler accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CronSchedule(String);

/// A text that is not such a schedule, and why.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct NotASchedule(String);

/// Names for whole schedules.
const NAMED: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One of the five fields.
struct Field {
    /// With its article, for messages.
    name: &'static str,
    range: RangeInclusive<u8>,
    /// Names for the numbers, from the first one on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "a minute",
        range: 0..=59,
        names: &[],
    },
    Field {
        name: "an hour",
        range: 0..=23,
        names: &[],
    },
    Field {
        name: "a day of the month",
        range: 1..=31,
        names: &[],
    },
    Field {
        name: "a month",
        range: 1..=12,
        names: &MONTHS,
    },
    Field {
        name: "a day of the week",
        range: 0..=6,
        names: &DAYS,
    },
];

impl Display for CronSchedule {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for CronSchedule {
    type Err = NotASchedule;

    fn from_str(text: &str) -> Result<Self, NotASchedule> {
        if NAMED.contains(&text.trim()) {
            return Ok(Self(text.trim().into()));
        }
        let fields: Vec<_> = text.split_ascii_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(NotASchedule(format!(
                "a schedule has five fields (minute, hour, day, month, day of the week), but this \
                 one has {}",
                fields.len()
            )));
        }
        for (field, text) in FIELDS.iter().zip(&fields) {
            text.split(',').try_for_each(|part| field.check(part))?;
        }
        Ok(Self(fields.join(" ")))
    }
}

impl Field {
    /// `*`, `5`, `1-5`, `*/2`, `1-5/2`. Not `5/2`: schedulers disagree about a step after a single
    /// number.
    fn check(&self, part: &str) -> Result<(), NotASchedule> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step
            && !number(step).is_some_and(|step| (1..=*self.range.end()).contains(&step))
        {
            return Err(self.refuse(part));
        }
        if range == "*" {
            return Ok(());
        }
        if let Some(step) = step
            && !range.contains('-')
        {
            let last = self.range.end();
            return Err(NotASchedule(format!(
                "`{part}` is not {}: a step needs `*` or a range before it, as in \
                 `{range}-{last}/{step}`",
                self.name
            )));
        }
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (self.value(first), self.value(last)) {
            (Some(first), Some(last)) if first <= last => Ok(()),
            _ => Err(self.refuse(part)),
        }
    }

    fn value(&self, text: &str) -> Option<u8> {
        let lower_case = text.to_ascii_lowercase();
        let by_name = (self.range.clone().zip(self.names))
            .find(|(_, name)| **name == lower_case)
            .map(|(value, _)| value);
        by_name
            .or_else(|| number(text))
            .filter(|value| self.range.contains(value))
    }

    fn refuse(&self, part: &str) -> NotASchedule {
        let sunday = if self.names == DAYS && part.contains('7') {
            "; Sunday is 0"
        } else {
            ""
        };
        NotASchedule(format!(
            "`{part}` is not {}: write `*`, or a number from {} to {}{sunday}",
            self.name,
            self.range.start(),
            self.range.end()
        ))
    }
}

/// Without a sign, which `u8` would accept.
fn number(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_every_scheduler_accepts() {
        for (text, schedule) in [
            ("* * * * *", "* * * * *"),
            (" */10  * * *\t* ", "*/10 * * * *"),
            ("0 3 1,15 * 1-5", "0 3 1,15 * 1-5"),
            (
                "5-59/15 0-23/2 31 JAN-Dec sun",
                "5-59/15 0-23/2 31 JAN-Dec sun",
            ),
            ("@daily", "@daily"),
        ] {
            assert_eq!(text.parse::<CronSchedule>().unwrap().to_string(), schedule);
        }
    }

    #[test]
    fn schedules_that_some_scheduler_refuses() {
        let messages: Vec<_> = [
            "",
            "0 * * * * *",
            "@every 5m",
            "60 * * * *",
            "*/0 * * * *",
            "*/60 * * * *",
            "5/15 * * * *",
            "+5 * * * *",
            "* 24 * * *",
            "* 5-3 * * *",
            "* * 0 * *",
            "* * L * *",
            "* * * 13 *",
            "* * * MON *",
            "* * * * 7",
            "* * * * 1#2",
            "1, * * * *",
        ]
        .map(|text| {
            let refused = text.parse::<CronSchedule>().unwrap_err();
            format!("{text:<14}{refused}")
        })
        .into();
        insta::assert_snapshot!(messages.join("\n"));
    }
}

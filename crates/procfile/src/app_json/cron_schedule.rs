//! When a scheduled task runs: five fields, as in a crontab.
//!
//! Only what everybody takes who may have to run it: Kubernetes' `CronJob` (robfig/cron's standard parser), dokku, and cron itself.
//! A crate for this would also take seconds, `L`, `#`, and Sunday as 7, which Kubernetes refuses.

use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::str::FromStr;
use thiserror::Error;

/// A schedule that can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CronSchedule(String);

/// The text is no schedule.
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

/// One of the five.
struct Field {
    name: &'static str,
    range: RangeInclusive<u8>,
    /// What stands for the numbers, from the first one on.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        range: 0..=59,
        words: &[],
    },
    Field {
        name: "hour",
        range: 0..=23,
        words: &[],
    },
    Field {
        name: "day of the month",
        range: 1..=31,
        words: &[],
    },
    Field {
        name: "month",
        range: 1..=12,
        words: &MONTHS,
    },
    Field {
        name: "day of the week",
        range: 0..=6,
        words: &DAYS,
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
                "a schedule has five fields (minute, hour, day, month, day of the week), and this one {}",
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
    /// `*`, `5`, `1-5`; `*` and `1-5` perhaps with `/2`. (What a step behind a single number means is not agreed upon.)
    fn check(&self, part: &str) -> Result<(), NotASchedule> {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, Some(step)),
            None => (part, None),
        };
        if let Some(step) = step
            && !number(step).is_some_and(|step| (1..=*self.range.end()).contains(&step))
        {
            return Err(self.refuse(part));
        }
        if span == "*" {
            return Ok(());
        }
        if let Some(step) = step
            && !span.contains('-')
        {
            let last = self.range.end();
            return Err(NotASchedule(format!(
                "`{part}` is no {}: a step stands behind `*` or a span, as in `{span}-{last}/{step}`",
                self.name
            )));
        }
        let (first, last) = span.split_once('-').unwrap_or((span, span));
        match (self.value(first), self.value(last)) {
            (Some(first), Some(last)) if first <= last => Ok(()),
            _ => Err(self.refuse(part)),
        }
    }

    fn value(&self, text: &str) -> Option<u8> {
        let word = text.to_ascii_lowercase();
        let by_name = (self.range.clone().zip(self.words))
            .find(|(_, name)| **name == word)
            .map(|(value, _)| value);
        by_name
            .or_else(|| number(text))
            .filter(|value| self.range.contains(value))
    }

    fn refuse(&self, part: &str) -> NotASchedule {
        let sunday = if self.words == DAYS && part.contains('7') {
            "; Sunday is 0"
        } else {
            ""
        };
        NotASchedule(format!(
            "`{part}` is no {}: it is `*`, or from {} to {}{sunday}",
            self.name,
            self.range.start(),
            self.range.end()
        ))
    }
}

/// `u8` would take a sign.
fn number(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_takes() {
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
    fn what_somebody_refuses() {
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

//! `app.json`, the file of Heroku and dokku: how many instances of which process type, and scheduled tasks. Every other key is somebody
//! else's.
//!
//! Source: <https://devcenter.heroku.com/articles/app-json-schema>, <https://dokku.com/docs/appendices/file-formats/app-json/>

mod cron_schedule;

pub use cron_schedule::{CronSchedule, NotASchedule};

use crate::procfile::ProcessType;
use miette::{Diagnostic, LabeledSpan, NamedSource};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use thiserror::Error;

/// Its name in the app's folder.
pub const FILE_NAME: &str = "app.json";

/// Instances of one process type at most, on however many machines: more are a slip of the pen.
pub const MOST_INSTANCES: u16 = 10_000;

/// What an `app.json` says of processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppJson {
    /// The number of instances of each type that it names; none where it says nothing of a formation.
    pub formation: Option<BTreeMap<String, u16>>,
    /// The scheduled tasks, in their order.
    pub cron: Vec<ScheduledTask>,
}

/// A command that runs again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScheduledTask {
    /// As a Procfile would have it.
    pub command: String,
    /// When.
    pub schedule: CronSchedule,
}

/// The build does without, and the image's `formation export` will not.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum AppJsonWarning {
    /// It has mistakes.
    #[error("app.json cannot be used")]
    #[diagnostic(
        severity(Warning),
        help(
            "The image is built without it. `formation export` will want it mended: it takes the keys `formation` and `cron` from it."
        )
    )]
    Mistakes {
        /// The file.
        #[source_code]
        source_code: NamedSource<String>,
        /// Each by itself.
        #[label(collection)]
        labels: Vec<LabeledSpan>,
    },
    /// It is no text, or no file.
    #[error("app.json cannot be read: {reason}")]
    #[diagnostic(
        severity(Warning),
        help(
            "The image is built without it. `formation export` will want it to be a file of UTF-8 text: it takes the keys `formation` and \
             `cron` from it."
        )
    )]
    Unreadable {
        /// Why not.
        reason: String,
    },
}

impl From<AppJsonError> for AppJsonWarning {
    fn from(error: AppJsonError) -> Self {
        Self::Mistakes {
            source_code: error.source_code,
            labels: error.labels,
        }
    }
}

/// Every mistake in an `app.json`.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("app.json cannot be used")]
#[diagnostic(help(
    "Formation reads two of its keys: `\"formation\": {{ \"worker\": {{ \"quantity\": 2 }} }}` and `\"cron\": [{{ \"command\": \"rake \
     report\", \"schedule\": \"0 3 * * *\" }}]`."
))]
pub struct AppJsonError {
    #[source_code]
    source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

/// An object as it is written: what stands in it twice is in it twice.
struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Object(entries))
    }
}

impl AppJson {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is no JSON, or one of the keys that matter here cannot be used: all of them.
    pub fn read(text: &str) -> Result<Self, AppJsonError> {
        let mut reader = Reader {
            text,
            labels: Vec::new(),
        };
        let app_json = reader.read();
        if reader.labels.is_empty() {
            return Ok(app_json);
        }
        Err(AppJsonError {
            // Nothing can be shown in an empty text.
            source_code: NamedSource::new(FILE_NAME, format!("{text}\n")).with_language("json"),
            labels: reader.labels,
        })
    }

    /// The number of instances of a process type. Heroku's defaults where there is a formation: one `web`, and none of a type that it does
    /// not name; else one of each.
    #[must_use]
    pub fn quantity(&self, process_type: &str) -> u16 {
        match &self.formation {
            None => 1,
            Some(formation) => formation
                .get(process_type)
                .copied()
                .unwrap_or_else(|| default_quantity(process_type)),
        }
    }
}

fn default_quantity(process_type: &str) -> u16 {
    u16::from(process_type == ProcessType::WEB)
}

struct Reader<'a> {
    text: &'a str,
    labels: Vec<LabeledSpan>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> AppJson {
        let raw: &RawValue = match serde_json::from_str(self.text) {
            Ok(raw) => raw,
            Err(error) => {
                let offset = self.offset(error.line(), error.column());
                self.mistake(offset, 1, reason(&error));
                return AppJson::default();
            }
        };
        let Some(keys) = self.keys(
            raw,
            &["formation", "cron"],
            "an object with the app's settings",
        ) else {
            return AppJson::default();
        };
        let [formation, cron] = ["formation", "cron"].map(|key| keys.get(key).copied());
        AppJson {
            formation: formation.and_then(|raw| self.formation(raw)),
            cron: cron.map(|raw| self.cron(raw)).unwrap_or_default(),
        }
    }

    fn formation(&mut self, raw: &'a RawValue) -> Option<BTreeMap<String, u16>> {
        let types = self.entries(
            raw,
            |_| true,
            "an object: a process type, and for each its `quantity`",
        )?;
        let quantities = types.into_iter().filter_map(|(process_type, raw)| {
            let keys = self.keys(raw, &["quantity"], "an object with a `quantity`")?;
            let quantity = match keys.get("quantity") {
                Some(raw) => self.quantity(raw)?,
                None => default_quantity(&process_type),
            };
            Some((process_type, quantity))
        });
        Some(quantities.collect())
    }

    fn quantity(&mut self, raw: &'a RawValue) -> Option<u16> {
        let quantity = serde_json::from_str(raw.get()).ok();
        let quantity = quantity.filter(|quantity| *quantity <= MOST_INSTANCES);
        if quantity.is_none() {
            self.expect(raw, &format!("a whole number from 0 to {MOST_INSTANCES}"));
        }
        quantity
    }

    fn cron(&mut self, raw: &'a RawValue) -> Vec<ScheduledTask> {
        let tasks: Option<Vec<&RawValue>> = self.parse(raw, "a list of tasks");
        tasks
            .unwrap_or_default()
            .into_iter()
            .filter_map(|raw| self.task(raw))
            .collect()
    }

    fn task(&mut self, raw: &'a RawValue) -> Option<ScheduledTask> {
        const TASK: &str = "an object with a `command` and a `schedule`";
        let keys = self.keys(raw, &["command", "schedule"], TASK)?;
        let [raw_command, raw_schedule] = ["command", "schedule"].map(|key| keys.get(key).copied());
        let (Some(raw_command), Some(raw_schedule)) = (raw_command, raw_schedule) else {
            self.expect(raw, TASK);
            return None;
        };
        let command: Option<String> = self.parse(raw_command, "a command: text");
        let command = command.filter(|command| {
            let has_words = !command.trim().is_empty();
            if !has_words {
                self.expect(raw_command, "a command");
            }
            has_words
        });
        let schedule: Option<String> = self.parse(raw_schedule, "a schedule: text");
        let schedule = schedule.and_then(|text| match text.parse::<CronSchedule>() {
            Ok(schedule) => Some(schedule),
            Err(error) => {
                self.label(raw_schedule, error.to_string());
                None
            }
        });
        Some(ScheduledTask {
            command: command?.trim().to_string(),
            schedule: schedule?,
        })
    }

    /// `None`, and a mistake, where the value is something else than expected. All of the text is known to be JSON.
    fn parse<T: Deserialize<'a>>(&mut self, raw: &'a RawValue, expected: &str) -> Option<T> {
        let value = serde_json::from_str(raw.get()).ok();
        if value.is_none() {
            self.expect(raw, expected);
        }
        value
    }

    /// The values of an object's keys that matter here. A key that stands there twice is a mistake: which of them counts?
    fn entries(
        &mut self,
        raw: &'a RawValue,
        is_ours: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Option<BTreeMap<String, &'a RawValue>> {
        let Object(written) = self.parse(raw, expected)?;
        let mut entries = BTreeMap::new();
        for (raw_key, value) in written {
            let Some(key) = self.parse::<String>(raw_key, "a key: text") else {
                continue;
            };
            if !is_ours(&key) {
                continue;
            }
            match entries.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let key = entry.key();
                    self.label(raw_key, format!("`{key}` stands here again: write it once"));
                }
            }
        }
        Some(entries)
    }

    /// The same for keys with known names. One that is null is as good as missing.
    fn keys(
        &mut self,
        raw: &'a RawValue,
        names: &[&str],
        expected: &str,
    ) -> Option<BTreeMap<String, &'a RawValue>> {
        let mut keys = self.entries(raw, |key| names.contains(&key), expected)?;
        keys.retain(|_, value| value.get() != "null");
        Some(keys)
    }

    fn expect(&mut self, raw: &RawValue, expected: &str) {
        self.label(raw, format!("here belongs {expected}"));
    }

    fn label(&mut self, raw: &RawValue, message: String) {
        // A raw value is a part of the text that it was read from.
        let offset = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        self.mistake(offset, raw.get().len(), message);
    }

    fn mistake(&mut self, offset: usize, length: usize, message: String) {
        let label = LabeledSpan::new_with_span(Some(message), (offset, length));
        self.labels.push(label);
    }

    /// Of a line and a column in bytes, both from 1.
    fn offset(&self, line: usize, column: usize) -> usize {
        let before: usize = (self.text.split_inclusive('\n'))
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        (before + column.saturating_sub(1)).min(self.text.len().saturating_sub(1))
    }
}

/// What the parser says, without the place, which the report shows.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests;

//! `app.json`, the file of Heroku and dokku: how many instances of which process type, and scheduled tasks. Every other key is somebody
//! else's.
//!
//! Source: <https://devcenter.heroku.com/articles/app-json-schema>, <https://dokku.com/docs/appendices/file-formats/app-json/>

use crate::app::cron_schedule::CronSchedule;
use crate::app::procfile::ProcessType;
use miette::{Diagnostic, LabeledSpan, NamedSource};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use thiserror::Error;

/// Its name in the app's folder.
pub const FILE_NAME: &str = "app.json";

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

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    formation: Option<&'a RawValue>,
    #[serde(borrow)]
    cron: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FormationKeys<'a> {
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CronKeys<'a> {
    #[serde(borrow)]
    command: Option<&'a RawValue>,
    #[serde(borrow)]
    schedule: Option<&'a RawValue>,
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
        let Some(keys) = self.parse_object::<Keys>(raw, "an object with the app's settings") else {
            return AppJson::default();
        };
        AppJson {
            formation: keys.formation.and_then(|raw| self.formation(raw)),
            cron: keys.cron.map(|raw| self.cron(raw)).unwrap_or_default(),
        }
    }

    fn formation(&mut self, raw: &'a RawValue) -> Option<BTreeMap<String, u16>> {
        let types: BTreeMap<String, &RawValue> = self.parse(
            raw,
            "an object: a process type, and for each its `quantity`",
        )?;
        let quantities = types.into_iter().filter_map(|(process_type, raw)| {
            let keys: FormationKeys = self.parse_object(raw, "an object with a `quantity`")?;
            let quantity = match keys.quantity {
                Some(raw) => self.parse(raw, "a whole number from 0 on")?,
                None => default_quantity(&process_type),
            };
            Some((process_type, quantity))
        });
        Some(quantities.collect())
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
        let keys: CronKeys = self.parse_object(raw, TASK)?;
        let (Some(raw_command), Some(raw_schedule)) = (keys.command, keys.schedule) else {
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

    /// The same for a struct, which serde would read from a list too.
    fn parse_object<T: Deserialize<'a>>(&mut self, raw: &'a RawValue, expected: &str) -> Option<T> {
        if raw.get().starts_with('{') {
            return self.parse(raw, expected);
        }
        self.expect(raw, expected);
        None
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
mod tests {
    use super::*;
    use crate::report::tests::assert_report;

    #[test]
    fn a_formation_and_tasks() {
        let app_json = AppJson::read(
            r#"{
                "name": "shop", "buildpacks": [{}], "addons": null,
                "formation": { "web": { "size": "standard-1x" }, "worker": { "quantity": 2 }, "clock": {} },
                "cron": [{ "command": " rake report ", "schedule": "0 3 * * *", "maintenance": true }]
            }"#,
        )
        .unwrap();
        let quantities = ["web", "worker", "clock", "mailer"].map(|name| app_json.quantity(name));
        assert_eq!(quantities, [1, 2, 0, 0]);
        assert_eq!(app_json.cron[0].command, "rake report");
        assert_eq!(app_json.cron[0].schedule.to_string(), "0 3 * * *");
    }

    #[test]
    fn without_a_formation_there_is_one_of_each() {
        for text in ["{}", r#"{ "formation": null }"#] {
            let app_json = AppJson::read(text).unwrap();
            assert_eq!((app_json.quantity("web"), app_json.quantity("x")), (1, 1));
        }
        let only_web = AppJson::read(r#"{ "formation": {} }"#).unwrap();
        assert_eq!((only_web.quantity("web"), only_web.quantity("x")), (1, 0));
        let no_web = AppJson::read(r#"{ "formation": { "web": { "quantity": 0 } } }"#).unwrap();
        assert_eq!(no_web.quantity("web"), 0);
    }

    #[test]
    fn every_mistake_has_its_place() {
        assert_report!(
            AppJson::read(
                r#"{
  "formation": {
    "web": { "quantity": -1 },
    "worker": { "quantity": "2" },
    "clock": 1,
    "mailer": [1]
  },
  "cron": [
    { "command": "rake report" },
    { "command": "", "schedule": "* * * *" },
    { "command": ["rake"], "schedule": "61 * * * *" }
  ]
}
"#
            )
            .unwrap_err()
        );
        assert_report!(
            "of_the_wrong_kind",
            AppJson::read(r#"{ "formation": ["web"], "cron": {} }"#).unwrap_err()
        );
    }

    #[test]
    fn what_is_no_json() {
        assert_report!(
            AppJson::read("{\n  \"formation\": {\n    \"web\": { \"quantity\": 1 },\n  }\n}\n")
                .unwrap_err()
        );
        assert_report!("nothing", AppJson::read("").unwrap_err());
        assert_report!("a_list", AppJson::read("[]").unwrap_err());
    }
}

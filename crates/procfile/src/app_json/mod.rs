//! `app.json`, a file of Heroku and dokku: the number of instances of each process type, and
//! scheduled tasks. Other keys are ignored.
//!
//! Source: <https://devcenter.heroku.com/articles/app-json-schema>,
//! <https://dokku.com/docs/appendices/file-formats/app-json/>

mod cron_schedule;
mod json;

pub use cron_schedule::{CronSchedule, NotASchedule};

use crate::procfile::ProcessType;
use crate::text::without_byte_order_mark;
use json::JsonReader;
use miette::{Diagnostic, LabeledSpan, NamedSource};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use thiserror::Error;

/// The file's name in the app's folder.
pub const FILE_NAME: &str = "app.json";

/// The highest number of instances of one process type, on all machines together: a higher one is
/// most likely a typing error.
pub const MAX_INSTANCES: u16 = 10_000;

/// The part of an `app.json` that is about processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppJson {
    /// Process types and their numbers of instances; `None` if the file has no formation.
    pub formation: Option<BTreeMap<String, u16>>,
    /// In the order of the file.
    pub cron: Vec<ScheduledTask>,
}

/// A command that runs at scheduled times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScheduledTask {
    /// In the syntax of a Procfile command, without white space around it.
    pub command: String,
    pub schedule: CronSchedule,
    /// `maintenance` in Dokku's words: the task is not run for now.
    pub suspended: bool,
    /// `None` if the file does not say.
    pub concurrency: Option<ConcurrencyPolicy>,
}

/// What happens at the scheduled time while the task of before still runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConcurrencyPolicy {
    /// Both run.
    Allow,
    /// The one of before goes on.
    Forbid,
    /// The one of before is ended.
    Replace,
}

impl ConcurrencyPolicy {
    fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "allow" => Some(Self::Allow),
            "forbid" => Some(Self::Forbid),
            "replace" => Some(Self::Replace),
            _ => None,
        }
    }
}

/// A problem with an `app.json` during the build, which does not need the file. `formation export`
/// does.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum AppJsonWarning {
    #[error("app.json cannot be used")]
    #[diagnostic(
        severity(Warning),
        help(
            "The image is built without it. Fix it before running `formation export`, which reads \
             its keys `formation` and `cron`."
        )
    )]
    Mistakes {
        #[source_code]
        source_code: NamedSource<String>,
        #[label(collection)]
        labels: Vec<LabeledSpan>,
    },
    /// The file is not UTF-8 text, or not a file.
    #[error("app.json cannot be read: {reason}")]
    #[diagnostic(
        severity(Warning),
        help(
            "The image is built without it. Make it a file of UTF-8 text before running \
             `formation export`, which reads its keys `formation` and `cron`."
        )
    )]
    Unreadable { reason: String },
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
    "Formation reads two of its keys: `\"formation\": {{ \"worker\": {{ \"quantity\": 2 }} }}` and \
     `\"cron\": [{{ \"command\": \"rake report\", \"schedule\": \"0 3 * * *\" }}]`."
))]
pub struct AppJsonError {
    #[source_code]
    source_code: NamedSource<String>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
}

impl AppJson {
    /// # Errors
    /// The text is not JSON, or has mistakes in the keys that are read here: the error has all of
    /// them.
    pub fn read(text: &str) -> Result<Self, AppJsonError> {
        let text = without_byte_order_mark(text);
        let mut json = JsonReader::new(text);
        let app_json = read_app_json(&mut json);
        let labels = json.into_mistakes();
        if labels.is_empty() {
            return Ok(app_json);
        }
        Err(AppJsonError {
            // Without the line end, a report could show nothing of an empty text.
            source_code: NamedSource::new(FILE_NAME, format!("{text}\n")).with_language("json"),
            labels,
        })
    }

    /// The number of instances of a process type. Without a formation: one. In a formation without
    /// this type, Heroku's defaults count: one of `web`, none of any other.
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

fn read_app_json(json: &mut JsonReader<'_>) -> AppJson {
    let Some(raw) = json.document() else {
        return AppJson::default();
    };
    let Some(keys) = json.keys(
        raw,
        &["formation", "cron"],
        "an object with the app's settings",
    ) else {
        return AppJson::default();
    };
    let [formation, cron] = ["formation", "cron"].map(|key| keys.get(key).copied());
    AppJson {
        formation: formation.and_then(|raw| read_formation(json, raw)),
        cron: cron.map(|raw| read_cron(json, raw)).unwrap_or_default(),
    }
}

fn read_formation<'a>(
    json: &mut JsonReader<'a>,
    raw: &'a RawValue,
) -> Option<BTreeMap<String, u16>> {
    let types = json.entries(
        raw,
        |_| true,
        "an object that gives each process type a `quantity`",
    )?;
    let quantities = types.into_iter().filter_map(|(process_type, raw)| {
        let keys = json.keys(raw, &["quantity"], "an object with a `quantity`")?;
        let quantity = match keys.get("quantity") {
            Some(raw) => read_quantity(json, raw)?,
            None => default_quantity(&process_type),
        };
        Some((process_type, quantity))
    });
    Some(quantities.collect())
}

fn read_quantity<'a>(json: &mut JsonReader<'a>, raw: &'a RawValue) -> Option<u16> {
    let quantity = serde_json::from_str(raw.get()).ok();
    let quantity = quantity.filter(|quantity| *quantity <= MAX_INSTANCES);
    if quantity.is_none() {
        json.expect(raw, &format!("a whole number from 0 to {MAX_INSTANCES}"));
    }
    quantity
}

fn read_cron<'a>(json: &mut JsonReader<'a>, raw: &'a RawValue) -> Vec<ScheduledTask> {
    let tasks: Option<Vec<&RawValue>> = json.parse(raw, "an array of tasks");
    tasks
        .unwrap_or_default()
        .into_iter()
        .filter_map(|raw| read_task(json, raw))
        .collect()
}

fn read_task<'a>(json: &mut JsonReader<'a>, raw: &'a RawValue) -> Option<ScheduledTask> {
    const TASK: &str = "an object with a `command` and a `schedule`";
    const NAMES: [&str; 4] = ["command", "schedule", "maintenance", "concurrency_policy"];
    let keys = json.keys(raw, &NAMES, TASK)?;
    let [raw_command, raw_schedule] = ["command", "schedule"].map(|key| keys.get(key).copied());
    let (Some(raw_command), Some(raw_schedule)) = (raw_command, raw_schedule) else {
        json.expect(raw, TASK);
        return None;
    };
    let command: Option<String> = json.parse(raw_command, "a command, as a string");
    let command = command.filter(|command| {
        let has_words = !command.trim().is_empty();
        if !has_words {
            json.expect(raw_command, "a command");
        }
        has_words
    });
    let schedule: Option<String> = json.parse(raw_schedule, "a schedule, as a string");
    let schedule = schedule.and_then(|text| match text.parse::<CronSchedule>() {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            json.mistake(raw_schedule, error.to_string());
            None
        }
    });
    let suspended = keys.get("maintenance").and_then(|raw| {
        const EXPECTED: &str = "`true` for a task that is not to run for now, else `false`";
        json.parse(raw, EXPECTED)
    });
    let concurrency = keys.get("concurrency_policy");
    let concurrency = concurrency.and_then(|raw| read_concurrency(json, raw));
    Some(ScheduledTask {
        command: command?.trim().to_string(),
        schedule: schedule?,
        suspended: suspended.unwrap_or_default(),
        concurrency,
    })
}

fn read_concurrency<'a>(json: &mut JsonReader<'a>, raw: &'a RawValue) -> Option<ConcurrencyPolicy> {
    let name: Option<String> = serde_json::from_str(raw.get()).ok();
    let policy = name.and_then(|name| ConcurrencyPolicy::from_name(&name));
    if policy.is_none() {
        json.expect(raw, "`allow`, `forbid` or `replace`");
    }
    policy
}

#[cfg(test)]
mod tests;

//! Medians, ratios, limits; as tables and as JSON.

use crate::sets::{Case, Set};
use rig::median::median;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) ruby: String,
    pub(crate) runs: usize,
    pub(crate) cores: usize,
    /// The load of the machine over one minute, at the start and at the end.
    pub(crate) load: Vec<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) limits: Vec<Limit>,
}

/// Times are in milliseconds, one for each run.
#[derive(Serialize)]
pub(crate) struct Row {
    #[serde(skip)]
    pub(crate) key: (Set, u64, Case),
    pub(crate) set: &'static str,
    pub(crate) latency_ms: u64,
    pub(crate) case: &'static str,
    pub(crate) plain: Times,
    pub(crate) prefilled: Times,
    pub(crate) formation: Times,
    /// Formation's requests to the server: for gems, and all.
    pub(crate) downloads: usize,
    pub(crate) requests: usize,
    /// How long RubyGems takes to install the added gem alone.
    pub(crate) own_install: Option<Times>,
    pub(crate) starts_ruby: Option<bool>,
}

#[derive(Clone, Default, Serialize)]
pub(crate) struct Times {
    pub(crate) median: f64,
    pub(crate) all: Vec<f64>,
}

#[derive(Serialize)]
pub(crate) struct Limit {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) at_most: String,
    pub(crate) kept: bool,
}

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        let place = self.all.partition_point(|&it| it < millis(time));
        self.all.insert(place, millis(time));
        self.median = median(&self.all);
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

impl Row {
    fn ratio(&self) -> f64 {
        self.formation.median / self.plain.median
    }

    fn to_markdown(&self) -> String {
        format!(
            "| {} | {} ms | {} | {} | {} | {} | {:.2} | {:.2} | {} of {} |",
            self.set,
            self.latency_ms,
            self.case,
            seconds(&self.plain),
            seconds(&self.prefilled),
            seconds(&self.formation),
            self.ratio(),
            self.formation.median / self.prefilled.median,
            self.downloads,
            self.requests
        )
    }

    fn limits(&self) -> Vec<Limit> {
        let (set, latency, case) = self.key;
        let mut limits = Vec::new();
        let highest_ratio = match (set, latency, case) {
            (Set::Precompiled, 0, Case::Cold) => Some(0.4),
            (Set::Precompiled | Set::Pure, _, Case::Cold) => Some(0.3),
            (Set::Rails, _, Case::Cold) => Some(0.85),
            _ => None,
        };
        if let Some(highest) = highest_ratio {
            limits.push(self.limit(
                "",
                format!("{:.2} × (a)", self.ratio()),
                format!("{highest} × (a)"),
                self.ratio() <= highest,
            ));
        }
        if case == Case::Nothing {
            limits.push(self.limit(
                "",
                seconds(&self.formation),
                "0.40 s".into(),
                self.formation.median <= 400.0,
            ));
        }
        if let Some(starts_ruby) = self.starts_ruby {
            let measured = if starts_ruby {
                "Ruby is started"
            } else {
                "none"
            };
            limits.push(self.limit(
                ", Ruby processes",
                measured.into(),
                "none".into(),
                !starts_ruby,
            ));
        }
        if let Some(own_install) = &self.own_install
            && matches!(set, Set::Rails | Set::Precompiled)
        {
            let above = self.formation.median - own_install.median;
            let measured = format!("{:.2} s above {}", above / 1e3, seconds(own_install));
            let limit = "1.50 s above the gem's own install".into();
            limits.push(self.limit("", measured, limit, above <= 1500.0));
            let measured = self.downloads.to_string();
            limits.push(self.limit(", downloads", measured, "1".into(), self.downloads == 1));
        }
        limits
    }

    fn limit(&self, of: &str, measured: String, at_most: String, kept: bool) -> Limit {
        Limit {
            what: format!("{}, {} ms, {}{of}", self.set, self.latency_ms, self.case),
            measured,
            at_most,
            kept,
        }
    }
}

impl Results {
    pub(crate) fn judge(&mut self) {
        self.limits = self.rows.iter().flat_map(Row::limits).collect();
    }

    pub(crate) fn to_markdown(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(Row::to_markdown).collect();
        let limits: Vec<_> = self
            .limits
            .iter()
            .map(|limit| {
                let kept = if limit.kept { "kept" } else { "**exceeded**" };
                format!(
                    "| {} | {} | {} | {kept} |",
                    limit.what, limit.measured, limit.at_most
                )
            })
            .collect();
        format!(
            "Ruby {}, {} cores, medians of {}; load of the machine {}.\n\n\
             | gems | latency | case | (a) plain | (b) prefilled | (c) Formation | c / a | c / b | gems of requests |\n\
             |---|---|---|---|---|---|---|---|---|\n{}\n\n\
             | limit of | measured | limit | |\n|---|---|---|---|\n{}\n",
            self.ruby,
            self.cores,
            self.runs,
            self.load.join(" at the start, ") + " at the end",
            rows.join("\n"),
            limits.join("\n")
        )
    }
}

fn seconds(times: &Times) -> String {
    format!("{:.2} s", times.median / 1e3)
}

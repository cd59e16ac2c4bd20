//! The rows of an inventory: read, put in order, compared and written, always in the same form.

use formation_buildpack::ruby::gem_version::GemVersion;
use miette::Diagnostic;
use serde::Deserialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use thiserror::Error;

/// `inventory.toml`: the text that is written by hand, and the rows below it.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// The text above the first row.
    head: String,
    /// Sorted.
    pub(crate) rows: Vec<Row>,
}

/// One archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) version: String,
    pub(crate) os: String,
    pub(crate) arch: String,
    pub(crate) url: String,
    pub(crate) checksum: String,
    pub(crate) metadata: RowMetadata,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowMetadata {
    pub(crate) distro_name: Option<String>,
    pub(crate) distro_version: Option<String>,
    pub(crate) libc: String,
    pub(crate) root: String,
}

#[derive(Debug, Diagnostic, Error)]
#[error("the inventory cannot be read: {0}")]
pub(crate) struct InventoryError(String);

#[derive(Deserialize)]
struct Rows {
    #[serde(default)]
    artifacts: Vec<Row>,
}

impl Inventory {
    pub(crate) fn parse(text: &str) -> Result<Self, InventoryError> {
        let Rows { artifacts } =
            toml::from_str(text).map_err(|error| InventoryError(error.to_string()))?;
        let head = text.split("[[artifacts]]").next().unwrap_or_default();
        Ok(Self {
            head: head.to_string(),
            rows: artifacts,
        })
    }

    /// The same head, with the publishers' new rows instead of their old ones. Rows of other
    /// publishers stay.
    pub(crate) fn updated(&self, published: Published) -> Self {
        let is_published = |row: &Row| {
            let mut addresses = published.addresses.iter();
            addresses.any(|address| row.url.starts_with(address))
        };
        let others = self.rows.iter().filter(|row| !is_published(row)).cloned();
        let mut rows: Vec<_> = others.chain(published.rows).collect();
        rows.sort_by(Row::order);
        rows.dedup();
        Self {
            head: self.head.clone(),
            rows,
        }
    }
}

/// The rows of publishers, and how the URLs of all their archives begin.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) rows: Vec<Row>,
    pub(crate) addresses: Vec<String>,
}

impl Display for Inventory {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.head)?;
        let rows: Vec<_> = self.rows.iter().map(ToString::to_string).collect();
        formatter.write_str(&rows.join("\n"))
    }
}

impl Row {
    /// The version and the target: of two rows with the same key, one would never be chosen.
    pub(crate) fn key(&self) -> String {
        let distribution = match (&self.metadata.distro_name, &self.metadata.distro_version) {
            (Some(name), Some(version)) => format!("{name} {version}"),
            _ => format!("any {}", self.metadata.libc),
        };
        format!("{} {} {distribution}", self.version, self.arch)
    }

    fn order(&self, other: &Self) -> Ordering {
        let target = |row: &Self| {
            let RowMetadata {
                distro_name,
                distro_version,
                ..
            } = row.metadata.clone();
            (
                distro_name,
                row.arch.clone(),
                distro_version,
                row.url.clone(),
            )
        };
        // Every version can be parsed: publishers.rs has done so.
        let version = |row: &Self| row.version.parse::<GemVersion>().ok();
        version(self)
            .cmp(&version(other))
            .then_with(|| target(self).cmp(&target(other)))
    }
}

impl Display for Row {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            os,
            arch,
            url,
            checksum,
            metadata,
        } = self;
        writeln!(formatter, "[[artifacts]]")?;
        let mut line =
            |key: &str, value: &str| writeln!(formatter, "{key} = {}", toml::Value::from(value));
        line("version", version)?;
        line("os", os)?;
        line("arch", arch)?;
        line("url", url)?;
        line("checksum", checksum)?;
        writeln!(formatter, "\n[artifacts.metadata]")?;
        let mut line =
            |key: &str, value: &str| writeln!(formatter, "{key} = {}", toml::Value::from(value));
        if let Some(name) = &metadata.distro_name {
            line("distro_name", name)?;
        }
        if let Some(version) = &metadata.distro_version {
            line("distro_version", version)?;
        }
        line("libc", &metadata.libc)?;
        line("root", &metadata.root)
    }
}

/// The changes of an update, a line for each row.
pub(crate) fn changes(before: &[Row], after: &[Row]) -> Vec<String> {
    let by_url = |rows: &[Row]| -> BTreeMap<String, Row> {
        rows.iter()
            .map(|row| (row.url.clone(), row.clone()))
            .collect()
    };
    let (before, after) = (by_url(before), by_url(after));
    let gone = before
        .values()
        .filter(|row| !after.contains_key(&row.url))
        .map(|row| format!("- {}: {}", row.key(), row.url));
    let new = after
        .values()
        .filter(|row| !before.contains_key(&row.url))
        .map(|row| format!("+ {}: {}", row.key(), row.url));
    let other = after
        .values()
        .filter(|row| before.get(&row.url).is_some_and(|old| old != *row))
        .map(|row| format!("! {}: {} has changed", row.key(), row.url));
    gone.chain(new).chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = include_str!("../../inventory.toml");

    #[test]
    fn the_inventory_has_the_format_that_is_written() {
        let inventory = Inventory::parse(INVENTORY).unwrap();
        assert_eq!(inventory.to_string(), INVENTORY);
        let sorted = inventory.updated(Published::default());
        assert_eq!(sorted.to_string(), INVENTORY);
    }

    #[test]
    fn changes_are_listed() {
        let before = Inventory::parse(INVENTORY).unwrap().rows;
        assert!(changes(&before, &before).is_empty());
        let mut after = before.clone();
        let gone = after.remove(0);
        after[0].checksum = format!("sha256:{}", "0".repeat(64));
        let lines = changes(&before, &after);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], format!("- {}: {}", gone.key(), gone.url));
        assert!(lines[1].starts_with("! 3.2.1 arm64 any glibc>=2.17: "));
        assert!(changes(&after, &before)[0].starts_with("+ 3.2.1 amd64 "));
    }
}

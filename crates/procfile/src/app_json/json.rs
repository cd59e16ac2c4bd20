//! JSON whose mistakes are reported with their places: all of them, and duplicate keys too.

use miette::LabeledSpan;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// A JSON text, and the mistakes that were found in it so far.
pub(super) struct JsonReader<'a> {
    text: &'a str,
    mistakes: Vec<LabeledSpan>,
}

/// The entries of a JSON object as written, with duplicate keys.
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

impl<'a> JsonReader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn into_mistakes(self) -> Vec<LabeledSpan> {
        self.mistakes
    }

    /// The whole text as one value; if it is not JSON, `None` and a mistake.
    pub(super) fn document(&mut self) -> Option<&'a RawValue> {
        let result = serde_json::from_str(self.text);
        result
            .map_err(|error| {
                let offset = self.offset(error.line(), error.column());
                self.mistake_at(offset, 1, reason(&error));
            })
            .ok()
    }

    /// The value; if it is not what is expected, `None` and a mistake. The text is known to be
    /// JSON.
    pub(super) fn parse<T: Deserialize<'a>>(
        &mut self,
        raw: &'a RawValue,
        expected: &str,
    ) -> Option<T> {
        let value = serde_json::from_str(raw.get()).ok();
        if value.is_none() {
            self.expect(raw, expected);
        }
        value
    }

    /// The keys of an object that are read here, and their values. A duplicate key is a mistake.
    pub(super) fn entries(
        &mut self,
        raw: &'a RawValue,
        is_read: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Option<BTreeMap<String, &'a RawValue>> {
        let Object(all_entries) = self.parse(raw, expected)?;
        let mut entries = BTreeMap::new();
        for (raw_key, value) in all_entries {
            let Some(key) = self.parse::<String>(raw_key, "a key of valid Unicode text") else {
                continue;
            };
            if !is_read(&key) {
                continue;
            }
            match entries.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let key = entry.key();
                    self.mistake(raw_key, format!("duplicate key `{key}`: write it once"));
                }
            }
        }
        Some(entries)
    }

    /// The same for keys of known names. A value of `null` counts as missing.
    pub(super) fn keys(
        &mut self,
        raw: &'a RawValue,
        names: &[&str],
        expected: &str,
    ) -> Option<BTreeMap<String, &'a RawValue>> {
        let mut keys = self.entries(raw, |key| names.contains(&key), expected)?;
        keys.retain(|_, value| value.get() != "null");
        Some(keys)
    }

    pub(super) fn expect(&mut self, raw: &RawValue, expected: &str) {
        self.mistake(raw, format!("expected {expected}"));
    }

    pub(super) fn mistake(&mut self, raw: &RawValue, message: String) {
        // A raw value borrows from the text that it was read from.
        let offset = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        self.mistake_at(offset, raw.get().len(), message);
    }

    fn mistake_at(&mut self, offset: usize, length: usize, message: String) {
        let label = LabeledSpan::new_with_span(Some(message), (offset, length));
        self.mistakes.push(label);
    }

    /// The offset of a line and a column. Both count from 1; the column counts bytes.
    fn offset(&self, line: usize, column: usize) -> usize {
        let before: usize = (self.text.split_inclusive('\n'))
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        (before + column.saturating_sub(1)).min(self.text.len().saturating_sub(1))
    }
}

/// The parser's message without the place, which the report shows.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_string(),
        None => text,
    }
}

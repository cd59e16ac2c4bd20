//! `mise.toml`, the file of mise: `[tools]` holds a version, or several, for each tool.
//!
//! Source: <https://mise.jdx.dev/configuration.html>

use crate::ruby::spanned::Spanned;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Value;

/// The names of the file in an app; mise prefers the first that names a tool.
const FILE_NAMES: [&str; 9] = [
    "mise.local.toml",
    ".mise.local.toml",
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/mise.toml",
    ".config/mise/config.toml",
];

/// The names of Ruby in it: mise builds it itself, or by asdf's plugin.
const RUBY: [&str; 3] = ["ruby", "core:ruby", "asdf:ruby"];

#[derive(Deserialize)]
struct Mise {
    #[serde(default)]
    tools: BTreeMap<String, toml::Spanned<Value>>,
}

/// The file is not TOML, or `[tools]` is not a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotMise {
    pub reason: String,
    /// In bytes.
    pub span: Range<usize>,
}

/// The name and text of the file that says which Ruby the app has, or that cannot be read as mise's:
/// other files may be for other tools. `text_of` gives the text of a file of the app.
pub fn file_for_ruby(
    mut text_of: impl FnMut(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    FILE_NAMES.into_iter().find_map(|name| {
        let text = text_of(name)?;
        let is_for_other_tools = ruby(&text).is_ok_and(|versions| versions.is_empty());
        (!is_for_other_tools).then_some((name, text))
    })
}

/// The versions of Ruby in their order: the first one is `ruby` in a shell.
pub fn ruby(text: &str) -> Result<Vec<Spanned>, NotMise> {
    let mise: Mise = toml::from_str(text).map_err(|error| NotMise {
        reason: error.message().to_string(),
        span: error.span().unwrap_or(0..0),
    })?;
    let Some(tool) = RUBY.iter().find_map(|name| mise.tools.get(*name)) else {
        return Ok(Vec::new());
    };
    let span = tool.span();
    let versions = match tool.get_ref() {
        Value::Array(versions) => versions.iter().map(version).collect(),
        one => vec![version(one)],
    };
    Ok(versions
        .into_iter()
        .map(|value| Spanned {
            value,
            span: span.clone().into(),
        })
        .collect())
}

/// Of `"3.3.8"` and `{ version = "3.3.8" }` the version. mise's other keys get their spelling in a
/// string, such as `prefix:3.3`.
fn version(value: &Value) -> String {
    match value {
        Value::String(version) => version.clone(),
        Value::Table(table) => ["version", "prefix", "ref", "path"]
            .iter()
            .find_map(|key| Some((*key, table.get(*key)?.as_str()?)))
            .map_or_else(
                || value.to_string(),
                |(key, version)| match key {
                    "version" => version.to_string(),
                    key => format!("{key}:{version}"),
                },
            ),
        // A number has lost its zeros: 3.10 is 3.1. mise refuses it too.
        other => format!("{other} without quotes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_in_all_their_spellings() {
        for (text, expected) in [
            ("[tools]\nruby = \"3.3.8\"\n", vec!["3.3.8"]),
            ("[tools]\nnode = \"22\"\nruby = '3.3'\n", vec!["3.3"]),
            (
                "[tools]\nruby = { version = \"3.3\", os = [\"linux\"] }\n",
                vec!["3.3"],
            ),
            ("[tools.ruby]\nversion = \"3.3\"\n", vec!["3.3"]),
            ("[tools]\nruby = { prefix = \"3.3\" }\n", vec!["prefix:3.3"]),
            (
                "[tools]\nruby = [\"3.3.8\", { version = \"3.2\" }]\n",
                vec!["3.3.8", "3.2"],
            ),
            ("[tools]\n\"core:ruby\" = \"3.3.8\"\n", vec!["3.3.8"]),
            ("[tools]\nruby = 3.3\n", vec!["3.3 without quotes"]),
            ("[tools]\nnode = \"22\"\n", vec![]),
            ("[env]\nRUBY = \"3.3.8\"\n", vec![]),
            ("", vec![]),
        ] {
            let found = ruby(text).unwrap();
            let values: Vec<_> = found.iter().map(|version| &version.value).collect();
            assert_eq!(values, expected, "{text:?}");
        }
        assert!(ruby("[tools\n").is_err());
        assert!(ruby("tools = 3\n").is_err());
    }
}

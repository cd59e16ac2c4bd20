//! The defaults that Formation's layers hold, for whoever asks what is set and why.

use super::{Change, Variables};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The default value of each variable.
#[derive(Debug, Default)]
pub(super) struct Defaults(BTreeMap<String, String>);

impl Defaults {
    /// Those of all layers of a buildpack: files `NAME.default` (chapter "Environment" of the CNB
    /// specification). What cannot be read is left out.
    pub(super) fn in_layers(layers: &Path) -> Self {
        let mut defaults = BTreeMap::new();
        for layer in entries(layers) {
            for file in ["env", "env.launch"].map(|folder| layer.join(folder)) {
                defaults.extend(entries(&file).iter().filter_map(|file| default_in(file)));
            }
        }
        Self(defaults)
    }

    /// One line for each variable that has a default or is changed, sorted by name.
    pub(super) fn lines(&self, variables: &Variables, changes: &[Change]) -> Vec<String> {
        let mut lines: BTreeMap<_, _> = self
            .0
            .iter()
            .map(|(name, default)| {
                let why = match variables.get(name) {
                    Some(value) if value == default => format!("{value} (the default)"),
                    Some(value) => format!("{value} (given; the default is {default})"),
                    None => format!("(not set; the default is {default})"),
                };
                (name.as_str(), format!("{name}={why}"))
            })
            .collect();
        lines.extend(
            changes
                .iter()
                .map(|change| (change.name.as_str(), change.to_string())),
        );
        lines.into_values().collect()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn default_in(file: &Path) -> Option<(String, String)> {
    let name = file.file_name()?.to_str()?.strip_suffix(".default")?;
    Some((name.to_string(), fs::read_to_string(file).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::*;

    #[test]
    fn each_default_is_told_and_what_stands_in_its_place() {
        let layers = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("formation/env.launch/PORT.default", "8080"),
            ("formation/env.launch/RAILS_ENV.default", "production"),
            ("formation/env.launch/PATH.append", "/app/bin"),
            ("ruby/env/LANG.default", "C.UTF-8"),
            ("ruby/env/GONE.default", "1"),
            ("ruby.toml", ""),
        ] {
            let path = layers.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let variables = [
            ("PORT", "8080"),
            ("RAILS_ENV", "staging"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/bin"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()));
        let changes = [Change {
            name: "LANG".into(),
            value: "C.UTF-8".into(),
            reason: "this image does not have the locale en_US.UTF-8".into(),
            told: Told::Always,
        }];
        let lines = Defaults::in_layers(layers.path()).lines(&variables.into(), &changes);
        insta::assert_snapshot!(lines.join("\n"), @r"
        GONE=(not set; the default is 1)
        LANG=C.UTF-8 (this image does not have the locale en_US.UTF-8)
        PORT=8080 (the default)
        RAILS_ENV=staging (given; the default is production)
        ");
    }
}

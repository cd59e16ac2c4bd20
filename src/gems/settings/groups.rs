//! The groups that Bundler's settings choose, and whether the Gemfile has them.

use super::BundlerSettings;
use miette::Diagnostic;
use std::collections::BTreeSet;
use thiserror::Error;

/// Settings whose value is a list of groups.
const LISTS: [&str; 3] = ["BUNDLE_WITHOUT", "BUNDLE_WITH", "BUNDLE_ONLY"];

/// A setting names groups that the Gemfile does not have, so that it chooses none of them.
#[derive(Clone, Debug, Diagnostic, Error, Eq, PartialEq)]
#[error("{setting} names groups that the Gemfile does not have: {}", groups.join(", "))]
#[diagnostic(
    severity(Warning),
    help(
        "Bundler passes over such names. A list of groups has a colon between its names, no comma \
         and no quotes: {setting}=development:test. (An env file keeps quotes as a part of the value.)"
    )
)]
pub struct UnknownGroups {
    setting: &'static str,
    groups: Vec<String>,
}

impl BundlerSettings {
    /// The settings that name groups other than those of the Gemfile.
    #[must_use]
    pub fn unknown_groups(&self, of_gemfile: &BTreeSet<String>) -> Vec<UnknownGroups> {
        LISTS
            .into_iter()
            .map(|setting| UnknownGroups {
                setting,
                groups: groups_in(self.get(setting).unwrap_or_default())
                    .filter(|group| !of_gemfile.contains(*group))
                    .map(|group| format!("`{group}`"))
                    .collect(),
            })
            .filter(|unknown| !unknown.groups.is_empty())
            .collect()
    }
}

/// As Bundler splits a list.
fn groups_in(value: &str) -> impl Iterator<Item = &str> {
    value.split([':', ' ']).filter(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use libcnb::Env;
    use procfile::assert_report;

    fn unknown(without: &str) -> Vec<UnknownGroups> {
        let mut env = Env::new();
        env.insert("BUNDLE_WITHOUT", without);
        let settings = BundlerSettings {
            env: BuildVariables::new(&env),
            ..BundlerSettings::default()
        };
        let of_gemfile = ["default", "development", "test"].map(String::from);
        settings.unknown_groups(&of_gemfile.into())
    }

    #[test]
    fn groups_of_the_gemfile_are_known() {
        for value in ["", "test", "development:test", "development test"] {
            assert!(unknown(value).is_empty(), "{value}");
        }
    }

    #[test]
    fn quotes_commas_and_misspelled_names_are_no_groups() {
        for (value, groups) in [
            ("'development:test'", vec!["`'development`", "`test'`"]),
            ("development,test", vec!["`development,test`"]),
            ("test:staging", vec!["`staging`"]),
        ] {
            assert_eq!(unknown(value)[0].groups, groups);
        }
        assert_report!(unknown("'development:test'").remove(0));
    }
}

//! The app's `.bundle/config`: Bundler's settings for this app.
//!
//! The file is a flat YAML mapping, which Bundler reads line by line, and Formation too. A setting
//! is copied as it is or left out, never rewritten.

use super::kinds::{decides_what_is_installed, may_hold_credentials};
use crate::platform::variables::is_reserved;
use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The path of the file, beside the Gemfile.
pub const FILE_NAME: &str = ".bundle/config";

/// The setting that names the Gemfile. The build sets the variable of this name, so copies of the
/// file do not have the setting.
pub const GEMFILE: &str = "BUNDLE_GEMFILE";

/// The settings in a `.bundle/config`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BundleConfig {
    settings: Vec<Setting>,
    gemfile: Option<PathBuf>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Setting {
    name: String,
    /// Without quotes; empty for a list.
    value: String,
    /// The setting as it is in the file. A list has a line for each item.
    lines: String,
}

/// The app's settings look as if they held credentials, and the file is part of the image.
#[derive(Clone, Debug, Diagnostic, Error, Eq, PartialEq)]
#[error("{FILE_NAME} may hold credentials: {}", settings.join(", "))]
#[diagnostic(
    severity(Warning),
    help(
        "The file is part of the image, where anyone can read it. Leave it out of the image with \
         .dockerignore or project.toml, and give such settings to the build only: `pack build \
         --env NAME=VALUE`."
    )
)]
pub struct CredentialsInConfig {
    /// The names of the settings.
    settings: Vec<String>,
}

impl BundleConfig {
    /// Reads the text of a `.bundle/config`. Settings that Formation makes itself, such as the
    /// folder of the gems, are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut settings: Vec<Setting> = Vec::new();
        for line in text.lines() {
            if let Some((name, value)) = split_setting(line) {
                settings.push(Setting {
                    name: name.to_string(),
                    value: value.to_string(),
                    lines: format!("{line}\n"),
                });
            } else if is_list_item(line)
                && let Some(setting) = settings.last_mut()
            {
                setting.lines += line;
                setting.lines.push('\n');
            }
        }
        let gemfile = settings
            .iter()
            .find(|setting| setting.name == GEMFILE && !setting.value.is_empty())
            .map(|setting| PathBuf::from(&setting.value));
        settings.retain(|setting| !is_reserved(&setting.name) && setting.name != GEMFILE);
        Self { settings, gemfile }
    }

    /// Whether a setting is made, even with an empty value.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    /// The value of a setting. An empty value, and a list, are none.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        Some(setting.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The Gemfile that the settings name, relative to the app.
    #[must_use]
    pub fn gemfile(&self) -> Option<&Path> {
        self.gemfile.as_deref()
    }

    /// The text of the file for the build: every setting.
    #[must_use]
    pub fn for_build(&self) -> String {
        self.text(|_| true)
    }

    /// The text of the file for the image: settings that decide which gems are loaded, and cannot
    /// hold credentials.
    #[must_use]
    pub fn for_image(&self) -> String {
        self.text(Setting::is_for_image)
    }

    /// The settings of [`Self::for_image`]: the name of each, and its lines.
    pub fn settings_for_image(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings
            .iter()
            .filter(|setting| setting.is_for_image())
            .map(|setting| (setting.name.as_str(), setting.lines.as_str()))
    }

    /// A warning that names the settings that may hold credentials.
    #[must_use]
    pub fn credentials(&self) -> Option<CredentialsInConfig> {
        let settings: Vec<_> = self
            .settings
            .iter()
            .filter(|setting| may_hold_credentials(&setting.name, &setting.value))
            .map(|setting| without_credentials(&setting.name))
            .collect();
        (!settings.is_empty()).then_some(CredentialsInConfig { settings })
    }

    fn text(&self, keep: impl Fn(&Setting) -> bool) -> String {
        let lines = self
            .settings
            .iter()
            .filter(|setting| keep(setting))
            .map(|setting| setting.lines.as_str());
        std::iter::once("---\n").chain(lines).collect()
    }
}

impl Setting {
    fn is_for_image(&self) -> bool {
        decides_what_is_installed(&self.name, &self.value) && !self.lines.contains('@')
    }
}

/// As in Bundler, the name ends at a colon before a space or at the end of the line: it may be a
/// URL.
fn split_setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    if line.trim_start().starts_with(['#', '-']) {
        return None;
    }
    let (name, value) = line
        .split_once(": ")
        .or_else(|| Some((line.strip_suffix(':')?, "")))?;
    Some((name, value.trim().trim_matches(['"', '\''])))
}

fn is_list_item(line: &str) -> bool {
    line.trim_start().starts_with("- ")
}

/// A setting's name without credentials: the name may be a URL that holds some.
fn without_credentials(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((_, host)) => format!("BUNDLE_…@{host}"),
        None => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indoc::indoc;
    use procfile::assert_report;

    const CONFIG: &str = indoc! {r#"
        ---
        BUNDLE_PATH: "vendor/bundle"
        BUNDLE_WITHOUT: "test:ci"
        BUNDLE_BUILD__NOKOGIRI: "--use-system-libraries"
        BUNDLE_GEMS__EXAMPLE__COM: "user:secret"
        BUNDLE_HTTPS://GEMS__CORP__COM/: "user:secret"
        BUNDLE_HTTPS://USER:SECRET@GEMS__CORP__COM/: "secret"
        BUNDLE_GEMSERVER: "user:secret"
        GEMS__CORP__COM: "user:secret"
        BUNDLE_GEMFILE: "gemfiles/next.gemfile"
        BUNDLE_DEPLOYMENT: "true"
        BUNDLE_PLUGINS:
          - one
          - two
        free text with a secret
    "#};

    #[test]
    fn settings_that_formation_makes_are_left_out() {
        insta::assert_snapshot!(BundleConfig::parse(CONFIG).for_build(), @r#"
        ---
        BUNDLE_WITHOUT: "test:ci"
        BUNDLE_BUILD__NOKOGIRI: "--use-system-libraries"
        BUNDLE_GEMS__EXAMPLE__COM: "user:secret"
        BUNDLE_HTTPS://GEMS__CORP__COM/: "user:secret"
        BUNDLE_HTTPS://USER:SECRET@GEMS__CORP__COM/: "secret"
        BUNDLE_GEMSERVER: "user:secret"
        GEMS__CORP__COM: "user:secret"
        BUNDLE_PLUGINS:
          - one
          - two
        "#);
    }

    #[test]
    fn the_image_gets_settings_that_decide_what_is_loaded() {
        insta::assert_snapshot!(BundleConfig::parse(CONFIG).for_image(), @r#"
        ---
        BUNDLE_WITHOUT: "test:ci"
        BUNDLE_BUILD__NOKOGIRI: "--use-system-libraries"
        BUNDLE_PLUGINS:
          - one
          - two
        "#);
    }

    #[test]
    fn settings_are_found_by_their_names() {
        let config = BundleConfig::parse(CONFIG);
        assert!(config.sets("BUNDLE_WITHOUT"));
        assert!(!config.sets("BUNDLE_PATH"));
        assert_eq!(config.gemfile(), Some(Path::new("gemfiles/next.gemfile")));
    }

    #[test]
    fn settings_with_credentials_are_named_in_a_warning() {
        assert_report!(BundleConfig::parse(CONFIG).credentials().unwrap());
        let harmless = "---\nBUNDLE_WITHOUT: \"ci\"\nBUNDLE_JOBS: \"4\"\n";
        assert_eq!(BundleConfig::parse(harmless).credentials(), None);
    }

    #[test]
    fn without_settings_the_file_is_an_empty_mapping() {
        assert_eq!(BundleConfig::parse("").for_image(), "---\n");
    }
}

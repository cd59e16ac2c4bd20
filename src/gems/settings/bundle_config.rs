//! The app's `.bundle/config`: Bundler's settings for this app, which in Bundler beat environment variables.
//!
//! The file is a flat YAML mapping that Bundler itself reads line by line; so it is here: whole settings are kept or left out,
//! never rewritten.

use super::kinds::{decides_what_is_installed, may_hold_credentials};
use crate::platform::variables::is_reserved;
use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where the settings are, beside the Gemfile.
pub const FILE_NAME: &str = ".bundle/config";

/// The setting that names the Gemfile; the build tells Bundler by the variable of this name, so it is in no copy of the settings.
pub const GEMFILE: &str = "BUNDLE_GEMFILE";

/// The settings of a `.bundle/config`, as written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BundleConfig {
    settings: Vec<Setting>,
    gemfile: Option<PathBuf>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Setting {
    name: String,
    /// Without quotes; none for a list.
    value: String,
    /// The setting's lines; a list continues on lines of its own.
    lines: String,
}

/// The app's settings hold what looks like credentials, and are themselves part of the image.
#[derive(Clone, Debug, Diagnostic, Error, Eq, PartialEq)]
#[error("{FILE_NAME} may hold credentials: {}", settings.join(", "))]
#[diagnostic(
    severity(Warning),
    help(
        "The file itself is part of the image, and whoever has the image can read it. Leave it out by .dockerignore or project.toml, \
         and give such settings to the build alone: `pack build --env NAME=VALUE`."
    )
)]
pub struct CredentialsInConfig {
    /// Names, not values.
    settings: Vec<String>,
}

impl BundleConfig {
    /// Reads the text of a `.bundle/config`. Settings that are Formation's to make, such as where gems go, are left out.
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

    /// Whether a setting of this name is made.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    /// What a setting is set to; none for a list, or nothing.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        Some(setting.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The Gemfile that the settings name, as written.
    #[must_use]
    pub fn gemfile(&self) -> Option<&Path> {
        self.gemfile.as_deref()
    }

    /// The text for the build: every setting.
    #[must_use]
    pub fn for_build(&self) -> String {
        self.text(|_| true)
    }

    /// The text for the image: only settings that decide what is loaded, and none that may hold credentials.
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

    /// A warning that names the settings that may hold credentials; none where none may.
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

/// Bundler's rule: the name ends at a colon that a space or the line's end follows, for a name may be a URL.
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

/// The name of a setting may be a URL, and that URL may hold credentials.
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
    fn where_gems_go_is_left_out() {
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
    fn the_image_gets_what_decides_what_is_loaded() {
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
    fn credentials_are_warned_of_by_name() {
        assert_report!(BundleConfig::parse(CONFIG).credentials().unwrap());
        let harmless = "---\nBUNDLE_WITHOUT: \"ci\"\nBUNDLE_JOBS: \"4\"\n";
        assert_eq!(BundleConfig::parse(harmless).credentials(), None);
    }

    #[test]
    fn no_settings_are_an_empty_mapping() {
        assert_eq!(BundleConfig::parse("").for_image(), "---\n");
    }
}

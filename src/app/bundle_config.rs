//! The app's `.bundle/config`: Bundler's settings for this app, which in Bundler beat environment variables.
//!
//! The file is a flat YAML mapping that Bundler itself reads line by line; so it is here: whole settings are kept or left out,
//! never rewritten.

use crate::app::user_env::{is_set_by_formation, may_hold_credentials};

/// The settings of a `.bundle/config`, as written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BundleConfig {
    settings: Vec<Setting>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Setting {
    name: String,
    /// The setting's lines; a list continues on lines of its own.
    lines: String,
}

impl BundleConfig {
    /// Reads the text of a `.bundle/config`. Settings that are Formation's to make, such as where gems go, are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut settings: Vec<Setting> = Vec::new();
        for line in text.lines() {
            match line.split_once(':') {
                Some((name, _)) if name.starts_with("BUNDLE_") => settings.push(Setting {
                    name: name.to_string(),
                    lines: format!("{line}\n"),
                }),
                _ => {
                    if let Some(setting) = settings.last_mut() {
                        setting.lines += line;
                        setting.lines.push('\n');
                    }
                }
            }
        }
        settings.retain(|setting| !is_set_by_formation(&setting.name));
        Self { settings }
    }

    /// Whether a setting of this name is made.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    /// The text for the build: every setting.
    #[must_use]
    pub fn for_build(&self) -> String {
        self.text(|_| true)
    }

    /// The text for the image: no setting that may hold credentials.
    #[must_use]
    pub fn for_image(&self) -> String {
        self.text(|name| !may_hold_credentials(name))
    }

    fn text(&self, keep: impl Fn(&str) -> bool) -> String {
        let lines = self
            .settings
            .iter()
            .filter(|setting| keep(&setting.name))
            .map(|setting| setting.lines.as_str());
        std::iter::once("---\n").chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indoc::indoc;

    const CONFIG: &str = indoc! {r#"
        ---
        BUNDLE_PATH: "vendor/bundle"
        BUNDLE_WITHOUT: "test:ci"
        BUNDLE_BUILD__NOKOGIRI: "--use-system-libraries"
        BUNDLE_GEMS__EXAMPLE__COM: "user:secret"
        BUNDLE_DEPLOYMENT: "true"
        BUNDLE_PLUGINS:
          - one
          - two
    "#};

    #[test]
    fn where_gems_go_is_left_out() {
        insta::assert_snapshot!(BundleConfig::parse(CONFIG).for_build(), @r#"
        ---
        BUNDLE_WITHOUT: "test:ci"
        BUNDLE_BUILD__NOKOGIRI: "--use-system-libraries"
        BUNDLE_GEMS__EXAMPLE__COM: "user:secret"
        BUNDLE_PLUGINS:
          - one
          - two
        "#);
    }

    #[test]
    fn credentials_stay_out_of_the_image() {
        let config = BundleConfig::parse(CONFIG);
        assert!(!config.for_image().contains("secret"));
        assert!(config.sets("BUNDLE_WITHOUT"));
        assert!(!config.sets("BUNDLE_PATH"));
    }

    #[test]
    fn no_settings_are_an_empty_mapping() {
        assert_eq!(BundleConfig::parse("").for_image(), "---\n");
    }
}

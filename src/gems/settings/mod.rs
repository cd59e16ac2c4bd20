//! Bundler's settings: the app's `.bundle/config`, and build variables.

pub mod bundle_config;
mod groups;
mod kinds;

use crate::platform::variables::BuildVariables;
use bundle_config::BundleConfig;
use kinds::decides_what_is_installed;

/// The settings of an app's bundle. As in Bundler, the app's own file counts before a variable.
#[derive(Clone, Debug, Default)]
pub struct BundlerSettings {
    pub env: BuildVariables,
    /// The app's `.bundle/config`.
    pub config: BundleConfig,
}

impl BundlerSettings {
    /// The value of a setting such as `BUNDLE_CACHE_PATH`. An empty value is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.config.value(name).or_else(|| self.env.get(name))
    }

    /// Whether a setting is made, even with an empty value.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.config.sets(name) || self.env.sets(name)
    }

    /// Whether a setting is on, as in Bundler: not where it is empty, `false`, `f`, `no`, `n` or `0`.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            !["false", "f", "no", "n", "0"].contains(&value.to_lowercase().as_str())
        })
    }

    /// The variables that decide what is installed. Credentials and mirrors do not.
    pub fn variables_that_decide(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env
            .iter()
            .filter(|(name, value)| decides_what_is_installed(name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;

    fn settings(variables: &[(&str, &str)]) -> BundlerSettings {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        BundlerSettings {
            env: BuildVariables::new(&env),
            config: BundleConfig::default(),
        }
    }

    #[test]
    fn the_apps_own_file_counts_before_a_variable() {
        let mut settings = settings(&[
            ("BUNDLE_JOBS", "2"),
            ("BUNDLE_WITHOUT", "test"),
            ("BUNDLE_ONLY", ""),
        ]);
        settings.config = BundleConfig::parse("BUNDLE_JOBS: \"4\"\nBUNDLE_WITHOUT: \"\"\n");
        assert_eq!(settings.get("BUNDLE_JOBS"), Some("4"));
        assert_eq!(settings.get("BUNDLE_WITHOUT"), Some("test"));
        assert_eq!(settings.get("BUNDLE_ONLY"), None);
        for (name, is_set) in [
            ("BUNDLE_JOBS", true),
            ("BUNDLE_ONLY", true),
            ("BUNDLE_WITH", false),
        ] {
            assert_eq!(settings.sets(name), is_set, "{name}");
        }
    }

    #[test]
    fn settings_that_decide_what_is_installed() {
        let user = settings(&[
            ("BUNDLE_WITHOUT", "test"),
            ("BUNDLE_BUILD__NOKOGIRI", "--use-system-libraries"),
            ("BUNDLE_GEMS__EXAMPLE__COM", "user:secret"),
            ("BUNDLE_GEMSERVER", "user:secret"),
            ("BUNDLE_BUILD__EXAMPLE__COM", "user:secret"),
            ("BUNDLE_LOCAL__RACK", "/workspace/rack"),
            ("BUNDLE_LOCAL__EXAMPLE", "user:secret"),
            ("BUNDLE_MIRROR__ALL", "http://user:secret@mirror"),
            ("BUNDLE_JOBS", "8"),
            ("OTHER", "x"),
        ]);
        assert_eq!(
            user.variables_that_decide().collect::<Vec<_>>(),
            [
                ("BUNDLE_BUILD__NOKOGIRI", "--use-system-libraries"),
                ("BUNDLE_LOCAL__RACK", "/workspace/rack"),
                ("BUNDLE_WITHOUT", "test")
            ]
        );
    }
}

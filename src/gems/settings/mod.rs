//! Bundler's settings: the app's `.bundle/config`, and build variables.

pub mod bundle_config;
mod kinds;

use crate::platform::variables::BuildVariables;
use bundle_config::BundleConfig;
use kinds::decides_what_is_installed;

/// The settings of an app's bundle. In Bundler, the app's own file counts more than a variable.
#[derive(Clone, Debug, Default)]
pub struct BundlerSettings {
    /// The build variables.
    pub env: BuildVariables,
    /// The app's `.bundle/config`.
    pub config: BundleConfig,
}

impl BundlerSettings {
    /// The value of a setting such as `BUNDLE_CACHE_PATH`; none where it is not set, or set to nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.config.value(name).or_else(|| self.env.get(name))
    }

    /// Whether a setting is made, be it to nothing.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.config.sets(name) || self.env.sets(name)
    }

    /// The variables that decide what is installed: no credentials, and no mirrors.
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

//! The user's build variables (`pack build --env NAME=VALUE`).

use libcnb::Env;
use std::collections::BTreeMap;

/// Variables that decide which Ruby and which gems a program finds. Formation sets them itself; what the user's shell or CI
/// happened to have there would only break the build, so they are set aside, and the log says so.
const SET_BY_FORMATION: &[&str] = &[
    "BUNDLER_VERSION",
    "BUNDLE_APP_CONFIG",
    "BUNDLE_BIN",
    "BUNDLE_CLEAN",
    "BUNDLE_DEPLOYMENT",
    "BUNDLE_DISABLE_SHARED_GEMS",
    "BUNDLE_FROZEN",
    "BUNDLE_PATH",
    "BUNDLE_PATH__SYSTEM",
    "BUNDLE_SYSTEM_BINDIR",
    "BUNDLE_USER_CACHE",
    "BUNDLE_USER_CONFIG",
    "BUNDLE_USER_HOME",
    "BUNDLE_USER_PLUGIN",
    "GEMRC",
    "GEM_HOME",
    "GEM_PATH",
    "GEM_SPEC_CACHE",
    "HOME",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "RUBYLIB",
    "RUBYOPT",
];

/// How Bundler is to work, not what it installs: a change of these is no reason to install anything.
const HOW_ONLY: &[&str] = &[
    "BUNDLE_JOBS",
    "BUNDLE_REDIRECT",
    "BUNDLE_RETRY",
    "BUNDLE_TIMEOUT",
    "BUNDLE_USER_AGENT",
];

/// The build variables that the user has set, without those that are Formation's to set.
#[derive(Clone, Debug, Default)]
pub struct UserEnv {
    variables: BTreeMap<String, String>,
    set_aside: Vec<String>,
}

impl UserEnv {
    /// Takes what the platform passes on. Names and values that are not UTF-8 are passed over.
    #[must_use]
    pub fn new(platform_env: &Env) -> Self {
        let mut user = Self::default();
        for (name, value) in platform_env {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                continue;
            };
            if is_set_by_formation(name) {
                user.set_aside.push(name.to_string());
            } else {
                user.variables.insert(name.to_string(), value.to_string());
            }
        }
        user.set_aside.sort();
        user
    }

    /// The value of a variable; an empty one counts as none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Names of variables that are not passed on, sorted.
    #[must_use]
    pub fn set_aside(&self) -> &[String] {
        &self.set_aside
    }

    /// Adds every variable to an environment.
    pub fn apply(&self, env: &mut Env) {
        for (name, value) in &self.variables {
            env.insert(name, value);
        }
    }

    /// Bundler's settings that decide what is installed, without credentials and mirrors.
    pub fn bundler_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| {
                name.starts_with("BUNDLE_")
                    && !HOW_ONLY.contains(name)
                    && !may_hold_credentials(name)
            })
    }
}

/// Whether a build variable or Bundler setting of this name is Formation's to set.
#[must_use]
pub fn is_set_by_formation(name: &str) -> bool {
    SET_BY_FORMATION.contains(&name)
}

/// Whether a Bundler setting may hold a secret: the credentials of a host (`BUNDLE_GEMS__EXAMPLE__COM`) or a mirror's URL.
/// Bundler writes a dot as two underscores, which otherwise only its `build.` and `local.` settings have.
#[must_use]
pub fn may_hold_credentials(setting: &str) -> bool {
    setting.contains("__")
        && !setting.starts_with("BUNDLE_BUILD__")
        && !setting.starts_with("BUNDLE_LOCAL__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_env(variables: &[(&str, &str)]) -> UserEnv {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        UserEnv::new(&env)
    }

    #[test]
    fn what_would_break_the_build_is_set_aside() {
        let user = user_env(&[
            ("RUBYOPT", "-rnonsense"),
            ("PATH", "/invalid"),
            ("DATABASE_URL", "postgres://db"),
        ]);
        assert_eq!(user.set_aside(), ["PATH", "RUBYOPT"]);
        let mut env = Env::new();
        user.apply(&mut env);
        assert!(env.get("PATH").is_none());
        assert_eq!(env.get("DATABASE_URL").unwrap(), "postgres://db");
    }

    #[test]
    fn an_empty_variable_counts_as_none() {
        assert_eq!(
            user_env(&[("BP_RUBY_VERSION", "")]).get("BP_RUBY_VERSION"),
            None
        );
    }

    #[test]
    fn settings_that_decide_what_is_installed() {
        let user = user_env(&[
            ("BUNDLE_WITHOUT", "test"),
            ("BUNDLE_BUILD__NOKOGIRI", "--use-system-libraries"),
            ("BUNDLE_GEMS__EXAMPLE__COM", "user:secret"),
            ("BUNDLE_MIRROR__ALL", "http://user:secret@mirror"),
            ("BUNDLE_JOBS", "8"),
            ("OTHER", "x"),
        ]);
        assert_eq!(
            user.bundler_settings().collect::<Vec<_>>(),
            [
                ("BUNDLE_BUILD__NOKOGIRI", "--use-system-libraries"),
                ("BUNDLE_WITHOUT", "test")
            ]
        );
    }
}

//! The build variables: the user's (`pack build --env NAME=VALUE`), and the operator's.

use crate::platform::operator_variables::OperatorVariables;
use libcnb::Env;
use std::collections::BTreeMap;

/// Variables that decide which Ruby and which gems a program finds. Formation sets them itself.
/// Values from the user's shell or CI would break the build: they are ignored, and the log says so.
const SET_BY_FORMATION: &[&str] = &[
    "BUNDLER_SETUP",
    "BUNDLER_VERSION",
    "BUNDLE_APP_CONFIG",
    "BUNDLE_BIN",
    "BUNDLE_BIN_PATH",
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
    "RUBYGEMS_GEMDEPS",
    "RUBYLIB",
    "RUBYOPT",
];

/// `bundle exec` keeps the environment that it was started in, in variables with this prefix.
const SET_BY_BUNDLE_EXEC: &str = "BUNDLER_ORIG_";

/// The build variables that the user has set, without those that Formation sets itself.
#[derive(Clone, Debug, Default)]
pub struct BuildVariables {
    variables: BTreeMap<String, String>,
    ignored: Vec<String>,
}

impl BuildVariables {
    /// Of the variables that the platform passes to the buildpack, those that are UTF-8.
    #[must_use]
    pub fn new(platform_env: &Env) -> Self {
        let mut user = Self::default();
        for (name, value) in platform_env {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                continue;
            };
            if is_reserved(name) {
                user.ignored.push(name.to_string());
            } else {
                user.variables.insert(name.to_string(), value.to_string());
            }
        }
        user.ignored.sort();
        user
    }

    /// With the operator's variables. What Formation sets itself is left as it is without a word:
    /// the user can do nothing about it.
    #[must_use]
    pub fn with_operator(mut self, operator: &OperatorVariables) -> Self {
        for name in operator.names() {
            let user = self.variables.get(name).map(String::as_str);
            if let Some(value) = operator.value_of(name, user).filter(|_| !is_reserved(name)) {
                self.variables.insert(name.to_string(), value);
            }
        }
        self
    }

    /// The value of a variable. An empty value is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, even to an empty value: `BUNDLE_WITHOUT=` chooses every group.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Whether the user has turned off what a variable stands for.
    #[must_use]
    pub fn turns_off(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| ["0", "false"].contains(&value))
    }

    /// Every variable with this prefix whose value is not empty: its whole name, and the value.
    pub fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.iter()
            .filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
    }

    /// The names of the user's variables that Formation sets itself, sorted.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds every variable to an environment.
    pub fn apply(&self, env: &mut Env) {
        for (name, value) in &self.variables {
            env.insert(name, value);
        }
    }
}

/// Whether Formation itself sets the build variable or Bundler setting of this name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    SET_BY_FORMATION.contains(&name) || name.starts_with(SET_BY_BUNDLE_EXEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_env(variables: &[(&str, &str)]) -> BuildVariables {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        BuildVariables::new(&env)
    }

    #[test]
    fn what_would_break_the_build_is_ignored() {
        let user = user_env(&[
            ("RUBYOPT", "-rnonsense"),
            ("PATH", "/invalid"),
            ("DATABASE_URL", "postgres://db"),
        ]);
        assert_eq!(user.ignored(), ["PATH", "RUBYOPT"]);
        let mut env = Env::new();
        user.apply(&mut env);
        assert!(env.get("PATH").is_none());
        assert_eq!(env.get("DATABASE_URL").unwrap(), "postgres://db");
    }

    #[test]
    fn an_empty_variable_has_no_value() {
        assert_eq!(
            user_env(&[("BP_RUBY_VERSION", "")]).get("BP_RUBY_VERSION"),
            None
        );
    }

    #[test]
    fn variables_of_bundle_exec_are_ignored() {
        let user = user_env(&[
            ("BUNDLER_SETUP", "/host/setup.rb"),
            ("BUNDLE_BIN_PATH", "/host/bundle"),
            ("RUBYGEMS_GEMDEPS", "-"),
            ("BUNDLER_ORIG_PATH", "/host/bin"),
        ]);
        assert_eq!(user.ignored().len(), 4);
    }

    #[test]
    fn a_variable_with_an_empty_value_is_set() {
        let user = user_env(&[("BUNDLE_WITHOUT", "")]);
        assert!(user.sets("BUNDLE_WITHOUT"));
        assert!(!user.sets("BUNDLE_WITH"));
    }
}

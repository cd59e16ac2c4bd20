//! The user's build variables (`pack build --env NAME=VALUE`).

use libcnb::Env;
use std::collections::BTreeMap;

/// Variables that decide which Ruby and which gems a program finds. Formation sets them itself; what the user's shell or CI
/// happened to have there would only break the build, so they are set aside, and the log says so.
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

/// What `bundle exec` keeps of the environment that it was started in, to bring it back.
const SET_BY_BUNDLE_EXEC: &str = "BUNDLER_ORIG_";

/// Bundler's settings that decide what is installed or loaded. Only these get into the image: whatever else Bundler may learn to
/// keep there, or a host's name that looks like a setting, stays out.
///
/// Source: <https://bundler.io/man/bundle-config.1.html>
const DECIDES_WHAT_IS_INSTALLED: &[&str] = &[
    "BUNDLE_CACHE_ALL",
    "BUNDLE_CACHE_ALL_PLATFORMS",
    "BUNDLE_CACHE_PATH",
    "BUNDLE_DEFAULT_INSTALL_USES_PATH",
    "BUNDLE_DISABLE_EXEC_LOAD",
    "BUNDLE_DISABLE_LOCAL_BRANCH_CHECK",
    "BUNDLE_DISABLE_LOCAL_REVISION_CHECK",
    "BUNDLE_FORCE_RUBY_PLATFORM",
    "BUNDLE_LOCKFILE",
    "BUNDLE_NO_BUILD_EXTENSION",
    "BUNDLE_NO_INSTALL",
    "BUNDLE_ONLY",
    "BUNDLE_PLUGINS",
    "BUNDLE_PREFER_PATCH",
    "BUNDLE_SETUP_MAKES_KERNEL_GEM_PUBLIC",
    "BUNDLE_SPECIFIC_PLATFORM",
    "BUNDLE_VERSION",
    "BUNDLE_WITH",
    "BUNDLE_WITHOUT",
];

/// How Bundler is to work, not what it installs: a change of these is no reason to install anything, and none is a secret.
const HOW_ONLY: &[&str] = &[
    "BUNDLE_ALLOW_OFFLINE_INSTALL",
    "BUNDLE_AUTO_CLEAN_WITHOUT_PATH",
    "BUNDLE_AUTO_INSTALL",
    "BUNDLE_CONSOLE",
    "BUNDLE_COOLDOWN",
    "BUNDLE_DEFAULT_CLI_COMMAND",
    "BUNDLE_DISABLE_CHECKSUM_VALIDATION",
    "BUNDLE_DISABLE_VERSION_CHECK",
    "BUNDLE_GEMFILE",
    "BUNDLE_GEM__CHANGELOG",
    "BUNDLE_GEM__CI",
    "BUNDLE_GEM__COC",
    "BUNDLE_GEM__GITHUB_USERNAME",
    "BUNDLE_GEM__LINTER",
    "BUNDLE_GEM__MIT",
    "BUNDLE_GEM__RUBOCOP",
    "BUNDLE_GEM__TEST",
    "BUNDLE_GIT__ALLOW_INSECURE",
    "BUNDLE_GLOBAL_GEM_CACHE",
    "BUNDLE_IGNORE_FUNDING_REQUESTS",
    "BUNDLE_IGNORE_MESSAGES",
    "BUNDLE_INIT_GEMS_RB",
    "BUNDLE_INLINE",
    "BUNDLE_JOBS",
    "BUNDLE_LOCKFILE_CHECKSUMS",
    "BUNDLE_NO_PRUNE",
    "BUNDLE_PATH_RELATIVE_TO_CWD",
    "BUNDLE_REDIRECT",
    "BUNDLE_RETRY",
    "BUNDLE_SHEBANG",
    "BUNDLE_SILENCE_DEPRECATIONS",
    "BUNDLE_SILENCE_ROOT_WARNING",
    "BUNDLE_SIMULATE_VERSION",
    "BUNDLE_SSL_CA_CERT",
    "BUNDLE_SSL_CLIENT_CERT",
    "BUNDLE_SSL_VERIFY_MODE",
    "BUNDLE_SUPPRESS_INSTALL_USING_MESSAGES",
    "BUNDLE_TIMEOUT",
    "BUNDLE_TRUST___POLICY",
    "BUNDLE_UPDATE_REQUIRES_ALL_FLAG",
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

    /// Whether a variable is set at all, be it to nothing: `BUNDLE_WITHOUT=` chooses every group.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Every variable whose name starts so, with a value that is not empty.
    pub fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
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

    /// Bundler's settings that decide what is installed: no credentials, and no mirrors.
    pub fn bundler_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, value)| decides_what_is_installed(name, value))
    }
}

/// Whether a build variable or Bundler setting of this name is Formation's to set.
#[must_use]
pub fn is_set_by_formation(name: &str) -> bool {
    SET_BY_FORMATION.contains(&name) || name.starts_with(SET_BY_BUNDLE_EXEC)
}

/// Whether a Bundler setting decides what is installed or loaded, and can be no secret.
///
/// `BUNDLE_BUILD__RACK` is the flags that the gem `rack` is compiled with, and `BUNDLE_LOCAL__RACK` the folder that it is taken from;
/// but the credentials of the hosts `build.rack` and `local.rack` have the same names, so the value decides.
#[must_use]
pub fn decides_what_is_installed(name: &str, value: &str) -> bool {
    let known = DECIDES_WHAT_IS_INSTALLED.contains(&name)
        || (name.starts_with("BUNDLE_BUILD__") && value.starts_with('-'))
        || (name.starts_with("BUNDLE_LOCAL__") && value.starts_with(['/', '.', '~']));
    known && !value.contains('@')
}

/// Whether a Bundler setting may hold a secret: the credentials of a host (`BUNDLE_GEMS__EXAMPLE__COM`, `BUNDLE_GEMSERVER`), or a
/// mirror's URL with some. Whatever is not known to be harmless may be one.
#[must_use]
pub fn may_hold_credentials(name: &str, value: &str) -> bool {
    let is_harmless = decides_what_is_installed(name, value)
        || HOW_ONLY.contains(&name)
        || is_set_by_formation(name)
        || name.starts_with("BUNDLE_MIRROR__");
    value.contains('@') || !(value.is_empty() || is_harmless)
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
            ("BUNDLE_GEMSERVER", "user:secret"),
            ("BUNDLE_BUILD__EXAMPLE__COM", "user:secret"),
            ("BUNDLE_LOCAL__RACK", "/workspace/rack"),
            ("BUNDLE_LOCAL__EXAMPLE", "user:secret"),
            ("BUNDLE_MIRROR__ALL", "http://user:secret@mirror"),
            ("BUNDLE_JOBS", "8"),
            ("OTHER", "x"),
        ]);
        assert_eq!(
            user.bundler_settings().collect::<Vec<_>>(),
            [
                ("BUNDLE_BUILD__NOKOGIRI", "--use-system-libraries"),
                ("BUNDLE_LOCAL__RACK", "/workspace/rack"),
                ("BUNDLE_WITHOUT", "test")
            ]
        );
    }

    #[test]
    fn what_bundle_exec_leaves_behind_is_set_aside() {
        let user = user_env(&[
            ("BUNDLER_SETUP", "/host/setup.rb"),
            ("BUNDLE_BIN_PATH", "/host/bundle"),
            ("RUBYGEMS_GEMDEPS", "-"),
            ("BUNDLER_ORIG_PATH", "/host/bin"),
        ]);
        assert_eq!(user.set_aside().len(), 4);
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_is_set() {
        let user = user_env(&[("BUNDLE_WITHOUT", "")]);
        assert!(user.sets("BUNDLE_WITHOUT"));
        assert!(!user.sets("BUNDLE_WITH"));
    }

    #[test]
    fn what_is_not_known_to_be_harmless_may_be_a_secret() {
        for (name, value, secret) in [
            ("BUNDLE_GEMS__EXAMPLE__COM", "user:secret", true),
            ("BUNDLE_GEMSERVER", "user:secret", true),
            ("BUNDLE_HTTPS://GEMS__CORP__COM/", "user:secret", true),
            ("BUNDLE_BUILD__EXAMPLE__COM", "user:secret", true),
            ("BUNDLE_MIRROR__ALL", "https://user:secret@mirror", true),
            ("BUNDLE_MIRROR__ALL", "https://mirror", false),
            ("BUNDLE_BUILD__PG", "--with-pg-config=/usr/bin/x", false),
            ("BUNDLE_JOBS", "4", false),
            ("BUNDLE_WITHOUT", "test", false),
            ("BUNDLE_PATH", "vendor", false),
        ] {
            assert_eq!(may_hold_credentials(name, value), secret, "{name}");
        }
    }
}

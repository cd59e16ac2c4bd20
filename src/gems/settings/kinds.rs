//! Two kinds of settings: those that decide what is installed, and those that may hold a secret.

use crate::platform::variables::is_reserved;

/// Bundler's settings that decide what is installed or loaded. Only these are copied into the
/// image: unknown settings of later Bundlers, and names of hosts that look like settings, are not.
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

/// Settings that say how Bundler works, not what it installs. If one changes, nothing has to be
/// installed. None holds a secret.
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

/// Whether a Bundler setting decides what is installed or loaded, and cannot be a secret.
///
/// `BUNDLE_BUILD__RACK` holds the compiler flags of the gem `rack`, and `BUNDLE_LOCAL__RACK` a
/// folder with it. But the credentials of the hosts `build.rack` and `local.rack` have the same
/// names, so the value decides.
#[must_use]
pub(super) fn decides_what_is_installed(name: &str, value: &str) -> bool {
    let known = DECIDES_WHAT_IS_INSTALLED.contains(&name)
        || (name.starts_with("BUNDLE_BUILD__") && value.starts_with('-'))
        || (name.starts_with("BUNDLE_LOCAL__") && value.starts_with(['/', '.', '~']));
    known && !value.contains('@')
}

/// Whether a Bundler setting may hold a secret: the credentials of a host
/// (`BUNDLE_GEMS__EXAMPLE__COM`, `BUNDLE_GEMSERVER`), or a mirror's URL with credentials. Unknown
/// settings may, too.
#[must_use]
pub(super) fn may_hold_credentials(name: &str, value: &str) -> bool {
    let is_harmless = decides_what_is_installed(name, value)
        || HOW_ONLY.contains(&name)
        || is_reserved(name)
        || name.starts_with("BUNDLE_MIRROR__");
    value.contains('@') || !(value.is_empty() || is_harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_is_not_known_to_be_harmless_may_be_a_secret() {
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

    /// What happens to a setting of the user's.
    fn what_happens(name: &str) -> &'static str {
        match (
            is_reserved(name),
            decides_what_is_installed(name, "-x"),
            HOW_ONLY.contains(&name) || name.starts_with("BUNDLE_MIRROR__"),
        ) {
            (true, _, _) => "Formation sets it, and names it as ignored",
            (_, true, _) => "an input of the layer, for the build and for the image",
            (_, _, true) => "for the build alone",
            _ => "for the build alone; as it may hold credentials, .bundle/config gets a warning",
        }
    }

    #[test]
    fn every_setting_of_bundler_is_heeded_or_named() {
        const OWN: &str = "Formation sets it, and names it as ignored";
        const INPUT: &str = "an input of the layer, for the build and for the image";
        const BUILD: &str = "for the build alone";
        for (what, names) in [
            (
                OWN,
                "APP_CONFIG BIN CLEAN DEPLOYMENT DISABLE_SHARED_GEMS FROZEN PATH PATH__SYSTEM \
                 SYSTEM_BINDIR USER_CACHE USER_CONFIG USER_HOME USER_PLUGIN",
            ),
            (
                INPUT,
                "BUILD__PG CACHE_ALL CACHE_ALL_PLATFORMS CACHE_PATH DISABLE_EXEC_LOAD \
                 DEFAULT_INSTALL_USES_PATH DISABLE_LOCAL_BRANCH_CHECK \
                 DISABLE_LOCAL_REVISION_CHECK FORCE_RUBY_PLATFORM LOCKFILE NO_BUILD_EXTENSION \
                 NO_INSTALL ONLY PLUGINS PREFER_PATCH SETUP_MAKES_KERNEL_GEM_PUBLIC \
                 SPECIFIC_PLATFORM VERSION WITH WITHOUT",
            ),
            (
                BUILD,
                "ALLOW_OFFLINE_INSTALL AUTO_CLEAN_WITHOUT_PATH AUTO_INSTALL CONSOLE COOLDOWN \
                 DEFAULT_CLI_COMMAND DISABLE_CHECKSUM_VALIDATION DISABLE_VERSION_CHECK GEMFILE \
                 GEM__CHANGELOG GEM__CI GEM__COC GEM__GITHUB_USERNAME GEM__LINTER GEM__MIT \
                 GEM__RUBOCOP GEM__TEST GIT__ALLOW_INSECURE GLOBAL_GEM_CACHE \
                 IGNORE_FUNDING_REQUESTS IGNORE_MESSAGES INIT_GEMS_RB INLINE JOBS \
                 LOCKFILE_CHECKSUMS MIRROR__ALL NO_PRUNE PATH_RELATIVE_TO_CWD REDIRECT RETRY \
                 SHEBANG SILENCE_DEPRECATIONS SILENCE_ROOT_WARNING SIMULATE_VERSION SSL_CA_CERT \
                 SSL_CLIENT_CERT SSL_VERIFY_MODE SUPPRESS_INSTALL_USING_MESSAGES TIMEOUT \
                 TRUST___POLICY UPDATE_REQUIRES_ALL_FLAG USER_AGENT",
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(what_happens(&format!("BUNDLE_{name}")), what, "{name}");
            }
        }
        let known = DECIDES_WHAT_IS_INSTALLED.len() + HOW_ONLY.len();
        assert_eq!(known, 19 + 41, "each known setting has a line here");
    }
}

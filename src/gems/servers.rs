//! The gem server that is asked for a source of the lockfile: Bundler's settings may name a mirror,
//! and credentials.
//!
//! Source: <https://bundler.io/man/bundle-config.1.html>, "Mirrors of gem sources" and "Credentials
//! for gem sources"

use crate::gems::settings::BundlerSettings;
use url::Url;

pub struct GemServers<'a>(pub &'a BundlerSettings);

impl GemServers<'_> {
    /// The address of a gem's archive, for a source of the lockfile. None if the source is not a
    /// URL of a server.
    #[must_use]
    pub fn archive(&self, source: &str, full_name: &str) -> Option<Url> {
        let server = self.server(source)?;
        server.join(&format!("gems/{full_name}.gem")).ok()
    }

    /// The server that is asked for a source, with credentials.
    fn server(&self, source: &str) -> Option<Url> {
        let original = base(source)?;
        let mut server = self.mirror_of(&original).unwrap_or(original);
        let has_credentials = !server.username().is_empty() || server.password().is_some();
        if !has_credentials && let Some(credentials) = self.credentials_of(&server) {
            let (name, password) = credentials
                .split_once(':')
                .map_or((credentials, None), |(name, password)| {
                    (name, Some(password))
                });
            server.set_username(name).ok()?;
            server.set_password(password).ok()?;
        }
        Some(server)
    }

    fn mirror_of(&self, source: &Url) -> Option<Url> {
        let bare = without_slash(source.as_str());
        let keys = [
            format!("mirror.{source}"),
            format!("mirror.{bare}"),
            format!("mirror.{}", source.host_str()?),
            "mirror.all".to_string(),
        ];
        base(keys.iter().find_map(|key| self.setting(key))?)
    }

    fn credentials_of(&self, server: &Url) -> Option<&str> {
        let bare = without_slash(server.as_str());
        self.setting(server.as_str())
            .or_else(|| self.setting(bare))
            .or_else(|| self.setting(server.host_str()?))
    }

    fn setting(&self, key: &str) -> Option<&str> {
        let name = variable(key);
        self.0.get(&name)
    }
}

/// A server's URL with a slash at its end, so that paths can be joined to it.
fn base(source: &str) -> Option<Url> {
    let url: Url = format!("{}/", without_slash(source)).parse().ok()?;
    matches!(url.scheme(), "https" | "http" | "file").then_some(url)
}

fn without_slash(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// Bundler's variable for a setting: `mirror.https://rubygems.org/` is
/// `BUNDLE_MIRROR__HTTPS://RUBYGEMS__ORG/`.
fn variable(key: &str) -> String {
    let key = key.replace('.', "__").replace('-', "___");
    format!("BUNDLE_{}", key.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::settings::bundle_config::BundleConfig;
    use crate::platform::variables::BuildVariables;
    use libcnb::Env;

    fn archive(variables: &[(&str, &str)], config: &str, source: &str) -> Option<String> {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let settings = BundlerSettings {
            env: BuildVariables::new(&env),
            config: BundleConfig::parse(config),
        };
        GemServers(&settings)
            .archive(source, "rack-3.1.20")
            .map(String::from)
    }

    #[test]
    fn sources_mirrors_and_credentials() {
        const SOURCE: &str = "https://gems.my-company.com/private/";
        for (variables, config, source, expected) in [
            (
                vec![],
                "",
                "https://rubygems.org",
                Some("https://rubygems.org/gems/rack-3.1.20.gem"),
            ),
            (
                vec![("BUNDLE_MIRROR__ALL", "http://mirror:8080")],
                "",
                SOURCE,
                Some("http://mirror:8080/gems/rack-3.1.20.gem"),
            ),
            (
                vec![("BUNDLE_MIRROR__HTTPS://RUBYGEMS__ORG/", "https://a.org/x")],
                "",
                "https://rubygems.org/",
                Some("https://a.org/x/gems/rack-3.1.20.gem"),
            ),
            (
                vec![("BUNDLE_MIRROR__RUBYGEMS__ORG", "https://a.org")],
                "BUNDLE_MIRROR__RUBYGEMS__ORG: \"https://b.org\"\n",
                "https://rubygems.org/",
                Some("https://b.org/gems/rack-3.1.20.gem"),
            ),
            (
                vec![("BUNDLE_GEMS__MY___COMPANY__COM", "name:p%40ss")],
                "",
                SOURCE,
                Some("https://name:p%40ss@gems.my-company.com/private/gems/rack-3.1.20.gem"),
            ),
            (
                vec![("BUNDLE_GEMS__MY___COMPANY__COM", "token")],
                "",
                "https://other:secret@gems.my-company.com/",
                Some("https://other:secret@gems.my-company.com/gems/rack-3.1.20.gem"),
            ),
            (vec![], "", "rubygems.org", None),
        ] {
            assert_eq!(
                archive(&variables, config, source).as_deref(),
                expected,
                "{source}"
            );
        }
    }
}

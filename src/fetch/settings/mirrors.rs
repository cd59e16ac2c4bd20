//! `BP_DEPENDENCY_MIRROR`, `BP_DEPENDENCY_MIRROR_<HOST>` and bindings of type `dependency-mirror`.

use super::{DownloadSettingsError, entries};
use crate::platform::bindings::Binding;
use crate::platform::variables::BuildVariables;
use std::collections::BTreeMap;
use url::Url;

const VARIABLE: &str = "BP_DEPENDENCY_MIRROR";

/// In a mirror's URL, the placeholder of the host that is mirrored.
const ORIGINAL_HOST: &str = "{originalHost}";

/// Servers that replace others.
#[derive(Clone, Debug, Default)]
pub struct DependencyMirrors {
    /// The mirror of every server without its own.
    default: Option<Url>,
    /// The mirrors of single hosts, by the host in lower case.
    by_host: BTreeMap<String, Url>,
}

impl DependencyMirrors {
    pub(super) fn read(
        env: &BuildVariables,
        bindings: &[Binding],
        errors: &mut Vec<DownloadSettingsError>,
    ) -> Self {
        let mut mirrors = Self::default();
        let mut bound = entries(bindings, "dependency-mirror", errors);
        // The service binding specification reserves this name.
        bound.retain(|(_, entry, _)| entry != "provider");
        let bound = bound.into_iter().map(|(name, entry, bytes)| {
            let host = (!entry.eq_ignore_ascii_case("default")).then(|| entry.to_ascii_lowercase());
            (name, host, String::from_utf8_lossy(&bytes).into_owned())
        });
        let variables = env.starting_with(VARIABLE).filter_map(|(name, value)| {
            let host = match name.strip_prefix(VARIABLE)? {
                "" => None,
                rest => Some(host_of(rest.strip_prefix('_')?)),
            };
            Some((name.to_string(), host, value.to_string()))
        });
        // A variable is set for this build, so it takes precedence: it comes last.
        for (name, host, value) in bound.chain(variables) {
            let Some(url) = mirror_url(value.trim()) else {
                errors.push(DownloadSettingsError::NotAUrl {
                    name,
                    example: "https://mirror.example.com/{originalHost}",
                });
                continue;
            };
            match host {
                None => mirrors.default = Some(url),
                Some(host) => {
                    mirrors.by_host.insert(host, url);
                }
            }
        }
        mirrors
    }

    /// The URL on a mirror; none for a URL without a mirror, and for local files.
    #[must_use]
    pub fn of(&self, url: &Url) -> Option<Url> {
        let host = url.host_str().filter(|_| url.scheme() != "file")?;
        let mut mirror = self.by_host.get(host).or(self.default.as_ref())?.clone();
        // A parsed URL has escaped braces in its path.
        let base = mirror
            .path()
            .replace("%7BoriginalHost%7D", host)
            .replace(ORIGINAL_HOST, host);
        mirror.set_path(&format!("{}{}", base.trim_end_matches('/'), url.path()));
        if mirror.query().is_none() {
            mirror.set_query(url.query());
        }
        Some(mirror)
    }
}

/// `EXAMPLE_COM` is example.com; two underscores are a dash.
fn host_of(variable_part: &str) -> String {
    variable_part
        .replace("__", "-")
        .replace('_', ".")
        .to_ascii_lowercase()
}

fn mirror_url(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    matches!(url.scheme(), "https" | "http" | "file").then_some(url)
}

#[cfg(test)]
mod tests {
    use crate::fetch::settings::tests::read;

    fn mirrored(variables: &[(&str, &str)], files: &[(&str, &str)], url: &str) -> Option<String> {
        let settings = read(variables, files).unwrap();
        settings
            .mirrors
            .of(&url.parse().unwrap())
            .map(|url| url.to_string())
    }

    #[test]
    fn mirrors_by_variable() {
        let variables = [
            ("BP_DEPENDENCY_MIRROR", "https://mirror.example.com/all/"),
            (
                "BP_DEPENDENCY_MIRROR_MY__HOST_ORG",
                "https://user:secret@mirror.example.com/of/{originalHost}",
            ),
            ("BP_DEPENDENCY_MIRROR_FILES_ORG", "file:///srv/mirror"),
        ];
        for (url, expected) in [
            (
                "https://a.org/x/y.tgz",
                Some("https://mirror.example.com/all/x/y.tgz"),
            ),
            (
                "https://my-host.org/x/y.tgz",
                Some("https://user:secret@mirror.example.com/of/my-host.org/x/y.tgz"),
            ),
            ("https://files.org/y.tgz", Some("file:///srv/mirror/y.tgz")),
            (
                "https://a.org/y?k=v",
                Some("https://mirror.example.com/all/y?k=v"),
            ),
            ("file:///srv/ruby.tgz", None),
        ] {
            assert_eq!(mirrored(&variables, &[], url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn mirrors_by_binding() {
        let files = [
            ("mirror/type", "Dependency-Mirror\n"),
            ("mirror/provider", "us"),
            ("mirror/default", "https://mirror.example.com\n"),
            (
                "mirror/github.com",
                "http://mirror.example.com/{originalHost}\n",
            ),
        ];
        for (url, expected) in [
            ("https://a.org/y.tgz", "https://mirror.example.com/y.tgz"),
            (
                "https://github.com/y.tgz",
                "http://mirror.example.com/github.com/y.tgz",
            ),
        ] {
            assert_eq!(mirrored(&[], &files, url).as_deref(), Some(expected));
        }
        let variable = [("BP_DEPENDENCY_MIRROR", "https://other.example.com")];
        assert_eq!(
            mirrored(&variable, &files, "https://a.org/y.tgz").as_deref(),
            Some("https://other.example.com/y.tgz")
        );
    }
}

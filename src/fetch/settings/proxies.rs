//! `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in lower or upper case.

use super::DownloadSettingsError;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};
use url::Url;

/// Read as by curl and Bundler.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Holds the hosts of `no_proxy`; it is never used as a proxy.
    exceptions: Option<Proxy>,
}

impl Proxies {
    pub(super) fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        errors: &mut Vec<DownloadSettingsError>,
    ) -> Self {
        let in_either_case = |name: &str| {
            [name.to_string(), name.to_uppercase()]
                .into_iter()
                .find_map(|name| Some((variable(&name)?, name)))
                .filter(|(value, _)| !value.trim().is_empty())
        };
        let all = in_either_case("all_proxy");
        let mut proxy = |name: &str| {
            let (value, name) = in_either_case(name).or_else(|| all.clone())?;
            let proxy = http_proxy(value.trim());
            let is_reported = errors.iter().any(|error| {
                matches!(error, DownloadSettingsError::Proxy { name: other } if *other == name)
            });
            if proxy.is_none() && !is_reported {
                errors.push(DownloadSettingsError::Proxy { name });
            }
            proxy
        };
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            exceptions: in_either_case("no_proxy").and_then(|(hosts, _)| exceptions(&hosts)),
        }
    }

    /// The proxy for a URL.
    #[must_use]
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let uri: Uri = url.as_str().parse().ok()?;
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let is_exception = |exceptions: &Proxy| exceptions.is_no_proxy(&uri);
        proxy.filter(|_| !self.exceptions.as_ref().is_some_and(is_exception))
    }
}

fn http_proxy(value: &str) -> Option<Proxy> {
    let with_scheme = if value.contains("://") {
        value.to_string()
    } else {
        format!("http://{value}")
    };
    let proxy = Proxy::new(&with_scheme).ok()?;
    matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https).then_some(proxy)
}

/// `example.com` includes its subdomains, as for curl.
fn exceptions(hosts: &str) -> Option<Proxy> {
    let mut builder = Proxy::builder(ProxyProtocol::Http).host("localhost");
    for host in hosts.split([',', ' ']).map(str::trim) {
        let name = host.trim_start_matches("*.").trim_start_matches('.');
        if !name.is_empty() {
            builder = builder.no_proxy(name).no_proxy(&format!(".{name}"));
        }
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use crate::fetch::settings::tests::read;

    #[test]
    fn which_proxy_for_which_url() {
        let settings = read(
            &[
                ("HTTPS_PROXY", "http://user:secret@secure.example.com:3128"),
                ("all_proxy", "any.example.com:8080"),
                ("no_proxy", "localhost, .internal ,gems.example.org"),
            ],
            &[],
        )
        .unwrap();
        for (url, expected) in [
            ("https://a.org/", Some("secure.example.com")),
            ("http://a.org/", Some("any.example.com")),
            ("https://localhost/", None),
            ("https://a.b.internal/", None),
            ("https://gems.example.org:8080/a", None),
            ("https://eu.gems.example.org/", None),
            ("https://mygems.example.org/", Some("secure.example.com")),
        ] {
            let url = url.parse().unwrap();
            let proxy = settings.proxies.of(&url).map(ureq::Proxy::host);
            assert_eq!(proxy, expected, "{url}");
        }
    }

    #[test]
    fn no_proxy_for_anything() {
        let settings = read(&[("http_proxy", "http://p"), ("NO_PROXY", "*")], &[]).unwrap();
        assert!(
            settings
                .proxies
                .of(&"http://a.org".parse().unwrap())
                .is_none()
        );
    }
}

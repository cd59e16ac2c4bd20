//! Names and passwords as HTTP's basic authentication sends them.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc7617>

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use ureq::Proxy;
use url::Url;

/// The value of `Authorization`; none for a URL without a name and a password.
pub(super) fn of_url(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let password = decoded(url.password().unwrap_or_default());
    Some(basic(&decoded(url.username()), &password))
}

/// The value of `Proxy-Authorization`; none for a proxy without a name and a password.
pub(super) fn of_proxy(proxy: &Proxy) -> Option<String> {
    let part = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let is_given = proxy.username().is_some() || proxy.password().is_some();
    is_given.then(|| basic(&part(proxy.username()), &part(proxy.password())))
}

fn basic(name: &[u8], password: &[u8]) -> String {
    format!("Basic {}", BASE64.encode([name, b":", password].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded_before_they_are_sent() {
        for (url, expected) in [
            ("https://example.com/", None),
            ("https://user:p%40ss@example.com/", Some("user:p@ss")),
            ("https://token@example.com/", Some("token:")),
        ] {
            let header = of_url(&url.parse().unwrap());
            let expected = expected.map(|text| format!("Basic {}", BASE64.encode(text)));
            assert_eq!(header, expected, "{url}");
        }
    }
}

//! Bindings of type `ca-certificates`, and `SSL_CERT_FILE`: issuers that are trusted in addition to
//! those of the build image.

use super::{DownloadSettingsError, entries};
use crate::platform::bindings::Binding;
use crate::platform::variables::BuildVariables;
use ureq::tls::{Certificate, PemItem, parse_pem};

/// The variable that tells OpenSSL, and with it Ruby, which issuers to trust.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

#[derive(Clone, Debug, Default)]
pub struct CaCertificates {
    pem: Vec<u8>,
}

impl CaCertificates {
    pub(super) fn read(
        env: &BuildVariables,
        bindings: &[Binding],
        errors: &mut Vec<DownloadSettingsError>,
    ) -> Self {
        let mut found = Self::default();
        let mut add = |name: String, bytes: &[u8], errors: &mut Vec<DownloadSettingsError>| {
            if certificates_in(bytes).next().is_none() {
                errors.push(DownloadSettingsError::NoCertificate { name });
            } else {
                found.pem.extend(bytes);
                found.pem.push(b'\n'); // The next one must begin on a new line.
            }
        };
        for (name, entry, bytes) in entries(bindings, "ca-certificates", errors) {
            if entry != "provider" {
                add(name, &bytes, errors);
            }
        }
        if let Some(path) = env.get(SSL_CERT_FILE) {
            match std::fs::read(path) {
                Ok(bytes) => add(SSL_CERT_FILE.to_string(), &bytes, errors),
                Err(source) => errors.push(DownloadSettingsError::Unreadable {
                    name: SSL_CERT_FILE.to_string(),
                    source,
                }),
            }
        }
        found
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pem.is_empty()
    }

    #[must_use]
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }

    pub fn certificates(&self) -> impl Iterator<Item = Certificate<'static>> {
        certificates_in(&self.pem)
    }
}

fn certificates_in(pem: &[u8]) -> impl Iterator<Item = Certificate<'static>> {
    parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::fetch::settings::tests::read;

    /// The bytes between the two lines are not checked here.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";

    #[test]
    fn every_entry_of_the_binding_is_trusted() {
        let settings = read(
            &[],
            &[
                ("company/type", "ca-certificates"),
                ("company/a.pem", PEM),
                ("company/b.crt", &format!("a comment\n{PEM}\n{PEM}")),
                ("other/type", "postgresql"),
                ("other/password", "secret"),
            ],
        )
        .unwrap();
        assert_eq!(settings.certificates.certificates().count(), 3);
        assert!(!settings.certificates.pem().ends_with(b"secret\n"));
    }
}

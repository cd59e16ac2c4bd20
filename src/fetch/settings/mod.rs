//! Mirrors, mappings, certificates and proxies, from build variables and service bindings. They
//! mean the same as for Paketo's buildpacks.
//!
//! Sources: <https://github.com/paketo-buildpacks/rfcs/blob/main/text/0010-dependency-mappings.md>,
//! <https://paketo.io/docs/howto/configuration/#dependency-mirrors>

mod certificates;
mod mappings;
mod mirrors;
mod proxies;

pub use certificates::CaCertificates;
pub use mappings::DependencyMappings;
pub use mirrors::DependencyMirrors;
pub use proxies::Proxies;

use crate::platform::bindings::Binding;
use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use std::io;
use thiserror::Error;

#[derive(Clone, Debug, Default)]
pub struct DownloadSettings {
    pub mirrors: DependencyMirrors,
    pub mappings: DependencyMappings,
    pub certificates: CaCertificates,
    pub proxies: Proxies,
}

/// A setting that cannot be used. Values are not shown: they may contain passwords.
#[derive(Debug, Diagnostic, Error)]
pub enum DownloadSettingsError {
    #[error("{name} is not an https, http or file URL")]
    #[diagnostic(help("Write it like `{example}`."))]
    NotAUrl {
        /// The variable or the binding's entry.
        name: String,
        /// A correct value.
        example: &'static str,
    },
    /// An entry of a mapping whose name is not a digest.
    #[error("{name} must be named by the SHA-256 of the file that it maps: 64 hexadecimal digits")]
    #[diagnostic(help(
        "The inventory lists the digest of every archive; the log of a build shows the one it used."
    ))]
    NotADigest {
        /// The binding's entry.
        name: String,
    },
    #[error("{name} contains no readable certificate")]
    #[diagnostic(help(
        "Each entry of a binding of type `ca-certificates` must be a PEM file, which starts with \
         `-----BEGIN CERTIFICATE-----`."
    ))]
    NoCertificate {
        /// The binding's entry, or the variable.
        name: String,
    },
    #[error("{name} is not the URL of an HTTP proxy")]
    #[diagnostic(help("Write it like `http://proxy.example.com:3128`, or unset {name}."))]
    Proxy { name: String },
    #[error("{name} cannot be read")]
    #[diagnostic(help(
        "Check that the build container has it: mount it with `--volume`, or as the platform \
         mounts service bindings."
    ))]
    Unreadable {
        /// The variable, the binding or its entry.
        name: String,
        source: io::Error,
    },
}

impl DownloadSettings {
    /// Reads all settings. `process_env` gives the variables of the build's own process, in which
    /// `pack` passes on its proxies.
    ///
    /// # Errors
    /// All settings that cannot be used.
    pub fn read(
        env: &BuildVariables,
        bindings: &[Binding],
        process_env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<DownloadSettingsError>> {
        let mut errors = Vec::new();
        let settings = Self {
            mirrors: DependencyMirrors::read(env, bindings, &mut errors),
            mappings: DependencyMappings::read(bindings, &mut errors),
            certificates: CaCertificates::read(env, bindings, &mut errors),
            proxies: Proxies::read(
                &|name| {
                    env.get(name)
                        .map(String::from)
                        .or_else(|| process_env(name))
                },
                &mut errors,
            ),
        };
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }
}

/// The entries of all bindings of a type: the name for messages, the entry's name, and its bytes.
fn entries(
    bindings: &[Binding],
    binding_type: &str,
    errors: &mut Vec<DownloadSettingsError>,
) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for binding in bindings {
        if !binding.is_of_type(binding_type) {
            continue;
        }
        match binding.entries() {
            Ok(entries) => found.extend(entries.into_iter().map(|(entry, bytes)| {
                let shown = format!("`{entry}` of the service binding `{}`", binding.name);
                (shown, entry, bytes)
            })),
            Err(source) => errors.push(DownloadSettingsError::Unreadable {
                name: format!("the service binding `{}`", binding.name),
                source,
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;
    use procfile::report::plain;
    use std::path::Path;

    /// The settings of these variables, and of these files in a folder of bindings.
    pub(super) fn read(
        variables: &[(&str, &str)],
        files: &[(&str, &str)],
    ) -> Result<DownloadSettings, Vec<DownloadSettingsError>> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let bindings = crate::platform::bindings::read(root.path()).unwrap();
        DownloadSettings::read(&BuildVariables::new(&env), &bindings, &|_| None)
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_no_value_is_shown() {
        let errors = read(
            &[
                (
                    "BP_DEPENDENCY_MIRROR",
                    "ftp://user:secret@mirror.example.com",
                ),
                ("BP_DEPENDENCY_MIRROR_GITHUB_COM", "user:secret@mirror"),
                ("https_proxy", "socks5://user:secret@proxy:1080"),
                ("SSL_CERT_FILE", "/nowhere/secret.pem"),
            ],
            &[
                ("mirror/type", "dependency-mirror"),
                ("mirror/default", "secret"),
                ("mapping/type", "dependency-mapping"),
                ("mapping/ruby.tgz", "https://example.com/secret"),
                (
                    "mapping/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                    "not a secret",
                ),
                ("certificates/type", "ca-certificates"),
                ("certificates/company.pem", "secret"),
            ],
        )
        .unwrap_err();
        let reports: Vec<_> = errors.iter().map(|error| plain(error)).collect();
        assert!(!reports.concat().contains("secret@"));
        insta::assert_snapshot!(reports.join("\n"));
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_shown() {
        let binding = Binding {
            name: "gone".into(),
            binding_type: "ca-certificates".into(),
            folder: Path::new("/nowhere").into(),
        };
        let errors =
            DownloadSettings::read(&BuildVariables::default(), &[binding], &|_| None).unwrap_err();
        procfile::assert_report!(errors[0]);
    }

    #[test]
    fn without_settings_nothing_is_replaced() {
        let settings = read(&[], &[]).unwrap();
        let url = "https://example.com/a".parse().unwrap();
        assert!(settings.mirrors.of(&url).is_none());
        assert!(settings.proxies.of(&url).is_none());
        assert!(settings.certificates.is_empty());
    }
}

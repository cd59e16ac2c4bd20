//! Where and how the platform wants things downloaded: mirrors, mappings, certificates, proxies. They come from build variables and
//! service bindings, and mean what they mean to Paketo's buildpacks.
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

/// Everything that is said about downloads.
#[derive(Clone, Debug, Default)]
pub struct DownloadSettings {
    /// Servers that are asked in the place of others.
    pub mirrors: DependencyMirrors,
    /// Single files that are to be had elsewhere.
    pub mappings: DependencyMappings,
    /// Issuers that are trusted besides those of the build image.
    pub certificates: CaCertificates,
    /// The way out of the network.
    pub proxies: Proxies,
}

/// A setting that cannot be used. None shows a value: it may hold a password.
#[derive(Debug, Diagnostic, Error)]
pub enum DownloadSettingsError {
    /// A mirror or a mapped file without a usable address.
    #[error("{name} is not an https, http or file URL")]
    #[diagnostic(help("Write it like `{example}`."))]
    NotAUrl {
        /// The variable or the binding's entry.
        name: String,
        /// A right one.
        example: &'static str,
    },
    /// An entry of a mapping that is not called by a digest.
    #[error(
        "{name} has to be named by the SHA-256 of the file that it maps: 64 hexadecimal digits"
    )]
    #[diagnostic(help(
        "The inventory has the digest of every archive, and so has the log of a build that used it."
    ))]
    NotADigest {
        /// The binding's entry.
        name: String,
    },
    /// A file of a certificates binding that holds none.
    #[error("{name} holds no certificate that can be read")]
    #[diagnostic(help(
        "Each entry of a binding of type `ca-certificates` is a PEM file: `-----BEGIN CERTIFICATE-----` and so on."
    ))]
    NoCertificate {
        /// The binding's entry, or the variable.
        name: String,
    },
    /// A proxy that cannot be one.
    #[error("{name} is not the URL of an HTTP proxy")]
    #[diagnostic(help("Write it like `http://proxy.example.com:3128`, or unset {name}."))]
    Proxy {
        /// The variable.
        name: String,
    },
    /// Something of a binding cannot be read.
    #[error("{name} cannot be read")]
    #[diagnostic(help(
        "Check that it is there in the build container: mount it with `--volume`, or as the platform mounts its service bindings."
    ))]
    Unreadable {
        /// The binding's entry.
        name: String,
        /// Why.
        source: io::Error,
    },
}

impl DownloadSettings {
    /// Reads all settings. `process_env` looks into the environment that the platform itself gives to the build, which is where
    /// `pack` passes its own proxies on.
    ///
    /// # Errors
    /// All that cannot be used.
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

/// The entries of all bindings of a type, with the name that messages give them.
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

    /// Settings of variables and of files below a bindings folder.
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
    fn all_mistakes_are_told_at_once_and_no_value_is_shown() {
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
    fn an_entry_that_cannot_be_read() {
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
    fn nothing_is_set() {
        let settings = read(&[], &[]).unwrap();
        let url = "https://example.com/a".parse().unwrap();
        assert!(settings.mirrors.of(&url).is_none());
        assert!(settings.proxies.of(&url).is_none());
        assert!(settings.certificates.is_empty());
    }
}

//! Running `bundle install`.

use crate::fetch::masked::MaskedLines;
use crate::fetch::settings::CaCertificates;
use crate::gems::bundle::Bundle;
use crate::gems::bundler_output::{help_for, lacks_a_gem, text_of};
use crate::gems::failed_extension::FailedExtensions;
use crate::gems::vendored::Vendored;
use crate::report;
use crate::ruby::gem_version::GemVersion;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::{Env, Target};
use libherokubuildpack::command::CommandExt;
use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::thread::available_parallelism;
use thiserror::Error;

/// Bundler did not install the gems.
#[derive(Debug, Diagnostic, Error)]
pub enum BundleInstallError {
    #[error("the settings for `bundle install` cannot be written")]
    #[diagnostic(help("Check that the disk of the container engine is not full."))]
    Settings(#[source] io::Error),
    #[error("`{program} install` cannot be started")]
    #[diagnostic(help(
        "Bundler comes with Ruby: Ruby's archive has to hold an executable `bin/bundle` whose \
         first line names a program that the build image has."
    ))]
    Start { program: String, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Extensions(#[from] FailedExtensions),
    #[error("`bundle install` failed ({status}); its own message is in the log above")]
    #[diagnostic(help("{help}"))]
    Failed { status: ExitStatus, help: String },
}

/// Runs `bundle install` with the layer's environment: from the app's `vendor/cache`, if that is
/// complete, else from the folder `archives`, if there is one, else from the servers. Bundler's own
/// state and the app's settings are in a temporary folder: nothing is written into the app's
/// folder.
pub fn run(
    bundle: &Bundle,
    target: &Target,
    ruby: &RubyLayer,
    env: &Env,
    archives: Option<&Path>,
    certificates: &CaCertificates,
) -> Result<(), BundleInstallError> {
    let what = "Running bundle install";
    if let Some(version) = obsolete_bundler(bundle, ruby) {
        report::detail(format!(
            "Bundler {version} of {} does not run on Ruby {}: Ruby's own Bundler is used",
            bundle.lockfile_name(),
            ruby.version
        ));
    }
    let mut output = if let Vendored::All(cache) = Vendored::find(bundle, target) {
        let what = format!("{what} from {} alone", bundle.app.name_of(&cache));
        bundle_install(bundle, ruby, env, &what, Some(&cache), certificates)?
    } else {
        bundle_install(bundle, ruby, env, what, archives, certificates)?
    };
    if archives.is_some() && lacks_a_gem(&output) {
        report::detail("Some gems are missing: Bundler runs again, with the gem servers");
        output = bundle_install(bundle, ruby, env, what, None, certificates)?;
    }
    if output.status.success() {
        return Ok(());
    }
    if let Some(extensions) = FailedExtensions::find(&text_of(&output)) {
        return Err(extensions.into());
    }
    Err(BundleInstallError::Failed {
        status: output.status,
        help: help_for(&output, bundle),
    })
}

/// Runs Bundler once. With a folder of archives, it asks no server.
fn bundle_install(
    bundle: &Bundle,
    ruby: &RubyLayer,
    env: &Env,
    what: &str,
    archives: Option<&Path>,
    certificates: &CaCertificates,
) -> Result<Output, BundleInstallError> {
    let state = tempfile::tempdir().map_err(BundleInstallError::Settings)?;
    let certificates =
        write_certificates(state.path(), certificates).map_err(BundleInstallError::Settings)?;
    let program = ruby.path.join("bin/bundle");
    let mut command =
        command(&program, bundle, env, state.path()).map_err(BundleInstallError::Settings)?;
    command
        .arg("install")
        // Removes gems that the lockfile no longer names.
        .env("BUNDLE_CLEAN", "1")
        .env("BUNDLE_SILENCE_ROOT_WARNING", "1");
    if let Some(path) = certificates {
        // For the downloads of Bundler, and those of git.
        command
            .env("SSL_CERT_FILE", &path)
            .env("GIT_SSL_CAINFO", &path);
    }
    if let Some(archives) = archives {
        command.arg("--local").env("BUNDLE_CACHE_PATH", archives);
    }
    // Bundler would download the lockfile's own Bundler, if that is not installed.
    let cannot_download = archives.is_some() && !has_locked_bundler(bundle, env);
    if (cannot_download || obsolete_bundler(bundle, ruby).is_some())
        && !bundle.settings.sets("BUNDLE_VERSION")
    {
        command.env("BUNDLE_VERSION", "system");
    }
    report::streamed(what, |out, err| {
        command.output_and_write_streams(MaskedLines::new(out), MaskedLines::new(err))
    })
    .map_err(|source| BundleInstallError::Start {
        program: program.display().to_string(),
        source,
    })
}

/// The version of the lockfile's own Bundler, if that does not run on this Ruby: Bundler 1 needs
/// `untaint`, which Ruby 3.2 and later do not have. Ruby's own Bundler can read the lockfile.
pub(super) fn obsolete_bundler<'a>(bundle: &'a Bundle, ruby: &RubyLayer) -> Option<&'a GemVersion> {
    let locked = bundle.lockfile.bundled_with.as_ref();
    let is_new = (ruby.version.number(0), ruby.version.number(1)) >= (3, 2);
    locked.filter(|locked| locked.number(0) < 2 && is_new)
}

/// Whether the Bundler that the lockfile names is installed with the gems.
fn has_locked_bundler(bundle: &Bundle, env: &Env) -> bool {
    let Some(version) = &bundle.lockfile.bundled_with else {
        return true;
    };
    env.get("GEM_PATH").is_some_and(|gems| {
        Path::new(gems)
            .join(format!("specifications/bundler-{version}.gemspec"))
            .is_file()
    })
}

/// A command for a program that runs Bundler, with the layer's environment. Bundler's own state
/// goes into the folder `state`.
pub(super) fn command(
    program: &Path,
    bundle: &Bundle,
    env: &Env,
    state: &Path,
) -> io::Result<Command> {
    let config = state.join("app-config");
    write_config(&config, bundle)?;
    let mut command = Command::new(program);
    command
        .current_dir(&bundle.app.dir)
        .env_clear()
        .envs(env)
        .env("BUNDLE_APP_CONFIG", config)
        .env("BUNDLE_USER_HOME", state);
    let settings = &bundle.settings;
    let available = available_parallelism().map_or(1, usize::from).to_string();
    let jobs = settings.get("BUNDLE_JOBS").unwrap_or(&available);
    if settings.env.get("MAKEFLAGS").is_none() {
        command.env("MAKEFLAGS", format!("-j{jobs}"));
    }
    for (name, value) in [("BUNDLE_JOBS", jobs), ("BUNDLE_RETRY", "3")] {
        if settings.get(name).is_none() {
            command.env(name, value);
        }
    }
    Ok(command)
}

fn write_config(folder: &Path, bundle: &Bundle) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("config"), bundle.settings.config.for_build())
}

/// Writes a file with the certificates of the build image and those that the platform adds. None if
/// the platform adds none.
fn write_certificates(folder: &Path, added: &CaCertificates) -> io::Result<Option<PathBuf>> {
    if added.is_empty() {
        return Ok(None);
    }
    let mut pem = match openssl_probe::probe().cert_file {
        Some(path) => fs::read(path)?,
        None => Vec::new(),
    };
    pem.push(b'\n');
    pem.extend(added.pem());
    let path = folder.join("certificates.pem");
    fs::write(&path, pem)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;
    use procfile::assert_report;
    use std::os::unix::process::ExitStatusExt;

    fn bundle_in(dir: &Path) -> Bundle {
        fs::write(dir.join("Gemfile"), "").unwrap();
        fs::write(dir.join("Gemfile.lock"), "").unwrap();
        Bundle::at(dir, &BuildVariables::default())
    }

    #[test]
    fn a_ruby_without_bundler_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = bundle_in(dir.path());
        let ruby = RubyLayer {
            path: "/nowhere/ruby".into(),
            version: "3.3.8".parse().unwrap(),
            sha256: String::new(),
            abi: "3.3.0".into(),
        };
        assert_report!(
            run(
                &bundle,
                &Target {
                    os: "linux".into(),
                    arch: "amd64".into(),
                    arch_variant: None,
                    distro_name: "debian".into(),
                    distro_version: "13".into(),
                },
                &ruby,
                &Env::new(),
                None,
                &CaCertificates::default()
            )
            .unwrap_err()
        );
    }

    #[test]
    fn settings_that_cannot_be_written_are_shown() {
        let error = fs::write("/dev/full", "---\n").unwrap_err();
        assert_report!(BundleInstallError::Settings(error));
    }

    #[test]
    fn a_failed_install_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = bundle_in(dir.path());
        let output = Output {
            status: ExitStatus::from_raw(16 << 8),
            stdout: Vec::new(),
            stderr: "... because frozen mode is set".into(),
        };
        assert_report!(BundleInstallError::Failed {
            status: output.status,
            help: help_for(&output, &bundle),
        });
    }
}

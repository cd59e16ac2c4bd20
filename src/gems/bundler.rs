//! Running `bundle install`.

use crate::fetch::masked::MaskedLines;
use crate::fetch::settings::CaCertificates;
use crate::gems::bundle::Bundle;
use crate::gems::failed_extension::{FAILED_EXTENSION, FailedExtension};
use crate::gems::vendored;
use crate::report;
use crate::ruby::gem_version::GemVersion;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::Env;
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
    Extension(#[from] FailedExtension),
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
    let mut output = if let Some(cache) = vendored::complete_cache(bundle) {
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
    if let Some(extension) = FailedExtension::find(&text_of(&output)) {
        return Err(extension.into());
    }
    Err(BundleInstallError::Failed {
        status: output.status,
        help: help_for(&output, bundle),
    })
}

/// Whether Bundler has failed because it was not to ask a server for a gem. (A compilation may fail
/// in similar words.)
fn lacks_a_gem(output: &Output) -> bool {
    let phrases = ["Could not find", "in cached gems", "is not yet checked out"];
    !output.status.success() && says(output, &phrases) && !says(output, &[FAILED_EXTENSION])
}

/// Whether Bundler's output has one of these phrases. Bundler may break a line at any space.
fn says(output: &Output, phrases: &[&str]) -> bool {
    let text = text_of(output);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    phrases.iter().any(|phrase| text.contains(phrase))
}

fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
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
    let jobs = available_parallelism().map_or(1, usize::from).to_string();
    if settings.env.get("MAKEFLAGS").is_none() {
        command.env("MAKEFLAGS", format!("-j{jobs}"));
    }
    for (name, value) in [("BUNDLE_JOBS", jobs.as_str()), ("BUNDLE_RETRY", "3")] {
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

/// The platform in `… but your local platform is x86_64-linux.`
fn platform_in(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    words.by_ref().find(|word| *word == "local")?;
    let platform = words.nth(2)?;
    Some(platform.trim_end_matches('.'))
}

/// What to do, by the cause that Bundler's output names.
fn help_for(output: &Output, bundle: &Bundle) -> String {
    let gemfile = bundle.gemfile_name();
    let lockfile = bundle.lockfile_name();
    let says = |phrases: &[&str]| says(output, phrases);
    if says(&["frozen mode", "frozen is set", "deployment mode"]) {
        format!(
            "{lockfile} does not match {gemfile}. Run `bundle install` on your machine, and commit \
             {lockfile}."
        )
    } else if says(&["Your bundle only supports platforms"]) {
        format!(
            "{lockfile} was resolved for other platforms. Run `bundle lock --add-platform {}`, and \
             commit {lockfile}.",
            platform_in(&text_of(output)).unwrap_or("x86_64-linux` (or `aarch64-linux")
        )
    } else if says(&["Your Ruby version is"]) {
        format!(
            "{gemfile} and {lockfile} ask for different Ruby versions. Run `bundle update --ruby`, \
             and commit {lockfile}."
        )
    } else if says(&["requires ruby version"]) && says(&["which is incompatible"]) {
        format!(
            "A gem of {lockfile} does not work with this Ruby. Choose a Ruby that it works with, \
             or run `bundle update GEM` with this Ruby, and commit {lockfile}."
        )
    } else if says(&["in cached gems"]) {
        format!(
            "A gem of {lockfile} is not in vendor/cache. Run `bundle cache` on your machine, and \
             commit vendor/cache; or remove vendor/cache from the app."
        )
    } else if says(&[FAILED_EXTENSION]) {
        "A gem could not be compiled; the log above says what is missing. The build image needs \
         the headers of a library, and the run image the library itself."
            .into()
    } else if says(&[
        "Authentication is required",
        "Bad username or password",
        "401 Unauthorized",
        "Authentication failed for", // git
    ]) {
        "A gem server or git server asks for credentials: give them to the build as BUNDLE_<HOST> \
         (with two underscores for each dot), such as `--env \
         BUNDLE_GEMS__EXAMPLE__COM=user:token`."
            .into()
    } else if says(&[
        "Could not verify the SSL certificate",
        "certificate verify failed",
    ]) {
        "The build image does not trust the issuer of a gem server's certificate: add the issuer \
         by a service binding of type `ca-certificates`."
            .into()
    } else if says(&["Could not find", "can no longer be", "cannot find"]) {
        format!(
            "A gem of {lockfile} is not on its server, or not for this platform. Check its source, \
             or run `bundle update GEM` and commit {lockfile}."
        )
    } else if says(&[
        "Could not reach host",
        "Network error",
        "Could not fetch specs",
        "Net::",
        "SocketError",
    ]) {
        "A gem server could not be reached. Check the network and the proxy, or use a mirror: \
         `--env BUNDLE_MIRROR__ALL=https://…`."
            .into()
    } else {
        format!(
            "Check that `BUNDLE_FROZEN=1 bundle install` works on your machine, with the same Ruby \
             and the same {lockfile}."
        )
    }
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

    #[test]
    fn known_causes_have_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = bundle_in(dir.path());
        let remedies: Vec<String> = [
            "The dependencies in your gemfile changed, but the lockfile can't be updated because frozen mode is set",
            "Your bundle only supports platforms [\"arm64-darwin-23\"] but your local platform\nis x86_64-linux. Add",
            "Your Ruby version is 3.3.8, but your Gemfile specified 3.4.1",
            "rack-3.2.0 requires ruby version >= 3.4, which is incompatible with the current version, 3.3.8",
            "Could not find rack-3.1.20 in cached gems or installed locally",
            "Add the current platform to the lockfile with\n`bundle lock --add-platform x86_64-linux` and try again.\nCould not reach host rubygems.org.",
            "Gem::Ext::BuildError: ERROR: Failed to build gem native extension.",
            "Authentication is required for gems.example.com.",
            "fatal: Authentication failed for 'https://git.example.com/a.git/'",
            "Your bundle is locked to tilt (2.4.99) from rubygems repository, but that version can no longer be found in that source.",
            "Could not find rack-99 in rubygems repository https://rubygems.org/ or installed locally.",
            "Could not reach host rubygems.org. Check your network connection and try again.",
            "Could not verify the SSL certificate for https://gems.example.com/.",
            "something else",
        ]
        .into_iter()
        .map(|text| {
            let output = Output {
                status: ExitStatus::from_raw(5 << 8),
                stdout: Vec::new(),
                stderr: text.into(),
            };
            format!("{text}\n  → {}", help_for(&output, &bundle))
        })
        .collect();
        insta::assert_snapshot!(remedies.join("\n"));
    }
}

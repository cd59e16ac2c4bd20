//! What the output of `bundle install` says about a failure, and what to do.

use crate::disk::DiskFault;
use crate::gems::bundle::Bundle;
use crate::gems::failed_extension::FAILED_EXTENSION;
use std::process::Output;

/// Whether Bundler has failed because it was not to ask a server for a gem. (A compilation may fail
/// in similar words.)
pub(super) fn lacks_a_gem(output: &Output) -> bool {
    let phrases = ["Could not find", "in cached gems", "is not yet checked out"];
    !output.status.success() && says(output, &phrases) && !says(output, &[FAILED_EXTENSION])
}

/// Whether Bundler's output has one of these phrases.
fn says(output: &Output, phrases: &[&str]) -> bool {
    let text = on_one_line(output);
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Bundler may break a line at any space.
fn on_one_line(output: &Output) -> String {
    let text = text_of(output);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// The platform in `… but your local platform is x86_64-linux.`
fn platform_in(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    words.by_ref().find(|word| *word == "local")?;
    let platform = words.nth(2)?;
    Some(platform.trim_end_matches('.'))
}

/// What to do, by the cause that Bundler's output names.
pub(super) fn help_for(output: &Output, bundle: &Bundle) -> String {
    let gemfile = bundle.gemfile_name();
    let lockfile = bundle.lockfile_name();
    let says = |phrases: &[&str]| says(output, phrases);
    if let Some(fault) = DiskFault::told_in(&on_one_line(output)) {
        fault.help().into()
    } else if says(&["frozen mode", "frozen is set", "deployment mode"]) {
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
    } else if says(&["Cannot use local override"]) {
        "A setting BUNDLE_LOCAL__NAME takes a gem from a folder that this build does not have: a \
         folder of the machine where it was set. Run `bundle config unset --local local.NAME`, and \
         commit .bundle/config without it; or leave the setting out of the build."
            .into()
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
    use fs_err as fs;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn known_causes_have_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Gemfile"), "").unwrap();
        fs::write(dir.path().join("Gemfile.lock"), "").unwrap();
        let bundle = Bundle::at(dir.path(), &BuildVariables::default());
        let remedies: Vec<String> = [
            "The dependencies in your gemfile changed, but the lockfile can't be updated \
             because frozen mode is set",
            "Your bundle only supports platforms [\"arm64-darwin-23\"] but your local \
             platform\nis x86_64-linux. Add",
            "Your Ruby version is 3.3.8, but your Gemfile specified 3.4.1",
            "rack-3.2.0 requires ruby version >= 3.4, which is incompatible with the current \
             version, 3.3.8",
            "Cannot use local override for rack because /home/me/rack does not exist.",
            "Could not find rack-3.1.20 in cached gems or installed locally",
            "Add the current platform to the lockfile with\n`bundle lock --add-platform \
             x86_64-linux` and try again.\nCould not reach host rubygems.org.",
            "Gem::Ext::BuildError: ERROR: Failed to build gem native extension.",
            "Authentication is required for gems.example.com.",
            "fatal: Authentication failed for 'https://git.example.com/a.git/'",
            "Your bundle is locked to tilt (2.4.99) from rubygems repository, but that version \
             can no longer be found in that source.",
            "Could not find rack-99 in rubygems repository https://rubygems.org/ or installed \
             locally.",
            "Could not reach host rubygems.org. Check your network connection and try again.",
            "Could not verify the SSL certificate for https://gems.example.com/.",
            "There was an error while trying to write to `/layers/gems/ruby`. There was insufficient \
             space\nremaining on the device.",
            "Errno::EROFS: Read-only file system @ dir_s_mkdir - /layers/gems/ruby",
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

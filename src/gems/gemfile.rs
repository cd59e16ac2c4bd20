//! The Gemfile (`gems.rb`): which file it is, and which Ruby it asks for. It is read as text: no Ruby runs to read it.

use std::path::{Path, PathBuf};

/// Where the app's bundle is described.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemfilePaths {
    /// The Gemfile, `gems.rb`, or what `BUNDLE_GEMFILE` names.
    pub gemfile: PathBuf,
    /// The lockfile beside it.
    pub lockfile: PathBuf,
}

impl GemfilePaths {
    /// Finds the Gemfile as Bundler does: what `BUNDLE_GEMFILE` names, else `gems.rb`, else `Gemfile`.
    /// None for an app that has neither a Gemfile nor a lockfile.
    #[must_use]
    pub fn find(app_dir: &Path, bundle_gemfile: Option<&Path>) -> Option<Self> {
        let gemfile = match bundle_gemfile {
            Some(path) => app_dir.join(path),
            None => ["gems.rb", "Gemfile"]
                .iter()
                .map(|name| app_dir.join(name))
                .find(|path| is_there(path) || is_there(&lockfile_of(path)))?,
        };
        Some(Self {
            lockfile: lockfile_of(&gemfile),
            gemfile,
        })
    }
}

/// Whether something has this name, be it a link that leads nowhere: that is a mistake, and shown when it is read.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Bundler's rule: `gems.rb` has `gems.locked`, any other file its own name with `.lock`.
fn lockfile_of(gemfile: &Path) -> PathBuf {
    if gemfile.file_name().is_some_and(|name| name == "gems.rb") {
        return gemfile.with_file_name("gems.locked");
    }
    let mut name = gemfile.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockfile_is_bundlers() {
        let app = Path::new("/app");
        assert_eq!(lockfile_of(&app.join("Gemfile")), app.join("Gemfile.lock"));
        assert_eq!(lockfile_of(&app.join("gems.rb")), app.join("gems.locked"));
        assert_eq!(
            lockfile_of(&app.join("gemfiles/rails_8.gemfile")),
            app.join("gemfiles/rails_8.gemfile.lock")
        );
    }
}

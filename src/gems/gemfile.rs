//! Which files are the app's Gemfile and lockfile.

use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemfilePaths {
    /// `Gemfile`, `gems.rb`, or the file that `BUNDLE_GEMFILE` names.
    pub gemfile: PathBuf,
    /// The lockfile beside it, or the one that the app names.
    pub lockfile: PathBuf,
}

impl GemfilePaths {
    /// Finds the Gemfile as Bundler does: the file that `BUNDLE_GEMFILE` names, else `gems.rb`,
    /// else `Gemfile`. None for an app that has neither a Gemfile nor a lockfile.
    #[must_use]
    pub fn find(app_dir: &Path, bundle_gemfile: Option<&Path>) -> Option<Self> {
        let gemfile = match bundle_gemfile {
            Some(path) => app_dir.join(path),
            None => ["gems.rb", "Gemfile"]
                .iter()
                .map(|name| app_dir.join(name))
                .find(|path| exists(path) || exists(&lockfile_of(path)))?,
        };
        Some(Self {
            lockfile: lockfile_of(&gemfile),
            gemfile,
        })
    }

    /// The lockfile, if it is not the one beside the Gemfile.
    #[must_use]
    pub fn other_lockfile(&self) -> Option<&Path> {
        (self.lockfile != lockfile_of(&self.gemfile)).then_some(&self.lockfile)
    }
}

/// Whether anything has this name. A link to a missing file counts: reading it is an error, which
/// is shown.
fn exists(path: &Path) -> bool {
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

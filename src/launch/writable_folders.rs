//! Folders that a Rails app writes to at launch. The image's app folder belongs to the user who
//! built it; a container may run as any other.

use crate::app::App;
use crate::gems::InstalledGems;
use crate::report;
use fs_err as fs;
use miette::Diagnostic;
use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use thiserror::Error;
use walkdir::WalkDir;

/// What Rails, its servers and its databases expect, as `rails new` and `rails server` make them.
const FOLDERS: [&str; 6] = [
    "log",
    "storage",
    "tmp",
    "tmp/cache",
    "tmp/pids",
    "tmp/sockets",
];

#[derive(Debug, Diagnostic, Error)]
#[error("the folders `log`, `storage` and `tmp` cannot be made writable for every user")]
#[diagnostic(
    severity(Warning),
    help("The app may fail where it is run by another user than the one of the image.")
)]
pub struct NotWritable(#[source] io::Error);

/// Makes the folders of a Rails app, and lets every user write to them and what is below.
pub fn make_folders_writable(app: &App, gems: Option<&InstalledGems<'_>>) {
    if !gems.is_some_and(|gems| gems.has("railties")) {
        return;
    }
    if let Err(error) = make_writable(&app.dir) {
        report::warning(&NotWritable(error));
    }
}

fn make_writable(app: &Path) -> io::Result<()> {
    for folder in FOLDERS.map(|name| app.join(name)) {
        // A link leads where the app wants to write.
        if folder.symlink_metadata().is_err() {
            fs::create_dir_all(&folder)?;
        }
    }
    for entry in FOLDERS.iter().flat_map(|name| WalkDir::new(app.join(name))) {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let wanted = if metadata.is_dir() { 0o777 } else { 0o666 };
        if !metadata.is_symlink() && !permits(&metadata, wanted) {
            let mode = metadata.permissions().mode() | wanted;
            fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn permits(metadata: &Metadata, wanted: u32) -> bool {
    metadata.permissions().mode() & wanted == wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn every_user_may_write_to_the_folders_and_what_is_below() {
        let app = tempfile::tempdir().unwrap();
        let path = |name: &str| app.path().join(name);
        fs::create_dir_all(path("tmp/own")).unwrap();
        fs::create_dir(path("elsewhere")).unwrap();
        for (file, mode) in [
            ("tmp/own/.keep", 0o600),
            ("tmp/run", 0o755),
            ("kept", 0o644),
        ] {
            fs::write(path(file), "").unwrap();
            fs::set_permissions(path(file), Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(path("elsewhere"), Permissions::from_mode(0o755)).unwrap();
        symlink("elsewhere", path("log")).unwrap();
        symlink("../kept", path("tmp/link")).unwrap();
        make_writable(app.path()).unwrap();
        for (name, expected) in [
            ("storage", 0o777),
            ("tmp", 0o777),
            ("tmp/pids", 0o777),
            ("tmp/own", 0o777),
            ("tmp/own/.keep", 0o666),
            ("tmp/run", 0o777),
            ("kept", 0o644),
            ("elsewhere", 0o755),
        ] {
            assert_eq!(mode(&path(name)), expected, "{name}");
        }
    }

    #[test]
    fn folders_that_cannot_be_made_are_shown() {
        let app = tempfile::tempdir().unwrap();
        fs::write(app.path().join("tmp"), "").unwrap();
        assert!(make_writable(app.path()).is_err());
        let missing = fs::create_dir("/nowhere/tmp").unwrap_err();
        assert_report!(NotWritable(missing));
    }
}

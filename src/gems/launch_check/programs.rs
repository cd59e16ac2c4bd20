//! A folder with the programs that the run image has, as far as that can be known here: those of the
//! distribution's base packages, and those that the user names.

use crate::platform::base_packages::BasePackages;
use fs_err as fs;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The user's variable with further programs of the run image.
pub(super) const VARIABLE: &str = "BP_RUN_PROGRAMS";

/// The names in the variable's value, with spaces, colons or commas between them.
pub(super) fn names(value: &str) -> Vec<&str> {
    let names = value.split([' ', ',', ':']);
    names.filter(|name| !name.is_empty()).collect()
}

/// Fills `links` with a link to each program of `image_folders` that a base package has, and of
/// `all_folders` to each that the user names.
pub(super) fn link_programs(
    image_folders: &[PathBuf],
    packages: &BasePackages,
    all_folders: &[PathBuf],
    user_named: &[&str],
    links: &Path,
) -> io::Result<()> {
    let folders = image_folders.iter().flat_map(fs::canonicalize);
    for folder in folders.collect::<BTreeSet<_>>() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue; // A `PATH` may name folders that are not there.
        };
        for entry in entries
            .flatten()
            .filter(|entry| packages.have(&entry.path()))
        {
            link(&entry.path(), links)?;
        }
    }
    for name in user_named {
        if let Some(program) = find(name, all_folders) {
            link(&program, links)?;
        }
    }
    Ok(())
}

/// The first program of that name.
pub(super) fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let places = folders.iter().map(|folder| folder.join(name));
    places.into_iter().find(|path| path.is_file())
}

fn link(program: &Path, links: &Path) -> io::Result<()> {
    let link = links.join(program.file_name().unwrap_or_default());
    match symlink(program, link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with the packages `dash` (essential) and `git`, as a Debian image has it.
    fn image() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let status = "Package: dash\nEssential: yes\n\nPackage: git\n";
        file("var/lib/dpkg/status", status);
        file("var/lib/dpkg/info/dash.list", "/usr/bin/dash\n");
        file(
            "var/lib/dpkg/info/git.list",
            "/usr/bin/git\n/usr/bin/scalar\n",
        );
        for program in [
            "usr/bin/dash",
            "usr/bin/git",
            "usr/bin/scalar",
            "layers/x/bin/tidy",
        ] {
            file(program, "");
        }
        symlink("dash", root.path().join("usr/bin/sh")).unwrap();
        root
    }

    #[test]
    fn the_programs_of_base_packages_are_there_and_those_that_are_named() {
        let image = image();
        let root = fs::canonicalize(image.path()).unwrap();
        let packages = BasePackages::read(&root).unwrap();
        let image_folders = [root.join("usr/bin"), root.join("gone")];
        let all_folders = [root.join("layers/x/bin"), root.join("usr/bin")];
        let linked = |user_named: &str| {
            let folder = tempfile::tempdir().unwrap();
            let user_named = names(user_named);
            link_programs(
                &image_folders,
                &packages,
                &all_folders,
                &user_named,
                folder.path(),
            )
            .unwrap();
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(linked(""), ["dash", "sh"]);
        assert_eq!(linked("git, sh gone"), ["dash", "git", "sh"]);
        assert_eq!(linked("tidy"), ["dash", "sh", "tidy"]);
    }
}

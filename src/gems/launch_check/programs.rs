//! A folder with the programs that the run image has, as far as that can be known here: those of the
//! distribution's base packages, and those that the user names.

use crate::platform::base_packages::BasePackages;
use fs_err as fs;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The user's variable with further programs of the run image, with spaces between them.
pub(super) const VARIABLE: &str = "BP_RUN_PROGRAMS";

/// The `PATH` of a process of the run image, without Formation's own layers. `path` is that of this
/// build, and `folder` an empty folder, which gets a link to each program.
pub(super) fn run_path(
    path: &OsStr,
    layers: &Path,
    packages: Option<&BasePackages>,
    named: &[&str],
    folder: &Path,
) -> io::Result<OsString> {
    let (launched, of_image) = launched_folders(path, layers);
    let of_image = match packages {
        Some(packages) => {
            link_programs(&of_image, packages, named, folder)?;
            vec![folder.to_path_buf()]
        }
        None => of_image,
    };
    std::env::join_paths(launched.into_iter().chain(of_image)).map_err(io::Error::other)
}

/// Of a path of folders: those of layers that will be in the image, and those of no layer.
pub(super) fn launched_folders(path: &OsStr, layers: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut of_layers, others): (Vec<_>, Vec<_>) =
        std::env::split_paths(path).partition(|entry| entry.starts_with(layers));
    of_layers.retain(|entry| is_launched(entry, layers));
    (of_layers, others)
}

/// Whether a folder below `LAYERS/BUILDPACK/LAYER` will be in the image.
fn is_launched(folder: &Path, layers: &Path) -> bool {
    let inside = folder.strip_prefix(layers).unwrap_or(folder);
    let layer: PathBuf = inside.iter().take(2).collect();
    let name = format!("{}.toml", layers.join(layer).display());
    let content: Option<toml::Table> = fs::read_to_string(name)
        .ok()
        .and_then(|text| text.parse().ok());
    content.is_some_and(|content| {
        let launch = content.get("types").and_then(|types| types.get("launch"));
        launch.and_then(toml::Value::as_bool) == Some(true)
    })
}

fn link_programs(
    folders: &[PathBuf],
    packages: &BasePackages,
    named: &[&str],
    links: &Path,
) -> io::Result<()> {
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else {
            continue; // A `PATH` may name folders that are not there.
        };
        for entry in entries {
            let entry = entry?;
            let link = links.join(entry.file_name());
            let is_there = packages.have(&entry.path())
                || named.iter().any(|name| entry.file_name() == **name);
            if is_there && link.symlink_metadata().is_err() {
                symlink(entry.path(), link)?;
            }
        }
    }
    Ok(())
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
        for program in ["dash", "git", "scalar"] {
            file(&format!("usr/bin/{program}"), "");
        }
        symlink("dash", root.path().join("usr/bin/sh")).unwrap();
        root
    }

    #[test]
    fn the_programs_of_base_packages_are_there_and_those_that_are_named() {
        let root = image();
        let bin = root.path().join("usr/bin");
        let canonical = fs::canonicalize(root.path()).unwrap();
        let packages = BasePackages::read(&canonical).unwrap();
        let names = |packages: Option<&BasePackages>, named: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let layers = Path::new("/nowhere/layers");
            let path = run_path(bin.as_os_str(), layers, packages, named, folder.path()).unwrap();
            let mut names: Vec<_> = fs::read_dir(PathBuf::from(path))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(packages.as_ref(), &[]), ["dash", "sh"]);
        assert_eq!(names(packages.as_ref(), &["git"]), ["dash", "git", "sh"]);
        // Nothing is known of another family.
        assert_eq!(names(None, &[]), ["dash", "git", "scalar", "sh"]);
    }

    #[test]
    fn layers_of_other_buildpacks_are_there_if_the_image_gets_them() {
        let layers = tempfile::tempdir().unwrap();
        let place = |name: &str| layers.path().join("other").join(name);
        for (name, types) in [
            ("node", "[types]\nlaunch = true\nbuild = true\n"),
            ("yarn", "[types]\nbuild = true\n"),
        ] {
            fs::create_dir_all(place(name).join("bin")).unwrap();
            fs::write(format!("{}.toml", place(name).display()), types).unwrap();
        }
        let folders = ["node", "yarn", "cut"].map(|name| place(name).join("bin"));
        let path = std::env::join_paths(&folders).unwrap();
        let folder = Path::new("/nowhere");
        let found = run_path(&path, layers.path(), None, &[], folder).unwrap();
        assert_eq!(PathBuf::from(found), folders[0]);
    }
}

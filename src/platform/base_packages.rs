//! What every image of a Debian-like distribution has, so the run image too: the packages without
//! which it does not work. The build image's package database tells which these are.
//!
//! Source: <https://www.debian.org/doc/debian-policy/ch-binary.html#essential-packages>

use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where dpkg keeps what is installed, below the root folder.
const DATABASE: &str = "var/lib/dpkg";

/// Not essential by its own word, but in each image that packages can be added to.
const PACKAGE_MANAGER: &str = "apt";

/// The packages that every image of the distribution has.
pub struct BasePackages {
    root: PathBuf,
    /// Their programs and shared libraries, as [`merged`] names them.
    files: BTreeSet<PathBuf>,
}

impl BasePackages {
    /// Those of the image with this root folder. `None` where they are not known: in an image of
    /// another family, or one without a whole database.
    #[must_use]
    pub fn read(root: &Path) -> Option<Self> {
        let status = read_lossy(&root.join(DATABASE).join("status"))?;
        let packages = base(&status);
        let lists = file_lists(root);
        let lists = lists
            .iter()
            .filter(|list| packages.contains(package_of_list(list).as_str()));
        let mut files = BTreeSet::new();
        for list in lists {
            let text = read_lossy(list)?;
            let needed = text.lines().filter(|file| is_program_or_library(file));
            files.extend(needed.map(|file| merged(Path::new(file))));
        }
        (!files.is_empty()).then(|| Self {
            root: root.to_path_buf(),
            files,
        })
    }

    /// The root folder of the image.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a program or library of the build image is one of theirs. A link counts as the file it
    /// leads to.
    #[must_use]
    pub fn have(&self, file: &Path) -> bool {
        self.files.contains(&self.inside(file))
            || (file.is_symlink() && self.files.contains(&self.inside(&resolved(file))))
    }

    fn inside(&self, file: &Path) -> PathBuf {
        let inside = file.strip_prefix(&self.root).unwrap_or(file);
        merged(&Path::new("/").join(inside))
    }

    /// The package that has each of these libraries of the build image, where one has.
    #[must_use]
    pub fn packages_of<'a>(
        &self,
        libraries: impl Iterator<Item = &'a PathBuf>,
    ) -> BTreeMap<PathBuf, String> {
        let mut wanted: BTreeMap<_, _> = libraries
            .map(|library| (self.inside(&resolved(library)), library.clone()))
            .collect();
        let mut found = BTreeMap::new();
        for list in file_lists(&self.root) {
            if wanted.is_empty() {
                break;
            }
            let text = read_lossy(&list).unwrap_or_default();
            for file in text.lines().filter(|file| is_program_or_library(file)) {
                if let Some(library) = wanted.remove(&merged(Path::new(file))) {
                    found.insert(library, package_of_list(&list));
                }
            }
        }
        found
    }
}

fn is_program_or_library(file: &str) -> bool {
    file.contains("bin/") || file.contains(".so")
}

/// A file without links.
fn resolved(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf())
}

/// The files that list the files of a package, `PACKAGE.list` or `PACKAGE:ARCHITECTURE.list`.
fn file_lists(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(DATABASE).join("info"));
    let paths = entries.into_iter().flatten().flatten();
    let mut lists: Vec<_> = paths
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "list")
        })
        .collect();
    lists.sort();
    lists
}

/// Names of people and of files need not be UTF-8.
fn read_lossy(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn package_of_list(list: &Path) -> String {
    let name = list.file_stem().unwrap_or_default().to_string_lossy();
    name.split(':').next().unwrap_or_default().to_string()
}

/// Distributions have merged `/bin`, `/lib` and `/sbin` into `/usr`, and a package may name either.
fn merged(file: &Path) -> PathBuf {
    let inside = file
        .strip_prefix("/usr")
        .or_else(|_| file.strip_prefix("/"));
    inside.unwrap_or(file).to_path_buf()
}

/// The essential packages, and what they depend on.
fn base(status: &str) -> BTreeSet<&str> {
    let packages: BTreeMap<&str, Vec<(&str, &str)>> = status
        .split("\n\n")
        .map(|paragraph| paragraph.lines().filter_map(|line| line.split_once(": ")))
        .map(Iterator::collect)
        .filter_map(|fields: Vec<_>| Some((field(&fields, "Package")?, fields)))
        .collect();
    let is_essential = |(name, fields): (&&str, &Vec<(&str, &str)>)| {
        field(fields, "Essential") == Some("yes")
            || field(fields, "Priority") == Some("required")
            || *name == PACKAGE_MANAGER
    };
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = packages
        .iter()
        .filter(|package| is_essential(*package))
        .map(|(name, _)| *name)
        .collect();
    while let Some(name) = open.pop() {
        let Some(fields) = packages.get(name).filter(|_| found.insert(name)) else {
            continue;
        };
        for depends in ["Depends", "Pre-Depends"] {
            let text = field(fields, depends).unwrap_or_default();
            // `libc6 (>= 2.41), mawk | awk:any`
            let names = text
                .split([',', '|'])
                .filter_map(|one| one.split([' ', '(', ':']).find(|word| !word.is_empty()));
            open.extend(names);
        }
    }
    found
}

fn field<'a>(fields: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(field, _)| *field == name);
    found.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: bash
Essential: yes
Depends: base-files (>= 2.1.12), debianutils | toolbox
Pre-Depends: libc6 (>= 2.38), libtinfo6:any
Description: shell
 Package: not one

Package: base-files
Priority: required

Package: debianutils
Priority: optional

Package: libc6
Depends: libgcc-s1

Package: libgcc-s1
Depends: libc6

Package: libtinfo6
Priority: optional

Package: git
Priority: optional
Depends: perl, libc6

Package: apt
Depends: libstdc++6 (>= 13.1)

Package: libstdc++6
";

    #[test]
    fn essential_packages_bring_what_they_depend_on() {
        let expected = [
            "apt",
            "base-files",
            "bash",
            "debianutils",
            "libc6",
            "libgcc-s1",
            "libstdc++6",
            "libtinfo6",
        ];
        assert_eq!(base(STATUS).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn files_are_found_whether_usr_is_merged_or_not() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        assert!(BasePackages::read(&root).is_none());
        let database = root.join(DATABASE);
        fs::create_dir_all(database.join("info")).unwrap();
        fs::write(database.join("status"), STATUS).unwrap();
        assert!(BasePackages::read(&root).is_none(), "without lists");
        let list = |name: &str, files: &str| {
            fs::write(database.join("info").join(name), files).unwrap();
        };
        list("bash.list", "/.\n/bin\n/bin/bash\n");
        list("libc6:amd64.list", "/usr/lib/x/libc.so.6\n");
        fs::write(
            database.join("info/git.list"),
            b"/usr/share/caf\xe9\n/usr/bin/git\n",
        )
        .unwrap();
        let packages = BasePackages::read(&root).unwrap();
        for (file, is_there) in [
            ("usr/bin/bash", true),
            ("lib/x/libc.so.6", true),
            ("usr/bin/git", false),
        ] {
            assert_eq!(packages.have(&root.join(file)), is_there, "{file}");
        }
        let package = |file| {
            let file = root.join(file);
            packages.packages_of([&file].into_iter()).remove(&file)
        };
        assert_eq!(package("bin/git").as_deref(), Some("git"));
        assert_eq!(package("lib/x/libc.so.6").as_deref(), Some("libc6"));
        assert_eq!(package("opt/x"), None);
    }
}

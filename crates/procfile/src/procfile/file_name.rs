//! The name of the file, and files that have nearly that name.

use miette::Diagnostic;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file's name in the app's folder. Case matters; there is no extension.
pub const FILE_NAME: &str = "Procfile";

/// What editors and file managers append to a name.
const EXTENSIONS: [&str; 6] = ["", ".txt", ".text", ".rtf", ".yml", ".yaml"];

/// A folder has no Procfile, but a file of nearly that name, which nothing reads.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("`{name}` is not read, because a Procfile is called `{FILE_NAME}` and nothing else")]
#[diagnostic(severity(Warning), help("Rename it: `git mv {name} {FILE_NAME}`."))]
pub struct MisnamedProcfile {
    /// As the folder has it.
    pub name: String,
}

impl MisnamedProcfile {
    /// Looks for it among the names in a folder.
    #[must_use]
    pub fn among(names: &[String]) -> Option<Self> {
        let is_nearly = |name: &&String| {
            let name = name.trim().to_lowercase();
            let rest = name.strip_prefix("procfile");
            rest.is_some_and(|extension| EXTENSIONS.contains(&extension))
        };
        if names.iter().any(|name| name == FILE_NAME) {
            return None;
        }
        let name = names.iter().filter(is_nearly).min()?.clone();
        Some(Self { name })
    }

    /// Looks for it where a Procfile is missing. `None` for a path with another name.
    #[must_use]
    pub fn instead_of(path: &Path) -> Option<Self> {
        let is_procfile = path.file_name().is_some_and(|name| name == FILE_NAME);
        path.parent()
            .filter(|_| is_procfile)
            .and_then(Self::in_folder)
    }

    /// Looks for it in a folder. `None` also for a folder that cannot be listed.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Option<Self> {
        // `Path::parent` of a name alone is empty.
        let folder = if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        };
        let names: Vec<String> = fs_err::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        Self::among(&names)
    }
}

/// The Procfile that a user names: a folder stands for the one in it.
#[must_use]
pub fn named_procfile(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_path_buf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_report;

    #[test]
    fn a_file_of_nearly_that_name_is_found() {
        let among = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            MisnamedProcfile::among(&names).map(|misnamed| misnamed.name)
        };
        for name in [
            "procfile",
            "ProcFile",
            "PROCFILE",
            "Procfile.txt",
            "Procfile ",
        ] {
            assert_eq!(among(&["Gemfile", name]).as_deref(), Some(name));
            assert_eq!(among(&["Procfile", name]), None);
        }
        for name in [
            "Procfile.dev",
            "Profile",
            "Procfile.rb",
            "my_procfile",
            ".procfile",
        ] {
            assert_eq!(among(&[name]), None, "{name}");
        }
        let name = "ProcFile".to_string();
        assert_report!(MisnamedProcfile { name });
    }

    #[test]
    fn a_folder_stands_for_its_procfile() {
        let folder = tempfile::tempdir().unwrap();
        let procfile = folder.path().join(FILE_NAME);
        assert_eq!(named_procfile(folder.path()), procfile);
        assert_eq!(named_procfile(&procfile), procfile);
        assert_eq!(MisnamedProcfile::in_folder(folder.path()), None);
        std::fs::write(folder.path().join("procfile"), "").unwrap();
        assert!(MisnamedProcfile::in_folder(folder.path()).is_some());
        assert!(MisnamedProcfile::instead_of(&procfile).is_some());
        assert_eq!(
            MisnamedProcfile::instead_of(&folder.path().join("Procfile.dev")),
            None
        );
        assert_eq!(MisnamedProcfile::in_folder(Path::new("/nowhere")), None);
    }
}

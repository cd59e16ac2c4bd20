//! Service bindings: folders that the platform mounts for a build, each with a file
//! `$SERVICE_BINDING_ROOT/NAME/type` and one file for each entry.
//!
//! Source: <https://github.com/servicebinding/spec#workload-projection>

use crate::platform::variables::BuildVariables;
use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The platform mounts service bindings, but they cannot be read.
#[derive(Debug, Diagnostic, Error)]
#[error("the service bindings in {folder} cannot be read")]
#[diagnostic(help(
    "Each is a folder with a text file `type`. Check that the build user may read them all, or \
     mount no folder there."
))]
pub struct BindingsError {
    pub folder: String,
    pub source: io::Error,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The folder's name.
    pub name: String,
    /// The text of its `type` file, without the space around it.
    pub binding_type: String,
    /// Has one file for each entry.
    pub folder: PathBuf,
}

/// The folder of the service bindings: the one that the user or the platform names, else
/// `$CNB_PLATFORM_DIR/bindings`.
#[must_use]
pub fn root(env: &BuildVariables) -> PathBuf {
    const VARIABLE: &str = "SERVICE_BINDING_ROOT";
    let named = env.get(VARIABLE).map(PathBuf::from);
    named
        .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from))
        .or_else(|| {
            std::env::var_os("CNB_PLATFORM_DIR")
                .map(|platform| PathBuf::from(platform).join("bindings"))
        })
        .unwrap_or_else(|| PathBuf::from("/platform/bindings"))
}

/// All bindings below a root, sorted by name; none where the root does not exist. A folder without
/// `type` is ignored.
pub fn read(root: &Path) -> Result<Vec<Binding>, BindingsError> {
    let mut bindings = read_folders(root).map_err(|source| BindingsError {
        folder: root.display().to_string(),
        source,
    })?;
    bindings.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(bindings)
}

fn read_folders(root: &Path) -> io::Result<Vec<Binding>> {
    let mut bindings = Vec::new();
    if !root.is_dir() {
        return Ok(bindings);
    }
    for entry in fs_err::read_dir(root)? {
        let entry = entry?;
        let type_file = entry.path().join("type");
        if type_file.is_file() {
            bindings.push(Binding {
                name: entry.file_name().to_string_lossy().into_owned(),
                binding_type: fs_err::read_to_string(type_file)?.trim().to_string(),
                folder: entry.path(),
            });
        }
    }
    Ok(bindings)
}

impl Binding {
    /// Upper and lower case are the same, as in other buildpacks.
    #[must_use]
    pub fn is_of_type(&self, binding_type: &str) -> bool {
        self.binding_type.eq_ignore_ascii_case(binding_type)
    }

    /// Every entry's name and bytes, sorted by name, without `type` and without Kubernetes' own
    /// files, whose names start with a dot.
    pub fn entries(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut entries = Vec::new();
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "type" && !name.starts_with('.') && entry.path().is_file() {
                entries.push((name, fs_err::read(entry.path())?));
            }
        }
        entries.sort();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_have_a_type() {
        let root = tempfile::tempdir().unwrap();
        for (name, binding_type) in [
            ("b", Some("Procfile\n")),
            ("a", Some("ca-certificates")),
            ("c", None),
        ] {
            fs_err::create_dir(root.path().join(name)).unwrap();
            if let Some(binding_type) = binding_type {
                fs_err::write(root.path().join(name).join("type"), binding_type).unwrap();
            }
        }
        let bindings = read(root.path()).unwrap();
        assert_eq!(
            bindings
                .iter()
                .map(|binding| binding.name.as_str())
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert!(bindings[1].is_of_type("procfile"));
        assert!(read(Path::new("/nowhere")).unwrap().is_empty());
    }
}

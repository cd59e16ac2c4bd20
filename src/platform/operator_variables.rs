//! The operator's build variables: `[[build.env]]` of a builder, which the platform keeps as files in
//! `<build-config>/env`.
//!
//! A buildpack whose descriptor says `clear-env` has the user's variables in the platform's folder
//! only, and the operator's in its environment or in their files only: both are put together here.
//!
//! Source: <https://github.com/buildpacks/spec/blob/main/platform.md#operator-defined-variables>

use miette::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Names the folder `<build-config>`.
const FOLDER_VARIABLE: &str = "CNB_BUILD_CONFIG_DIR";

const DEFAULT_FOLDER: &str = "/cnb/build-config";

/// The prefixes of the variables that are taken from the process environment: it holds much that
/// is not meant for Formation, such as the host's name.
const IN_ENVIRONMENT: [&str; 2] = ["BP_", "BUNDLE_"];

/// The operator's variables cannot be read.
#[derive(Debug, Diagnostic, Error)]
#[error("the operator's build variables in {folder} cannot be read")]
#[diagnostic(help(
    "They come from the builder (`[[build.env]]`): each is a file that the build user may read. Ask \
     whoever made the builder."
))]
pub struct OperatorVariablesError {
    folder: String,
    source: io::Error,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OperatorVariables {
    /// The text of each file `NAME` or `NAME.SUFFIX`.
    files: BTreeMap<String, String>,
    /// What the platform made of them, where the user does not set the same variable.
    environment: BTreeMap<String, String>,
}

impl OperatorVariables {
    /// Reads the files that the environment of this process names, and that environment.
    pub fn read() -> Result<Self, OperatorVariablesError> {
        let folder = std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty());
        let folder = folder.map_or_else(|| DEFAULT_FOLDER.into(), PathBuf::from);
        let folder = folder.join("env");
        let files = read_files(&folder).map_err(|source| OperatorVariablesError {
            folder: folder.display().to_string(),
            source,
        })?;
        Ok(Self::new(files, std::env::vars_os()))
    }

    fn new(
        files: BTreeMap<String, String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let texts = environment.into_iter().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let is_meant = |name: &str| IN_ENVIRONMENT.iter().any(|prefix| name.starts_with(prefix));
        Self {
            environment: texts.filter(|(name, _)| is_meant(name)).collect(),
            files,
        }
    }

    /// The names of all variables that the operator sets or modifies.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let files = self.files.keys().map(|file| split(file).0);
        files
            .chain(self.environment.keys().map(String::as_str))
            .collect()
    }

    /// The value of a variable, given the user's.
    pub(super) fn value_of(&self, name: &str, user: Option<&str>) -> Option<String> {
        match (user, self.environment.get(name)) {
            // The platform has put the operator's files into it already.
            (None, Some(value)) => Some(value.clone()),
            (user, _) => self.modify(name, user),
        }
    }

    /// Applies the files of a variable in the order of their names, as the lifecycle does: those
    /// that append, set a default, override and prepend.
    fn modify(&self, name: &str, user: Option<&str>) -> Option<String> {
        let delimiter = self.files.get(&format!("{name}.delim"));
        let delimiter = delimiter.map_or("", String::as_str);
        let mut value = user.map(String::from);
        for (file, text) in &self.files {
            let (named, suffix) = split(file);
            if named != name {
                continue;
            }
            let so_far = value.as_deref().filter(|value| !value.is_empty());
            value = match (suffix, so_far) {
                ("" | "default" | "append" | "prepend", None) | ("override", _) => {
                    Some(text.clone())
                }
                ("append", Some(before)) => Some(format!("{before}{delimiter}{text}")),
                ("prepend", Some(after)) => Some(format!("{text}{delimiter}{after}")),
                _ => value, // A default that is not needed, the delimiter, an unknown suffix.
            };
        }
        value
    }
}

/// A file's variable, and its suffix.
fn split(file: &str) -> (&str, &str) {
    file.split_once('.').unwrap_or((file, ""))
}

/// The texts of the files in a folder; none without the folder. Bytes that are not UTF-8 are no
/// variable.
fn read_files(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if !entry.path().is_file() {
            continue;
        }
        let text = String::from_utf8(fs_err::read(entry.path())?);
        if let (Ok(name), Ok(text)) = (entry.file_name().into_string(), text) {
            files.insert(name, text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use proptest::prelude::*;

    fn of(files: &[(&str, &str)], environment: &[(&str, &str)]) -> OperatorVariables {
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let os = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        OperatorVariables::new(files.iter().map(pair).collect(), environment.iter().map(os))
    }

    #[test]
    fn each_suffix_does_what_the_specification_says() {
        for (file, user, expected) in [
            ("X", None, "o"),
            ("X", Some("u"), "u"),
            ("X", Some(""), "o"),
            ("X.default", Some("u"), "u"),
            ("X.default", None, "o"),
            ("X.override", Some("u"), "o"),
            ("X.append", Some("u"), "u:o"),
            ("X.append", None, "o"),
            ("X.prepend", Some("u"), "o:u"),
            ("X.prepend", Some(""), "o"),
            ("X.unknown", Some("u"), "u"),
            ("Y.override", Some("u"), "u"),
        ] {
            let operator = of(&[(file, "o"), ("X.delim", ":")], &[]);
            let value = operator.value_of("X", user);
            assert_eq!(value.as_deref(), Some(expected), "{file} {user:?}");
        }
        assert_eq!(of(&[("X.delim", ":")], &[]).value_of("X", None), None);
    }

    #[test]
    fn the_environment_counts_where_the_user_sets_nothing() {
        let operator = of(
            &[("BP_A.append", "o")],
            &[
                ("BP_A", "o"),
                ("BUNDLE_MIRROR__ALL", "m"),
                ("HOSTNAME", "h"),
            ],
        );
        assert_eq!(
            operator.names(),
            BTreeSet::from(["BP_A", "BUNDLE_MIRROR__ALL"])
        );
        assert_eq!(operator.value_of("BP_A", None).as_deref(), Some("o"));
        assert_eq!(operator.value_of("BP_A", Some("u")).as_deref(), Some("uo"));
        let mirror = |user| operator.value_of("BUNDLE_MIRROR__ALL", user);
        assert_eq!(mirror(None).as_deref(), Some("m"));
        assert_eq!(mirror(Some("u")).as_deref(), Some("u"));
    }

    #[test]
    fn files_are_read_and_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("..data")).unwrap();
        fs_err::write(folder.path().join("BP_A"), "1\n").unwrap();
        fs_err::write(folder.path().join("BP_B"), b"\xff").unwrap();
        let files = BTreeMap::from([("BP_A".to_string(), "1\n".to_string())]);
        assert_eq!(read_files(folder.path()).unwrap(), files);
        assert!(read_files(Path::new("/nowhere")).unwrap().is_empty());
    }

    #[test]
    fn files_that_cannot_be_read_are_shown() {
        assert_report!(OperatorVariablesError {
            folder: format!("{DEFAULT_FOLDER}/env"),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        });
    }

    proptest! {
        /// The rules one by one, in the order in which the lifecycle goes through the files.
        #[test]
        fn all_suffixes_together(
            files in proptest::collection::btree_map(
                "X(\\.(append|default|delim|override|prepend))?", "[a-c:]{0,2}", 0..6
            ),
            user in proptest::option::of("[u]{0,1}"),
        ) {
            let text = |suffix: &str| files.get(&format!("X{suffix}")).cloned();
            let delimiter = text(".delim").unwrap_or_default();
            let between = |left: String, right: String, before: &str| {
                if before.is_empty() { left + &right } else { left + &delimiter + &right }
            };
            let mut value = user.clone().unwrap_or_default();
            if value.is_empty() && let Some(text) = text("") { value = text; }
            if let Some(text) = text(".append") {
                let before = value.clone();
                value = between(value, text, &before);
            }
            if value.is_empty() && let Some(text) = text(".default") { value = text; }
            if let Some(text) = text(".override") { value = text; }
            if let Some(text) = text(".prepend") {
                let after = value.clone();
                value = between(text, value, &after);
            }
            let operator = OperatorVariables { files: files.clone(), ..OperatorVariables::default() };
            let result = operator.value_of("X", user.as_deref());
            prop_assert_eq!(result.unwrap_or_default(), value);
        }

        #[test]
        fn without_the_operator_nothing_changes(user in proptest::option::of(".{0,4}")) {
            let operator = of(&[("Y", "o")], &[("BP_Z", "z")]);
            prop_assert_eq!(operator.value_of("X", user.as_deref()), user);
        }
    }
}

//! The environment of a process type: variables for every type of the image, and those that
//! buildpacks set for this one alone.
//!
//! The launcher, which starts `formation` like any other process type, has set the former; the
//! latter are set here by its rules (lifecycle's `launch.Launcher` and `env.AddEnvDir`; chapter
//! "Launch" of the CNB specification).

use fs_err as fs;
use miette::Diagnostic;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

pub(super) type Environment = BTreeMap<OsString, OsString>;

/// The environment of a process type cannot be read.
#[derive(Debug, Diagnostic, Error)]
pub(super) enum EnvironmentError {
    #[error("the variables that buildpacks set for `{process_type}` cannot be read")]
    #[diagnostic(help("Check that the container's user may read the folder /layers."))]
    Unreadable {
        process_type: String,
        source: io::Error,
    },
}

/// Adds the variables that the layers of buildpacks set for a process type; `buildpacks` are the
/// folders of their layers, in order. Returns the exec.d programs of the type, which are to run in
/// its process before its program, and add the rest.
pub(super) fn add_for_type(
    environment: &mut Environment,
    process_type: &str,
    buildpacks: &[PathBuf],
) -> Result<Vec<PathBuf>, EnvironmentError> {
    let unreadable = |source| EnvironmentError::Unreadable {
        process_type: process_type.into(),
        source,
    };
    let mut layers = Vec::new();
    for buildpack in buildpacks {
        layers.extend(entries(buildpack, Path::is_dir).map_err(unreadable)?);
    }
    for layer in &layers {
        add_folder(environment, &layer.join("env.launch").join(process_type))
            .map_err(unreadable)?;
    }
    let mut programs = Vec::new();
    for layer in &layers {
        let of_layer = entries(&layer.join("exec.d").join(process_type), Path::is_file);
        programs.extend(of_layer.map_err(unreadable)?);
    }
    Ok(programs)
}

/// The entries of a folder that are of a kind, sorted by name; none where there is no folder.
fn entries(folder: &Path, is_of_kind: fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| is_of_kind(path));
    paths.sort();
    Ok(paths)
}

/// Each file is a variable; the extension of its name says how its value is added.
fn add_folder(environment: &mut Environment, folder: &Path) -> io::Result<()> {
    for file in entries(folder, Path::is_file)? {
        let file_name = file.file_name().unwrap_or_default().as_bytes();
        let dot = file_name.iter().position(|byte| *byte == b'.');
        let (name, action) = file_name.split_at(dot.unwrap_or(file_name.len()));
        let name = OsStr::from_bytes(name);
        let before = environment.get(name).cloned().unwrap_or_default();
        let value = OsString::from_vec(fs::read(&file)?);
        let joined = |first: OsString, second: OsString| {
            if before.is_empty() {
                return Ok(value.clone());
            }
            let delimiter = folder.join(name).with_extension("delim");
            let mut text = first;
            if delimiter.is_file() {
                text.push(OsString::from_vec(fs::read(delimiter)?));
            }
            text.push(second);
            Ok::<_, io::Error>(text)
        };
        let value = match action {
            b"" | b".override" => value,
            b".default" if before.is_empty() => value,
            b".prepend" => joined(value.clone(), before.clone())?,
            b".append" => joined(before.clone(), value.clone())?,
            _ => continue,
        };
        environment.insert(name.to_os_string(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn layers(files: &[(&str, &str)]) -> tempfile::TempDir {
        let buildpack = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = buildpack.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        buildpack
    }

    fn environment_of(
        files: &[(&str, &str)],
        before: &[(&str, &str)],
    ) -> Result<Vec<String>, EnvironmentError> {
        let buildpack = layers(files);
        let mut environment: Environment = before
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        add_for_type(
            &mut environment,
            "web",
            &[buildpack.path().to_path_buf(), "/nowhere".into()],
        )?;
        let shown = |(name, value): (&OsString, &OsString)| {
            format!("{}={}", name.display(), value.display())
        };
        Ok(environment.iter().map(shown).collect())
    }

    #[test]
    fn files_set_variables_by_the_launchers_rules() {
        let files = [
            ("a/env.launch/web/PLAIN", "new"),
            ("a/env.launch/web/OVER.override", "new"),
            ("a/env.launch/web/SET.default", "new"),
            ("a/env.launch/web/UNSET.default", "new"),
            ("a/env.launch/web/EMPTY.default", "new"),
            ("a/env.launch/web/FRONT.prepend", "new"),
            ("a/env.launch/web/FRONT.delim", ":"),
            ("a/env.launch/web/BACK.append", "new"),
            ("a/env.launch/web/ALONE.append", "new"),
            ("a/env.launch/web/ALONE.delim", ":"),
            ("a/env.launch/web/ODD.else", "new"),
            ("a/env.launch/worker/PLAIN", "worker's"),
            ("a/env.launch/PLAIN", "for all"),
            ("b/env.launch/web/BACK.append", "er"),
        ];
        let before = ["PLAIN", "OVER", "SET", "FRONT", "BACK"].map(|name| (name, "old"));
        let before = [&before[..], &[("EMPTY", "")]].concat();
        assert_eq!(
            environment_of(&files, &before).unwrap(),
            [
                "ALONE=new",
                "BACK=oldnewer",
                "EMPTY=new",
                "FRONT=new:old",
                "OVER=new",
                "PLAIN=new",
                "SET=old",
                "UNSET=new",
            ]
        );
    }

    #[test]
    fn exec_d_programs_of_the_type_come_in_order() {
        let files = [
            ("b/exec.d/web/ports", ""),
            ("a/exec.d/web/20-second", ""),
            ("a/exec.d/web/10-first", ""),
            ("a/exec.d/for-all", ""),
            ("a/exec.d/worker/its-own", ""),
        ];
        let buildpack = layers(&files);
        let buildpacks = [buildpack.path().to_path_buf()];
        let programs = add_for_type(&mut Environment::new(), "web", &buildpacks).unwrap();
        let names: Vec<_> = programs
            .iter()
            .map(|path| path.strip_prefix(buildpack.path()).unwrap().to_str())
            .collect();
        let expected = [
            "a/exec.d/web/10-first",
            "a/exec.d/web/20-second",
            "b/exec.d/web/ports",
        ];
        assert_eq!(names, expected.map(Some));
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_reported() {
        assert_report!(EnvironmentError::Unreadable {
            process_type: "web".into(),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        });
    }
}

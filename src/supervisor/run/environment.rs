//! The environment of a process type: what every type of the image has, and what buildpacks have for this one alone.
//!
//! The launcher, which starts `formation` like any other type, has seen to the first part; the second follows its rules
//! (lifecycle's `launch.Launcher` and `env.AddEnvDir`, the specification's "Launch" chapter).

use crate::supervisor::program::{Program, Setting, StartError};
use fs_err as fs;
use miette::Diagnostic;
use rustix::process::{WaitOptions, waitpid};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, pipe};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Variables by their names.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// Where an exec.d program writes its variables.
const EXEC_D_OUTPUT: i32 = 3;

/// The environment of a process type cannot be made.
#[derive(Debug, Diagnostic, Error)]
pub(super) enum EnvironmentError {
    #[error("the environment that the buildpacks have for `{process_type}` cannot be read")]
    #[diagnostic(help("Check that the container's user may read the folder /layers."))]
    Unreadable {
        process_type: String,
        source: io::Error,
    },
    #[error("the program {} does not start", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for `{process_type}`."))]
    ExecD {
        process_type: String,
        path: PathBuf,
        #[source]
        source: StartError,
    },
    #[error("the program {} has failed", path.display())]
    #[diagnostic(help(
        "It comes from a buildpack, and sets variables for `{process_type}`; what it wrote stands above."
    ))]
    ExecDFailed { process_type: String, path: PathBuf },
    #[error("the program {} wrote something else than variables", path.display())]
    #[diagnostic(help("It comes from a buildpack, and sets variables for `{process_type}`."))]
    ExecDOutput {
        process_type: String,
        path: PathBuf,
        source: toml::de::Error,
    },
}

/// Adds to an environment what the buildpacks' layers have for a type; `buildpacks` are the folders of their layers, in order.
pub(super) fn add_for_type(
    environment: &mut Environment,
    process_type: &str,
    buildpacks: &[PathBuf],
) -> Result<(), EnvironmentError> {
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
    for layer in &layers {
        let programs = entries(&layer.join("exec.d").join(process_type), Path::is_file);
        for program in programs.map_err(unreadable)? {
            run_exec_d(environment, process_type, program)?;
        }
    }
    Ok(())
}

/// What a folder has of a kind, by name; nothing where there is no folder.
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

/// One file a variable; what is done with it is told by the end of its name.
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

/// Runs a program that has variables for its output.
fn run_exec_d(
    environment: &mut Environment,
    process_type: &str,
    path: PathBuf,
) -> Result<(), EnvironmentError> {
    let unreadable = |source| EnvironmentError::Unreadable {
        process_type: process_type.into(),
        source,
    };
    let nothing = fs::File::open("/dev/null").map_err(unreadable)?;
    let (mut reader, writer) = pipe().map_err(unreadable)?;
    let started = Program::named(&path).start_with(&Setting::new(
        environment.clone(),
        &[(nothing.as_fd(), 0), (writer.as_fd(), EXEC_D_OUTPUT)],
    ));
    drop(writer);
    let process = started.map_err(|source| EnvironmentError::ExecD {
        process_type: process_type.into(),
        path: path.clone(),
        source,
    })?;
    let mut text = String::new();
    let read = reader.read_to_string(&mut text);
    let status = waitpid(Some(process), WaitOptions::empty()).map_err(|e| unreadable(e.into()))?;
    if status.is_none_or(|(_, status)| status.exit_status() != Some(0)) {
        return Err(EnvironmentError::ExecDFailed {
            process_type: process_type.into(),
            path,
        });
    }
    read.map_err(unreadable)?;
    let variables: BTreeMap<String, String> =
        toml::from_str(&text).map_err(|source| EnvironmentError::ExecDOutput {
            process_type: process_type.into(),
            path,
            source,
        })?;
    for (name, value) in variables {
        environment.insert(name.into(), value.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use std::os::unix::fs::PermissionsExt;

    fn layers(files: &[(&str, &str)]) -> tempfile::TempDir {
        let buildpack = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = buildpack.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
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
            ("a/env.launch/PLAIN", "everybody's"),
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
    fn programs_set_variables_after_all_files() {
        let files = [
            (
                "a/exec.d/web/10-first",
                "#!/bin/sh\necho \"A = \\\"$B and more\\\"\" >&3\n",
            ),
            (
                "a/exec.d/web/20-second",
                "#!/bin/sh\necho \"C = \\\"$A\\\"\" >&3\n",
            ),
            ("a/exec.d/everybody", "#!/bin/sh\nexit 1\n"),
            ("b/env.launch/web/B", "file"),
        ];
        assert_eq!(
            environment_of(&files, &[("PATH", "/usr/bin:/bin")]).unwrap(),
            [
                "A=file and more",
                "B=file",
                "C=file and more",
                "PATH=/usr/bin:/bin"
            ]
        );
    }

    #[test]
    fn a_program_that_fails_is_shown() {
        let failure = |script: &str| {
            let error = environment_of(&[("a/exec.d/web/ports", script)], &[]).unwrap_err();
            let path = PathBuf::from("/layers/some/a/exec.d/web/ports");
            let process_type = "web".to_string();
            match error {
                EnvironmentError::ExecDFailed { .. } => {
                    EnvironmentError::ExecDFailed { process_type, path }
                }
                EnvironmentError::ExecDOutput { source, .. } => EnvironmentError::ExecDOutput {
                    process_type,
                    path,
                    source,
                },
                EnvironmentError::ExecD { .. } => EnvironmentError::ExecD {
                    process_type,
                    source: Program::named(&path).start().unwrap_err(),
                    path,
                },
                error @ EnvironmentError::Unreadable { .. } => error,
            }
        };
        assert_report!("failed", failure("#!/bin/sh\nexit 3\n"));
        assert_report!("wrong_output", failure("#!/bin/sh\necho 'PORT: 1' >&3\n"));
        assert_report!("not_started", failure("#!/nowhere/sh\n"));
        assert_report!(
            "unreadable",
            EnvironmentError::Unreadable {
                process_type: "web".into(),
                source: io::Error::from(io::ErrorKind::PermissionDenied),
            }
        );
    }
}

//! Layer `formation` (launch): the program `formation`, which every process of the image starts
//! with, and the default variables of a production environment.

use fs_err as fs;
use libcnb::Buildpack;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::UncachedLayerDefinition;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use miette::Diagnostic;
use procfile::app_facts::{self, AppFacts};
use procfile::launch_spec::EXEC_D_PROGRAM;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a production process expects. `docker run --env` overrides each.
const PRODUCTION_DEFAULTS: [(&str, &str); 8] = [
    // Spring would keep a process for the next command.
    ("DISABLE_SPRING", "1"),
    // glibc has a memory arena for each thread, which wastes memory in a Ruby with many threads.
    ("MALLOC_ARENA_MAX", "2"),
    // Platforms that route requests to a container set it, and Procfiles rely on it.
    ("PORT", "8080"),
    // Longer than the balancer in front keeps an unused connection, in seconds: none breaks while it is used.
    ("PUMA_PERSISTENT_TIMEOUT", "95"),
    ("RACK_ENV", "production"),
    ("RAILS_ENV", "production"),
    ("RAILS_LOG_TO_STDOUT", "enabled"),
    ("RAILS_SERVE_STATIC_FILES", "enabled"),
];

#[derive(Debug, Diagnostic, Error)]
#[error("the program `formation` cannot be copied into the image")]
#[diagnostic(help(
    "The buildpack's package may be incomplete: package it again with `script/package`."
))]
pub struct FormationLayerError(#[source] io::Error);

/// Writes the layer, with what is known of the app. `programs` are the buildpack's files of `formation`, and of the program that
/// it needs beside it. Returns the path of `formation` in the image.
pub fn install<B>(
    context: &BuildContext<B>,
    programs: [&Path; 2],
    facts: &AppFacts,
) -> libcnb::Result<PathBuf, B::Error>
where
    B: Buildpack,
    B::Error: From<FormationLayerError>,
{
    let layer = context.uncached_layer(
        layer_name!("formation"),
        UncachedLayerDefinition {
            build: false,
            launch: true,
        },
    )?;
    let installed = write_facts(facts, &layer.path())
        .and_then(|()| copy_programs(programs, &layer.path()))
        .map_err(|error| libcnb::Error::BuildpackError(FormationLayerError(error).into()))?;
    layer.write_env(layer_env(&context.app_dir))?;
    Ok(installed)
}

/// The variables of the layer: the defaults; and last in the PATH the app's own programs, `worker: crunch` for `bin/crunch`. A
/// program of a gem or of the system is not replaced by one of them.
#[must_use]
pub fn layer_env(app: &Path) -> LayerEnv {
    let mut env = LayerEnv::new();
    for (name, value) in PRODUCTION_DEFAULTS {
        env.insert(Scope::Launch, ModificationBehavior::Default, name, value);
    }
    let programs = app.join("bin");
    if programs.is_dir() {
        env.insert(
            Scope::Launch,
            ModificationBehavior::Append,
            "PATH",
            programs,
        );
        env.insert(Scope::Launch, ModificationBehavior::Delimiter, "PATH", ":");
    }
    env
}

fn write_facts(facts: &AppFacts, layer: &Path) -> io::Result<()> {
    let text = toml::to_string(facts).map_err(io::Error::other)?;
    fs::write(layer.join(app_facts::FILE_NAME), text)
}

/// Copies the programs into one folder, and has the lifecycle's launcher start the second before
/// each process. Returns the path of the first.
fn copy_programs(programs: [&Path; 2], layer: &Path) -> io::Result<PathBuf> {
    let bin = layer.join("bin");
    fs::create_dir_all(&bin)?;
    let place = |program: &Path| bin.join(program.file_name().unwrap_or_default());
    for program in programs {
        fs::copy(program, place(program))?;
    }
    let exec_d = layer.join("exec.d");
    fs::create_dir_all(&exec_d)?;
    let command_line = programs[1].file_name().unwrap_or_default();
    symlink(
        Path::new("../bin").join(command_line),
        exec_d.join(EXEC_D_PROGRAM),
    )?;
    Ok(place(programs[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn the_programs_are_in_one_folder_where_processes_find_them() {
        let folder = tempfile::tempdir().unwrap();
        let programs = ["formation", "formation-cli"].map(|name| folder.path().join(name));
        for program in &programs {
            fs::write(program, "x").unwrap();
        }
        let layer = folder.path().join("layer");
        let installed = copy_programs([&programs[0], &programs[1]], &layer).unwrap();
        assert_eq!(installed, layer.join("bin/formation"));
        assert!(installed.is_file() && layer.join("bin/formation-cli").is_file());
        let exec_d = fs::canonicalize(layer.join("exec.d").join(EXEC_D_PROGRAM));
        assert_eq!(exec_d.unwrap(), layer.join("bin/formation-cli"));
    }

    #[test]
    fn what_is_set_comes_before_a_default_and_the_apps_programs_come_last() {
        let app = tempfile::tempdir().unwrap();
        let applied = |app: &Path| {
            let mut env = libcnb::Env::new();
            env.insert("PATH", "/usr/bin");
            env.insert("RAILS_ENV", "staging");
            layer_env(app).apply(Scope::Launch, &env)
        };
        assert_eq!(applied(app.path()).get("PATH").unwrap(), "/usr/bin");
        let bin = app.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let env = applied(app.path());
        assert_eq!(env.get("RAILS_ENV").unwrap(), "staging");
        assert_eq!(env.get("PORT").unwrap(), "8080");
        assert_eq!(
            env.get("PATH").unwrap().to_str().unwrap(),
            format!("/usr/bin:{}", bin.display())
        );
    }

    #[test]
    fn a_buildpack_without_the_program_is_shown() {
        let missing = fs::copy("/nowhere/bin/formation", "/nowhere/layer/bin/formation");
        assert_report!(FormationLayerError(missing.unwrap_err()));
    }
}

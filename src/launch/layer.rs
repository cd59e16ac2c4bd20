//! Layer `formation` (launch): the program `formation`, which every process of the image starts
//! with, and the default variables of a production environment.

use fs_err as fs;
use libcnb::Buildpack;
use libcnb::build::BuildContext;
use libcnb::data::layer_name;
use libcnb::layer::UncachedLayerDefinition;
use libcnb::layer_env::{LayerEnv, ModificationBehavior, Scope};
use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a production process expects. `docker run --env` overrides each.
const PRODUCTION_DEFAULTS: [(&str, &str); 5] = [
    // glibc has a memory arena for each thread, which wastes memory in a Ruby with many threads.
    ("MALLOC_ARENA_MAX", "2"),
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

/// Writes the layer. `programs` are the buildpack's files of `formation`, and of the program that
/// it needs beside it. Returns the path of `formation` in the image.
pub fn install<B>(
    context: &BuildContext<B>,
    programs: [&Path; 2],
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
    let installed = copy_programs(programs, &layer.path())
        .map_err(|error| libcnb::Error::BuildpackError(FormationLayerError(error).into()))?;
    layer.write_env(
        PRODUCTION_DEFAULTS
            .iter()
            .fold(LayerEnv::new(), |env, (name, value)| {
                env.chainable_insert(Scope::Launch, ModificationBehavior::Default, name, value)
            }),
    )?;
    Ok(installed)
}

/// Copies the programs into one folder. Returns the path of the first.
fn copy_programs(programs: [&Path; 2], layer: &Path) -> io::Result<PathBuf> {
    let bin = layer.join("bin");
    fs::create_dir_all(&bin)?;
    let place = |program: &Path| bin.join(program.file_name().unwrap_or_default());
    for program in programs {
        fs::copy(program, place(program))?;
    }
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
    }

    #[test]
    fn a_buildpack_without_the_program_is_shown() {
        let missing = fs::copy("/nowhere/bin/formation", "/nowhere/layer/bin/formation");
        assert_report!(FormationLayerError(missing.unwrap_err()));
    }
}

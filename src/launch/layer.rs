//! Layer `formation` (launch): what every process of the image starts with, the program `formation` and the production defaults.
//!
//! The exec.d program that sets `PORT` gets its place here too.

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

/// What a production process expects; the user's own `docker run --env` wins over each.
const PRODUCTION_DEFAULTS: [(&str, &str); 5] = [
    // glibc's arenas, one for each thread, fragment the memory of a threaded Ruby.
    ("MALLOC_ARENA_MAX", "2"),
    ("RACK_ENV", "production"),
    ("RAILS_ENV", "production"),
    ("RAILS_LOG_TO_STDOUT", "enabled"),
    ("RAILS_SERVE_STATIC_FILES", "enabled"),
];

/// The program could not be put into the layer.
#[derive(Debug, Diagnostic, Error)]
#[error("the program `formation` cannot be put into the image")]
#[diagnostic(help(
    "The buildpack may not have been packaged whole: package it again with `script/package`."
))]
pub struct FormationLayerError(#[source] io::Error);

/// Writes the layer; `programs` is where the buildpack has `formation`, and what that needs beside it. Returns where the image has the
/// first.
///
/// # Errors
/// The layer cannot be written.
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

/// Side by side. The path of the first.
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
    fn the_programs_are_put_side_by_side_where_processes_find_them() {
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

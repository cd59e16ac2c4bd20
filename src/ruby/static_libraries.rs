//! The static libraries of a Ruby that is one program, such as `libruby-static.a`: half of its
//! bytes. Compiling a gem needs them, running one does not. They are kept beside the layer `ruby`,
//! as `ruby-static`: a folder for this build alone, or a layer (build, cache) where buildpacks that
//! come later need Ruby too.

use crate::platform::files::{beside, remove_dir, remove_file, replace_dir};
use crate::platform::launch_layer::NeededBy;
use fs_err as fs;
use libcnb::data::layer_content_metadata::{LayerContentMetadata, LayerTypes};
use libcnb::generic::GenericMetadata;
use libcnb::layer_env::LayerEnv;
use libcnb::write_toml_file;
use std::io;
use std::path::{Path, PathBuf};

/// Takes the static libraries out of an unpacked Ruby that is going to be the layer. Where Ruby is
/// a shared library, gems are linked to that, and nobody needs them.
pub(super) fn take_out(ruby: &Path, layer: &Path) -> io::Result<()> {
    let (kept, new) = (kept_beside(layer), beside(&kept_beside(layer), "new"));
    remove_dir(&new)?;
    let libraries = Libraries::of(ruby)?;
    if libraries.has_shared_ruby || libraries.archives.is_empty() {
        libraries.archives.iter().try_for_each(fs::remove_file)?;
        return remove_dir(&kept);
    }
    // By its name the platform finds it: a compiler looks for libraries in there.
    let lib = new.join("lib");
    fs::create_dir_all(&lib)?;
    for archive in &libraries.archives {
        fs::rename(archive, lib.join(archive.file_name().unwrap_or_default()))?;
    }
    replace_dir(&new, &kept)
}

/// Whether gems can be compiled: a layer that the platform has restored may be without them.
pub(super) fn are_here(layer: &Path) -> bool {
    kept_beside(layer).is_dir()
        || Libraries::of(layer).is_ok_and(|libraries| libraries.has_shared_ruby)
}

/// What a compiler needs to find them.
pub(super) fn env(layer: &Path) -> io::Result<LayerEnv> {
    LayerEnv::read_from_layer_dir(kept_beside(layer))
}

/// Keeps them for later buildpacks, and for their next build; for nobody else.
pub(super) fn keep(layer: &Path, needed_by: NeededBy) -> io::Result<()> {
    let kept = kept_beside(layer);
    let file = kept.with_extension("toml");
    if needed_by != NeededBy::LaterBuildpacks || !kept.is_dir() {
        return remove_file(&file);
    }
    let content = LayerContentMetadata::<GenericMetadata> {
        types: Some(LayerTypes {
            launch: false,
            build: true,
            cache: true,
        }),
        metadata: None,
    };
    write_toml_file(&content, file).map_err(io::Error::other)
}

fn kept_beside(layer: &Path) -> PathBuf {
    layer.with_file_name("ruby-static")
}

/// The libraries in a Ruby's folder `lib`.
#[derive(Default)]
struct Libraries {
    archives: Vec<PathBuf>,
    /// Such as `libruby.so.3.3`.
    has_shared_ruby: bool,
}

impl Libraries {
    fn of(ruby: &Path) -> io::Result<Self> {
        let mut libraries = Self::default();
        let lib = ruby.join("lib");
        if !lib.is_dir() {
            return Ok(libraries); // It is not a Ruby, which is reported later.
        }
        for entry in fs::read_dir(lib)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            libraries.has_shared_ruby |= name.starts_with("libruby") && name.contains(".so");
            if name.ends_with(".a") {
                libraries.archives.push(path);
            }
        }
        Ok(libraries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;
    use libcnb::layer_env::Scope;

    /// A layer of a Ruby with these files in `lib`.
    fn layer(layers: &Path, names: &[&str]) -> PathBuf {
        let layer = layers.join("ruby");
        fs::create_dir_all(layer.join("lib")).unwrap();
        for name in names {
            fs::write(layer.join("lib").join(name), *name).unwrap();
        }
        layer
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn those_of_a_static_ruby_are_kept_for_compilers() {
        let layers = tempfile::tempdir().unwrap();
        let layer = layer(layers.path(), &["libruby-static.a", "libssl.a", "ruby"]);
        assert!(!are_here(&layer));
        for _ in 0..2 {
            // The second time, as after a kill: the archive is unpacked again.
            fs::write(layer.join("lib/libruby-static.a"), "").unwrap();
            take_out(&layer, &layer).unwrap();
            assert_eq!(names(&layer.join("lib")), ["ruby"]);
        }
        assert_eq!(names(layers.path()), ["ruby", "ruby-static"]);
        assert!(are_here(&layer));
        let env = env(&layer).unwrap().apply(Scope::Build, &Env::new());
        let lib = layers.path().join("ruby-static/lib");
        assert_eq!(env.get("LIBRARY_PATH"), Some(&lib.into_os_string()));
    }

    #[test]
    fn those_of_a_shared_ruby_are_removed() {
        let layers = tempfile::tempdir().unwrap();
        let layer = layer(layers.path(), &["libruby-static.a", "libruby.so.3.3"]);
        fs::create_dir(layers.path().join("ruby-static")).unwrap();
        take_out(&layer, &layer).unwrap();
        assert_eq!(names(&layer.join("lib")), ["libruby.so.3.3"]);
        assert_eq!(names(layers.path()), ["ruby"]);
        assert!(are_here(&layer), "none is needed");
        take_out(&layers.path().join("nowhere"), &layer).unwrap();
    }

    #[test]
    fn only_later_buildpacks_have_them_as_a_layer() {
        let layers = tempfile::tempdir().unwrap();
        let layer = layer(layers.path(), &["libruby-static.a"]);
        let file = layers.path().join("ruby-static.toml");
        keep(&layer, NeededBy::LaterBuildpacks).unwrap();
        assert!(!file.exists());
        take_out(&layer, &layer).unwrap();
        keep(&layer, NeededBy::LaterBuildpacks).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let types = text.parse::<toml::Table>().unwrap();
        let types = ["build", "cache", "launch"].map(|name| types["types"][name].as_bool());
        assert_eq!(types.map(Option::unwrap), [true, true, false]);
        keep(&layer, NeededBy::TheImage).unwrap();
        assert!(!file.exists());
    }
}

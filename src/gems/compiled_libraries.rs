//! The libraries of compiled gems: RubyGems keeps two copies of each, one below `extensions` and
//! one in the gem's `lib`.

use crate::platform::files::remove_file;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Replaces the copy below `extensions` with a link to the one in `lib`. That makes the image
/// smaller, and Ruby, which may find a library in both places, loads it once.
pub(super) fn link_copies(gem_home: &Path) -> io::Result<()> {
    // Gems from gem servers, and gems from git.
    let homes = [
        (gem_home.to_path_buf(), "gems"),
        (gem_home.join("bundler/gems"), ""),
    ];
    for (home, gems) in homes {
        let extensions = home.join("extensions");
        if !extensions.is_dir() {
            continue;
        }
        for entry in WalkDir::new(&extensions) {
            let entry = entry?;
            let inside = entry
                .path()
                .strip_prefix(&extensions)
                .unwrap_or(entry.path());
            if entry.file_type().is_file()
                && inside
                    .extension()
                    .is_some_and(|extension| extension == "so")
                && let Some(library) = in_lib(inside)
            {
                let up: PathBuf = inside.components().map(|_| "..").collect();
                let library = Path::new(gems).join(library);
                if is_copy(entry.path(), &home.join(&library))? {
                    link(entry.path(), &up.join(library))?;
                }
            }
        }
    }
    Ok(())
}

/// `PLATFORM/ABI/NAME-VERSION/LIBRARY` is `NAME-VERSION/lib/LIBRARY` too.
fn in_lib(inside_extensions: &Path) -> Option<PathBuf> {
    let mut parts = inside_extensions.components().skip(2);
    let gem = Path::new(&parts.next()?).join("lib");
    Some(gem.join(parts.collect::<PathBuf>()))
}

fn is_copy(path: &Path, other: &Path) -> io::Result<bool> {
    Ok(other.is_file() && fs::read(path)? == fs::read(other)?)
}

/// Replaces a file with a link by one rename, so that the library is never missing.
fn link(path: &Path, target: &Path) -> io::Result<()> {
    let new = path.with_extension("so.link");
    remove_file(&new)?; // A killed build left it.
    std::os::unix::fs::symlink(target, &new)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_becomes_a_link() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let copies = [
            (
                "extensions/x86_64-linux/3.3.0/racc-1.7.3/racc/cparse.so",
                "gems/racc-1.7.3/lib/racc/cparse.so",
            ),
            (
                "bundler/gems/extensions/x86_64-linux/3.3.0/own-0123/own.so",
                "bundler/gems/own-0123/lib/own.so",
            ),
        ];
        for (extension, library) in copies {
            write(extension, library);
            write(library, library);
        }
        let others = [
            "extensions/x86_64-linux/3.3.0/racc-1.7.3/gem.build_complete",
            "extensions/x86_64-linux/3.3.0/date-3.3.4/date_core.so",
            "extensions/x86_64-linux/3.3.0/puma-5.6.5/puma.so",
        ];
        for other in others {
            write(other, "one");
        }
        write("gems/puma-5.6.5/lib/puma.so", "another");
        let (extension, _) = copies[0];
        write(&format!("{extension}.link"), "left by a killed build");

        for _ in 0..2 {
            link_copies(home.path()).unwrap();
            for (extension, library) in copies {
                let path = home.path().join(extension);
                assert!(path.is_symlink(), "{extension}");
                assert_eq!(fs::read_to_string(path).unwrap(), library);
            }
        }
        for other in others {
            assert!(!home.path().join(other).is_symlink(), "{other}");
        }
    }

    #[test]
    fn a_killed_build_may_have_left_a_link() {
        let home = tempfile::tempdir().unwrap();
        let extension = home
            .path()
            .join("extensions/x86_64-linux/3.3.0/own-1.0/own.so");
        let library = home.path().join("gems/own-1.0/lib/own.so");
        for path in [&extension, &library] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let link = extension.with_extension("so.link");
        std::os::unix::fs::symlink(&library, &link).unwrap();
        link_copies(home.path()).unwrap();
        assert!(extension.is_symlink() && !link.is_symlink());
    }

    #[test]
    fn there_may_be_no_gems() {
        let home = tempfile::tempdir().unwrap();
        link_copies(home.path()).unwrap();
    }
}

//! What installing a gem leaves behind and nobody reads again.

use crate::gems::installed::{CHECKOUTS, remove_checkouts};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// Removes what an installed gem leaves behind but nobody reads again: archives, build logs, object files, generated Makefiles, the
/// repository that a gem was checked out of. They also differ from build to build, and so would the layer.
pub(super) fn remove_left_overs(layer: &Path) -> io::Result<()> {
    let mut walk = WalkDir::new(layer).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let path = entry.path();
        if entry.depth() == 3 && entry.file_name() == "cache" && entry.file_type().is_dir() {
            fs::remove_dir_all(path)?;
            walk.skip_current_dir();
        } else if is_repository(layer, &entry) {
            if entry.file_type().is_dir() {
                fs::remove_dir_all(path)?;
                walk.skip_current_dir();
            } else {
                fs::remove_file(path)?; // A submodule's.
            }
        } else if entry.file_type().is_file() && is_left_over(layer, path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes the repositories that a killed build was fetching, and the gems that it was checking out of them: Bundler takes whatever is
/// there for the whole. A build that ends well leaves no repository.
pub(super) fn remove_unfinished_checkouts(gem_home: &Path) -> io::Result<()> {
    let repositories = gem_home.join("cache/bundler");
    if repositories.is_dir() {
        fs::remove_dir_all(repositories)?;
    }
    let checkouts = gem_home.join(CHECKOUTS);
    if !checkouts.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&checkouts)? {
        let checkout = entry?.path();
        // git makes the folder first, and `.git` in it then.
        if checkout.join(".git").exists() || is_empty(&checkout)? {
            return remove_checkouts(gem_home);
        }
    }
    Ok(())
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(path.is_dir() && fs::read_dir(path)?.next().is_none())
}

/// `ruby/ABI/bundler/gems/NAME-REVISION/.git`, and those of its submodules.
fn is_repository(layer: &Path, entry: &DirEntry) -> bool {
    let inside = entry.path().strip_prefix(layer).unwrap_or(entry.path());
    let inside_home: PathBuf = inside.components().skip(2).collect();
    entry.file_name() == ".git" && inside_home.starts_with(CHECKOUTS)
}

fn is_left_over(layer: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    if name == "gem_make.out" || name == "mkmf.log" {
        return true;
    }
    // ruby/ABI/gems/NAME-VERSION/ext/…: only what the compiler made.
    let below_ext = path
        .strip_prefix(layer)
        .is_ok_and(|inside| inside.components().any(|part| part.as_os_str() == "ext"));
    below_ext
        && (path.extension().is_some_and(|extension| extension == "o")
            || (name == "Makefile" && is_generated_makefile(path)))
}

/// Ruby's mkmf begins each of its Makefiles like this; one of the gem's own stays.
fn is_generated_makefile(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.starts_with(b"\nSHELL = /bin/sh\n\n# V=0 quiet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_reads_is_pruned() {
        let layer = tempfile::tempdir().unwrap();
        let keep = [
            "ruby/3.3.0/gems/racc-1.7.3/ext/racc/cparse/cparse.c",
            "ruby/3.3.0/gems/racc-1.7.3/lib/racc/cparse.so",
            "ruby/3.3.0/gems/own-1.0/ext/own/Makefile",
            "ruby/3.3.0/gems/own-1.0/lib/cache/store.rb",
            "ruby/3.3.0/gems/own-1.0/lib/data.o",
            "ruby/3.3.0/gems/own-1.0/spec/fixtures/.git/HEAD",
            "ruby/3.3.0/bundler/gems/a-0123456789ab/lib/a.rb",
            "ruby/3.3.0/specifications/racc-1.7.3.gemspec",
        ];
        let drop = [
            "ruby/3.3.0/cache/racc-1.7.3.gem",
            "ruby/3.3.0/extensions/x86_64-linux/3.3.0/racc-1.7.3/gem_make.out",
            "ruby/3.3.0/extensions/x86_64-linux/3.3.0/racc-1.7.3/mkmf.log",
            "ruby/3.3.0/gems/racc-1.7.3/ext/racc/cparse/cparse.o",
            "ruby/3.3.0/gems/racc-1.7.3/ext/racc/cparse/Makefile",
            "ruby/3.3.0/bundler/gems/a-0123456789ab/.git/HEAD",
            "ruby/3.3.0/bundler/gems/a-0123456789ab/vendor/b/.git",
        ];
        for name in keep.iter().chain(&drop) {
            let path = layer.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let generated = name.contains("racc") && name.ends_with("Makefile");
            fs::write(
                path,
                if generated {
                    "\nSHELL = /bin/sh\n\n# V=0 quiet, V=1 verbose."
                } else {
                    "all:"
                },
            )
            .unwrap();
        }
        remove_left_overs(layer.path()).unwrap();
        for name in keep {
            assert!(layer.path().join(name).exists(), "{name} has to stay");
        }
        for name in drop {
            assert!(!layer.path().join(name).exists(), "{name} has to go");
        }
    }

    #[test]
    fn a_checkout_with_its_repository_or_nothing_in_it_is_unfinished() {
        for unfinished in ["b-2/.git", "b-2"] {
            let home = tempfile::tempdir().unwrap();
            remove_unfinished_checkouts(home.path()).unwrap();
            let checkouts = home.path().join(CHECKOUTS);
            let whole = checkouts.join("a-1/lib");
            fs::create_dir_all(&whole).unwrap();
            remove_unfinished_checkouts(home.path()).unwrap();
            assert!(whole.exists());
            let repository = home.path().join("cache/bundler/git/b-0123456789ab");
            for folder in [checkouts.join(unfinished), repository.clone()] {
                fs::create_dir_all(folder).unwrap();
            }
            remove_unfinished_checkouts(home.path()).unwrap();
            assert!(!checkouts.exists() && !repository.exists());
        }
    }
}

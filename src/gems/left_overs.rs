//! Files that installing gems leaves in the layer, and that nothing reads again.

use crate::gems::installed::{CHECKOUTS, remove_checkouts};
use crate::platform::files::{is_unfinished, remove_dir};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// Removes archives, build logs, object files, generated Makefiles, the repositories that gems were
/// checked out of, and what a killed build was unpacking or removing. Most of these differ from
/// build to build, and so would the layer.
pub(super) fn remove_left_overs(layer: &Path) -> io::Result<()> {
    let mut walk = WalkDir::new(layer).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let path = entry.path();
        let is_dir = entry.file_type().is_dir();
        if is_repository(layer, &entry) || (is_dir && is_left_over_dir(layer, &entry)) {
            if is_dir {
                // Nothing takes one that is only half deleted for a complete one.
                fs::remove_dir_all(path)?;
                walk.skip_current_dir();
            } else {
                fs::remove_file(path)?; // Of a submodule.
            }
        } else if entry.file_type().is_file() && is_left_over_file(layer, path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes the repositories that a killed build was fetching, and the gems that it was checking out
/// of them: Bundler takes each of them for complete. A build that succeeds leaves no repository.
pub(super) fn remove_unfinished_checkouts(gem_home: &Path) -> io::Result<()> {
    let repositories = gem_home.join("cache/bundler");
    remove_dir(&repositories)?;
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

/// `ruby/ABI/bundler/gems/NAME-REVISION/.git`, and the repositories of its submodules.
fn is_repository(layer: &Path, entry: &DirEntry) -> bool {
    entry.file_name() == ".git" && in_gem_home(layer, entry.path()).starts_with(CHECKOUTS)
}

/// The cache of archives and repositories; and what a killed build left where gems are unpacked and
/// removed. (In a gem, a folder may have any name.)
fn is_left_over_dir(layer: &Path, entry: &DirEntry) -> bool {
    let inside = in_gem_home(layer, entry.path());
    let names: Vec<_> = inside.iter().map(|name| name.to_str()).collect();
    match names.as_slice() {
        [Some("cache")] => true,
        [Some("gems" | "bundler"), _] | [Some("extensions"), _, _, _] => {
            is_unfinished(entry.file_name())
        }
        _ => false,
    }
}

/// A path relative to the gem home, `ruby/ABI` in the layer.
fn in_gem_home(layer: &Path, path: &Path) -> PathBuf {
    let inside = path.strip_prefix(layer).unwrap_or(path);
    inside.components().skip(2).collect()
}

fn is_left_over_file(layer: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    if name == "gem_make.out" || name == "mkmf.log" {
        return true;
    }
    // A specification that a killed build was writing.
    let inside = in_gem_home(layer, path);
    if inside.starts_with("specifications") && inside.extension().is_some_and(|e| e == "partial") {
        return true;
    }
    // ruby/ABI/gems/NAME-VERSION/ext/…: only what the compiler has written.
    let below_ext = path
        .strip_prefix(layer)
        .is_ok_and(|inside| inside.components().any(|part| part.as_os_str() == "ext"));
    below_ext
        && (path.extension().is_some_and(|extension| extension == "o")
            || (name == "Makefile" && is_generated_makefile(path)))
}

/// Whether Ruby's mkmf wrote the file. A Makefile that belongs to the gem stays.
fn is_generated_makefile(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| text.starts_with(b"\nSHELL = /bin/sh\n\n# V=0 quiet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_reads_is_removed() {
        let layer = tempfile::tempdir().unwrap();
        let keep = [
            "ruby/3.3.0/gems/racc-1.7.3/ext/racc/cparse/cparse.c",
            "ruby/3.3.0/gems/racc-1.7.3/lib/racc/cparse.so",
            "ruby/3.3.0/gems/own-1.0/ext/own/Makefile",
            "ruby/3.3.0/gems/own-1.0/lib/cache/store.rb",
            "ruby/3.3.0/gems/own-1.0/lib/data.o",
            "ruby/3.3.0/gems/own-1.0/spec/fixtures/.git/HEAD",
            "ruby/3.3.0/gems/own-1.0/spec/.app.new/app.rb",
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
            "ruby/3.3.0/bundler/.gems.removed/a-0123456789ab/lib/a.rb",
            "ruby/3.3.0/gems/.racc-1.7.3.new/lib/racc.rb",
            "ruby/3.3.0/specifications/own-1.0.gemspec.partial",
            "ruby/3.3.0/gems/.racc-1.7.3.removed/lib/racc.rb",
            "ruby/3.3.0/extensions/x86_64-linux/3.3.0/.racc-1.7.3.removed/racc/cparse.so",
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

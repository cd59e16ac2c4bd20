//! Who may read the installed gems: the container may run as any user, and some gems are packed with
//! files for their author alone.

use fs_err as fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use walkdir::WalkDir;

const READ: u32 = 0o444;
const EXECUTE: u32 = 0o111;
const OWNER_EXECUTES: u32 = 0o100;

/// Lets every user read all files, enter all folders, and execute what their owner may execute.
pub(super) fn make_readable(layer: &Path) -> io::Result<()> {
    for entry in WalkDir::new(layer) {
        let entry = entry?;
        if entry.path_is_symlink() {
            continue;
        }
        let mode = entry.metadata()?.permissions().mode();
        let wanted = readable(mode);
        if mode != wanted {
            fs::set_permissions(entry.path(), Permissions::from_mode(wanted))?;
        }
    }
    Ok(())
}

fn readable(mode: u32) -> u32 {
    if mode & OWNER_EXECUTES == 0 {
        mode | READ
    } else {
        mode | READ | EXECUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_owner_may_do_everyone_may_but_for_writing() {
        for (mode, expected) in [
            (0o600, 0o644),
            (0o640, 0o644),
            (0o700, 0o755),
            (0o644, 0o644),
            (0o755, 0o755),
            (0o444, 0o444),
        ] {
            assert_eq!(readable(mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn every_file_of_the_layer_is_readable() {
        let layer = tempfile::tempdir().unwrap();
        let file = layer.path().join("gem/lib/a.rb");
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(outside.path(), layer.path().join("link")).unwrap();
        let paths = [
            (file.as_path(), 0o600),
            (layer.path(), 0o700),
            (outside.path(), 0o600),
        ];
        for (path, mode) in paths {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        make_readable(layer.path()).unwrap();
        let modes = paths.map(|(path, _)| fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert_eq!(modes, [0o644, 0o755, 0o600]);
    }
}

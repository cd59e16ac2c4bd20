//! What a file is, as far as starting it goes.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether somebody may execute the file.
pub(super) fn has_execute_permission(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

/// Text has no NUL in its first bytes; every format of compiled programs has.
pub(super) fn is_compiled(file: &Path) -> bool {
    let mut start = Vec::new();
    File::open(file)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .is_ok_and(|_| start.contains(&0))
}

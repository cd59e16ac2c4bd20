//! What kind of file a program is.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whether any user may execute the file.
pub(super) fn has_execute_permission(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

/// Whether it is a compiled program: every format has a NUL in its first bytes, and text has none.
pub(super) fn is_compiled(file: &Path) -> bool {
    let mut start = Vec::new();
    File::open(file)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .is_ok_and(|_| start.contains(&0))
}

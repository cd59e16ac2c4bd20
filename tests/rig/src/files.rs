//! Files and folders that a test prepares.

use crate::command;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Writes a file, and makes the folders above it.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Writes a file that everyone may execute.
pub fn write_program(path: &Path, text: impl AsRef<[u8]>) {
    write(path, text);
    set_mode(path, 0o755);
}

pub fn set_mode(path: &Path, mode: u32) {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Replaces a text in a file, which has to hold it.
pub fn edit(path: &Path, from: &str, to: &str) {
    let name = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(text.contains(from), "{name} does not hold {from}");
    write(path, text.replace(from, to));
}

/// Copies a file or a folder with everything in it, as `cp -a` does.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(from.as_ref()).arg(to.as_ref());
    command::run(&mut cp);
}

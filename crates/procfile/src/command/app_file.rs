//! A file of the app that a command starts.

use fs_err as fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The longest first line that is read, in bytes: the kernel reads no more.
const MAX_FIRST_LINE: u64 = 256;

/// The start of a file of the app.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileStart {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// Whether anybody may execute it.
    pub is_executable: bool,
}

impl FileStart {
    /// Reads a file in the app's folder: `path` is relative to it, or absolute. `None` if the app
    /// has no such file.
    #[must_use]
    pub fn read(app_dir: &Path, path: &Path) -> Option<Self> {
        let path = app_dir.join(path);
        // Reading a pipe or a device could block.
        if !path.starts_with(app_dir) || !path.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).ok()?;
        let mode = file.metadata().ok()?.permissions().mode();
        file.take(MAX_FIRST_LINE).read_to_end(&mut bytes).ok()?;
        Some(Self {
            bytes,
            is_executable: mode & 0o111 != 0,
        })
    }

    /// The line after `#!`, with a carriage return at its end.
    pub(super) fn interpreter_line(&self) -> Option<String> {
        let line = self.bytes.strip_prefix(b"#!")?;
        let line = line.split(|byte| *byte == b'\n').next()?;
        Some(String::from_utf8_lossy(line).trim_start().to_string())
    }
}

/// A file that a command starts by its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedFile {
    /// As the command has it, without quotes.
    pub name: String,
    /// Relative to the app's folder, or absolute.
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_app_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("start"), "#!/bin/sh\n").unwrap();
        let read = |path: &Path| FileStart::read(folder.path(), path);
        let start = read(Path::new("start")).unwrap();
        assert!(!start.is_executable && start.bytes == b"#!/bin/sh\n");
        assert_eq!(read(&folder.path().join("start")), Some(start));
        for path in ["", "nowhere", "/bin/sh", "start/x"] {
            assert_eq!(read(Path::new(path)), None, "{path}");
        }
    }
}

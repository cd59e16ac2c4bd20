//! The app's folder: its files, whether it is a Ruby app, and the report of all its mistakes.

pub mod detect;
pub mod javascript;
pub mod mistakes;

pub use mistakes::{Mistake, Mistakes};

use miette::Diagnostic;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

#[derive(Clone, Debug)]
pub struct App {
    pub dir: PathBuf,
}

/// A file exists but cannot be read.
#[derive(Debug, Diagnostic, Error)]
#[error("{file} cannot be read")]
#[diagnostic(help("Check that it is a file and that the build user may read it."))]
pub struct Unreadable {
    /// Its name in the app.
    pub file: String,
    #[source]
    pub reason: io::Error,
}

impl App {
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
        }
    }

    /// A file's name as the user knows it: relative to the app's folder.
    #[must_use]
    pub fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The text of a file; none without the file. Bytes that are not UTF-8 are replaced: they can
    /// only be in comments.
    pub fn read_text(&self, path: &Path) -> Result<Option<String>, Unreadable> {
        let bytes = self.read_bytes(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes of a file; none without the file. A broken link is an error.
    pub fn read_bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, Unreadable> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) && path.symlink_metadata().is_err() =>
            {
                Ok(None)
            }
            Err(reason) => Err(Unreadable {
                file: self.name_of(path),
                reason,
            }),
        }
    }
}

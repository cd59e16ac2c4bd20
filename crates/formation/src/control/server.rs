//! The supervisor's side of the control socket.

use super::protocol::{Answer, Request, to_line};
use super::socket_path::{make_private_folder, usual_paths};
use fs_err as fs;
use miette::Diagnostic;
use rustix::process::geteuid;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The longest request, in bytes.
const LONGEST_REQUEST: u64 = 64 * 1024;

/// The longest reason for a refusal, in bytes. A socket holds more than that, also when the text
/// is quoted as JSON.
const LONGEST_REASON: usize = 32 * 1024;

/// There is no control socket.
#[derive(Debug, Diagnostic, Error)]
pub enum ControlSocketError {
    /// At the path that the user gave.
    #[error("the control socket {} cannot be created", path.display())]
    #[diagnostic(help(
        "Name a path in a folder that this user may write to: --socket, or FORMATION_SOCKET."
    ))]
    NotCreated {
        /// The socket.
        path: PathBuf,
        source: io::Error,
    },
    /// Another `formation run` has it.
    #[error("another formation listens on {}", path.display())]
    #[diagnostic(help("Name another path for this one: --socket, or FORMATION_SOCKET."))]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// In none of the usual places.
    #[error("no folder can hold the control socket: {}", reasons.join("; "))]
    #[diagnostic(help(
        "Everything else works; `formation ps`, `scale` and `restart` do not. Mount a tmpfs on \
         /run or /tmp, or name a path: FORMATION_SOCKET."
    ))]
    NoFolder {
        /// For each place: its path, and why it cannot be used.
        reasons: Vec<String>,
    },
}

/// The socket of a running formation. It is removed when this is dropped.
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Whether its folder is to be removed with it.
    has_own_folder: bool,
}

/// A client that has connected.
pub(crate) struct Connection {
    stream: UnixStream,
    /// What was read so far.
    request: Vec<u8>,
}

impl Server {
    /// Listens at a path, or in the first usable one of the usual places.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, ControlSocketError> {
        if let Some(path) = path {
            return Self::open_at(path);
        }
        let mut reasons = Vec::new();
        for path in usual_paths(geteuid().as_raw()) {
            let bound = make_private_folder(&path)
                .map_err(|source| ControlSocketError::NotCreated {
                    path: path.clone(),
                    source,
                })
                .and_then(|()| Self::bind(&path, true));
            match bound {
                Err(ControlSocketError::NotCreated { path, source }) => {
                    reasons.push(format!("{}: {}", path.display(), source.kind()));
                }
                bound => return bound,
            }
        }
        Err(ControlSocketError::NoFolder { reasons })
    }

    fn open_at(path: &Path) -> Result<Self, ControlSocketError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        // A folder that cannot be created, and is not there already, is reported by `bind`.
        let was_created = DirBuilder::new().mode(0o700).create(folder).is_ok();
        Self::bind(path, was_created)
    }

    fn bind(path: &Path, has_own_folder: bool) -> Result<Self, ControlSocketError> {
        if UnixStream::connect(path).is_ok() {
            return Err(ControlSocketError::InUse { path: path.into() });
        }
        let bind = || {
            // A formation that was killed leaves its socket behind.
            if path.symlink_metadata().is_ok() {
                fs::remove_file(path)?;
            }
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        match bind() {
            Ok(listener) => Ok(Self {
                listener,
                path: path.into(),
                has_own_folder,
            }),
            Err(source) => Err(ControlSocketError::NotCreated {
                path: path.into(),
                source,
            }),
        }
    }

    /// Accepts a connection, if a client is waiting for one.
    pub(crate) fn accept(&self) -> io::Result<Option<Connection>> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        Ok(Some(Connection {
            stream,
            request: Vec::new(),
        }))
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent().filter(|_| self.has_own_folder) {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Connection {
    /// Reads what has arrived. The request, if it is complete; an error where it is none, or no
    /// more will come.
    pub(crate) fn read_request(&mut self) -> io::Result<Option<Request>> {
        let left = LONGEST_REQUEST.saturating_sub(self.request.len() as u64);
        let read = (&self.stream).take(left).read_to_end(&mut self.request);
        if self.request.ends_with(b"\n") {
            return Ok(Some(serde_json::from_slice(&self.request)?));
        }
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Sends the answer, without waiting for the client to read: a socket holds a whole answer.
    pub(crate) fn answer(self, answer: &Answer) -> io::Result<()> {
        let line = match answer {
            Answer::Refused(text) if text.len() > LONGEST_REASON => to_line(&Answer::Refused(
                "the request has too many mistakes to list\n".into(),
            ))?,
            answer => to_line(answer)?,
        };
        (&self.stream).write_all(&line)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    fn socket() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        (folder, path)
    }

    #[test]
    fn a_socket_without_a_listener_is_replaced_and_one_in_use_is_not() {
        let (_folder, path) = socket();
        drop(UnixListener::bind(&path).unwrap());
        let server = Server::open(Some(&path)).unwrap();
        let Err(error) = Server::open(Some(&path)) else {
            panic!("it is in use");
        };
        assert!(matches!(error, ControlSocketError::InUse { .. }));
        drop(server);
    }

    #[test]
    fn what_is_not_a_request_is_an_error() {
        let (_folder, path) = socket();
        let server = Server::open(Some(&path)).unwrap();
        for words in ["\n", "{\"scale\":7}\n", "\0\u{7f}\n", "unfinished"] {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(words.as_bytes()).unwrap();
            drop(stream);
            let mut connection = server.accept().unwrap().unwrap();
            assert!(connection.read_request().is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_socket_that_cannot_be_used_is_reported() {
        let path = PathBuf::from("/run/formation-1000/control.sock");
        assert_report!("in_use", ControlSocketError::InUse { path: path.clone() });
        let source = ErrorKind::PermissionDenied.into();
        assert_report!(
            "not_created",
            ControlSocketError::NotCreated { path, source }
        );
        assert_report!(
            "no_folder",
            ControlSocketError::NoFolder {
                reasons: vec![
                    "/run/formation-1000/control.sock: permission denied".into(),
                    "/tmp/formation-1000/control.sock: read-only filesystem or storage medium"
                        .into()
                ]
            }
        );
    }
}

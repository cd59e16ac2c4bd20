//! The supervisor's side: the socket, and who has connected.

use super::socket_path::{own_folder, usual_paths};
use super::{Answer, Request, line_of};
use fs_err as fs;
use miette::Diagnostic;
use rustix::process::geteuid;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf, absolute};
use thiserror::Error;

/// Bytes of a question at most.
const LONGEST: u64 = 64 * 1024;

/// Bytes of a refusal at most; a socket holds more than that, also when the text is quoted.
const LONGEST_ANSWER: usize = 32 * 1024;

/// There is no control socket.
#[derive(Debug, Diagnostic, Error)]
pub enum ControlError {
    /// Where the user wants it.
    #[error("the control socket {} cannot be made", path.display())]
    #[diagnostic(help(
        "Name a path in a folder that this user may write to: --socket, or FORMATION_SOCKET."
    ))]
    Unmakeable {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another one has it.
    #[error("another formation listens on {}", path.display())]
    #[diagnostic(help("Name another path for this one: --socket, or FORMATION_SOCKET."))]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// In none of the usual places.
    #[error("there is no place for a control socket: {}", reasons.join("; "))]
    #[diagnostic(help(
        "Everything else works; `formation ps`, `scale` and `restart` do not. Mount a tmpfs on /run or /tmp, or name a path: \
         FORMATION_SOCKET."
    ))]
    NoPlace {
        /// Of each place.
        reasons: Vec<String>,
    },
}

/// The socket of a running formation. It goes with it.
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Whether the folder is there for it alone.
    has_own_folder: bool,
}

/// Somebody who has connected and asks.
pub(crate) struct Client {
    stream: UnixStream,
    question: Vec<u8>,
}

impl Server {
    /// At a path, or in the first of the usual places that will do.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, ControlError> {
        if let Some(path) = path {
            return Self::open_at(path);
        }
        let mut reasons = Vec::new();
        for path in usual_paths(geteuid().as_raw()) {
            let bound = own_folder(&path)
                .map_err(|source| ControlError::Unmakeable {
                    path: path.clone(),
                    source,
                })
                .and_then(|()| Self::bind(&path, true));
            match bound {
                Err(ControlError::Unmakeable { path, source }) => {
                    reasons.push(format!("{}: {}", path.display(), source.kind()));
                }
                bound => return bound,
            }
        }
        Err(ControlError::NoPlace { reasons })
    }

    fn open_at(path: &Path) -> Result<Self, ControlError> {
        // The working directory is another one while a process with one of its own is started.
        let path = &absolute(path).unwrap_or_else(|_| path.into());
        let folder = path.parent().unwrap_or(Path::new(""));
        // Whatever is wrong with it, but that it is there already, keeps the socket from being made too.
        let made = DirBuilder::new().mode(0o700).create(folder).is_ok();
        Self::bind(path, made)
    }

    fn bind(path: &Path, has_own_folder: bool) -> Result<Self, ControlError> {
        if UnixStream::connect(path).is_ok() {
            return Err(ControlError::InUse { path: path.into() });
        }
        let bind = || {
            // What a killed one has left.
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
            Err(source) => Err(ControlError::Unmakeable {
                path: path.into(),
                source,
            }),
        }
    }

    /// Who has connected; none where nobody has after all.
    pub(crate) fn accept(&self) -> io::Result<Option<Client>> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        Ok(Some(Client {
            stream,
            question: Vec::new(),
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

impl Client {
    /// What is asked, when it is there; an error where nothing will come that could be answered.
    pub(crate) fn question(&mut self) -> io::Result<Option<Request>> {
        let left = LONGEST.saturating_sub(self.question.len() as u64);
        let read = (&self.stream).take(left).read_to_end(&mut self.question);
        if self.question.ends_with(b"\n") {
            return Ok(Some(serde_json::from_slice(&self.question)?));
        }
        match read {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Whoever does not read has no answer: nothing is waited for here. An answer fits into what a socket holds.
    pub(crate) fn answer(self, answer: &Answer) -> io::Result<()> {
        let line = match answer {
            Answer::Refused(text) if text.len() > LONGEST_ANSWER => line_of(&Answer::Refused(
                "too much of it is wrong to be told\n".into(),
            ))?,
            answer => line_of(answer)?,
        };
        (&self.stream).write_all(&line)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

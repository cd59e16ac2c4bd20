//! How `ps`, `scale` and `restart` reach a running formation: by a socket, on which one line of JSON is asked and one answered.
//!
//! The socket has mode 0600 in a folder of its own with mode 0700: only the user that the processes run as, and root, can use it.

use fs_err as fs;
use miette::Diagnostic;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;
use thiserror::Error;

/// Where the folder may be, the first that will do. The last is there, and can be written to, in every container with a read-only root.
const PLACES: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

const SOCKET: &str = "control.sock";

/// Bytes of a question at most.
const LONGEST: u64 = 64 * 1024;

/// Bytes of a refusal at most; a socket holds more than that, also when the text is quoted.
const LONGEST_ANSWER: usize = 32 * 1024;

/// How long a supervisor that is there may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked of a running formation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Which processes are there?
    Ps,
    /// `TYPE=N` each: another number of instances.
    Scale(Vec<String>),
    /// `TYPE` or `TYPE.N` each; none for all.
    Restart(Vec<String>),
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It was done, or is being done; and the processes that there are now.
    Processes(Vec<Row>),
    /// It was not done; why, as it is shown.
    Refused(String),
}

/// One process of a formation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Row {
    /// Such as `worker.2`.
    pub name: String,
    /// Where in its life it is.
    pub state: State,
    /// Its process number, while it has one.
    pub pid: Option<i32>,
    /// The port that it was told.
    pub port: u16,
    /// How often it was started again.
    pub restarts: u32,
    /// Seconds since its start, while it runs.
    pub uptime: Option<u64>,
    /// Resident memory of its process group, in bytes.
    pub memory: u64,
}

/// Where in its life a process is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs.
    Running,
    /// It is to take the place of another, as soon as it is up.
    Starting,
    /// It was asked to end.
    Ending,
    /// It has died, and waits for its next start.
    Waiting,
}

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

/// A running formation did not do it.
#[derive(Debug, Diagnostic, Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("no formation is running here")]
    #[diagnostic(help(
        "This is for a container that runs several process types: start one with `docker run --entrypoint formation IMAGE`, and ask in it: \
         `docker exec CONTAINER formation ps`."
    ))]
    NotRunning,
    /// The socket is there, and not for us.
    #[error("the formation that runs here cannot be asked on {}", path.display())]
    #[diagnostic(help(
        "Ask as the user that its processes run as, or as root: `docker exec --user USER CONTAINER formation ps`."
    ))]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It said something else, or nothing.
    #[error("the formation that runs here did not answer")]
    #[diagnostic(help("Try again. Where it has just ended, there is nobody to answer."))]
    NoAnswer(#[source] io::Error),
    /// It said why not.
    #[error("it was not done")]
    Refused(String),
}

/// The socket of a running formation. It goes with it.
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Whether the folder is there for it alone.
    has_own_folder: bool,
}

/// Somebody who has connected and asks.
pub(super) struct Client {
    stream: UnixStream,
    question: Vec<u8>,
}

impl Server {
    /// At a path, or in the first of the usual places that will do.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, ControlError> {
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
    pub(super) fn accept(&self) -> io::Result<Option<Client>> {
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
    pub(super) fn question(&mut self) -> io::Result<Option<Request>> {
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
    pub(super) fn answer(self, answer: &Answer) -> io::Result<()> {
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

/// Asks the formation that runs in this container, or that listens at a path.
///
/// # Errors
/// None is there, it does not answer, or it refuses.
pub fn ask(path: Option<&Path>, request: &Request) -> Result<Vec<Row>, AskError> {
    let stream = match path {
        Some(path) => UnixStream::connect(path).map_err(|source| unreachable(path, source))?,
        None => connect()?,
    };
    let answer = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        (&stream).write_all(&line_of(request)?)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    match answer().map_err(AskError::NoAnswer)? {
        Answer::Processes(rows) => Ok(rows),
        Answer::Refused(text) => Err(AskError::Refused(text)),
    }
}

/// In the usual places: this user's, and root finds that of the container's first process too.
fn connect() -> Result<UnixStream, AskError> {
    let ours = geteuid();
    let first = ours
        .is_root()
        .then(|| fs::metadata("/proc/1").ok())
        .flatten();
    let users = [Some(ours.as_raw()), first.map(|first| first.uid())];
    let of_user = |user| usual_paths(user).filter(move |path| is_private(folder_of(path), user));
    (users.into_iter().flatten().flat_map(of_user))
        .find_map(|path| UnixStream::connect(path).ok())
        .ok_or(AskError::NotRunning)
}

fn unreachable(path: &Path, source: io::Error) -> AskError {
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskError::NotRunning,
        _ => AskError::Unreachable {
            path: path.into(),
            source,
        },
    }
}

fn line_of(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn usual_paths(user: u32) -> impl Iterator<Item = PathBuf> {
    PLACES.iter().map(move |place| {
        Path::new(place)
            .join(format!("formation-{user}"))
            .join(SOCKET)
    })
}

fn folder_of(socket: &Path) -> &Path {
    socket.parent().unwrap_or(Path::new("/"))
}

/// Whether a folder is a user's, and nobody else's.
fn is_private(folder: &Path, user: u32) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == user && metadata.mode().trailing_zeros() >= 6
    })
}

/// Makes the socket's folder, or makes sure that it is one that nobody else has made or may use.
fn own_folder(socket: &Path) -> io::Result<()> {
    let folder = folder_of(socket);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_private(folder, geteuid().as_raw()) {
                Ok(())
            } else {
                Err(ErrorKind::AlreadyExists.into())
            }
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use std::thread;

    /// Answers one question, as the supervisor does.
    fn serve_once(server: &Server, answer: &Answer) -> Request {
        let mut client = loop {
            if let Some(client) = server.accept().unwrap() {
                break client;
            }
        };
        let request = loop {
            if let Some(request) = client.question().unwrap() {
                break request;
            }
        };
        client.answer(answer).unwrap();
        request
    }

    fn socket() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        (folder, path)
    }

    fn rows() -> Vec<Row> {
        vec![Row {
            name: "web.1".into(),
            state: State::Running,
            pid: Some(7),
            port: 8080,
            restarts: 2,
            uptime: Some(61),
            memory: 1_000_000,
        }]
    }

    #[test]
    fn a_question_gets_an_answer() {
        let (folder, _) = socket();
        let path = folder.path().join("own/s");
        let server = Server::open(Some(&path)).unwrap();
        assert_eq!(
            path.parent().unwrap().metadata().unwrap().mode() & 0o777,
            0o700
        );
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let request = Request::Scale(vec!["web=2".into()]);
        let asked = thread::spawn({
            let (path, request) = (path.clone(), request.clone());
            move || ask(Some(&path), &request)
        });
        assert_eq!(serve_once(&server, &Answer::Processes(rows())), request);
        assert_eq!(asked.join().unwrap().unwrap(), rows());
        drop(server);
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let (_folder, path) = socket();
        drop(UnixListener::bind(&path).unwrap());
        let server = Server::open(Some(&path)).unwrap();
        let Err(error) = Server::open(Some(&path)) else {
            panic!("it is in use");
        };
        assert!(matches!(error, ControlError::InUse { .. }));
        drop(server);
    }

    #[test]
    fn what_is_no_question_is_no_panic() {
        let (_folder, path) = socket();
        let server = Server::open(Some(&path)).unwrap();
        for words in ["\n", "{\"scale\":7}\n", "\0\u{7f}\n", "unfinished"] {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(words.as_bytes()).unwrap();
            drop(stream);
            let mut client = server.accept().unwrap().unwrap();
            assert!(client.question().is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |name: &str| folder.path().join(name).join(SOCKET);
        own_folder(&socket("new")).unwrap();
        let mode = folder.path().join("new").metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        own_folder(&socket("new")).unwrap();
        fs::create_dir(folder.path().join("open")).unwrap();
        fs::set_permissions(folder.path().join("open"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(own_folder(&socket("open")).is_err());
        std::os::unix::fs::symlink(folder.path().join("new"), folder.path().join("link")).unwrap();
        assert!(own_folder(&socket("link")).is_err());
    }

    #[test]
    fn what_keeps_one_from_asking_is_shown() {
        let path = PathBuf::from("/run/formation-1000/control.sock");
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        assert_report!("not_running", AskError::NotRunning);
        assert_report!("unreachable", unreachable(&path, denied()));
        assert_report!("no_answer", AskError::NoAnswer(ErrorKind::TimedOut.into()));
        assert_report!("in_use", ControlError::InUse { path: path.clone() });
        assert_report!(
            "unmakeable",
            ControlError::Unmakeable {
                path,
                source: denied()
            }
        );
        assert_report!(
            "no_place",
            ControlError::NoPlace {
                reasons: vec![
                    "/run/formation-1000/control.sock: permission denied".into(),
                    "/tmp/formation-1000/control.sock: read-only filesystem or storage medium"
                        .into()
                ]
            }
        );
    }
}

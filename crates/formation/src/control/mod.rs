//! How `ps`, `scale` and `restart` reach a running formation: by a socket, on which one line of JSON is asked and one answered.
//!
//! The socket has mode 0600 in a folder of its own with mode 0700: only the user that the processes run as, and root, can use it.

mod server;
pub mod show;
mod socket_path;

pub use server::ControlError;
pub(crate) use server::{Client, Server};

use fs_err as fs;
use miette::Diagnostic;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use socket_path::{folder_of, is_private, usual_paths};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

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
    /// Nobody is where the user says.
    #[error("no formation listens on {}", path.display())]
    #[diagnostic(help(
        "It listens where its own --socket, or FORMATION_SOCKET, says; without either, leave it out here too."
    ))]
    NotThere {
        /// The socket.
        path: PathBuf,
    },
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
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused => {
            AskError::NotThere { path: path.into() }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;
    use std::os::unix::net::UnixListener;
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
    fn what_keeps_one_from_asking_is_shown() {
        let path = PathBuf::from("/run/formation-1000/control.sock");
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        assert_report!("not_running", AskError::NotRunning);
        assert_report!("unreachable", unreachable(&path, denied()));
        assert_report!("not_there", unreachable(&path, ErrorKind::NotFound.into()));
        let in_a_file = unreachable(&path, ErrorKind::NotADirectory.into());
        assert!(matches!(in_a_file, AskError::NotThere { .. }));
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

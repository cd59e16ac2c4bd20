//! `formation ps`, `scale` and `restart`: sends a request to the formation that runs in this
//! container, and shows the answer.

use super::protocol::{Answer, ProcessInfo, Request, to_line};
use super::show::{Format, show};
use super::socket_path::{folder_of, is_private, usual_paths};
use fs_err as fs;
use miette::Diagnostic;
use rustix::process::geteuid;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How long a running formation may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One request, and how its answer is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ControlCommand {
    /// The control socket, if it is not in one of the usual places.
    pub socket: Option<PathBuf>,
    pub request: Request,
    pub format: Format,
}

/// A request was not carried out.
#[derive(Debug, Diagnostic, Error)]
pub enum RequestError {
    /// None of the usual places has a socket with a listener.
    #[error("`formation run` is not running in this container")]
    #[diagnostic(help(
        "`ps`, `scale` and `restart` are for a container that runs several process types: start \
         one with `docker run --entrypoint formation IMAGE`, then ask in it: `docker exec \
         CONTAINER formation ps`."
    ))]
    NotRunning,
    /// The path that the user gave has no socket with a listener.
    #[error("no running formation listens on {}", path.display())]
    #[diagnostic(help(
        "`formation run` listens on the path of its own --socket or FORMATION_SOCKET. Give the \
         same path here; if it was started without one, leave it out here too."
    ))]
    NotListening {
        /// The socket.
        path: PathBuf,
    },
    /// The system denies the connection.
    #[error("the control socket {} cannot be opened", path.display())]
    #[diagnostic(help(
        "Run the command as the user of the processes, or as root: `docker exec --user USER \
         CONTAINER formation ps`."
    ))]
    Unreachable {
        /// The socket.
        path: PathBuf,
        source: io::Error,
    },
    /// The answer does not come in time, or is not one.
    #[error("the running formation did not answer")]
    #[diagnostic(help("Try again. If its container is stopping, it does not answer any more."))]
    NoAnswer(#[source] io::Error),
    /// The reason, as it is shown.
    #[error("the running formation refused the request")]
    Refused(String),
}

impl ControlCommand {
    /// Sends the request, and prints the processes at the moment of the answer.
    pub fn run(&self) -> Result<(), RequestError> {
        let processes = send(self.socket.as_deref(), &self.request)?;
        // A reader that closes the pipe has seen enough.
        let _ = io::stdout().write_all(show(&processes, self.format).as_bytes());
        Ok(())
    }
}

/// Sends a request to the formation that listens at a path, or in one of the usual places.
fn send(path: Option<&Path>, request: &Request) -> Result<Vec<ProcessInfo>, RequestError> {
    let stream = match path {
        Some(path) => UnixStream::connect(path).map_err(|source| no_connection(path, source))?,
        None => connect()?,
    };
    let answer = || {
        stream.set_read_timeout(Some(TIMEOUT))?;
        (&stream).write_all(&to_line(request)?)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    match answer().map_err(RequestError::NoAnswer)? {
        Answer::Processes(processes) => Ok(processes),
        Answer::Refused(text) => Err(RequestError::Refused(text)),
    }
}

/// Connects to a socket of this user in one of the usual places. Root finds that of the user of the
/// container's first process too.
fn connect() -> Result<UnixStream, RequestError> {
    let user = geteuid();
    let first_process = user
        .is_root()
        .then(|| fs::metadata("/proc/1").ok())
        .flatten();
    let users = [
        Some(user.as_raw()),
        first_process.map(|process| process.uid()),
    ];
    let of_user = |user| usual_paths(user).filter(move |path| is_private(folder_of(path), user));
    (users.into_iter().flatten().flat_map(of_user))
        .find_map(|path| UnixStream::connect(path).ok())
        .ok_or(RequestError::NotRunning)
}

fn no_connection(path: &Path, source: io::Error) -> RequestError {
    let path = path.into();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused => {
            RequestError::NotListening { path }
        }
        _ => RequestError::Unreachable { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::ProcessState;
    use crate::control::server::Server;
    use procfile::assert_report;
    use std::thread;

    /// Answers one request, as the supervisor does.
    fn serve_once(server: &Server, answer: &Answer) -> Request {
        let mut connection = loop {
            if let Some(connection) = server.accept().unwrap() {
                break connection;
            }
        };
        let request = loop {
            if let Some(request) = connection.read_request().unwrap() {
                break request;
            }
        };
        connection.answer(answer).unwrap();
        request
    }

    fn processes() -> Vec<ProcessInfo> {
        vec![ProcessInfo {
            name: "web.1".into(),
            state: ProcessState::Running,
            pid: Some(7),
            port: 8080,
            restarts: 2,
            uptime: Some(61),
            memory: 1_000_000,
        }]
    }

    #[test]
    fn a_request_gets_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/s");
        let server = Server::open(Some(&path)).unwrap();
        assert_eq!(
            path.parent().unwrap().metadata().unwrap().mode() & 0o777,
            0o700
        );
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let request = Request::Scale(vec!["web=2".into()]);
        let sender = thread::spawn({
            let (path, request) = (path.clone(), request.clone());
            move || send(Some(&path), &request)
        });
        let answer = Answer::Processes(processes());
        assert_eq!(serve_once(&server, &answer), request);
        assert_eq!(sender.join().unwrap().unwrap(), processes());
        drop(server);
        assert!(!path.parent().unwrap().exists());
    }

    #[test]
    fn a_request_that_is_not_carried_out_is_reported() {
        let path = Path::new("/run/formation-1000/control.sock");
        assert_report!("not_running", RequestError::NotRunning);
        let report_of = |kind: ErrorKind| no_connection(path, kind.into());
        assert_report!("unreachable", report_of(ErrorKind::PermissionDenied));
        assert_report!("not_listening", report_of(ErrorKind::NotFound));
        let in_a_file = report_of(ErrorKind::NotADirectory);
        assert!(matches!(in_a_file, RequestError::NotListening { .. }));
        let timed_out = ErrorKind::TimedOut.into();
        assert_report!("no_answer", RequestError::NoAnswer(timed_out));
    }
}

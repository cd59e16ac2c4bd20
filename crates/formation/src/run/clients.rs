//! The clients that are connected to the control socket.

use super::poller::{Poller, Source};
use super::state::event::ClientId;
use crate::control::protocol::{Answer, Request};
use crate::control::server::{Connection, Server};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// The most connections at a time: file descriptors are for the processes.
const MOST: usize = 16;

/// How long a client may take to send its request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long no connection is accepted where there is no file descriptor for one.
const PAUSE: Duration = Duration::from_secs(1);

/// The control socket, if there is one, and its connections.
#[derive(Default)]
pub(super) struct Clients {
    server: Option<Server>,
    /// Clients that have yet to send their request, and when they are disconnected if they do not.
    connected: BTreeMap<ClientId, (Connection, Instant)>,
    /// Clients that have sent their request, and have yet to get an answer.
    unanswered: BTreeMap<ClientId, Connection>,
    next: u32,
    paused_until: Option<Instant>,
}

impl Clients {
    /// Accepts connections to this socket from now on.
    pub(super) fn listen(&mut self, server: Server, poller: &Poller) -> io::Result<()> {
        poller.add(&server, Source::Control)?;
        self.server = Some(server);
        Ok(())
    }

    /// Accepts all clients that want to connect. Where there are too many, the one that has waited
    /// longest without a request is disconnected.
    pub(super) fn accept(&mut self, poller: &Poller) {
        let Some(server) = &self.server else {
            return;
        };
        loop {
            match server.accept() {
                Ok(Some(connection)) => {
                    if self.connected.len() >= MOST {
                        self.connected.pop_first();
                    }
                    let id = self.next;
                    self.next = id.wrapping_add(1);
                    if poller.add(&connection, Source::Client(id)).is_ok() {
                        let until = Instant::now() + TIMEOUT;
                        self.connected.insert(ClientId(id), (connection, until));
                    }
                }
                Ok(None) => return,
                // The clients keep waiting, and the poller would report them again at once.
                Err(_) => {
                    poller.remove(server);
                    self.paused_until = Some(Instant::now() + PAUSE);
                    return;
                }
            }
        }
    }

    /// Reads from a client. Its request, if that is complete; a client that sends something else is
    /// told so.
    pub(super) fn read(&mut self, id: ClientId, poller: &Poller) -> Option<Request> {
        let (connection, _) = self.connected.get_mut(&id)?;
        let request = connection.read_request().transpose()?;
        let (connection, _) = self.connected.remove(&id)?;
        poller.remove(&connection);
        self.unanswered.insert(id, connection);
        if request.is_err() {
            let text = "this version of `formation` does not know the request\n";
            self.answer(id, &Answer::Refused(text.into()));
        }
        request.ok()
    }

    /// Answers a request, and disconnects the client.
    pub(super) fn answer(&mut self, id: ClientId, answer: &Answer) {
        if let Some(connection) = self.unanswered.remove(&id) {
            // A client that does not wait for the answer gets none; its request is carried out all
            // the same.
            let _ = connection.answer(answer);
        }
    }

    /// Disconnects clients whose time is over, and ends a pause that is.
    pub(super) fn time_has_passed(&mut self, now: Instant, poller: &Poller) {
        self.connected.retain(|_, (_, until)| *until > now);
        if self.paused_until.is_some_and(|until| until <= now)
            && let Some(server) = &self.server
        {
            self.paused_until = match poller.add(server, Source::Control) {
                Ok(()) => None,
                Err(_) => Some(now + PAUSE),
            };
        }
    }

    /// When [`time_has_passed`](Self::time_has_passed) has something to do.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let timeouts = self.connected.values().map(|(_, until)| *until);
        timeouts.chain(self.paused_until).min()
    }
}

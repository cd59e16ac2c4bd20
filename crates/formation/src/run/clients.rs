//! Who has connected to the control socket.

use super::poller::{Poller, Source};
use crate::control::{Client, Request, Server};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// Who asks at the same time at most: descriptors are for the processes.
const MOST: usize = 16;

/// How long somebody may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nobody is let in where there is no descriptor for them.
const BREAK: Duration = Duration::from_secs(1);

/// The control socket, and who has connected to it.
pub(super) struct Clients {
    server: Option<Server>,
    /// Whoever has not asked by then is sent away.
    connected: BTreeMap<u32, (Client, Instant)>,
    next: u32,
    deaf_until: Option<Instant>,
}

impl Clients {
    /// Those of a socket, or of none.
    pub(super) fn of(server: Option<Server>, poller: &Poller) -> io::Result<Self> {
        if let Some(server) = &server {
            poller.add(server, Source::Control)?;
        }
        Ok(Self {
            server,
            connected: BTreeMap::new(),
            next: 0,
            deaf_until: None,
        })
    }

    /// Takes whoever wants to connect, in the place of the first who has said nothing.
    pub(super) fn let_in(&mut self, poller: &Poller) {
        let Some(server) = &self.server else {
            return;
        };
        loop {
            match server.accept() {
                Ok(Some(client)) => {
                    if self.connected.len() >= MOST {
                        self.connected.pop_first();
                    }
                    let number = self.next;
                    self.next = number.wrapping_add(1);
                    // Who cannot be heard is sent away.
                    if poller.add(&client, Source::Client(number)).is_ok() {
                        let until = Instant::now() + PATIENCE;
                        self.connected.insert(number, (client, until));
                    }
                }
                Ok(None) => return,
                // They keep waiting, and would be told of for ever.
                Err(_) => {
                    poller.remove(server);
                    self.deaf_until = Some(Instant::now() + BREAK);
                    return;
                }
            }
        }
    }

    /// What somebody asks, when it is there, or why it cannot be answered.
    pub(super) fn question(
        &mut self,
        number: u32,
        poller: &Poller,
    ) -> Option<(Client, io::Result<Request>)> {
        let (client, _) = self.connected.get_mut(&number)?;
        let question = client.question().transpose()?;
        let (client, _) = self.connected.remove(&number)?;
        poller.remove(&client);
        Some((client, question))
    }

    /// Does what is due by now.
    pub(super) fn see_to_what_is_due(&mut self, now: Instant, poller: &Poller) {
        self.connected.retain(|_, (_, until)| *until > now);
        if self.deaf_until.is_some_and(|until| until <= now)
            && let Some(server) = &self.server
        {
            self.deaf_until = match poller.add(server, Source::Control) {
                Ok(()) => None,
                Err(_) => Some(now + BREAK),
            };
        }
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let silent = self.connected.values().map(|(_, until)| *until);
        silent.chain(self.deaf_until).min()
    }
}

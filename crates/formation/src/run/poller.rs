//! Waiting for many things at once.

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The most events that are taken from the kernel at a time.
const AT_A_TIME: usize = 64;

/// What can be read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Signals,
    /// An outlet has room again, or has lost its reader.
    Outlets,
    /// The control socket: a client connects.
    Control,
    /// A connected client, by number.
    Client(u32),
    /// An output stream of a process, by number.
    Stream(u32),
}

impl Source {
    fn to_data(self) -> EventData {
        let (kind, number) = match self {
            Self::Signals => (0, 0),
            Self::Outlets => (1, 0),
            Self::Control => (2, 0),
            Self::Client(number) => (3, number),
            Self::Stream(number) => (4, number),
        };
        EventData::new_u64(kind << 32 | u64::from(number))
    }

    fn from_data(data: EventData) -> Self {
        let data = data.u64();
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let number = data as u32;
        match data >> 32 {
            0 => Self::Signals,
            1 => Self::Outlets,
            2 => Self::Control,
            3 => Self::Client(number),
            _ => Self::Stream(number),
        }
    }
}

/// Files that are waited for (epoll).
#[derive(Debug)]
pub(super) struct Poller(OwnedFd);

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    pub(super) fn add(&self, file: impl AsFd, source: Source) -> io::Result<()> {
        Ok(epoll::add(&self.0, file, source.to_data(), EventFlags::IN)?)
    }

    pub(super) fn remove(&self, file: impl AsFd) {
        // It fails for a file that was not added, and then nothing is left to be done.
        let _ = epoll::delete(&self.0, file);
    }

    /// Waits until something can be read from. Empty where nothing can within that time.
    pub(super) fn wait(&self, within: Option<Duration>) -> io::Result<Vec<Source>> {
        // A time that the kernel cannot count is as good as none.
        let within = within.and_then(|time| Timespec::try_from(time).ok());
        let mut events = Vec::with_capacity(AT_A_TIME);
        match epoll::wait(&self.0, spare_capacity(&mut events), within.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let source = |event: &epoll::Event| Source::from_data(event.data);
        Ok(events.iter().map(source).collect())
    }
}

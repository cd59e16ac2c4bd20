//! Where lines go: standard output and standard error, each written by a thread of its own.
//!
//! Whoever reads may be slow, or not read at all, and a write may block for ever; but signals have to be heard meanwhile, and whether a
//! write would block cannot be asked of every kind of file. So the writing is somebody else's.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::mem::{swap, take};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that wait for a reader at most, but for the last lines added: then processes have to wait too.
const FULL: usize = 256 * 1024;

/// A thread that does nothing but write needs no more.
const STACK: usize = 64 * 1024;

/// How long a disk that is full is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// One of the two.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    /// Whether colours can be seen there.
    pub(super) colours: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable when a full outlet has room again, or nobody can read any more.
    wakeup: Arc<OwnedFd>,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// Whether some of it is on its way.
    is_writing: bool,
    /// Whether somebody waits for room.
    was_full: bool,
    /// Why nobody can read any more.
    broken: Option<Errno>,
}

/// Tells of room in any outlet, and of those who read no more: readable then.
pub(super) fn wakeup() -> io::Result<Arc<OwnedFd>> {
    Ok(Arc::new(eventfd(
        0,
        EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
    )?))
}

impl Outlet {
    /// Starts to write to a file.
    pub(super) fn open(file: File, colours: bool, wakeup: Arc<OwnedFd>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            wakeup,
        });
        let writers = shared.clone();
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || writers.write_to(file))?;
        Ok(Self { shared, colours })
    }

    /// Adds bytes. Whether there is room for more.
    pub(super) fn add(&self, bytes: &[u8]) -> bool {
        let mut state = self.shared.lock();
        if state.broken.is_none() {
            state.pending.extend_from_slice(bytes);
            self.shared.changed.notify_all();
        }
        state.was_full = state.pending.len() >= FULL;
        !state.was_full
    }

    /// Whether there is room.
    pub(super) fn has_room(&self) -> bool {
        self.shared.lock().pending.len() < FULL
    }

    /// Why nobody can read what is written here, if so.
    pub(super) fn broken(&self) -> Option<Errno> {
        self.shared.lock().broken
    }

    /// Waits until everything is written, but no longer than that.
    pub(super) fn flush(&self, within: Duration) {
        let state = self.shared.lock();
        let is_busy = |state: &mut State| {
            (state.is_writing || !state.pending.is_empty()) && state.broken.is_none()
        };
        drop(
            self.shared
                .changed
                .wait_timeout_while(state, within, is_busy),
        );
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, for as long as somebody can read it.
    fn write_to(&self, mut file: File) {
        let mut bytes = Vec::new();
        loop {
            let mut state = self.lock();
            state.is_writing = false;
            self.changed.notify_all();
            while state.pending.is_empty() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            swap(&mut state.pending, &mut bytes);
            state.is_writing = true;
            let was_full = take(&mut state.was_full);
            drop(state);
            if was_full {
                self.tell();
            }
            let written = write_all(&mut file, &bytes);
            bytes.clear();
            if let Err(errno) = written {
                let mut state = self.lock();
                state.broken = Some(errno);
                state.pending.clear();
                drop(state);
                self.changed.notify_all();
                return self.tell();
            }
        }
    }

    fn tell(&self) {
        // A count that cannot grow any more tells as well.
        let _ = rustix::io::write(&*self.wakeup, &1_u64.to_ne_bytes());
    }
}

/// Writes it all; only a reader who has gone keeps it from that. A disk may have room again.
fn write_all(file: &mut File, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INTR) => {}
                // Somebody who shares the file has made it so.
                Some(Errno::AGAIN) => wait_for_room(file),
                Some(gone @ (Errno::PIPE | Errno::IO | Errno::BADF | Errno::CONNRESET)) => {
                    return Err(gone);
                }
                _ => thread::sleep(PAUSE),
            },
        }
    }
    Ok(())
}

fn wait_for_room(file: &File) {
    use rustix::event::{PollFd, PollFlags, poll};
    let _ = poll(&mut [PollFd::new(&file.as_fd(), PollFlags::OUT)], None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, pipe};
    use std::time::Instant;

    fn outlet_to(file: OwnedFd) -> (Outlet, Arc<OwnedFd>) {
        let wakeup = wakeup().unwrap();
        let outlet = Outlet::open(file.into(), false, wakeup.clone()).unwrap();
        (outlet, wakeup)
    }

    fn has_news(wakeup: &OwnedFd) -> bool {
        rustix::io::read(wakeup, &mut [0; 8]).is_ok()
    }

    #[test]
    fn who_does_not_read_is_waited_for() {
        let (mut reader, writer) = pipe().unwrap();
        let (outlet, wakeup) = outlet_to(writer.into());
        let chunk = [b'x'; 4096];
        let mut added = 0;
        while outlet.add(&chunk) {
            added += chunk.len();
        }
        added += chunk.len();
        assert!(!outlet.has_room() && !has_news(&wakeup));
        let started = Instant::now();
        outlet.flush(Duration::from_millis(50));
        assert!(started.elapsed() >= Duration::from_millis(50));

        let mut read = vec![0; added];
        reader.read_exact(&mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == b'x'));
        outlet.flush(Duration::from_secs(10));
        assert!(outlet.has_room() && has_news(&wakeup));
    }

    #[test]
    fn who_has_gone_is_told_of() {
        let (reader, writer) = pipe().unwrap();
        let (outlet, wakeup) = outlet_to(writer.into());
        drop(reader);
        outlet.add(b"x");
        outlet.flush(Duration::from_secs(10));
        assert_eq!(outlet.broken(), Some(Errno::PIPE));
        assert!(outlet.add(b"more"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_news(&wakeup) {
            assert!(Instant::now() < deadline);
        }
    }
}

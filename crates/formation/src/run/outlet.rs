//! Where lines go: standard output and standard error, each written by a thread of its own.
//!
//! A reader may be slow, or not read at all, and then a write blocks, perhaps for ever. Signals
//! have to be handled meanwhile; and not every kind of file tells beforehand whether a write would
//! block.

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::mem::{swap, take};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// From so many bytes on that are not written yet, an outlet is full, and processes have to wait.
const FULL: usize = 256 * 1024;

/// The stack of a thread that only writes, in bytes.
const STACK: usize = 64 * 1024;

/// How long to wait before writing to a full disk again.
const PAUSE: Duration = Duration::from_secs(1);

/// Standard output or standard error.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    /// Whether it shows colours.
    pub(super) colours: bool,
}

struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    /// See [`wakeup`].
    wakeup: Arc<OwnedFd>,
}

#[derive(Default)]
struct Buffer {
    pending: Vec<u8>,
    /// Whether the thread is writing bytes that it has taken from `pending`.
    is_writing: bool,
    /// Whether a process has to wait for room.
    was_full: bool,
    /// Why writing fails for good.
    broken: Option<Errno>,
}

/// A file descriptor that can be read from when a full outlet has room again, or an outlet has lost
/// its reader.
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
            buffer: Mutex::default(),
            changed: Condvar::new(),
            wakeup,
        });
        let of_thread = shared.clone();
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || of_thread.write_to(file))?;
        Ok(Self { shared, colours })
    }

    /// Adds bytes. Whether there is room for more.
    pub(super) fn add(&self, bytes: &[u8]) -> bool {
        let mut buffer = self.shared.lock();
        if buffer.broken.is_none() {
            buffer.pending.extend_from_slice(bytes);
            self.shared.changed.notify_all();
        }
        buffer.was_full = buffer.pending.len() >= FULL;
        !buffer.was_full
    }

    pub(super) fn has_room(&self) -> bool {
        self.shared.lock().pending.len() < FULL
    }

    /// Why writing fails for good, if it does.
    pub(super) fn broken(&self) -> Option<Errno> {
        self.shared.lock().broken
    }

    /// Waits until everything is written, but no longer than that.
    pub(super) fn flush(&self, within: Duration) {
        let buffer = self.shared.lock();
        let is_busy = |buffer: &mut Buffer| {
            (buffer.is_writing || !buffer.pending.is_empty()) && buffer.broken.is_none()
        };
        drop(
            self.shared
                .changed
                .wait_timeout_while(buffer, within, is_busy),
        );
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is added, until that fails for good.
    fn write_to(&self, mut file: File) {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = self.lock();
            buffer.is_writing = false;
            self.changed.notify_all();
            while buffer.pending.is_empty() {
                buffer = self
                    .changed
                    .wait(buffer)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            swap(&mut buffer.pending, &mut bytes);
            buffer.is_writing = true;
            let was_full = take(&mut buffer.was_full);
            drop(buffer);
            if was_full {
                self.wake_up();
            }
            let written = write_all(&mut file, &bytes);
            bytes.clear();
            if let Err(errno) = written {
                let mut buffer = self.lock();
                buffer.broken = Some(errno);
                buffer.pending.clear();
                drop(buffer);
                self.changed.notify_all();
                return self.wake_up();
            }
        }
    }

    fn wake_up(&self) {
        // A count that cannot grow any more can be read as well.
        let _ = rustix::io::write(&*self.wakeup, &1_u64.to_ne_bytes());
    }
}

/// Writes all bytes, unless the reader has gone. A full disk may have room again later.
fn write_all(file: &mut File, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INTR) => {}
                // Another process that shares the file has made it non-blocking.
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

    fn can_be_read(wakeup: &OwnedFd) -> bool {
        rustix::io::read(wakeup, &mut [0; 8]).is_ok()
    }

    #[test]
    fn a_slow_reader_is_waited_for() {
        let (mut reader, writer) = pipe().unwrap();
        let (outlet, wakeup) = outlet_to(writer.into());
        let chunk = [b'x'; 4096];
        let mut added = 0;
        while outlet.add(&chunk) {
            added += chunk.len();
        }
        added += chunk.len();
        assert!(!outlet.has_room() && !can_be_read(&wakeup));
        let started = Instant::now();
        outlet.flush(Duration::from_millis(50));
        assert!(started.elapsed() >= Duration::from_millis(50));

        let mut read = vec![0; added];
        reader.read_exact(&mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == b'x'));
        outlet.flush(Duration::from_secs(10));
        assert!(outlet.has_room() && can_be_read(&wakeup));
    }

    #[test]
    fn a_reader_that_has_gone_is_reported() {
        let (reader, writer) = pipe().unwrap();
        let (outlet, wakeup) = outlet_to(writer.into());
        drop(reader);
        outlet.add(b"x");
        outlet.flush(Duration::from_secs(10));
        assert_eq!(outlet.broken(), Some(Errno::PIPE));
        assert!(outlet.add(b"more"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !can_be_read(&wakeup) {
            assert!(Instant::now() < deadline);
        }
    }
}

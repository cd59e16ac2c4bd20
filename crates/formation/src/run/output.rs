//! What the processes write, and the log of `formation` itself: line by line, to standard output
//! and standard error.

use super::instance_name::InstanceName;
use super::lines::{Label, Lines, Prefix, StreamName, write_line};
use super::outlet::{Outlet, wakeup};
use super::poller::{Poller, Source};
use procfile::launch_spec::FORMATION;
use rustix::io::{Errno, ioctl_fionbio};
use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, PipeReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The bytes that are read at a time: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// The output of all processes.
pub(super) struct Output {
    prefix: Prefix,
    /// The label of lines from `formation` itself.
    own_label: Label,
    /// The width of all labels, in characters.
    label_width: usize,
    stdout: Outlet,
    /// Missing where standard error is the same file as standard output: one outlet then keeps the
    /// order of lines.
    stderr: Option<Outlet>,
    wakeup: Arc<OwnedFd>,
    streams: BTreeMap<StreamId, Stream>,
    /// Streams that are not read from, because their outlet is full.
    paused: Vec<StreamId>,
    next: u32,
    chunk: Vec<u8>,
    /// Lines as they are shown, on their way to an outlet.
    shown: Vec<u8>,
}

/// An output stream of a process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct StreamId(pub(super) u32);

struct Stream {
    pipe: PipeReader,
    name: StreamName,
    label: Rc<Label>,
    lines: Lines,
}

/// What a pipe has after a read.
#[derive(Eq, PartialEq)]
enum PipeState {
    MayHaveMore,
    Empty,
    /// No process has its other end any more.
    Closed,
}

impl Output {
    /// `label_width` is that of the longest name of an instance, in characters.
    pub(super) fn new(prefix: Prefix, label_width: usize) -> io::Result<Self> {
        let wakeup = wakeup()?;
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let colours_allowed = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let outlet = |fd: OwnedFd, is_terminal: bool| {
            let colours = colours_allowed && is_terminal;
            Outlet::open(File::from(fd), colours, wakeup.clone())
        };
        let (out, err) = (
            stdout.as_fd().try_clone_to_owned()?,
            stderr.as_fd().try_clone_to_owned()?,
        );
        let is_same = is_same_file(&out, &err)?;
        Ok(Self {
            prefix,
            own_label: Label::new(FORMATION, label_width, 0),
            label_width,
            stdout: outlet(out, stdout.is_terminal())?,
            stderr: if is_same {
                None
            } else {
                Some(outlet(err, stderr.is_terminal())?)
            },
            wakeup,
            streams: BTreeMap::new(),
            paused: Vec::new(),
            next: 0,
            chunk: vec![0; CHUNK],
            shown: Vec::new(),
        })
    }

    /// Can be read from when an outlet has room again, for [`resume`](Self::resume), or has lost
    /// its reader, for [`broken`](Self::broken).
    pub(super) fn wakeup(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Reads the standard output and the standard error of an instance from now on.
    pub(super) fn add_streams(
        &mut self,
        poller: &Poller,
        name: &InstanceName,
        [out, err]: [PipeReader; 2],
    ) -> io::Result<[StreamId; 2]> {
        let label = Label::new(&name.to_string(), self.label_width, name.type_position);
        let label = Rc::new(label);
        Ok([
            self.add_stream(poller, out, StreamName::Stdout, label.clone())?,
            self.add_stream(poller, err, StreamName::Stderr, label)?,
        ])
    }

    fn add_stream(
        &mut self,
        poller: &Poller,
        pipe: PipeReader,
        name: StreamName,
        label: Rc<Label>,
    ) -> io::Result<StreamId> {
        ioctl_fionbio(&pipe, true)?;
        let id = StreamId(self.next);
        poller.add(&pipe, Source::Stream(id.0))?;
        self.next = self.next.wrapping_add(1);
        let stream = Stream {
            pipe,
            name,
            label,
            lines: Lines::default(),
        };
        self.streams.insert(id, stream);
        Ok(id)
    }

    /// Writes to the log of `formation` itself.
    pub(super) fn say(&mut self, text: &str) {
        let outlet = self.stderr.as_ref().unwrap_or(&self.stdout);
        for line in text.lines() {
            write_line(
                &mut self.shown,
                self.prefix,
                outlet.colours,
                &self.own_label,
                StreamName::Stderr,
                line.as_bytes(),
            );
        }
        outlet.add(&self.shown);
        self.shown.clear();
    }

    /// Reads from a stream once.
    pub(super) fn read(&mut self, poller: &Poller, id: StreamId) {
        self.read_once(poller, id);
    }

    /// Reads all that the streams of a process have that has ended, and shows a last line even
    /// where it is not complete. Processes that it has left behind may go on writing.
    pub(super) fn settle(&mut self, poller: &Poller, ids: &[StreamId]) {
        for id in ids {
            while self.has_room(*id) {
                if self.read_once(poller, *id) == PipeState::Empty {
                    self.pass_on(*id, None);
                    break;
                }
            }
        }
    }

    /// Reads again from streams that were paused, where their outlet has room again.
    pub(super) fn resume(&mut self, poller: &Poller) -> io::Result<()> {
        let _ = rustix::io::read(&*self.wakeup, &mut [0; 8]);
        for id in std::mem::take(&mut self.paused) {
            let Some(stream) = self.streams.get(&id) else {
                continue;
            };
            if self.has_room(id) {
                poller.add(&stream.pipe, Source::Stream(id.0))?;
            } else {
                self.paused.push(id);
            }
        }
        Ok(())
    }

    /// Why standard output cannot be written to any more, if so.
    pub(super) fn broken(&self) -> Option<Errno> {
        self.stdout.broken()
    }

    /// Writes all that the streams have, to the last byte, unless that takes too long.
    pub(super) fn finish(&mut self, poller: &Poller, deadline: Instant) {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let mut open: Vec<_> = self.streams.keys().copied().collect();
        while !open.is_empty() && !left(deadline).is_zero() {
            self.settle(poller, &open);
            open.retain(|id| self.streams.contains_key(id) && !self.has_room(*id));
            if let Some(full) = open.first() {
                self.outlet_of(*full).flush(left(deadline));
            }
        }
        let ids: Vec<_> = self.streams.keys().copied().collect();
        for id in ids {
            self.pass_on(id, None);
        }
        for outlet in [Some(&self.stdout), self.stderr.as_ref()]
            .into_iter()
            .flatten()
        {
            outlet.flush(left(deadline));
        }
    }

    fn read_once(&mut self, poller: &Poller, id: StreamId) -> PipeState {
        let Some(stream) = self.streams.get(&id) else {
            return PipeState::Closed;
        };
        let count = match rustix::io::read(&stream.pipe, &mut *self.chunk) {
            Ok(count) => count,
            Err(Errno::AGAIN) => return PipeState::Empty,
            Err(Errno::INTR) => return PipeState::MayHaveMore,
            // A pipe that cannot be read is at its end.
            Err(_) => 0,
        };
        if count == 0 {
            self.pass_on(id, None);
            if let Some(stream) = self.streams.remove(&id) {
                poller.remove(&stream.pipe);
            }
            return PipeState::Closed;
        }
        if !self.pass_on(id, Some(count)) {
            self.pause(poller, id);
        }
        PipeState::MayHaveMore
    }

    /// Cuts what was read into lines, or ends the last line where `read` is missing, and passes
    /// them to the outlet of the stream. Whether that has room for more.
    fn pass_on(&mut self, id: StreamId, read: Option<usize>) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return true;
        };
        let outlet = match (&self.stderr, stream.name) {
            (Some(stderr), StreamName::Stderr) => stderr,
            _ => &self.stdout,
        };
        let (label, name) = (&stream.label, stream.name);
        let (prefix, colours, shown) = (self.prefix, outlet.colours, &mut self.shown);
        let show = |line: &[u8]| write_line(shown, prefix, colours, label, name, line);
        match read {
            Some(count) => stream.lines.feed(&self.chunk[..count], show),
            None => stream.lines.end(show),
        }
        let has_room = outlet.add(&self.shown);
        self.shown.clear();
        has_room
    }

    fn pause(&mut self, poller: &Poller, id: StreamId) {
        if let Some(stream) = self.streams.get(&id)
            && !self.paused.contains(&id)
        {
            poller.remove(&stream.pipe);
            self.paused.push(id);
        }
    }

    fn outlet_of(&self, id: StreamId) -> &Outlet {
        match (&self.stderr, self.streams.get(&id)) {
            (Some(stderr), Some(stream)) if stream.name == StreamName::Stderr => stderr,
            _ => &self.stdout,
        }
    }

    fn has_room(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id) && self.outlet_of(id).has_room()
    }
}

fn is_same_file(left: &OwnedFd, right: &OwnedFd) -> io::Result<bool> {
    let identity = |fd: &OwnedFd| {
        let metadata = File::from(fd.try_clone()?).metadata()?;
        Ok::<_, io::Error>((metadata.dev(), metadata.ino()))
    };
    Ok(identity(left)? == identity(right)?)
}

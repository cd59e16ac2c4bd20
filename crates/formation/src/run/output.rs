//! What the processes write, and what `formation` says itself: line by line, to standard output and standard error.

use super::lines::{Label, Lines, Prefix, StreamName, write_line};
use super::outlet::{Outlet, wakeup};
use super::poller::{Poller, Source};
use procfile::launch_spec::FORMATION;
use rustix::io::{Errno, ioctl_fionbio};
use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes read at a time: what a pipe holds.
const CHUNK: usize = 64 * 1024;

pub(super) struct Output {
    prefix: Prefix,
    ours: Rc<Label>,
    stdout: Outlet,
    /// None where standard error is the very file that standard output is: one order for both.
    stderr: Option<Outlet>,
    wakeup: Arc<OwnedFd>,
    streams: BTreeMap<u32, Stream>,
    /// Those that wait for room.
    paused: Vec<u32>,
    next: u32,
    chunk: Vec<u8>,
    shown: Vec<u8>,
}

/// One of the two streams of a process.
struct Stream {
    pipe: OwnedFd,
    name: StreamName,
    label: Rc<Label>,
    lines: Lines,
}

/// Whether a pipe may have more.
#[derive(Eq, PartialEq)]
enum Left {
    Unknown,
    Nothing,
    /// Nobody has its other end any more.
    Closed,
}

impl Output {
    /// `width` is that of the longest name.
    pub(super) fn new(prefix: Prefix, width: usize, poller: &Poller) -> io::Result<Self> {
        let wakeup = wakeup()?;
        poller.add(&*wakeup, Source::Outlets)?;
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let outlet = |fd: OwnedFd, is_terminal: bool| {
            Outlet::open(File::from(fd), wanted && is_terminal, wakeup.clone())
        };
        let (out, err) = (
            stdout.as_fd().try_clone_to_owned()?,
            stderr.as_fd().try_clone_to_owned()?,
        );
        let is_same = is_same_file(&out, &err)?;
        Ok(Self {
            prefix,
            ours: Rc::new(Label::new(FORMATION, width, 0)),
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

    /// Reads from a pipe from now on. Its number.
    pub(super) fn add_stream(
        &mut self,
        poller: &Poller,
        pipe: OwnedFd,
        name: StreamName,
        label: Rc<Label>,
    ) -> io::Result<u32> {
        ioctl_fionbio(&pipe, true)?;
        let number = self.next;
        poller.add(&pipe, Source::Stream(number))?;
        self.next += 1;
        let stream = Stream {
            pipe,
            name,
            label,
            lines: Lines::default(),
        };
        self.streams.insert(number, stream);
        Ok(number)
    }

    /// Says something to whoever reads the log.
    pub(super) fn say(&mut self, text: &str) {
        let outlet = self.stderr.as_ref().unwrap_or(&self.stdout);
        for line in text.lines() {
            write_line(
                &mut self.shown,
                self.prefix,
                outlet.colours,
                &self.ours,
                StreamName::Stderr,
                line.as_bytes(),
            );
        }
        outlet.add(&self.shown);
        self.shown.clear();
    }

    /// Takes what a process has written, once.
    pub(super) fn read(&mut self, poller: &Poller, number: u32) {
        self.read_once(poller, number);
    }

    /// Takes all that is there, and the last line too if it has no end: the process has ended. Whoever it has left behind may go on writing.
    pub(super) fn settle(&mut self, poller: &Poller, numbers: &[u32]) {
        for number in numbers {
            while self.has_room(*number) {
                if self.read_once(poller, *number) == Left::Nothing {
                    self.pass_on(*number, None);
                    break;
                }
            }
        }
    }

    /// The outlets have wakeup: those that wait for room may have it.
    pub(super) fn resume(&mut self, poller: &Poller) -> io::Result<()> {
        let _ = rustix::io::read(&*self.wakeup, &mut [0; 8]);
        for number in std::mem::take(&mut self.paused) {
            let Some(stream) = self.streams.get(&number) else {
                continue;
            };
            if self.has_room(number) {
                poller.add(&stream.pipe, Source::Stream(number))?;
            } else {
                self.paused.push(number);
            }
        }
        Ok(())
    }

    /// Whether the lines go nowhere any more.
    pub(super) fn broken(&self) -> Option<Errno> {
        self.stdout.broken()
    }

    /// Writes all that is there, to the last byte, for as long as there is time.
    pub(super) fn finish(&mut self, poller: &Poller, within: Duration) {
        let deadline = Instant::now() + within;
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let mut open: Vec<_> = self.streams.keys().copied().collect();
        while !open.is_empty() && !left(deadline).is_zero() {
            self.settle(poller, &open);
            open.retain(|number| self.streams.contains_key(number) && !self.has_room(*number));
            if let Some(full) = open.first() {
                self.outlet_of(*full).flush(left(deadline));
            }
        }
        let numbers: Vec<_> = self.streams.keys().copied().collect();
        for number in numbers {
            self.pass_on(number, None);
        }
        for outlet in [Some(&self.stdout), self.stderr.as_ref()]
            .into_iter()
            .flatten()
        {
            outlet.flush(left(deadline));
        }
    }

    fn read_once(&mut self, poller: &Poller, number: u32) -> Left {
        let Some(stream) = self.streams.get(&number) else {
            return Left::Closed;
        };
        let count = match rustix::io::read(&stream.pipe, &mut *self.chunk) {
            Ok(count) => count,
            Err(Errno::AGAIN) => return Left::Nothing,
            Err(Errno::INTR) => return Left::Unknown,
            // A pipe that cannot be read is at its end.
            Err(_) => 0,
        };
        if count == 0 {
            self.pass_on(number, None);
            if let Some(stream) = self.streams.remove(&number) {
                poller.remove(&stream.pipe);
            }
            return Left::Closed;
        }
        if !self.pass_on(number, Some(count)) {
            self.pause(poller, number);
        }
        Left::Unknown
    }

    /// Cuts what was read into lines, or ends the last one, and gives them to whom they are for. Whether there is room for more.
    fn pass_on(&mut self, number: u32, read: Option<usize>) -> bool {
        let Some(stream) = self.streams.get_mut(&number) else {
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

    fn pause(&mut self, poller: &Poller, number: u32) {
        if let Some(stream) = self.streams.get(&number)
            && !self.paused.contains(&number)
        {
            poller.remove(&stream.pipe);
            self.paused.push(number);
        }
    }

    fn outlet_of(&self, number: u32) -> &Outlet {
        match (&self.stderr, self.streams.get(&number)) {
            (Some(stderr), Some(stream)) if stream.name == StreamName::Stderr => stderr,
            _ => &self.stdout,
        }
    }

    fn has_room(&self, number: u32) -> bool {
        self.streams.contains_key(&number) && self.outlet_of(number).has_room()
    }
}

fn is_same_file(left: &OwnedFd, right: &OwnedFd) -> io::Result<bool> {
    let identity = |fd: &OwnedFd| {
        let metadata = File::from(fd.try_clone()?).metadata()?;
        Ok::<_, io::Error>((metadata.dev(), metadata.ino()))
    };
    Ok(identity(left)? == identity(right)?)
}

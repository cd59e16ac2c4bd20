//! Unpacks a gzipped tar archive, and refuses one that could do harm.

use crate::disk::{self, DiskFault};
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// The most bytes that an archive may unpack to. A Ruby has a tenth of it.
pub(crate) const LARGEST: u64 = 2 << 30;

/// The most times that an archive may grow. Programs and texts grow three to ten times.
const HIGHEST_RATIO: u64 = 100;

/// Below this size the ratio does not count: a small archive may consist mostly of tar's empty
/// blocks.
const PLAUSIBLE_ANYWAY: u64 = 64 << 20;

pub(crate) struct Unpacking<'a> {
    /// The folder that the archive is unpacked into.
    pub(crate) folder: &'a Path,
    /// The folder in the archive that is wanted. No link may lead out of it.
    pub(crate) root: &'a Path,
    /// Decides by the path below the root.
    pub(crate) is_wanted: &'a dyn Fn(&Path) -> bool,
    /// The most bytes that it may unpack to.
    pub(crate) largest: u64,
    /// Whether files get the time of now, and files and folders the modes that RubyGems gives them.
    pub(crate) as_rubygems: bool,
}

impl Unpacking<'_> {
    /// Unpacks every entry that is wanted. The error of an entry that could do harm, or that
    /// exceeds `largest`, names the entry.
    pub(crate) fn run(&self, reader: &mut dyn Read) -> io::Result<()> {
        let compressed = Cell::new(0);
        let counted = Counted {
            inner: reader,
            count: &compressed,
        };
        let mut archive = tar::Archive::new(Bounded {
            inner: MultiGzDecoder::new(counted),
            count: 0,
            largest: self.largest,
            compressed: &compressed,
        });
        if self.as_rubygems {
            archive.set_preserve_mtime(false);
            archive.set_mask(NOT_FOR_OTHERS_TO_WRITE);
        }
        let mut place = "at its start".to_string();
        for entry in archive.entries()? {
            let mut entry = entry.map_err(|error| at_error(&place, &error))?;
            if entry.header().entry_type() == EntryType::XGlobalHeader {
                continue; // A comment of git.
            }
            let path: PathBuf = entry.path()?.components().collect();
            place = format!("at its entry `{}`", path.display());
            self.check(&entry, &path)
                .map_err(|reason| at(&place, &reason))?;
            if path
                .strip_prefix(self.root_prefix())
                .is_ok_and(|below| !(self.is_wanted)(below))
            {
                continue;
            }
            if self.as_rubygems && entry.header().entry_type() == EntryType::Directory {
                if self.stands_behind_a_link(&path.join("file")) {
                    return Err(at(&place, LEAVES));
                }
                std::fs::create_dir_all(self.folder.join(&path))?;
                continue;
            }
            let unpacked = entry.unpack_in(self.folder);
            if !unpacked.map_err(|error| at_error(&place, &error))? {
                return Err(at(&place, LEAVES));
            }
        }
        // gzip's checksum follows the last entry.
        io::copy(&mut archive.into_inner(), &mut io::sink())
            .map_err(|error| at_error("at its end", &error))?;
        Ok(())
    }

    /// The root without `.`, to compare it with the paths of entries.
    fn root_prefix(&self) -> PathBuf {
        let is_name = |component: &Component<'_>| *component != Component::CurDir;
        self.root.components().filter(is_name).collect()
    }

    /// An error for an entry that could do harm.
    fn check<R: Read>(&self, entry: &tar::Entry<'_, R>, path: &Path) -> Result<(), &'static str> {
        let header = entry.header();
        let kind = header.entry_type();
        if !is_file_folder_or_link(kind) {
            return Err("it is neither a file, a folder nor a link");
        }
        if !path.components().all(is_name_or_dot) {
            return Err(LEAVES);
        }
        // On a folder these bits only decide who owns its files, and they are not unpacked.
        if kind != EntryType::Directory && header.mode().is_ok_and(|mode| mode & SET_ID != 0) {
            return Err("it would run with the rights of its owner (set-uid or set-gid)");
        }
        if kind == EntryType::Link {
            let target = entry.link_name().ok().flatten();
            if !target.is_some_and(|target| target.components().all(is_name_or_dot)) {
                return Err("it is a hard link that leads out of the layer");
            }
        }
        if kind == EntryType::Symlink {
            let target = entry.link_name().ok().flatten();
            if !target.is_some_and(|target| self.stays_inside(path, &target)) {
                return Err("it is a link that leads out of the layer");
            }
        }
        Ok(())
    }

    /// Whether a link at `path` leads to something below the root, regardless of other links: it
    /// may go up (`..`) only at its start, no further than the root, and only if its parents are
    /// folders and not links.
    fn stays_inside(&self, path: &Path, target: &Path) -> bool {
        let root = self.root_prefix();
        let below = path.strip_prefix(&root).unwrap_or(path);
        let parent = below.parent().unwrap_or(Path::new(""));
        let ups = target
            .components()
            .take_while(|component| *component == Component::ParentDir)
            .count();
        let goes_on_down = target.components().skip(ups).all(is_name_or_dot);
        goes_on_down && ups <= parent.components().count() && !self.stands_behind_a_link(path)
    }

    fn stands_behind_a_link(&self, path: &Path) -> bool {
        path.ancestors()
            .skip(1)
            .any(|folder| self.folder.join(folder).is_symlink())
    }
}

/// The bits of a file's mode that the usual umask removes.
const NOT_FOR_OTHERS_TO_WRITE: u32 = 0o022;

const LEAVES: &str = "it would leave the layer";

/// The bits of a file's mode that let it run with its owner's or group's rights.
const SET_ID: u32 = 0o6000;

fn is_name_or_dot(component: Component<'_>) -> bool {
    matches!(component, Component::Normal(_) | Component::CurDir)
}

fn at(place: &str, reason: &(impl Display + ?Sized)) -> io::Error {
    io::Error::other(format!("{place}: {reason}"))
}

/// The same for an error of the system, which keeps its kind. A defect of the disk has none, and is
/// not about the entry.
pub(super) fn at_error(place: &str, error: &io::Error) -> io::Error {
    match DiskFault::of(error) {
        Some(DiskFault::Defect) => io::Error::from_raw_os_error(disk::EIO),
        _ => io::Error::new(error.kind(), format!("{place}: {}", cause(error))),
    }
}

fn is_file_folder_or_link(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::Regular
            | EntryType::Continuous
            | EntryType::Directory
            | EntryType::Link
            | EntryType::Symlink
    )
}

/// The innermost source of an error: tar's own messages name the staging folder.
fn cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => cause(source),
        None => error.to_string(),
    }
}

/// Counts what is read.
struct Counted<'a, R> {
    inner: R,
    count: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// Fails after `largest` bytes, and where there are far more bytes than compressed ones: such an
/// archive is made to fill the disk.
struct Bounded<'a, R> {
    inner: R,
    count: u64,
    largest: u64,
    compressed: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        if self.count > self.largest {
            let reason = format!(
                "the archive unpacks to more than {} MiB",
                self.largest >> 20
            );
            return Err(io::Error::other(reason));
        }
        let plausible = (self.compressed.get() * HIGHEST_RATIO).max(PLAUSIBLE_ANYWAY);
        if self.count > plausible {
            let reason = format!("the archive unpacks to more than {HIGHEST_RATIO} times its size");
            return Err(io::Error::other(reason));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    struct Entry {
        kind: EntryType,
        name: &'static str,
        link: &'static str,
        mode: u32,
        bytes: Vec<u8>,
    }

    fn file(name: &'static str) -> Entry {
        Entry {
            kind: EntryType::Regular,
            name,
            link: "",
            mode: 0o644,
            bytes: b"x".to_vec(),
        }
    }

    fn link(name: &'static str, link: &'static str) -> Entry {
        Entry {
            kind: EntryType::Symlink,
            link,
            bytes: Vec::new(),
            ..file(name)
        }
    }

    /// Names are written as they are, even those that do harm.
    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for entry in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
            header.set_entry_type(entry.kind);
            header.set_size(entry.bytes.len() as u64);
            header.set_mode(entry.mode);
            if !entry.link.is_empty() {
                header.set_link_name_literal(entry.link).unwrap();
            }
            header.set_cksum();
            builder.append(&header, entry.bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn unpack(entries: &[Entry]) -> Result<(), String> {
        unpack_bytes(&archive(entries), 1 << 30)
    }

    fn unpack_bytes(bytes: &[u8], largest: u64) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let unpacking = Unpacking {
            folder: folder.path(),
            root: Path::new("./ruby"),
            is_wanted: &|_| true,
            largest,
            as_rubygems: false,
        };
        unpacking
            .run(&mut &bytes[..])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn entries_that_could_do_harm() {
        let of_kind = |kind, mode| Entry {
            kind,
            mode,
            bytes: Vec::new(),
            ..file("ruby/thing")
        };
        let zeros = |megabytes: usize| Entry {
            bytes: vec![0; megabytes << 20],
            ..file("ruby/zeros")
        };
        let refused = [
            vec![file("../evil")],
            vec![file("ruby/../../evil")],
            vec![file("/etc/evil")],
            vec![of_kind(EntryType::Char, 0o644)],
            vec![of_kind(EntryType::Block, 0o644)],
            vec![of_kind(EntryType::Fifo, 0o644)],
            vec![of_kind(EntryType::Regular, 0o4755)],
            vec![of_kind(EntryType::Regular, 0o2755)],
            vec![link("ruby/etc", "/etc")],
            vec![link("ruby/up", "..")],
            vec![link("ruby/bin/up", "../../other")],
            vec![link("ruby/bin/up", "../lib/../../../etc")],
            vec![link("ruby/here", "."), link("ruby/here/up", "..")],
            vec![
                link("ruby/here", "."),
                file("ruby/here/file"),
                link("ruby/here/up", "../x"),
            ],
            vec![Entry {
                kind: EntryType::Link,
                link: "../../etc/passwd",
                bytes: Vec::new(),
                ..file("ruby/passwd")
            }],
            vec![zeros(100)],
        ];
        let errors: Vec<_> = refused
            .iter()
            .map(|entries| unpack(entries).expect_err(entries.last().unwrap().name))
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn entries_of_usual_archives() {
        unpack(&[
            file("ruby/bin/ruby"),
            file("./ruby/bin/erb"),
            link("ruby/lib/libruby.so", "libruby.so.3.3.8"),
            link("ruby/bin/ruby3.3", "./ruby"),
            link("ruby/lib/ruby/vendor", "../../share/vendor"),
            Entry {
                kind: EntryType::Link,
                link: "ruby/bin/ruby",
                bytes: Vec::new(),
                ..file("ruby/bin/ruby3")
            },
            Entry {
                kind: EntryType::Directory,
                mode: 0o2775,
                bytes: Vec::new(),
                ..file("ruby/share")
            },
        ])
        .unwrap();
    }

    #[test]
    fn the_unpacked_size_is_limited() {
        let bytes = archive(&[Entry {
            bytes: vec![0; 2 << 20],
            ..file("ruby/zeros")
        }]);
        assert_eq!(
            unpack_bytes(&bytes, 1 << 20).unwrap_err(),
            "at its entry `ruby/zeros`: the archive unpacks to more than 1 MiB"
        );
    }

    #[test]
    fn the_checksum_of_gzip_is_verified() {
        let mut bytes = archive(&[file("ruby/bin/ruby")]);
        // The last eight bytes are the checksum and the length of what came before.
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        assert_eq!(
            unpack_bytes(&bytes, 1 << 30).unwrap_err(),
            "at its end: corrupt gzip stream does not have a matching checksum"
        );
    }
}

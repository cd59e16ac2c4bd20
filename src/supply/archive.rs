//! Unpacking a gzipped tar archive while it is downloaded: hashed on its way, and in its place only after it was verified.

use crate::supply::Shown;
use crate::supply::download::{
    DownloadError, HashingReader, Sha256Hex, TakeError, Taken, with_bytes_of,
};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use miette::Diagnostic;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use tar::EntryType;
use thiserror::Error;
use url::Url;

/// A Ruby has a tenth of it; an archive that unpacks to more would fill the disk.
const LARGEST: u64 = 2 << 30;

/// An archive that is to be fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archive {
    /// Where it is.
    pub url: Url,
    /// What it has to be.
    pub sha256: Sha256Hex,
    /// The folder in it that is wanted; `.` for the whole.
    pub root: PathBuf,
}

/// The archive did not get to its place; nothing of it is there.
#[derive(Debug, Diagnostic, Error)]
pub enum ArchiveError {
    /// It could not be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Download(#[from] DownloadError),
    /// It is not the archive that was published.
    #[error(
        "{url} is not the file that the inventory lists: its SHA-256 differs\n  expected {expected}\n  got      {actual}"
    )]
    #[diagnostic(help(
        "The file was changed or damaged, on the server or on the way; it was thrown away. \
         Try again; if it stays so, ask whoever runs that server. Change the inventory only if you know why the file changed."
    ))]
    Checksum {
        /// Without credentials.
        url: String,
        /// From the inventory.
        expected: String,
        /// Of the bytes that came.
        actual: String,
    },
    /// It has the right bytes, but they are not an archive that can be unpacked here.
    #[error("{url} cannot be unpacked: {reason}")]
    #[diagnostic(help(
        "The archive has to be a gzipped tar file, and hold the inventory's `root` folder."
    ))]
    Unpack {
        /// Without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refuses.
    #[error("the archive cannot be put into its layer")]
    Place(#[source] io::Error),
}

impl Archive {
    /// Fetches, verifies and unpacks; `destination` then holds exactly the archive's `root`. Until it is verified, everything is in a
    /// temporary folder beside it.
    ///
    /// # Errors
    /// The archive cannot be had, is another one, or cannot be unpacked. `destination` is as it was.
    pub fn install(&self, destination: &Path) -> Result<(), ArchiveError> {
        let beside = destination.parent().unwrap_or(Path::new("/"));
        let unpacked =
            with_bytes_of(&self.url, |reader| self.unpack(reader, beside)).map_err(|error| {
                match error {
                    TakeError::Download(error) => ArchiveError::Download(error),
                    TakeError::Refused(error) => error,
                }
            })?;
        let root: PathBuf = unpacked.path().join(&self.root).components().collect(); // without a final `.`
        if !is_real_folder(unpacked.path(), &self.root) {
            return Err(self.unpack_error(&format!("it has no folder `{}`", self.root.display())));
        }
        move_folder(&root, destination).map_err(ArchiveError::Place)
    }

    fn unpack(
        &self,
        reader: &mut dyn Read,
        beside: &Path,
    ) -> Taken<tempfile::TempDir, ArchiveError> {
        let folder = match tempfile::tempdir_in(beside) {
            Ok(folder) => folder,
            Err(error) => return Taken::Refused(ArchiveError::Place(error)),
        };
        let broken = Rc::new(RefCell::new(None));
        let mut hashed = HashingReader::new(Watched {
            inner: reader,
            broken: Rc::clone(&broken),
        });
        let unpacked = unpack_entries(&mut hashed, folder.path(), LARGEST);
        // The checksum is the first to be judged: a wrong file need not be a gzip file at all.
        let actual = hashed.digest_to_end();
        if let Some(error) = broken.take() {
            return Taken::Broken(error);
        }
        let actual = match actual {
            Ok(actual) => actual,
            Err(error) => return Taken::Broken(error),
        };
        match unpacked {
            _ if actual != self.sha256 => Taken::Doubtful(ArchiveError::Checksum {
                url: Shown(&self.url).to_string(),
                expected: self.sha256.0.clone(),
                actual: actual.0,
            }),
            Err(error) => Taken::Refused(self.unpack_error(&error)),
            Ok(()) => Taken::Whole(folder),
        }
    }

    fn unpack_error(&self, reason: &dyn ToString) -> ArchiveError {
        ArchiveError::Unpack {
            url: Shown(&self.url).to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Whether a path leads to a folder by folders alone: a link may lead out of the archive.
fn is_real_folder(base: &Path, path: &Path) -> bool {
    let mut reached = base.to_path_buf();
    path.components().all(|component| {
        reached.push(component);
        reached
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir())
    })
}

/// Unpacks every entry below `folder`. One that would leave it, one that is no file, folder or link, and more than `largest` bytes
/// altogether are errors.
fn unpack_entries(reader: &mut dyn Read, folder: &Path, largest: u64) -> io::Result<()> {
    let mut archive = tar::Archive::new(Bounded {
        inner: MultiGzDecoder::new(reader),
        left: largest,
        largest,
    });
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            continue; // What git says of itself.
        }
        let path = entry.path()?.into_owned();
        let inside = !path.is_absolute()
            && path
                .components()
                .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
        let fails = |reason: &dyn Display| {
            io::Error::other(format!("its entry `{}` {reason}", path.display()))
        };
        if !is_file_folder_or_link(entry.header().entry_type()) {
            return Err(fails(&"is neither a file, a folder nor a link"));
        }
        let unpacked = inside
            && entry
                .unpack_in(folder)
                .map_err(|error| fails(&cause(&error)))?;
        if !unpacked {
            return Err(fails(&"would leave the layer"));
        }
    }
    Ok(())
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

/// What lies at the bottom of an error: tar's own messages name the temporary folder instead.
fn cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => cause(source),
        None => format!("is broken: {error}"),
    }
}

/// Puts the contents of one folder in the place of another's, on the same disk.
fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::rename(from, to)
}

/// Refuses to go on after so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
    largest: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} bytes", self.largest))
        })?;
        Ok(count)
    }
}

/// Keeps the first error of a reader, so that a broken connection is not taken for a broken archive.
struct Watched<R> {
    inner: R,
    broken: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let told = io::Error::new(error.kind(), error.to_string());
            self.broken.borrow_mut().get_or_insert(error);
            told
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::plain;
    use flate2::{Compression, write::GzEncoder};
    use sha2::{Digest, Sha256};

    /// A gzipped tar archive of files; a name is written as it is, however evil.
    fn tarball(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, text) in files {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    struct Rig {
        folder: tempfile::TempDir,
        archive: Archive,
    }

    /// An archive on disk, with its right checksum, and a layer that holds something already.
    fn rig(bytes: &[u8], root: &str) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("archive.tgz"), bytes).unwrap();
        fs::create_dir_all(folder.path().join("layers/ruby")).unwrap();
        fs::write(folder.path().join("layers/ruby/old"), "old").unwrap();
        let archive = Archive {
            url: Url::from_file_path(folder.path().join("archive.tgz")).unwrap(),
            sha256: Sha256Hex(hex::encode(Sha256::digest(bytes))),
            root: root.into(),
        };
        Rig { folder, archive }
    }

    impl Rig {
        fn install(&self) -> Result<Vec<String>, String> {
            let layers = self.folder.path().join("layers");
            let result = self.archive.install(&layers.join("ruby"));
            let names: Vec<_> = fs::read_dir(&layers)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["ruby"], "nothing stays beside the layer");
            let mut files: Vec<_> = fs::read_dir(layers.join("ruby"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            result.map(|()| files.clone()).map_err(|error| {
                assert_eq!(files, ["old"], "the layer is as it was");
                plain(&error).replace(self.folder.path().to_str().unwrap(), "/srv")
            })
        }
    }

    #[test]
    fn the_root_replaces_what_was_there() {
        let bytes = tarball(&[
            ("ruby-3.3.8/bin", "x"),
            ("ruby-3.3.8/lib", "y"),
            ("README", "z"),
        ]);
        assert_eq!(rig(&bytes, "ruby-3.3.8").install().unwrap(), ["bin", "lib"]);
        assert_eq!(
            rig(&bytes, ".").install().unwrap(),
            ["README", "ruby-3.3.8"]
        );
    }

    #[test]
    fn another_file_is_refused() {
        let mut rig = rig(&tarball(&[("ruby/bin", "x")]), "ruby");
        rig.archive.sha256 = Sha256Hex("0".repeat(64));
        let report = rig.install().unwrap_err();
        assert!(report.contains("its SHA-256 differs"), "{report}");
    }

    #[test]
    fn the_checksum_is_judged_before_the_format() {
        let mut rig = rig(b"<html>Not found</html>", "ruby");
        rig.archive.sha256 = Sha256Hex("0".repeat(64));
        insta::assert_snapshot!(rig.install().unwrap_err());
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let whole = tarball(&[("ruby/bin", &"x".repeat(100_000))]);
        insta::assert_snapshot!(
            "no_gzip_file",
            rig(b"plain text", "ruby").install().unwrap_err()
        );
        insta::assert_snapshot!(
            "cut_off",
            rig(&whole[..whole.len() / 2], "ruby")
                .install()
                .unwrap_err()
        );
        insta::assert_snapshot!("no_root", rig(&whole, "ruby-3.3.8").install().unwrap_err());
    }

    #[test]
    fn entries_stay_in_the_layer() {
        for name in ["../evil", "ruby/../../evil", "/etc/evil"] {
            let report = rig(&tarball(&[("ruby/bin", "x"), (name, "evil")]), "ruby")
                .install()
                .unwrap_err();
            assert!(report.contains("would leave the layer"), "{report}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let rig = rig(b"", ".");
        fs::remove_file(rig.folder.path().join("archive.tgz")).unwrap();
        insta::assert_snapshot!(rig.install().unwrap_err());
    }

    /// Fails once, and then seems to be at its end.
    struct Breaks {
        broken: bool,
    }

    impl Read for Breaks {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.broken, true) {
                return Ok(0);
            }
            let kind = io::ErrorKind::ConnectionReset;
            Err(io::Error::new(kind, "the cable is out"))
        }
    }

    /// An archive of one entry of a kind.
    fn tarball_of(kind: EntryType, name: &str, target: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_size(0);
        header.set_mode(0o755);
        if !target.is_empty() {
            header.set_link_name(target).unwrap();
        }
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn devices_and_pipes_are_refused() {
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
            let report = rig(&tarball_of(kind, "dev/null", ""), ".")
                .install()
                .unwrap_err();
            assert!(
                report.contains("its entry `dev/null` is neither a file"),
                "{report}"
            );
        }
    }

    #[test]
    fn the_root_is_a_folder_and_no_link() {
        let bytes = tarball_of(EntryType::Symlink, "ruby", "/tmp");
        let report = rig(&bytes, "ruby").install().unwrap_err();
        assert!(report.contains("it has no folder `ruby`"), "{report}");
    }

    #[test]
    fn several_gzip_members_are_one_archive() {
        let whole = {
            let mut plain = Vec::new();
            MultiGzDecoder::new(tarball(&[("ruby/bin", "x"), ("ruby/lib", "y")]).as_slice())
                .read_to_end(&mut plain)
                .unwrap();
            plain
        };
        let bytes: Vec<u8> = whole
            .chunks(512)
            .flat_map(|chunk| {
                let mut member = GzEncoder::new(Vec::new(), Compression::fast());
                io::Write::write_all(&mut member, chunk).unwrap();
                member.finish().unwrap()
            })
            .collect();
        assert_eq!(rig(&bytes, "ruby").install().unwrap(), ["bin", "lib"]);
    }

    #[test]
    fn there_is_a_bound_on_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = tarball(&[("zeros", &"0".repeat(100_000))]);
        let error = unpack_entries(&mut bytes.as_slice(), folder.path(), 10_000).unwrap_err();
        assert!(
            error.to_string().contains("more than 10000 bytes"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_connection_is_called_one() {
        let whole = tarball(&[("ruby/bin", &"x".repeat(100_000))]);
        let rig = rig(&whole, "ruby");
        let mut reader = whole[..whole.len() / 2].chain(Breaks { broken: false });
        match rig.archive.unpack(&mut reader, rig.folder.path()) {
            Taken::Broken(error) => assert_eq!(error.to_string(), "the cable is out"),
            _ => panic!("not noticed"),
        }
    }
}

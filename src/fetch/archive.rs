//! Unpacking a gzipped tar archive while it is downloaded: hashed on its way, and in its place only after it was verified.

use crate::fetch::digest::{HashingReader, Sha256Hex};
use crate::fetch::download::{DownloadError, Downloader, TakeError, Taken};
use crate::fetch::masked::Shown;
use crate::fetch::unpack::{LARGEST, Unpacking};
use fs_err as fs;
use miette::Diagnostic;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};
use thiserror::Error;
use url::Url;

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
    #[diagnostic(help("Check that the disk of the build is not full."))]
    Place(#[source] io::Error),
}

impl Archive {
    /// Fetches from `url`, verifies and unpacks; `destination` then holds what is wanted of the archive's `root`, by paths below it.
    /// Until it is verified, everything is in a temporary folder beside it; one that a killed build left there is removed. The archive
    /// itself is kept as the file `copy`, where one is named and can be written. Returns the archive's length in bytes.
    ///
    /// # Errors
    /// The archive cannot be had, is another one, or cannot be unpacked. `destination` is as it was.
    pub fn install(
        &self,
        downloader: &Downloader,
        url: &Url,
        destination: &Path,
        is_wanted: &dyn Fn(&Path) -> bool,
        copy: Option<&Path>,
    ) -> Result<u64, ArchiveError> {
        let partial = destination.with_file_name(partial_name(destination));
        remove_dir(&partial).map_err(ArchiveError::Place)?;
        let unpacked =
            downloader.with_bytes_of(url, |reader| match temporary_folder_beside(destination) {
                Ok(folder) => self.unpack(url, reader, folder, is_wanted, copy),
                Err(error) => Taken::Refused(ArchiveError::Place(error)),
            });
        let (unpacked, length, copied) = unpacked.map_err(|error| match error {
            TakeError::Download(error) => ArchiveError::Download(error),
            TakeError::Refused(error) => error,
        })?;
        let root: PathBuf = unpacked.path().join(&self.root).components().collect(); // without a final `.`
        if !is_real_folder(unpacked.path(), &self.root) {
            let reason = format!("it has no folder `{}`", self.root.display());
            return Err(unpack_error(url, &reason));
        }
        replace_dir(&root, destination).map_err(ArchiveError::Place)?;
        if let Some((file, path)) = copied {
            let _ = file.persist(path); // Where it cannot be put there it is removed.
        }
        Ok(length)
    }

    fn unpack<'a>(
        &self,
        url: &Url,
        reader: &mut (dyn Read + Send),
        folder: TempDir,
        is_wanted: &dyn Fn(&Path) -> bool,
        copy: Option<&'a Path>,
    ) -> Taken<(TempDir, u64, Option<Kept<'a>>), ArchiveError> {
        let mut copying = Copying::new(reader, copy);
        let mut hashed = HashingReader::new(&mut copying);
        let unpacking = Unpacking {
            folder: folder.path(),
            root: &self.root,
            is_wanted,
            largest: LARGEST,
            as_rubygems: false,
        };
        let unpacked = unpacking.run(&mut hashed);
        // The checksum is the first to be judged: a wrong file need not be a gzip file at all.
        let Ok((actual, length)) = hashed.digest_to_end() else {
            return Taken::Broken;
        };
        match unpacked {
            _ if actual != self.sha256 => Taken::Doubtful(ArchiveError::Checksum {
                url: Shown(url).to_string(),
                expected: self.sha256.0.clone(),
                actual: actual.0,
            }),
            Err(error) => Taken::Refused(unpack_error(url, &error)),
            Ok(()) => Taken::Whole((folder, length, copying.copy)),
        }
    }
}

/// Writes what is read through it into a file as well. One that cannot be written is given up: it is there to save time.
struct Copying<'a, R> {
    inner: R,
    copy: Option<Kept<'a>>,
}

/// A copy, and where it belongs.
type Kept<'a> = (NamedTempFile, &'a Path);

impl<'a, R> Copying<'a, R> {
    fn new(inner: R, copy: Option<&'a Path>) -> Self {
        let copy = copy.and_then(|path| {
            let file = NamedTempFile::new_in(path.parent()?).ok()?;
            Some((file, path))
        });
        Self { inner, copy }
    }
}

impl<R: Read> Read for Copying<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some((file, _)) = &mut self.copy
            && file.write_all(&buffer[..count]).is_err()
        {
            self.copy = None;
        }
        Ok(count)
    }
}

fn unpack_error(url: &Url, reason: &dyn ToString) -> ArchiveError {
    ArchiveError::Unpack {
        url: Shown(url).to_string(),
        reason: reason.to_string(),
    }
}

/// What the folder beside a destination is called while it fills: always the same, so that what a killed build left is found.
fn partial_name(destination: &Path) -> String {
    let name = destination.file_name().unwrap_or_default();
    format!(".{}.partial", name.to_string_lossy())
}

/// A folder on the same disk, so that it can be moved.
fn temporary_folder_beside(destination: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&partial_name(destination))
        .rand_bytes(0)
        .tempdir_in(destination.parent().unwrap_or(Path::new("/")))
}

/// Removes a folder, if it is there.
pub(crate) fn remove_dir(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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

/// Puts the contents of one folder in the place of another's, on the same disk.
pub(crate) fn replace_dir(from: &Path, to: &Path) -> io::Result<()> {
    remove_dir(to)?;
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use flate2::{Compression, write::GzEncoder};
    use procfile::report::plain;
    use sha2::{Digest, Sha256};
    use tar::EntryType;

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
        // Reports are wrapped before the path is replaced in them: it has to have the same length everywhere.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
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
            // What a build that was killed leaves.
            fs::create_dir_all(layers.join(".ruby.partial/half")).unwrap();
            let result = self.archive.install(
                &Downloader::default(),
                &self.archive.url,
                &layers.join("ruby"),
                &|path| path != Path::new("unwanted"),
                None,
            );
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
            result.map(|_| files.clone()).map_err(|error| {
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
            ("ruby-3.3.8/unwanted", "w"),
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
    fn a_disk_that_refuses_is_shown() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        insta::assert_snapshot!(plain(&ArchiveError::Place(error)));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let rig = rig(b"", ".");
        fs::remove_file(rig.folder.path().join("archive.tgz")).unwrap();
        insta::assert_snapshot!(rig.install().unwrap_err());
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
    fn the_root_is_a_folder_and_no_link() {
        let bytes = tarball_of(EntryType::Symlink, "ruby", "tmp");
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
}

//! A gzipped tar archive that becomes a folder: unpacked while it is downloaded, and put in place
//! only when it is verified and finished.

use crate::disk::DiskFault;
use crate::fetch::digest::Sha256Hex;
use crate::fetch::download::{DownloadError, Downloader};
use crate::fetch::expected::Expected;
use crate::fetch::masked::Shown;
use crate::fetch::staging::Staging;
use crate::fetch::unpack::{LARGEST, Unpacking};
use miette::Diagnostic;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use thiserror::Error;
use url::Url;

/// An archive as an inventory lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Archive {
    /// The publisher's address.
    pub url: Url,
    pub sha256: Sha256Hex,
    /// The folder in it that is installed; `.` for the whole.
    pub root: PathBuf,
}

/// Where an archive is installed, and how.
pub struct Installation<'a> {
    /// The folder that the archive's root becomes. What it holds is replaced.
    pub destination: &'a Path,
    /// Decides by the path below the root whether an entry is unpacked.
    pub is_wanted: &'a dyn Fn(&Path) -> bool,
    /// Completes the unpacked root before it is put in place.
    pub finish: &'a dyn Fn(&Path) -> io::Result<()>,
    /// A file that keeps the archive itself, where it can be written.
    pub copy: Option<&'a Path>,
}

/// The archive is not installed; the destination is as it was.
#[derive(Debug, Diagnostic, Error)]
pub enum ArchiveError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Download(#[from] DownloadError),
    /// The archive has the right digest, but it cannot be unpacked.
    #[error("{url} cannot be unpacked: {reason}")]
    #[diagnostic(help(
        "The archive must be a gzipped tar file that contains the inventory's `root` folder."
    ))]
    Unpack {
        /// Without credentials.
        url: String,
        reason: String,
    },
    #[error("the archive cannot be written into its layer")]
    #[diagnostic(help("Check that the disk of the build is not full."))]
    Place(#[source] io::Error),
}

impl Archive {
    /// Downloads the archive from `url`, verifies, unpacks and finishes it in a staging folder, and
    /// then renames its root to the destination. Returns the archive's length in bytes.
    pub fn install(
        &self,
        downloader: &Downloader,
        url: &Url,
        installation: &Installation<'_>,
    ) -> Result<u64, ArchiveError> {
        let staging = Staging::beside(installation.destination).map_err(ArchiveError::Place)?;
        let expected = Expected::by_inventory(&self.sha256);
        let (copy, length) = downloader.download(url, &expected, |reader| {
            self.unpack(url, reader, &staging, installation)
        })?;
        if !staging.has_real_folder(&self.root) {
            let reason = format!("it has no folder `{}`", self.root.display());
            return Err(unpack_error(url, &reason));
        }
        (installation.finish)(&staging.path_of(&self.root))
            .and_then(|()| staging.put_in_place(&self.root))
            .map_err(ArchiveError::Place)?;
        if let Some((file, path)) = copy {
            let _ = file.persist(path); // A copy that cannot be kept is removed.
        }
        Ok(length)
    }

    fn unpack<'a>(
        &self,
        url: &Url,
        reader: &mut dyn Read,
        staging: &Staging,
        installation: &Installation<'a>,
    ) -> Result<Option<ArchiveCopy<'a>>, ArchiveError> {
        let folder = staging.emptied().map_err(ArchiveError::Place)?;
        let mut copying = CopyingReader::new(reader, installation.copy);
        let unpacking = Unpacking {
            folder,
            root: &self.root,
            is_wanted: installation.is_wanted,
            largest: LARGEST,
            as_rubygems: false,
        };
        unpacking
            .run(&mut copying)
            .map_err(|error| not_unpacked(url, error))?;
        Ok(copying.copy)
    }
}

/// Writes what is read through it into a file as well. A file that cannot be written is given up:
/// it only saves time.
struct CopyingReader<'a, R> {
    inner: R,
    copy: Option<ArchiveCopy<'a>>,
}

/// A copy, and the path that it gets when the archive is verified.
type ArchiveCopy<'a> = (NamedTempFile, &'a Path);

impl<'a, R> CopyingReader<'a, R> {
    fn new(inner: R, copy: Option<&'a Path>) -> Self {
        let copy = copy.and_then(|path| {
            let file = NamedTempFile::new_in(path.parent()?).ok()?;
            Some((file, path))
        });
        Self { inner, copy }
    }
}

impl<R: Read> Read for CopyingReader<'_, R> {
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

/// Whether a folder of the archive may be written to is the archive's own fault; anything else of the
/// disk is not.
fn not_unpacked(url: &Url, error: io::Error) -> ArchiveError {
    match DiskFault::of(&error) {
        None | Some(DiskFault::NotAllowed) => unpack_error(url, &error),
        Some(_) => ArchiveError::Place(error),
    }
}

fn unpack_error(url: &Url, reason: &dyn ToString) -> ArchiveError {
    ArchiveError::Unpack {
        url: Shown(url).to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use flate2::{Compression, write::GzEncoder};
    use fs_err as fs;
    use procfile::report::plain;
    use tar::EntryType;

    /// A gzipped tar archive of files. Names are written as they are, even those that do harm.
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

    /// An archive on disk, with its right digest, and a layer that holds a file already.
    fn rig(bytes: &[u8], root: &str) -> Rig {
        // Reports are wrapped before the path is replaced: it must have the same length everywhere.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::write(folder.path().join("archive.tgz"), bytes).unwrap();
        fs::create_dir_all(folder.path().join("layers/ruby")).unwrap();
        fs::write(folder.path().join("layers/ruby/old"), "old").unwrap();
        let archive = Archive {
            url: Url::from_file_path(folder.path().join("archive.tgz")).unwrap(),
            sha256: Sha256Hex::of(bytes),
            root: root.into(),
        };
        Rig { folder, archive }
    }

    impl Rig {
        fn install(&self) -> Result<Vec<String>, String> {
            let layers = self.folder.path().join("layers");
            // What a killed build leaves.
            fs::create_dir_all(layers.join(".ruby.new/half")).unwrap();
            let installation = Installation {
                destination: &layers.join("ruby"),
                is_wanted: &|path| path != Path::new("unwanted"),
                finish: &|root| fs::write(root.join("finished"), ""),
                copy: None,
            };
            let result =
                self.archive
                    .install(&Downloader::default(), &self.archive.url, &installation);
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
        assert_eq!(
            rig(&bytes, "ruby-3.3.8").install().unwrap(),
            ["bin", "finished", "lib"]
        );
        assert_eq!(
            rig(&bytes, ".").install().unwrap(),
            ["README", "finished", "ruby-3.3.8"]
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
    fn what_cannot_be_finished_is_not_put_in_place() {
        let rig = rig(&tarball(&[("ruby/finished/x", "x")]), "ruby");
        let report = rig.install().unwrap_err();
        assert!(
            report.contains("cannot be written into its layer"),
            "{report}"
        );
    }

    #[test]
    fn the_checksum_is_judged_before_the_format() {
        let mut rig = rig(b"<html>Not found</html>", "ruby");
        rig.archive.sha256 = Sha256Hex("0".repeat(64));
        insta::assert_snapshot!(rig.install().unwrap_err());
    }

    #[test]
    fn a_file_in_another_format_is_refused() {
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
    fn a_layer_that_cannot_be_written_is_shown() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        insta::assert_snapshot!(plain(&ArchiveError::Place(error)));
    }

    #[test]
    fn a_full_disk_is_not_the_archives_fault() {
        let url = "https://example.com/ruby.tgz".parse().unwrap();
        let of = |number| {
            let error = io::Error::from_raw_os_error(number);
            let error = crate::fetch::unpack::at_error("at its entry `bin/ruby`", &error);
            crate::report::plain(&not_unpacked(&url, error))
        };
        insta::assert_snapshot!([of(28), of(30), of(crate::disk::EIO), of(13)].join("\n"));
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
        assert_eq!(
            rig(&bytes, "ruby").install().unwrap(),
            ["bin", "finished", "lib"]
        );
    }
}

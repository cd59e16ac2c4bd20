//! A `.gem` archive: a tar file with the gzipped specification, and a gzipped tar file of the gem's
//! files.

use crate::fetch::unpack::{LARGEST, Unpacking};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use sha2::{Digest, Sha256, Sha512};
use std::io::{self, Read};
use std::path::Path;

/// An archive that was read.
pub(super) struct GemFile {
    /// The specification, as YAML.
    pub(super) specification: String,
    /// The gzipped tar file.
    data: Vec<u8>,
}

impl GemFile {
    /// Reads an archive. If it was not verified by a checksum of the lockfile, the checksums in it
    /// have to be right.
    pub(super) fn read(path: &Path, is_verified: bool) -> io::Result<Self> {
        let mut archive = tar::Archive::new(io::BufReader::new(fs::File::open(path)?));
        let [mut specification, mut data, mut checksums] = [const { Vec::new() }; 3];
        for entry in archive.entries()? {
            let mut entry = entry?;
            match entry.path_bytes().as_ref() {
                b"metadata.gz" => entry.read_to_end(&mut specification)?,
                b"data.tar.gz" => entry.read_to_end(&mut data)?,
                b"checksums.yaml.gz" => entry.read_to_end(&mut checksums)?,
                _ => 0, // Signatures.
            };
        }
        if !is_verified {
            let checksums = gunzip_text(&checksums)?;
            for (name, bytes) in [("metadata.gz", &specification), ("data.tar.gz", &data)] {
                if !has_checksum(&checksums, name, bytes) {
                    return Err(io::Error::other(format!(
                        "{name} does not have its checksum"
                    )));
                }
            }
        }
        Ok(Self {
            specification: gunzip_text(&specification)?,
            data,
        })
    }

    /// Puts the gem's files into a folder, as RubyGems does: with the current time, and not
    /// writable for others. Files that would be outside the folder are an error.
    pub(super) fn unpack(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        Unpacking {
            folder,
            root: Path::new("."),
            is_wanted: &|_| true,
            largest: LARGEST,
            as_rubygems: true,
        }
        .run(&mut self.data.as_slice())
    }
}

fn gunzip_text(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    MultiGzDecoder::new(bytes)
        .take(LARGEST)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Whether a `checksums.yaml` (`SHA256:` or `SHA512:`, then a line for each file) has the digest of
/// these bytes for the file `name`.
fn has_checksum(checksums: &str, name: &str, bytes: &[u8]) -> bool {
    let mut algorithm = "";
    for line in checksums.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if !line.starts_with(' ') {
            algorithm = key;
        } else if key.trim() == name {
            let expected = value.trim().trim_matches(['\'', '"']);
            match algorithm {
                "SHA256" => return hex::encode(Sha256::digest(bytes)) == expected,
                "SHA512" => return hex::encode(Sha512::digest(bytes)) == expected,
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn tarball(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, mode, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(*mode);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// An archive as `gem build` makes it.
    fn gem(damaged: bool) -> Vec<u8> {
        let metadata = gzipped(b"--- !ruby/object:Gem::Specification\nname: x\n");
        let data = gzipped(&tarball(&[
            ("lib/x.rb", 0o664, b"X = 1"),
            ("exe/x", 0o755, b"#!ruby"),
        ]));
        let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let checksums = format!(
            "---\nSHA256:\n  metadata.gz: {}\n  data.tar.gz: '{}'\nSHA512:\n  metadata.gz: 0\n",
            digest(&metadata),
            digest(if damaged { b"other" } else { &data })
        );
        tarball(&[
            ("metadata.gz", 0o444, &metadata),
            ("data.tar.gz", 0o444, &data),
            ("checksums.yaml.gz", 0o444, &gzipped(checksums.as_bytes())),
        ])
    }

    #[test]
    fn a_gem_is_unpacked_as_by_rubygems() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-1.0.gem");
        fs::write(&path, gem(false)).unwrap();
        let gem = GemFile::read(&path, false).unwrap();
        assert!(gem.specification.contains("name: x"));
        let place = folder.path().join("x-1.0");
        gem.unpack(&place).unwrap();
        for (name, mode) in [("lib/x.rb", 0o644), ("exe/x", 0o755)] {
            let metadata = fs::metadata(place.join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
            assert!(metadata.modified().unwrap().elapsed().unwrap().as_secs() < 60);
        }
    }

    #[test]
    fn without_a_checksum_of_the_lockfile_those_in_the_archive_have_to_be_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-1.0.gem");
        fs::write(&path, gem(true)).unwrap();
        assert!(GemFile::read(&path, true).is_ok());
        let error = GemFile::read(&path, false).err().unwrap();
        assert_eq!(error.to_string(), "data.tar.gz does not have its checksum");
        fs::write(&path, "no archive").unwrap();
        assert!(GemFile::read(&path, true).is_err());
    }
}

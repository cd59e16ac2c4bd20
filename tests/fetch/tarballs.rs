//! The published archive, and others.

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use tar::EntryType;

/// The one file of the layer after a good download.
pub(crate) const PROGRAM: &str = "bin/ruby";

/// A program as long as a few dozen network packets, which cannot be compressed.
pub(crate) static PROGRAM_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1));

/// The published archive.
pub(crate) static FILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| archive_of(&[entry("ruby/bin/ruby", &PROGRAM_BYTES)]));

/// Another, longer archive.
pub(crate) static OTHER_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    archive_of(&[
        entry("ruby/bin/ruby", &noise(2)),
        entry("ruby/bin/irb", &noise(3)),
    ])
});

/// Bytes without a pattern.
fn noise(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(60_000)
        .collect()
}

/// An entry of an archive. Its name is written unchanged, even if it is harmful.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: EntryType,
    pub(crate) target: &'a str,
    pub(crate) mode: u32,
    pub(crate) bytes: &'a [u8],
}

pub(crate) fn entry<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        kind: EntryType::Regular,
        target: "",
        mode: 0o755,
        bytes,
    }
}

pub(crate) fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode);
        if !entry.target.is_empty() {
            header.set_link_name_literal(entry.target).unwrap();
        }
        header.set_cksum();
        builder.append(&header, entry.bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn archive_of(entries: &[Entry]) -> Vec<u8> {
    gzipped(&tar_of(entries))
}

pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

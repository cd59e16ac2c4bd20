//! The published archive, and others.

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use tar::EntryType;

/// The file in the layer after a successful download.
pub(super) const PROGRAM: &str = "bin/ruby";

/// A program as long as a few dozen network packets, which cannot be compressed.
pub(super) static PROGRAM_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1));

/// The published archive.
pub(super) static FILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| archive_of(&[entry("ruby/bin/ruby", &PROGRAM_BYTES)]));

/// Another, longer archive that replaces it.
pub(super) static OTHER_FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
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

/// An entry of an archive. Names are written as they are, even those that do harm.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) kind: EntryType,
    pub(super) target: &'a str,
    pub(super) mode: u32,
    pub(super) bytes: &'a [u8],
}

pub(super) fn entry<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    Entry {
        name,
        kind: EntryType::Regular,
        target: "",
        mode: 0o755,
        bytes,
    }
}

pub(super) fn tar_of(entries: &[Entry]) -> Vec<u8> {
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

pub(super) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn archive_of(entries: &[Entry]) -> Vec<u8> {
    gzipped(&tar_of(entries))
}

pub(super) fn sha256_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

//! SHA-256 digests of bytes and of streams.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// A SHA-256 digest in lower-case hexadecimal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sha256Hex(pub String);

impl Sha256Hex {
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }
}

/// Hashes what is read through it.
pub(super) struct HashingReader<R> {
    inner: R,
    digest: Sha256,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            count: 0,
        }
    }

    /// Reads what is left; returns the digest and the length in bytes of the whole.
    pub(super) fn digest_to_end(mut self) -> io::Result<(Sha256Hex, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        let digest = Sha256Hex(hex::encode(self.digest.finalize()));
        Ok((digest, self.count))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

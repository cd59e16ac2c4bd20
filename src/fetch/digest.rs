//! SHA-256 digests of what passes through.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// A SHA-256 digest in lower-case hexadecimal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sha256Hex(pub String);

/// Hashes what is read through it.
pub struct HashingReader<R> {
    inner: R,
    digest: Sha256,
    count: u64,
}

impl<R: Read> HashingReader<R> {
    /// Starts with nothing read.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
            count: 0,
        }
    }

    /// The digest and the length in bytes of the whole: what is left is read first.
    ///
    /// # Errors
    /// The rest cannot be read.
    pub fn digest_to_end(mut self) -> io::Result<(Sha256Hex, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((Sha256Hex(hex::encode(self.digest.finalize())), self.count))
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

//! One try to download a file: its bytes go to a sink, and are hashed on their way.

use crate::fetch::digest::HashingReader;
use crate::fetch::expected::{ChecksumError, Expected};
use std::io::{self, Read};
use url::Url;

/// How a try ended that could read the file to its end.
pub(super) enum Outcome<T, E> {
    /// The file is the expected one: what the sink made of it, and its length in bytes.
    Verified(T, u64),
    /// The file is another one. What the sink says of it does not matter: it need not even have the
    /// right format.
    WrongDigest(ChecksumError),
    /// The file is the expected one, but the sink fails.
    SinkFailed(E),
}

/// Gives the bytes of a file to a sink and verifies them. The rest that the sink does not read is
/// read here, unless nothing depends on it.
///
/// # Errors
/// The file cannot be read to its end.
pub(super) fn attempt<T, E>(
    url: &Url,
    reader: &mut dyn Read,
    expected: &Expected<'_>,
    sink: &mut dyn FnMut(&mut dyn Read) -> Result<T, E>,
) -> io::Result<Outcome<T, E>> {
    let mut hashing = HashingReader::new(reader);
    let result = sink(&mut hashing);
    if expected.is_anything()
        && let Err(error) = result
    {
        return Ok(Outcome::SinkFailed(error));
    }
    let (digest, length) = hashing.digest_to_end()?;
    Ok(match (expected.check(url, &digest), result) {
        (Err(error), _) => Outcome::WrongDigest(error),
        (Ok(()), Err(error)) => Outcome::SinkFailed(error),
        (Ok(()), Ok(value)) => Outcome::Verified(value, length),
    })
}

//! CHECKSUMS: the digests of the archives of locked gems.

use super::full_name;
use super::line_fault::LineFault;
use crate::gems::platform::GemPlatform;
use crate::ruby::gem_version::GemVersion;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// The entries of the section by the full names of gems. An entry may have no checksum, and may be
/// that of a gem that no section locks (`bundler`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Checksums(BTreeMap<String, Vec<Checksum>>);

/// Such as `sha256=38f5…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checksum {
    /// Such as `sha256`.
    pub algorithm: String,
    /// For `sha256`, 64 lower-case hexadecimal digits; else as it is written.
    pub digest: String,
}

impl Checksums {
    /// The checksums of a gem by its full name, at most one for each algorithm; none without an
    /// entry.
    #[must_use]
    pub fn of(&self, full_name: &str) -> Option<&[Checksum]> {
        self.0.get(full_name).map(Vec::as_slice)
    }

    /// Full names and checksums, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Checksum])> {
        let entries = self.0.iter();
        entries.map(|(name, checksums)| (name.as_str(), checksums.as_slice()))
    }

    /// Adds an entry, or its checksums to the gem's entry.
    pub(super) fn add(
        &mut self,
        name: &str,
        version: &GemVersion,
        platform: &GemPlatform,
        checksums: Option<&str>,
    ) -> Result<(), LineFault> {
        let entry = self.0.entry(full_name(name, version, platform));
        let entry = entry.or_default();
        let list = checksums.unwrap_or_default().trim_end_matches(',');
        for text in list.split(',').filter(|_| !list.is_empty()) {
            let checksum = Checksum::parse(text).ok_or(LineFault::Checksum)?;
            let same = entry
                .iter()
                .find(|known| known.algorithm == checksum.algorithm);
            match same {
                None => entry.push(checksum),
                Some(known) if *known == checksum => {}
                Some(_) => return Err(LineFault::ChecksumsDiffer),
            }
        }
        Ok(())
    }
}

impl Checksum {
    fn parse(text: &str) -> Option<Self> {
        let (algorithm, digest) = text.split_once('=')?;
        let digest = match algorithm {
            "sha256" => sha256(digest)?,
            _ => digest.to_string(),
        };
        let is_whole = !algorithm.is_empty() && !digest.is_empty();
        is_whole.then(|| Self {
            algorithm: algorithm.to_string(),
            digest,
        })
    }
}

/// Reads a digest as Bundler does: in hexadecimal, or in either form of Base64.
fn sha256(text: &str) -> Option<String> {
    let bytes = hex::decode(text)
        .or_else(|_| STANDARD.decode(text.replace('-', "+").replace('_', "/")))
        .ok()?;
    (bytes.len() == 32).then(|| hex::encode(bytes))
}

/// As Bundler writes it.
impl Display for Checksum {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.algorithm, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE;

    const HEX: &str = "38f5510de81366e5a8f5d7084d88dbf075382703c74c6153a9d3aa8db848dcde";

    fn read(lists: &[Option<&str>]) -> Result<Vec<String>, LineFault> {
        let mut checksums = Checksums::default();
        for list in lists {
            let version = "3.1.20".parse().unwrap();
            checksums.add("rack", &version, &GemPlatform::Ruby, *list)?;
        }
        let found = checksums.of("rack-3.1.20").unwrap();
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn digests_in_all_their_spellings() {
        for spelling in [
            HEX.to_string(),
            HEX.to_uppercase(),
            "OPVRDegTZuWo9dcITYjb8HU4JwPHTGFTqdOqjbhI3N4=".to_string(),
        ] {
            let list = format!("sha256={spelling}");
            assert_eq!(read(&[Some(&list)]).unwrap(), [format!("sha256={HEX}")]);
        }
        let bytes = [0xfb; 32];
        let list = format!("sha256={}", URL_SAFE.encode(bytes));
        let expected = format!("sha256={}", hex::encode(bytes));
        assert_eq!(read(&[Some(&list)]).unwrap(), [expected]);
    }

    #[test]
    fn none_one_and_several() {
        assert!(read(&[None]).unwrap().is_empty());
        let list = format!("sha256={HEX},sha512=f00");
        let both = [format!("sha256={HEX}"), "sha512=f00".to_string()];
        assert_eq!(read(&[Some(&list)]).unwrap(), both);
        assert_eq!(
            read(&[Some(&list), None, Some("sha512=f00")]).unwrap(),
            both
        );
        assert_eq!(
            read(&[Some(&list), Some("sha512=bad")]),
            Err(LineFault::ChecksumsDiffer)
        );
    }

    #[test]
    fn unreadable_checksums_are_refused() {
        for list in [
            "sha256",
            "sha256=",
            "=f00",
            "sha256=f00",
            "sha512=f00,,sha1=a",
            &HEX[1..],
        ] {
            assert_eq!(read(&[Some(list)]), Err(LineFault::Checksum), "{list}");
        }
    }
}

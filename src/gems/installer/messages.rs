//! What the build log says about the install.

use crate::gems::installer::archive::GemArchive;
use crate::report::{counted, megabytes};
use std::time::Duration;

/// More gems than this are counted, not named.
const NAMED_AT_MOST: usize = 5;

pub(super) fn without_checksum(count: usize, lockfile: &str) -> String {
    format!(
        "No checksum in {lockfile} for {} (`bundle lock --add-checksums` adds them): verified by \
         the checksums in their archives",
        counted(count, "gem")
    )
}

pub(super) fn fetched(count: usize, bytes: u64) -> String {
    format!(
        "Fetched {}, {} MB, verified",
        counted(count, "gem"),
        megabytes(bytes)
    )
}

pub(super) fn installed(gems: &[&GemArchive], time: Duration) -> String {
    let names: Vec<_> = gems.iter().map(|gem| gem.full_name.as_str()).collect();
    let gems = if names.len() <= NAMED_AT_MOST {
        names.join(", ")
    } else {
        counted(names.len(), "gem")
    };
    format!("Installed {gems} ({:.1} s)", time.as_secs_f32())
}

pub(super) fn no_locked_bundler(reason: &str) -> String {
    format!("Ruby's own Bundler is used instead of the lockfile's: {reason}")
}

pub(super) fn left_to_bundler(reason: &str) -> String {
    format!("Leaving the rest to Bundler: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_gems_are_named_and_many_are_counted() {
        let gem = |number: usize| GemArchive {
            name: "a".into(),
            full_name: format!("a-{number}"),
            urls: Vec::new(),
            checksums: Vec::new(),
        };
        let gems: Vec<_> = (1..=6).map(gem).collect();
        let gems: Vec<_> = gems.iter().collect();
        let told = [
            without_checksum(1, "Gemfile.lock"),
            fetched(12, 3_210_000),
            installed(&gems[..1], Duration::from_millis(1260)),
            installed(&gems[..5], Duration::from_secs(12)),
            installed(&gems, Duration::from_secs(12)),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        No checksum in Gemfile.lock for 1 gem (`bundle lock --add-checksums` adds them): verified by the checksums in their archives
        Fetched 12 gems, 3.2 MB, verified
        Installed a-1 (1.3 s)
        Installed a-1, a-2, a-3, a-4, a-5 (12.0 s)
        Installed 6 gems (12.0 s)
        ");
    }
}

//! The C library of a distribution, which decides whether an archive for any distribution runs
//! there.

use crate::ruby::gem_version::GemVersion;
use libcnb::Target;

/// The version of glibc in the releases of distributions that builders use. A release is a whole
/// version (`24.04`) or the start of one (`9` for 9.4).
const RELEASES: &[(&str, &str, &str)] = &[
    ("almalinux", "8", "2.28"),
    ("almalinux", "9", "2.34"),
    ("almalinux", "10", "2.39"),
    ("amzn", "2", "2.26"),
    ("amzn", "2023", "2.34"),
    ("centos", "7", "2.17"),
    ("centos", "8", "2.28"),
    ("centos", "9", "2.34"),
    ("centos", "10", "2.39"),
    ("debian", "10", "2.28"),
    ("debian", "11", "2.31"),
    ("debian", "12", "2.36"),
    ("debian", "13", "2.41"),
    ("rhel", "7", "2.17"),
    ("rhel", "8", "2.28"),
    ("rhel", "9", "2.34"),
    ("rhel", "10", "2.39"),
    ("rocky", "8", "2.28"),
    ("rocky", "9", "2.34"),
    ("rocky", "10", "2.39"),
    ("ubuntu", "18.04", "2.27"),
    ("ubuntu", "20.04", "2.31"),
    ("ubuntu", "22.04", "2.35"),
    ("ubuntu", "24.04", "2.39"),
    ("ubuntu", "26.04", "2.43"),
];

/// Whether the target has the C library that an archive needs: `musl`, `glibc`, or `glibc>=2.17`.
/// An unknown distribution is assumed to be new enough.
pub(super) fn suits(libc: &str, target: &Target) -> bool {
    let has_musl = target.distro_name == "alpine";
    let Some(wanted) = libc.strip_prefix("glibc") else {
        return libc.starts_with("musl") && has_musl;
    };
    let oldest = wanted
        .strip_prefix(">=")
        .and_then(|version| version.parse::<GemVersion>().ok());
    !has_musl
        && match (oldest, of(target)) {
            (Some(oldest), Some(version)) => version >= oldest,
            _ => true,
        }
}

fn of(target: &Target) -> Option<GemVersion> {
    let is_release = |release: &str| {
        target
            .distro_version
            .strip_prefix(release)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    RELEASES
        .iter()
        .find(|(name, release, _)| *name == target.distro_name && is_release(release))
        .and_then(|(_, _, version)| version.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_c_library() {
        for (libc, distro_name, distro_version, expected) in [
            ("glibc>=2.17", "amzn", "2", true),
            ("glibc>=2.35", "ubuntu", "22.04", true),
            ("glibc>=2.35", "ubuntu", "20.04", false),
            ("glibc>=2.35", "debian", "12", true),
            ("glibc>=2.35", "debian", "11.9", false),
            ("glibc>=2.34", "rhel", "9.4", true),
            ("glibc>=2.35", "rhel", "9.4", false),
            ("glibc>=2.39", "rhel", "10.0", true),
            ("glibc>=2.100", "debian", "13", false),
            ("glibc>=2.35", "amzn", "2023", false),
            ("glibc>=2.35", "wolfi", "20230201", true),
            ("glibc>=2.35", "debian", "", true),
            ("glibc", "debian", "11", true),
            ("glibc", "alpine", "3.23", false),
            ("glibc>=2.17", "alpine", "3.23", false),
            ("musl", "alpine", "3.23", true),
            ("musl", "debian", "13", false),
        ] {
            let target = Target {
                os: "linux".into(),
                arch: "amd64".into(),
                arch_variant: None,
                distro_name: distro_name.into(),
                distro_version: distro_version.into(),
            };
            assert_eq!(
                suits(libc, &target),
                expected,
                "{libc} on {distro_name} {distro_version}"
            );
        }
    }

    #[test]
    fn every_release_has_a_version() {
        for (name, release, version) in RELEASES {
            assert!(version.parse::<GemVersion>().is_ok(), "{name} {release}");
        }
    }
}

//! What a container may use: the limits of its control group, versions 1 and 2.
//!
//! Source: <https://docs.kernel.org/admin-guide/cgroup-v2.html>, and `cgroup-v1/` beside it.

use fs_err as fs;
use std::path::Path;
use std::str::FromStr;

/// Where a container sees its own control group.
const CGROUP: &str = "/sys/fs/cgroup";

const MEMORY_OF_THE_MACHINE: &str = "/proc/meminfo";

/// Version 1 says by a number of this size that there is no limit.
const UNLIMITED: u64 = 1 << 60;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// How many processors may be busy; none where it is not limited.
    pub(super) processors: Option<f64>,
    /// Bytes: the limit, or all that the machine has. None where neither is known.
    pub(super) memory: Option<u64>,
}

impl Limits {
    pub(super) fn of_this_container() -> Self {
        let machine = fs::read_to_string(MEMORY_OF_THE_MACHINE).unwrap_or_default();
        Self::read(Path::new(CGROUP), &machine)
    }

    fn read(cgroup: &Path, machine: &str) -> Self {
        let limit = memory(cgroup);
        let all = memory_of(machine);
        Self {
            processors: processors(cgroup),
            memory: limit.into_iter().chain(all).min(),
        }
    }
}

fn processors(cgroup: &Path) -> Option<f64> {
    let (quota, period): (f64, f64) = match fs::read_to_string(cgroup.join("cpu.max")) {
        Ok(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        Err(_) => (
            number(&cgroup.join("cpu/cpu.cfs_quota_us"))?,
            number(&cgroup.join("cpu/cpu.cfs_period_us"))?,
        ),
    };
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

fn memory(cgroup: &Path) -> Option<u64> {
    let files = ["memory.max", "memory/memory.limit_in_bytes"];
    let mut files = files.iter().map(|name| cgroup.join(name));
    let limit = files.find_map(|path| number(&path));
    limit.filter(|limit| *limit < UNLIMITED)
}

fn number<T: FromStr>(file: &Path) -> Option<T> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// `MemTotal:       24631640 kB`
fn memory_of(machine: &str) -> Option<u64> {
    let line = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "MemTotal:        4194304 kB\nMemFree:          200000 kB\n";
    const GIB: u64 = 1 << 30;

    fn limits(files: &[(&str, &str)]) -> Limits {
        let cgroup = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = cgroup.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Limits::read(cgroup.path(), MACHINE)
    }

    #[test]
    fn of_both_versions() {
        for (files, processors, memory) in [
            (vec![], None, 4 * GIB),
            (
                vec![
                    ("cpu.max", "150000 100000\n"),
                    ("memory.max", "536870912\n"),
                ],
                Some(1.5),
                GIB / 2,
            ),
            (
                vec![("cpu.max", "max 100000\n"), ("memory.max", "max\n")],
                None,
                4 * GIB,
            ),
            (
                vec![
                    ("cpu/cpu.cfs_quota_us", "200000\n"),
                    ("cpu/cpu.cfs_period_us", "100000\n"),
                    ("memory/memory.limit_in_bytes", "2147483648\n"),
                ],
                Some(2.0),
                2 * GIB,
            ),
            (
                vec![
                    ("cpu/cpu.cfs_quota_us", "-1\n"),
                    ("cpu/cpu.cfs_period_us", "100000\n"),
                    ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                None,
                4 * GIB,
            ),
            // More than the machine has.
            (vec![("memory.max", "17179869184\n")], None, 4 * GIB),
        ] {
            let expected = Limits {
                processors,
                memory: Some(memory),
            };
            assert_eq!(limits(&files), expected, "{files:?}");
        }
    }
}

//! What the kernel says of a process, in `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The state in the third field of `/proc/PID/stat`: R, S, T (stopped), Z (zombie) …
pub fn state_of(process: u32) -> Option<char> {
    stat_fields(process)?.first()?.chars().next()
}

/// Whether a process has ended. Its parent may not have asked for its exit status yet.
pub fn is_gone(process: u32) -> bool {
    matches!(state_of(process), None | Some('Z'))
}

pub fn children_of(process: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|child| child.parse().expect("a process number"))
        .collect()
}

/// For a test that fails: what a process and all below it are doing.
pub fn tree_of(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let wanted = [
        "Name:", "State:", "Pid:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigCgt:",
    ];
    let lines = status
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let own = lines.collect::<Vec<_>>().join(" ").replace('\t', " ");
    let below = children_of(process).into_iter().map(tree_of);
    [own]
        .into_iter()
        .chain(below)
        .collect::<Vec<_>>()
        .join("\n")
}

/// All processes that this one sees, but for itself.
pub fn other_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| *process != std::process::id())
}

/// The path of the program that a process runs.
pub fn program_of(process: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/exe")).ok()
}

/// The name of the program that a process runs, of which the kernel keeps 15 bytes.
pub fn name_of(process: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end().to_string())
}

/// The memory that a process has now, in KiB.
pub fn resident_kib(process: u32) -> Option<u64> {
    kib(process, "VmRSS:")
}

/// The most memory that a process has had so far, in KiB.
pub fn peak_resident_kib(process: u32) -> Option<u64> {
    kib(process, "VmHWM:")
}

fn kib(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// How long a process has used a processor, to a hundredth of a second.
pub fn cpu_time_of(process: u32) -> Duration {
    let fields = stat_fields(process).expect("the process is there");
    let ticks = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The fields of `/proc/PID/stat` that follow the name, which may hold spaces.
fn stat_fields(process: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(String::from).collect())
}

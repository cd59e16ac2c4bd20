//! The process table, as `/proc` shows it: members of a process group, children, and which signals
//! a process handles.

use rustix::process::{Pid, Signal, getpid};
use std::fs;

/// A process that has not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Row {
    process: Pid,
    /// `None` for a process whose parent is outside of this container.
    parent: Option<Pid>,
    group: Option<Pid>,
    is_stopped: bool,
}

/// The members of a process group that handle a signal.
pub(super) fn handlers(group: Pid, signal: Signal) -> Vec<Pid> {
    let members = rows().filter(|row| row.group == Some(group));
    members
        .map(|row| row.process)
        .filter(|process| handles(*process, signal))
        .collect()
}

/// The members of a process group that are stopped, but for its leader.
#[must_use]
pub fn stopped_members(group: Pid) -> Vec<Pid> {
    let members = rows().filter(|row| row.group == Some(group) && row.process != group);
    let stopped = members.filter(|row| row.is_stopped);
    stopped.map(|row| row.process).collect()
}

/// The processes whose parent this process is, without those that have ended.
#[must_use]
pub fn children() -> Vec<Pid> {
    let this = Some(getpid());
    let children = rows().filter(|row| row.parent == this);
    children.map(|row| row.process).collect()
}

/// All processes that this one sees; none where there is no `/proc`.
fn rows() -> impl Iterator<Item = Row> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let process = Pid::from_raw(read_number(entry.file_name().to_str()?)?)?;
        read_stat(
            process,
            &fs::read_to_string(entry.path().join("stat")).ok()?,
        )
    })
}

/// Reads `/proc/PID/stat`. The name in it may hold spaces and parentheses.
fn read_stat(process: Pid, stat: &str) -> Option<Row> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let row = Row {
        process,
        parent: Pid::from_raw(read_number(fields.next()?)?),
        group: Pid::from_raw(read_number(fields.next()?)?),
        is_stopped: state == "T",
    };
    (!matches!(state, "Z" | "X")).then_some(row)
}

/// The number of a process or a group, 0 for one outside of this container. The kernel writes -1 for
/// the group of a process that ends meanwhile.
fn read_number(text: &str) -> Option<i32> {
    text.parse().ok().filter(|number| *number >= 0)
}

fn handles(process: Pid, signal: Signal) -> bool {
    let path = format!("/proc/{process}/status");
    fs::read_to_string(path).is_ok_and(|status| has_handler(&status, signal))
}

/// Whether the mask `SigCgt` of `/proc/PID/status` has the signal.
fn has_handler(status: &str, signal: Signal) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_row_ends_this_process(numbers in prop::collection::vec("-?[0-9]{1,20}|[a-zA-Z]", 0..6)) {
            let stat = format!("7 (sh) {}", numbers.join(" "));
            read_stat(Pid::from_raw(7).unwrap(), &stat);
        }
    }

    #[test]
    fn the_mask_of_handled_signals_is_read() {
        // USR1 is signal 10, CHLD 17.
        let status = "Name:\ttee\nSigIgn:\tffffffffffffffff\nSigCgt:\t0000000000010200\n";
        let handled = |signal| has_handler(status, signal);
        assert!(handled(Signal::USR1) && handled(Signal::CHILD));
        assert!(!handled(Signal::USR2) && !handled(Signal::TSTP));
        assert!(!has_handler("Name:\ttee\n", Signal::USR1));
    }

    #[test]
    fn a_row_is_read_whatever_the_name_of_the_process() {
        let pid = |number| Pid::from_raw(number);
        let process = pid(7).unwrap();
        let row = |stat| read_stat(process, stat);
        let expected = |parent, group, is_stopped| {
            Some(Row {
                process,
                parent,
                group,
                is_stopped,
            })
        };
        assert_eq!(row("7 (a) b) S 3 5 2 0"), expected(pid(3), pid(5), false));
        assert_eq!(row("7 (sh) T 0 7 7 0"), expected(None, pid(7), true));
        assert_eq!(row("7 (sh) Z 3 5 2 0"), None);
        assert_eq!(row("7 (sh"), None);
        // Of one that ended while the kernel wrote this.
        assert_eq!(row("7 (sh) R 3 -1 -1 0"), None);
    }
}

//! Process groups, and what of a signal goes to which of their members.

use super::signals::{is_for_all, is_request_to_end};
use super::table::{handlers, stopped_members};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Sends a signal to the process group of a command. Requests to end are for all members. Any other
/// signal is for those that handle it: the `tee` of `puma | tee log` would die of the USR1 that
/// Puma waits for. Where no member does, the command itself gets it, as if it were alone.
pub fn send(group: Pid, signal: Signal) {
    // The only possible error is that all recipients have just ended.
    if is_for_all(signal) {
        let has_members = kill_process_group(group, signal).is_ok();
        if has_members && is_request_to_end(signal) {
            // Those that are stopped would not hear of it.
            continue_stopped(group);
        }
        return;
    }
    let handlers = handlers(group, signal);
    if handlers.is_empty() {
        let _ = kill_process(group, signal);
    }
    // The kernel gives the number of a process that has ended to another one only when all others
    // have been used.
    for member in handlers {
        let _ = kill_process(member, signal);
    }
}

/// Continues the members of a process group that are stopped, but for the command itself: its parent
/// knows what has stopped that.
pub fn continue_stopped(group: Pid) {
    for member in stopped_members(group) {
        // The only possible error is that it has just ended.
        let _ = kill_process(member, Signal::CONT);
    }
}

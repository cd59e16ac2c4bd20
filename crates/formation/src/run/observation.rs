//! Looks up what the kernel does not report by itself: process groups, programs, ports, orphans
//! and memory.

use super::state::event::{Observations, Questions};
use crate::process::table::{children, stopped_members};
use fs_err as fs;
use procfs::net::TcpState;
use procfs::process::all_processes;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process_group};
use std::collections::BTreeMap;

/// Answers the questions of a moment.
pub(super) fn observe(questions: &Questions) -> Observations {
    let is_empty = |group: &Pid| test_kill_process_group(*group) == Err(Errno::SRCH);
    let is_prepared = |process: &Pid| !runs_this_executable(*process);
    let groups = questions.groups.iter().copied();
    let groups_with_stops = questions.groups_with_stops.iter().copied();
    let preparing = questions.preparing.iter().copied();
    Observations {
        empty_groups: groups.filter(is_empty).collect(),
        stopped: groups_with_stops.flat_map(stopped_members).collect(),
        prepared: preparing.filter(is_prepared).collect(),
        ports: listeners(&questions.ports),
        children: questions.children.then(children),
    }
}

/// Resident memory of each process group, in bytes.
pub(super) fn memory_of_groups() -> BTreeMap<i32, u64> {
    let mut memory = BTreeMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        if let Ok(stat) = process.stat() {
            *memory.entry(stat.pgrp).or_default() += stat.rss * procfs::page_size();
        }
    }
    memory
}

/// Whether the process has neither become another program nor ended.
fn runs_this_executable(process: Pid) -> bool {
    let executable = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    let found = executable(&process.as_raw_nonzero().to_string());
    found.is_some() && found == executable("self")
}

/// For each port: whether a process of this container accepts connections on it. Where that cannot
/// be found out, the answer is yes.
fn listeners(ports: &[u16]) -> BTreeMap<u16, bool> {
    let all = |answer| ports.iter().map(|port| (*port, answer)).collect();
    if ports.is_empty() {
        return BTreeMap::new();
    }
    let Ok(sockets) = procfs::net::tcp() else {
        return all(true);
    };
    let mut answers: BTreeMap<u16, bool> = all(false);
    let sockets = sockets
        .into_iter()
        .chain(procfs::net::tcp6().unwrap_or_default());
    for socket in sockets.filter(|socket| socket.state == TcpState::Listen) {
        if let Some(answer) = answers.get_mut(&socket.local_address.port()) {
            *answer = true;
        }
    }
    answers
}

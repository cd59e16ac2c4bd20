//! How a formation starts, ends, and with what exit status.

use super::rig::{Rig, pid};
use crate::process::wait::Exit;
use crate::run::state::action::Action;
use crate::run::state::event::{Event, Observations, Started};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io;

const NOTHING: [&str; 0] = [];

#[test]
fn processes_start_one_after_the_other() {
    let mut rig = Rig::with(&[("web", 2), ("worker", 1)], |_| {});
    assert_eq!(
        rig.pass(0.0),
        [
            "start web.1 on 5000",
            "say: web.1 started (process 101, port 5000)",
            "start web.2 on 5001",
            "say: web.2 started (process 102, port 5001)",
            "start worker.1 on 5100",
            "say: worker.1 started (process 103, port 5100)",
        ]
    );
    assert_eq!(rig.pass(3600.0), NOTHING);
    assert_eq!(rig.next_time(), None);
}

#[test]
fn a_process_that_does_not_start_ends_all_and_none_starts_after_it() {
    let mut rig = Rig::with(&[("web", 1), ("worker", 2)], |_| {});
    rig.broken_types.insert("worker");
    assert_eq!(
        rig.pass(0.0),
        [
            "start web.1 on 5000",
            "say: web.1 started (process 101, port 5000)",
            "start worker.1 on 5100",
            "say: worker.1 does not start no such program",
            "say: asking all processes to end, because worker.1 has ended",
            "SIGTERM to process 101",
        ]
    );
    rig.ended(101, Exit::Signal(15));
    assert_eq!(rig.pass(0.0), ["exit 127 within 10 s"]);
}

#[test]
fn the_first_end_ends_all_and_gives_the_exit_status() {
    for (exit, text, status) in [
        (Exit::Status(0), "has ended with status 0", 0),
        (Exit::Status(3), "has ended with status 3", 3),
        (Exit::Signal(9), "was ended by SIGKILL", 137),
    ] {
        let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
        assert_eq!(
            rig.ended(101, exit),
            [
                "settle web.1",
                &format!("say: web.1 {text}"),
                "SIGTERM to group 101",
                "say: asking all processes to end, because web.1 has ended",
                "SIGTERM to group 102",
            ]
        );
        assert_eq!(
            rig.ended(102, Exit::Signal(15)),
            ["settle worker.1", "say: worker.1 was ended by SIGTERM"]
        );
        assert_eq!(rig.pass(1.0), [format!("exit {status} within 9 s")]);
    }
}

#[test]
fn a_requested_end_gives_status_0_and_each_signal_is_passed_on() {
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
    ] {
        let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
        assert_eq!(
            rig.signal(signal),
            [
                format!("say: {name}: asking all processes to end"),
                format!("{name} to process 101"),
                format!("{name} to group 102"),
            ]
        );
        // Others of the group of `web` have not got the signal yet; those of `worker` have.
        assert_eq!(
            rig.ended(101, Exit::Status(0)),
            [
                "settle web.1",
                "say: web.1 has ended with status 0",
                "SIGTERM to group 101",
            ]
        );
        rig.ended(102, Exit::Status(9));
        assert_eq!(rig.pass(0.0), ["exit 0 within 10 s"]);
    }
}

#[test]
fn after_the_grace_processes_are_killed_and_the_status_says_so() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.signal(Signal::TERM);
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(7.9), NOTHING);
    assert!(rig.next_time().is_some_and(|seconds| seconds < 0.2));
    assert_eq!(
        rig.pass(0.1),
        [
            "SIGKILL to group 102",
            "say: worker.1 is killed: it has not ended within 8 s",
        ]
    );
    rig.ended(102, Exit::Signal(9));
    assert_eq!(rig.pass(0.0), ["exit 137 within 2 s"]);
}

#[test]
fn a_status_other_than_0_stays_where_a_process_is_killed() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.ended(101, Exit::Status(3));
    rig.pass(8.0);
    rig.ended(102, Exit::Signal(9));
    assert_eq!(rig.pass(0.0), ["exit 3 within 2 s"]);
}

#[test]
fn a_second_signal_kills_at_once() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.signal(Signal::TERM);
    assert_eq!(
        rig.signal(Signal::TERM),
        [
            "say: SIGTERM again: killing all processes that are left",
            "SIGKILL to group 101",
            "SIGKILL to group 102",
        ]
    );
    rig.ended(101, Exit::Signal(9));
    rig.ended(102, Exit::Signal(9));
    assert_eq!(rig.pass(0.0), ["exit 137 within 2 s"]);
}

/// A platform may ask for the end when it has begun already, because a process has ended.
#[test]
fn the_first_signal_kills_no_process() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.ended(101, Exit::Status(4));
    assert_eq!(
        rig.signal(Signal::TERM),
        ["say: SIGTERM: all processes are ending already"]
    );
    assert_eq!(
        rig.signal(Signal::TERM)[1..],
        ["SIGKILL to group 101", "SIGKILL to group 102"]
    );
}

#[test]
fn a_process_that_starts_during_the_end_is_asked_to_end() {
    let mut rig = Rig::with(&[("web", 2)], |_| {});
    let now = rig.now;
    let actions = rig.state.step(now, Event::Time(Observations::default()));
    let [Action::Start(start)] = &actions[..] else {
        panic!("one start: {actions:?}");
    };
    rig.signal(Signal::TERM);
    assert_eq!(
        rig.handle(Event::Started(Started {
            instance: start.instance,
            process: pid(101),
            is_preparing: false,
        })),
        [
            "say: web.1 started (process 101, port 5000)",
            "SIGTERM to process 101",
        ]
    );
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), ["exit 0 within 10 s"]);
}

#[test]
fn orphans_are_asked_to_end_and_then_killed() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.signal(Signal::TERM);
    rig.orphans = vec![301];
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), ["SIGTERM to process 301"]);
    assert_eq!(rig.next_time(), Some(0.05));
    rig.orphans = vec![301, 302];
    assert_eq!(rig.pass(1.0), ["SIGTERM to process 302"]);
    assert_eq!(rig.pass(1.0), NOTHING);
    rig.orphans = vec![302];
    assert_eq!(rig.pass(6.0), ["SIGKILL to process 302"]);
    rig.orphans.clear();
    assert_eq!(rig.pass(0.0), ["exit 137 within 2 s"]);
}

/// The kernel may be unable to end one.
#[test]
fn a_killed_orphan_is_not_waited_for_for_ever() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.ended(101, Exit::Status(3));
    rig.orphans = vec![301];
    rig.pass(0.0);
    assert_eq!(rig.pass(8.0), ["SIGKILL to process 301"]);
    assert_eq!(
        rig.pass(2.1),
        ["SIGKILL to process 301", "exit 3 within 2 s"]
    );
}

#[test]
fn without_a_reader_of_its_output_all_end() {
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(
        rig.handle(Event::OutputBroken(Errno::PIPE)),
        [
            "say: standard output has no reader any more (Broken pipe (os error 32)): asking all \
             processes to end",
            "SIGTERM to process 101",
        ]
    );
    assert_eq!(rig.handle(Event::OutputBroken(Errno::PIPE)), NOTHING);
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), ["exit 141 within 10 s"]);
}

#[test]
fn an_error_of_the_kernel_ends_all_in_order_and_a_second_one_at_once() {
    let error = || Event::KernelError(io::Error::from(Errno::MFILE));
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(
        rig.handle(error()),
        [
            "say: asking all processes to end, because of an error: Too many open files (os error \
             24)",
            "SIGTERM to process 101",
        ]
    );
    assert_eq!(
        rig.handle(error()),
        ["fail: Too many open files (os error 24)"]
    );
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), ["exit 126 within 10 s"]);
}

#[test]
fn an_adopted_orphan_that_ends_changes_nothing() {
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(rig.ended(301, Exit::Status(1)), NOTHING);
}

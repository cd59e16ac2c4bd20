//! `formation restart`.

use super::rig::Rig;
use crate::process::wait::Exit;

const NOTHING: [&str; 0] = [];

#[test]
fn without_a_listener_a_successor_starts_first() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    assert_eq!(
        rig.restart("worker"),
        ["list for 7: web.1 running as 101, worker.1 running as 102"]
    );
    assert_eq!(rig.next_time(), Some(0.0));
    assert_eq!(
        rig.pass(0.0),
        [
            "start worker.1 on 5100",
            "say: worker.1 started (process 103, port 5100)",
        ]
    );
    assert_eq!(
        rig.ps(),
        ["list for 7: web.1 running as 101, worker.1 running as 102, worker.1 starting as 103"]
    );
    assert_eq!(rig.next_time(), Some(1.0));
    assert_eq!(rig.pass(0.9), NOTHING);
    assert_eq!(rig.pass(0.1), ["SIGTERM to group 102"]);
    rig.ended(102, Exit::Signal(15));
    rig.pass(0.0);
    assert_eq!(
        rig.ps(),
        ["list for 7: web.1 running as 101, worker.1 running as 103"]
    );
    assert_eq!(rig.next_time(), None);
}

#[test]
fn where_a_process_listens_it_ends_before_the_next_one_starts() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.listened_ports.insert(5000);
    rig.restart("web.1");
    assert_eq!(rig.pass(0.0), ["SIGTERM to process 101"]);
    rig.listened_ports.clear();
    rig.ended(101, Exit::Status(0));
    // Its group is gone; the new process is due at once.
    rig.pass(0.0);
    assert_eq!(
        rig.pass(0.0),
        [
            "start web.1 on 5000",
            "say: web.1 started (process 102, port 5000)",
        ]
    );
}

#[test]
fn one_of_a_type_at_a_time_and_each_until_it_listens_again() {
    let mut rig = Rig::started(&[("web", 2), ("worker", 1)]);
    rig.listened_ports.extend([5000, 5001]);
    rig.restart("web");
    assert_eq!(rig.pass(0.0), ["SIGTERM to process 101"]);
    rig.listened_ports.remove(&5000);
    rig.ended(101, Exit::Status(0));
    rig.pass(0.0);
    rig.pass(0.0);
    // It runs, but does not listen yet: the other one has to wait.
    assert_eq!(rig.pass(30.0), NOTHING);
    assert_eq!(rig.next_time(), Some(0.05));
    rig.listened_ports.insert(5000);
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(rig.next_time(), Some(0.0));
    assert_eq!(rig.pass(0.0), ["SIGTERM to process 102"]);
}

#[test]
fn a_process_that_never_listens_again_does_not_hold_up_the_others() {
    let mut rig = Rig::started(&[("web", 2)]);
    rig.listened_ports.extend([5000, 5001]);
    rig.restart("web");
    rig.pass(0.0);
    rig.listened_ports.remove(&5000);
    rig.ended(101, Exit::Status(0));
    rig.pass(0.0);
    rig.pass(0.0);
    assert_eq!(rig.pass(59.9), NOTHING);
    assert_eq!(rig.pass(0.1), NOTHING);
    assert_eq!(rig.pass(0.0), ["SIGTERM to process 102"]);
}

#[test]
fn a_successor_that_does_not_come_up_changes_nothing() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.restart("worker");
    rig.pass(0.0);
    assert_eq!(
        rig.ended(102, Exit::Status(1)),
        [
            "settle worker.1",
            "say: worker.1 has ended with status 1",
            "SIGTERM to group 102",
            "say: worker.1 keeps its process: the successor did not come up",
        ]
    );
    rig.pass(0.0);
    assert_eq!(rig.pass(5.0), NOTHING);
    assert_eq!(rig.ps(), ["list for 7: worker.1 running as 101"]);
}

#[test]
fn a_successor_that_does_not_start_changes_nothing() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.broken_types.insert("worker");
    rig.restart("worker");
    assert_eq!(
        rig.pass(0.0),
        [
            "start worker.1 on 5100",
            "say: worker.1 does not start no such program",
            "say: worker.1 keeps its process: the successor did not come up",
        ]
    );
    assert_eq!(rig.ps(), ["list for 7: worker.1 running as 101"]);
}

/// An exec.d program may take its time, and fail.
#[test]
fn a_successor_is_up_when_its_own_program_is() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.preparing.insert(102);
    rig.restart("worker");
    rig.pass(0.0);
    assert_eq!(rig.pass(5.0), NOTHING);
    assert_eq!(rig.next_time(), Some(0.05));
    rig.preparing.clear();
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(rig.next_time(), Some(1.0));
    assert_eq!(rig.pass(1.0), ["SIGTERM to group 101"]);
}

#[test]
fn a_successor_takes_over_at_once_where_its_predecessor_ends() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.restart("worker");
    rig.pass(0.0);
    assert_eq!(
        rig.ended(101, Exit::Status(1)),
        [
            "settle worker.1",
            "say: worker.1 has ended with status 1",
            "SIGTERM to group 101",
        ]
    );
    rig.pass(0.0);
    assert_eq!(rig.ps(), ["list for 7: worker.1 running as 102"]);
}

#[test]
fn an_instance_that_waits_for_its_next_start_starts_at_once() {
    let mut rig = Rig::started_with_restarts(&[("worker", 1)], None);
    rig.ended(101, Exit::Status(1));
    rig.pass(0.0);
    assert_eq!(rig.ps(), ["list for 7: worker.1 waiting"]);
    rig.restart("worker");
    assert_eq!(rig.pass(0.0)[0], "start worker.1 on 5100");
}

#[test]
fn a_name_that_no_process_has_is_refused_and_nothing_is_restarted() {
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(
        rig.restart("web.2"),
        ["refuse 7: × there is no process `web.2`"]
    );
    assert_eq!(rig.pass(0.0), NOTHING);
}

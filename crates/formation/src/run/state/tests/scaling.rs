//! `formation scale` and `ps`.

use super::rig::Rig;
use crate::process::wait::Exit;
use rustix::process::Signal;

const NOTHING: [&str; 0] = [];

#[test]
fn missing_instances_start_before_the_answer() {
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(
        rig.scale("worker=2"),
        [
            "say: scaling worker to 2",
            "start worker.1 on 5100",
            "say: worker.1 started (process 102, port 5100)",
            "start worker.2 on 5101",
            "say: worker.2 started (process 103, port 5101)",
            "list for 7: web.1 running as 101, worker.1 running as 102, worker.2 running as 103",
        ]
    );
}

#[test]
fn all_stands_for_the_types_that_are_not_named() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    let actions = rig.scale("all=0,web=2");
    assert_eq!(
        actions[..3],
        [
            "say: scaling web to 2",
            "say: scaling worker to 0",
            "SIGTERM to group 102"
        ]
    );
}

#[test]
fn the_last_instances_are_asked_to_end() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 3)]);
    assert_eq!(
        rig.scale("worker=1"),
        [
            "say: scaling worker to 1",
            "SIGTERM to group 103",
            "SIGTERM to group 104",
            "list for 7: web.1 running as 101, worker.1 running as 102, worker.2 ending as 103, \
             worker.3 ending as 104",
        ]
    );
    assert_eq!(
        rig.ended(103, Exit::Status(0)),
        ["settle worker.2", "say: worker.2 has ended with status 0"]
    );
    assert_eq!(
        rig.pass(8.0),
        [
            "SIGKILL to group 104",
            "say: worker.3 is killed: it has not ended within 8 s",
        ]
    );
    rig.ended(104, Exit::Signal(9));
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(
        rig.ps(),
        ["list for 7: web.1 running as 101, worker.1 running as 102"]
    );
}

#[test]
fn a_formation_without_instances_goes_on() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.scale("web=0");
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(rig.ps(), ["list for 7: "]);
    assert_eq!(rig.next_time(), None);
    assert_eq!(rig.scale("web=1")[1], "start web.1 on 5000");
}

#[test]
fn an_instance_that_is_ending_and_wanted_again_starts_when_it_has_ended() {
    let mut rig = Rig::started(&[("web", 2)]);
    rig.scale("web=1");
    assert_eq!(
        rig.scale("web=2"),
        [
            "say: scaling web to 2",
            "list for 7: web.1 running as 101, web.2 ending as 102",
        ]
    );
    rig.ended(102, Exit::Status(0));
    rig.pass(0.0);
    assert_eq!(rig.pass(0.0)[0], "start web.2 on 5001");
}

#[test]
fn an_instance_that_is_being_replaced_is_not_brought_back() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.restart("worker");
    rig.pass(0.0);
    assert_eq!(rig.pass(1.0), ["SIGTERM to group 101"]);
    assert_eq!(
        rig.scale("worker=1"),
        [
            "say: scaling worker to 1",
            "list for 7: worker.1 ending as 101, worker.1 running as 102",
        ]
    );
    rig.ended(101, Exit::Status(0));
    rig.pass(0.0);
    assert_eq!(rig.pass(5.0), NOTHING);
    assert_eq!(rig.ps(), ["list for 7: worker.1 running as 102"]);
}

#[test]
fn a_successor_leaves_with_its_predecessor() {
    let mut rig = Rig::started(&[("worker", 1)]);
    rig.restart("worker");
    rig.pass(0.0);
    assert_eq!(
        rig.scale("worker=0")[1..3],
        ["SIGTERM to group 101", "SIGTERM to group 102"]
    );
    rig.ended(101, Exit::Status(0));
    rig.ended(102, Exit::Status(0));
    rig.pass(0.0);
    assert_eq!(rig.ps(), ["list for 7: "]);
}

#[test]
fn a_waiting_instance_that_is_not_wanted_any_more_is_gone() {
    let mut rig = Rig::started_with_restarts(&[("web", 1), ("worker", 1)], None);
    rig.ended(102, Exit::Status(1));
    rig.pass(0.0);
    assert_eq!(
        rig.scale("worker=0"),
        [
            "say: scaling worker to 0",
            "list for 7: web.1 running as 101",
        ]
    );
}

#[test]
fn a_failed_start_is_answered_too() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.broken_types.insert("worker");
    assert_eq!(
        rig.scale("worker=2"),
        [
            "say: scaling worker to 2",
            "start worker.1 on 5100",
            "say: worker.1 does not start no such program",
            "say: asking all processes to end, because worker.1 has ended",
            "SIGTERM to process 101",
            "list for 7: web.1 ending as 101",
        ]
    );
}

#[test]
fn a_formation_that_is_ending_only_lists_its_processes() {
    let mut rig = Rig::started(&[("web", 1)]);
    rig.signal(Signal::TERM);
    let refusal = ["refuse 7: × this formation is ending"];
    assert_eq!(rig.scale("web=2"), refusal);
    assert_eq!(rig.restart("web"), refusal);
    assert_eq!(rig.ps(), ["list for 7: web.1 ending as 101"]);
}

#[test]
fn a_request_with_a_mistake_changes_nothing() {
    let mut rig = Rig::started(&[("web", 1)]);
    for (words, refusal) in [
        ("wbe=2", "refuse 7: × the requested formation is not valid"),
        (
            "web=2,worker",
            "refuse 7: × the requested formation is not valid",
        ),
    ] {
        assert_eq!(rig.scale(words), [refusal]);
    }
    let mut rig = Rig::with(&[("web", 1)], |options| options.base_port = 65500);
    rig.pass(0.0);
    assert_eq!(
        rig.scale("web=1,worker=1"),
        ["refuse 7: × there is no port 65600 for `worker.1`"]
    );
    assert_eq!(rig.ps(), ["list for 7: web.1 running as 101"]);
}

//! Processes that are started again when they end: `--restart`.

use super::rig::Rig;
use crate::process::wait::Exit;
use crate::run::restart_policy::RestartPolicy;
use std::time::Duration;

const NOTHING: [&str; 0] = [];

#[test]
fn an_instance_starts_again_later_each_time() {
    let mut rig = Rig::started_with_restarts(&[("web", 1), ("worker", 1)], None);
    for (process, delay) in [(102, 2.0), (103, 4.0), (104, 8.0)] {
        assert_eq!(
            rig.ended(process, Exit::Status(1)),
            [
                "settle worker.1",
                "say: worker.1 has ended with status 1",
                &format!("SIGTERM to group {process}"),
                &format!("say: worker.1 starts again in {delay:.1} s"),
            ]
        );
        assert_eq!(rig.pass(0.0), NOTHING);
        assert_eq!(rig.next_time(), Some(delay));
        assert_eq!(rig.pass(delay - 0.1), NOTHING);
        assert_eq!(
            rig.pass(0.1),
            [
                "start worker.1 on 5100",
                &format!("say: worker.1 started (process {}, port 5100)", process + 1),
            ]
        );
    }
    // A minute of health makes up for all deaths before.
    rig.pass(60.0);
    assert_eq!(
        rig.ended(105, Exit::Status(1)).last().unwrap(),
        "say: worker.1 starts again in 2.0 s"
    );
}

#[test]
fn too_many_deaths_in_a_row_end_all() {
    let mut rig = Rig::started_with_restarts(&[("web", 1), ("worker", 1)], Some(1));
    rig.ended(102, Exit::Status(9));
    rig.pass(0.0);
    rig.pass(2.0);
    assert_eq!(
        rig.ended(103, Exit::Status(9))[2..],
        [
            "SIGTERM to group 103",
            "say: asking all processes to end, because worker.1 has ended after 1 restart in a row",
            "SIGTERM to process 101",
        ]
    );
    rig.ended(101, Exit::Status(0));
    assert_eq!(rig.pass(0.0), ["exit 9 within 10 s"]);
}

#[test]
fn only_the_types_that_are_named_start_again() {
    let mut rig = Rig::with(&[("web", 1), ("worker", 1)], |options| {
        options.restart_policy.types = vec!["worker".into()];
    });
    rig.pass(0.0);
    rig.ended(102, Exit::Status(1));
    rig.pass(0.0);
    assert_eq!(rig.pass(0.0)[0], "start worker.1 on 5100");
    assert_eq!(
        rig.ended(101, Exit::Status(1))[3],
        "say: asking all processes to end, because web.1 has ended"
    );
}

#[test]
fn what_a_process_leaves_behind_is_gone_before_it_starts_again() {
    let mut rig = Rig::started_with_restarts(&[("web", 1)], None);
    rig.lingering_groups.insert(101);
    rig.ended(101, Exit::Status(1));
    assert_eq!(rig.pass(7.9), NOTHING);
    assert_eq!(rig.next_time(), Some(0.05));
    assert_eq!(
        rig.pass(0.1),
        [
            "SIGKILL to group 101",
            "say: web.1 is killed: it has not ended within 8 s",
        ]
    );
    // A zombie that no process reaps may keep the group.
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(rig.pass(2.0)[0], "start web.1 on 5000");
}

/// Signals and requests get their turn in between.
#[test]
fn a_process_that_never_starts_is_tried_once_at_each_moment() {
    let mut rig = Rig::with(&[("web", 1)], |options| {
        options.restart_policy = RestartPolicy {
            types: vec!["web".into()],
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        };
    });
    rig.broken_types.insert("web");
    for _ in 0..3 {
        assert_eq!(
            rig.pass(0.0),
            [
                "start web.1 on 5000",
                "say: web.1 does not start no such program",
                "say: web.1 starts again in 0.0 s",
            ]
        );
        assert_eq!(rig.next_time(), Some(0.0));
    }
}

#[test]
fn a_process_that_may_end_ends_no_other_but_the_last_one_ends_all() {
    let mut rig = Rig::with(&[("web", 1), ("worker", 1)], |options| {
        options.restart_policy.types = vec!["all".into()];
        options.restart_policy.may_end = vec!["all".into()];
    });
    rig.pass(0.0);
    assert_eq!(
        rig.ended(102, Exit::Status(3)),
        [
            "settle worker.1",
            "say: worker.1 has ended with status 3",
            "SIGTERM to group 102",
            "say: worker.1 may end: the other processes go on",
        ]
    );
    assert_eq!(rig.pass(60.0), NOTHING);
    assert_eq!(
        rig.ended(101, Exit::Status(4))[3],
        "say: asking all processes to end, because web.1 has ended"
    );
    assert_eq!(rig.pass(0.0), ["exit 4 within 10 s"]);
}

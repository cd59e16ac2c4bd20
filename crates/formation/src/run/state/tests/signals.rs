//! Where signals go that ask for no end, and what a terminal does to a formation.

use super::rig::{Rig, pid};
use crate::process::wait::Exit;
use crate::run::state::event::Event;
use rustix::process::Signal;

const NOTHING: [&str; 0] = [];

impl Rig {
    fn stopped(&mut self, process: i32, signal: Signal) -> Vec<String> {
        self.handle(Event::Stopped {
            process: pid(process),
            signal: signal.as_raw(),
        })
    }
}

#[test]
fn other_signals_are_passed_on() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    for (signal, name) in [
        (Signal::HUP, "SIGHUP"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::WINCH, "SIGWINCH"),
        (Signal::CONT, "SIGCONT"),
        (Signal::TSTP, "SIGTSTP"),
        (Signal::TTIN, "SIGTTIN"),
        (Signal::TTOU, "SIGTTOU"),
    ] {
        let to = |recipient: &str| format!("{name} to {recipient}");
        assert_eq!(rig.signal(signal), [to("process 101"), to("group 102")]);
    }
}

/// Without a handler, such a signal stops a program.
#[test]
fn a_program_that_does_not_handle_a_signal_to_stop_goes_on() {
    for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
        let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
        for _ in 0..2 {
            rig.signal(signal);
            assert_eq!(rig.stopped(101, signal), ["SIGCONT to process 101"]);
            assert_eq!(rig.stopped(102, signal), ["SIGCONT to process 102"]);
        }
    }
}

/// What a shell has just forked does not handle what the shell handles. Nobody else would continue
/// it, and the shell waits for it.
#[test]
fn a_member_of_a_group_that_a_signal_has_stopped_goes_on() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.stopped_members = [(101, 201), (102, 202)].into();
    assert_eq!(rig.pass(0.0), NOTHING);
    assert_eq!(rig.next_time(), None);
    rig.signal(Signal::TSTP);
    assert_eq!(rig.next_time(), Some(0.05));
    assert_eq!(rig.pass(0.05), ["SIGCONT to process 202"]);
    rig.signal(Signal::TERM);
    assert_eq!(rig.pass(0.05), ["SIGCONT to process 202"]);
    // One that is stopped later was stopped by somebody else.
    assert_eq!(rig.pass(2.0), NOTHING);
}

#[test]
fn a_program_that_somebody_else_has_stopped_is_left_alone() {
    let mut rig = Rig::started(&[("web", 1)]);
    assert_eq!(rig.stopped(101, Signal::TSTP), NOTHING);
    rig.signal(Signal::TSTP);
    assert_eq!(rig.stopped(101, Signal::STOP), NOTHING);
    assert_eq!(rig.stopped(301, Signal::TSTP), NOTHING); // An orphan.
}

#[test]
fn the_stop_key_stops_all_with_this_process() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    assert_eq!(
        rig.handle(Event::StopKey),
        ["SIGSTOP to group 101", "SIGSTOP to group 102", "stop"]
    );
    assert_eq!(rig.stopped(101, Signal::STOP), NOTHING);
    assert_eq!(
        rig.handle(Event::Continued),
        ["SIGCONT to group 101", "SIGCONT to group 102"]
    );
}

#[test]
fn the_stop_key_of_an_attached_process_stops_all_with_this_process() {
    let mut rig = Rig::with(&[("web", 2), ("worker", 1)], |options| {
        options.attached = Some("web".into());
    });
    assert_eq!(
        rig.pass(0.0)
            .into_iter()
            .filter(|action| action.starts_with("start"))
            .collect::<Vec<_>>(),
        [
            "start web.1 on 5000, attached",
            "start web.2 on 5001",
            "start worker.1 on 5100",
        ]
    );
    for (signal, stop) in [
        (Signal::TSTP, "stop"),
        (Signal::TTIN, "stop without a terminal"),
        (Signal::TTOU, "stop without a terminal"),
    ] {
        assert_eq!(
            rig.stopped(101, signal),
            [
                "SIGSTOP to group 101",
                "SIGSTOP to group 102",
                "SIGSTOP to group 103",
                stop,
            ]
        );
    }
}

#[test]
fn a_process_that_needs_the_terminal_is_told_how_to_get_it() {
    let mut rig = Rig::started(&[("web", 1)]);
    for signal in [Signal::TTIN, Signal::TTOU] {
        assert_eq!(
            rig.stopped(101, signal),
            [
                "say: web.1 is stopped, because it needs a terminal: `--attach web.1` gives it \
                 this one"
            ]
        );
    }
}

#[test]
fn a_stopped_process_that_is_asked_to_end_is_continued() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    rig.stopped(101, Signal::STOP);
    assert_eq!(
        rig.signal(Signal::TERM)[1..],
        [
            "SIGTERM to process 101",
            "SIGTERM to group 102",
            "SIGCONT to group 101",
        ]
    );
    assert_eq!(rig.pass(0.0), NOTHING);
}

/// Its shell and the kernel may both send HUP, and the shell more than once.
#[test]
fn a_terminal_that_is_gone_ends_all_in_order() {
    let mut rig = Rig::started(&[("web", 1), ("worker", 1)]);
    assert_eq!(
        rig.handle(Event::HungUp),
        [
            "say: the terminal is gone: asking all processes to end",
            "SIGTERM to process 101",
            "SIGTERM to group 102",
        ]
    );
    assert_eq!(rig.handle(Event::HungUp), NOTHING);
    rig.ended(101, Exit::Status(0));
    rig.ended(102, Exit::Signal(15));
    assert_eq!(rig.pass(0.0), ["exit 0 within 10 s"]);
}

//! How all processes end, and with what exit status.

use super::instance::Then;
use super::supervisor::Supervisor;
use crate::process::signals::signal_name;
use procfs::process::Process;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long after the time that everybody had to end killed processes are waited for.
const GIVE_UP: Duration = Duration::from_secs(2);

/// All are on their way to the end.
pub(super) struct Ending {
    /// With what this process ends.
    pub(super) status: u8,
    /// Until when everybody has time.
    pub(super) until: Instant,
    /// Whether somebody has asked for it, and not only a process ended.
    pub(super) was_asked_for: bool,
    /// Of those that were left behind, who was asked to end too.
    pub(super) asked_orphans: HashSet<Pid>,
}

impl Ending {
    /// A platform that stops containers is to know of it, as it would of one process.
    pub(super) fn was_killed(&mut self) {
        if self.status == 0 {
            self.status = 128 + 9;
        }
    }
}

impl Supervisor<'_> {
    /// Somebody has asked for the end; again, where it takes too long.
    pub(super) fn asked_to_end(&mut self, signal: Signal) {
        let name = signal_name(signal.as_raw());
        match &mut self.ending {
            None => {
                self.output.say(&format!("{name}: asking all to end"));
                self.end_all(0, signal);
            }
            // A process had ended all by itself before.
            Some(ending) if !ending.was_asked_for => {
                self.output
                    .say(&format!("{name}: all are on their way to the end"));
            }
            Some(_) => {
                self.output
                    .say(&format!("{name} again: killing all that are left"));
                self.kill_all();
            }
        }
        if let Some(ending) = &mut self.ending {
            ending.was_asked_for = true;
        }
    }

    /// Asks every instance to end. The status is that of this process, unless somebody has to be killed.
    pub(super) fn end_all(&mut self, status: u8, signal: Signal) {
        let grace = self.run.grace.0;
        self.ending = Some(Ending {
            status,
            until: Instant::now() + grace,
            asked_orphans: HashSet::new(),
            was_asked_for: false,
        });
        for instance in &mut self.instances {
            instance.ask_to_end(signal, grace, Then::Nothing);
        }
    }

    fn kill_all(&mut self) {
        for instance in &mut self.instances {
            instance.kill();
        }
        if let Some(ending) = &mut self.ending {
            ending.until = Instant::now();
            ending.was_killed();
        }
    }

    /// The exit status, when all is over.
    pub(super) fn status(&self) -> Option<u8> {
        let ending = self.ending.as_ref()?;
        // The kernel may be unable to end one: it waits for a disk that is gone.
        let is_over = Instant::now() > ending.until + GIVE_UP || children().is_empty();
        (self.instances.is_empty() && is_over).then_some(ending.status)
    }

    /// When all instances are gone: processes that had left their groups, and so have not heard of the end. The end of one may bring more.
    pub(super) fn see_to_orphans(&mut self, now: Instant) {
        let Some(ending) = &mut self.ending else {
            return;
        };
        if !self.instances.is_empty() {
            return;
        }
        let orphans = children();
        if now >= ending.until {
            for orphan in &orphans {
                let _ = kill_process(*orphan, Signal::KILL);
            }
            if !orphans.is_empty() {
                ending.was_killed();
            }
            return;
        }
        for orphan in orphans {
            if ending.asked_orphans.insert(orphan) {
                let _ = kill_process(orphan, Signal::TERM);
            }
        }
    }
}

/// All processes whose parent this one is.
fn children() -> Vec<Pid> {
    let tasks = Process::new(getpid().as_raw_nonzero().get()).and_then(|it| it.tasks());
    let Ok(tasks) = tasks else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| task.ok()?.children().ok())
        .flatten()
        .filter_map(|child| Pid::from_raw(child.cast_signed()))
        .collect()
}

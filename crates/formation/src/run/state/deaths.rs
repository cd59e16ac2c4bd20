//! What follows the end of a process that was not asked to end.

use super::event::Jitter;
use super::instance::{AfterEnd, Instance};
use super::instance_id::InstanceId;
use super::instances::Instances;
use crate::run::restart_policy::RestartPolicy;
use procfile::report::counted;
use std::time::Duration;

/// The end of a process that was not asked to end.
#[derive(Clone, Copy)]
pub(super) struct Death {
    pub(super) instance: InstanceId,
    /// The exit status, as a shell counts it.
    pub(super) status: u8,
    pub(super) ran_for: Duration,
    pub(super) jitter: Jitter,
}

/// What follows, each with the line that the log gets.
#[derive(Debug)]
pub(super) enum Consequence {
    /// The instance is removed; another one has its place.
    Remove {
        text: Option<String>,
    },
    StartAgain {
        delay: Duration,
        text: String,
    },
    /// All other instances are asked to end.
    EndAll {
        text: String,
    },
}

impl Consequence {
    /// What follows for the instance itself.
    pub(super) fn next(&self) -> AfterEnd {
        match self {
            Self::Remove { .. } | Self::EndAll { .. } => AfterEnd::Remove,
            Self::StartAgain { delay, .. } => AfterEnd::StartAgain { delay: *delay },
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Remove { text } => text.as_deref(),
            Self::StartAgain { text, .. } | Self::EndAll { text } => Some(text),
        }
    }
}

/// Decides what follows a death.
pub(super) fn consequence(
    instances: &mut Instances,
    policy: &RestartPolicy,
    death: Death,
) -> Consequence {
    let Some(instance) = instances.get(death.instance) else {
        return Consequence::Remove { text: None };
    };
    let name = instance.name.clone();
    if instance.is_successor {
        for same in instances.named(&name) {
            same.restart = None;
        }
        let text = format!("{name} keeps its process: the successor did not come up");
        return Consequence::Remove { text: Some(text) };
    }
    let successor = (instances.named(&name))
        .find(|other| other.id != death.instance && other.is_successor && !other.is_ending());
    if let Some(successor) = successor {
        successor.is_successor = false;
        return Consequence::Remove { text: None };
    }
    let may_end = policy.lets_end(&name.process_type);
    let is_another = |other: &Instance| other.id != death.instance && other.counts();
    if may_end && instances.iter().any(is_another) {
        let text = format!("{name} may end: the other processes go on");
        Consequence::Remove { text: Some(text) }
    } else if policy.applies_to(&name.process_type) && !may_end {
        restart(instances, policy, death)
    } else {
        let text = format!("asking all processes to end, because {name} has ended");
        Consequence::EndAll { text }
    }
}

fn restart(instances: &mut Instances, policy: &RestartPolicy, death: Death) -> Consequence {
    let Some(instance) = instances.get_mut(death.instance) else {
        return Consequence::Remove { text: None };
    };
    let name = &instance.name;
    instance.deaths.count(death.ran_for);
    if let Some(limit) = policy.limit.filter(|limit| instance.deaths.exceed(*limit)) {
        let restarts = counted(limit, "restart");
        let text = format!(
            "asking all processes to end, because {name} has ended after {restarts} in a row"
        );
        return Consequence::EndAll { text };
    }
    instance.restarts += 1;
    let delay = instance.deaths.delay(policy.delay, death.jitter.0);
    let text = format!("{name} starts again in {:.1} s", delay.as_secs_f64());
    Consequence::StartAgain { delay, text }
}

//! `formation restart`: starts instances anew, one of each process type at a time.
//!
//! Where no process listens on the port of an instance, a successor starts first, and the old
//! process is asked to end when the successor is up. A port has one listener: where there is one,
//! the old process ends before the new one starts.

use super::action::Action;
use super::event::Observations;
use super::instance::{AfterEnd, Instance, Phase, Restart};
use super::instance_id::InstanceId;
use super::instances::Instances;
use crate::process::wait::POLL_INTERVAL;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long a process has to run before it counts as up: a program that cannot start at all ends
/// sooner.
const UP_AFTER: Duration = Duration::from_secs(1);

/// How long a process whose predecessor listened on its port may take until it listens too.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Queues a restart of those instances whose process type or own name is named; of all where
/// `names` is empty. Returns the names that no instance has, and queues nothing then.
pub(super) fn queue(instances: &mut Instances, names: &[String]) -> Result<(), Vec<String>> {
    let is_named = |instance: &Instance, name: &String| {
        instance.name.process_type == *name || instance.name.to_string() == *name
    };
    let is_known = |name: &&String| instances.iter().any(|instance| is_named(instance, name));
    let unknown: Vec<_> = (names.iter())
        .filter(|name| !is_known(name))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    for instance in instances.iter_mut() {
        let is_wanted = names.is_empty() || names.iter().any(|name| is_named(instance, name));
        if is_wanted && instance.counts() && instance.restart.is_none() {
            instance.restart = Some(Restart::Queued);
        }
    }
    Ok(())
}

/// The ports that [`advance`] has to know about.
pub(super) fn ports_to_observe(instances: &Instances, now: Instant) -> Vec<u16> {
    let is_of_interest = |instance: &&Instance| match instance.restart {
        Some(Restart::Queued) => instance.is_running() && may_begin(instances, instance),
        _ => is_new_process(instance) && is_up(instance, now) && awaits_listener(instance, now),
    };
    let found = instances.iter().filter(is_of_interest);
    found.map(|instance| instance.port).collect()
}

/// When to look at an instance again, if its restart is not over or could begin.
pub(super) fn next_look(
    instances: &Instances,
    instance: &Instance,
    now: Instant,
) -> Option<Instant> {
    if instance.restart == Some(Restart::Queued) && may_begin(instances, instance) {
        return Some(now);
    }
    if !is_new_process(instance) {
        return None;
    }
    if instance.preparing_process().is_some() {
        return Some(now + POLL_INTERVAL);
    }
    let since = instance.since()?;
    let up_at = since + UP_AFTER;
    Some(if now >= up_at && awaits_listener(instance, now) {
        (now + POLL_INTERVAL).min(since + LISTEN_TIMEOUT)
    } else {
        up_at
    })
}

/// Goes on with all restarts.
pub(super) fn advance(
    instances: &mut Instances,
    now: Instant,
    observed: &Observations,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for id in instances.ids_where(|instance| is_complete(instance, now, observed)) {
        actions.extend(complete(instances, id, now));
    }
    for id in instances.ids_where(|instance| instance.restart == Some(Restart::Queued)) {
        actions.extend(begin(instances, id, now, observed));
    }
    actions
}

fn may_begin(instances: &Instances, instance: &Instance) -> bool {
    let is_busy = |other: &Instance| {
        other.name.process_type == instance.name.process_type
            && matches!(other.restart, Some(Restart::UnderWay { .. }))
    };
    !instances.iter().any(is_busy)
}

/// Whether its process is the new one of a restart that is under way.
fn is_new_process(instance: &Instance) -> bool {
    let was_started_since = |at| instance.since().is_some_and(|since| since >= at);
    let is_restarted = matches!(instance.restart,
        Some(Restart::UnderWay { since, .. }) if was_started_since(since));
    instance.is_running() && (instance.is_successor || is_restarted)
}

fn is_up(instance: &Instance, now: Instant) -> bool {
    instance.is_running()
        && instance.preparing_process().is_none()
        && instance
            .since()
            .is_some_and(|since| now >= since + UP_AFTER)
}

/// Whether the restart is complete only when a process listens on its port.
fn awaits_listener(instance: &Instance, now: Instant) -> bool {
    let had_listener = matches!(
        instance.restart,
        Some(Restart::UnderWay {
            had_listener: true,
            ..
        })
    );
    let has_time = instance
        .since()
        .is_some_and(|since| now < since + LISTEN_TIMEOUT);
    had_listener && has_time
}

fn is_complete(instance: &Instance, now: Instant, observed: &Observations) -> bool {
    let listens = observed.ports.get(&instance.port) == Some(&true);
    is_new_process(instance) && is_up(instance, now) && (listens || !awaits_listener(instance, now))
}

/// The new process is up: a successor takes the place of its predecessor, which is asked to end.
fn complete(instances: &mut Instances, id: InstanceId, now: Instant) -> Option<Action> {
    let kill_at = instances.kill_at(now);
    let instance = instances.get_mut(id)?;
    instance.restart = None;
    if !std::mem::take(&mut instance.is_successor) {
        return None;
    }
    let name = instance.name.clone();
    let predecessor = instances.named(&name).find(|other| other.id != id)?;
    predecessor.restart = None;
    predecessor.ask_to_end(Signal::TERM, kill_at, AfterEnd::Remove)
}

/// Begins a queued restart, unless another one of the process type is under way, or it is not
/// known yet whether a process listens on the port.
fn begin(
    instances: &mut Instances,
    id: InstanceId,
    now: Instant,
    observed: &Observations,
) -> Option<Action> {
    if !may_begin(instances, instances.get(id)?) {
        return None;
    }
    let kill_at = instances.kill_at(now);
    let instance = instances.get_mut(id)?;
    let under_way = |had_listener| {
        Some(Restart::UnderWay {
            since: now,
            had_listener,
        })
    };
    match instance.phase {
        Phase::Running { .. } => {
            let had_listener = *observed.ports.get(&instance.port)?;
            instance.restart = under_way(had_listener);
            if had_listener {
                instance.restarts += 1;
                let delay = Duration::ZERO;
                let next = AfterEnd::StartAgain { delay };
                return instance.ask_to_end(Signal::TERM, kill_at, next);
            }
            let (name, restarts) = (instance.name.clone(), instance.restarts + 1);
            let successor = instances.add(name);
            successor.is_successor = true;
            successor.restarts = restarts;
        }
        Phase::Waiting { .. } | Phase::Due => {
            instance.restart = under_way(false);
            instance.phase = Phase::Due;
        }
        Phase::Starting { .. } | Phase::Ending { .. } | Phase::Gone => instance.restart = None,
    }
    None
}

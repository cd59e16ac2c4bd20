//! What `formation ps`, `scale` and `restart` do.

use super::action::{Action, ListedProcess};
use super::instance::{Instance, Phase};
use super::instances::Instances;
use super::rolling_restart;
use crate::control::protocol::{ProcessInfo, ProcessState};
use crate::image::quantities::Quantities;
use crate::run::ports::check_ports;
use miette::Diagnostic;
use procfile::report;
use std::time::Instant;
use thiserror::Error;

/// A request that is not carried out.
#[derive(Debug, Diagnostic, Error)]
pub(super) enum Refusal {
    #[error("this formation is ending")]
    #[diagnostic(help("Start another container."))]
    Ending,
    #[error("there is no process {}", quoted(names))]
    #[diagnostic(help("Name process types or processes that run here: {}.", known.join(", ")))]
    UnknownProcess {
        names: Vec<String>,
        known: Vec<String>,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `formation scale`, with words such as `web=2`. Returns what is to be done, or why nothing is, as
/// it is shown.
pub(super) fn scale(
    instances: &mut Instances,
    words: &[String],
    now: Instant,
) -> Result<Vec<Action>, String> {
    let image = instances.image.clone();
    let words = words.iter().map(String::as_str);
    let quantities = Quantities::read(words, &image).map_err(|error| report::plain(&error))?;
    check_ports(&image, instances.base_port, quantities.iter())
        .map_err(|error| report::plain(&error))?;
    let mut actions = Vec::new();
    for (process_type, count) in quantities.iter() {
        let text = format!("scaling {process_type} to {count}");
        actions.push(Action::Say(text));
        actions.extend(instances.scale(process_type, count, now));
    }
    Ok(actions)
}

/// `formation restart`, with names of process types or instances. Returns why nothing is done, if
/// so, as it is shown.
pub(super) fn restart(instances: &mut Instances, names: &[String]) -> Result<(), String> {
    rolling_restart::queue(instances, names).map_err(|names| {
        let known = instances.iter().map(|instance| instance.name.to_string());
        let known = known.collect();
        report::plain(&Refusal::UnknownProcess { names, known })
    })
}

/// `formation ps`.
pub(super) fn list(instances: &Instances, now: Instant) -> Vec<ListedProcess> {
    let listed = |instance: &Instance| ListedProcess {
        info: info(instance, now),
        group: instance.group(),
    };
    instances.iter().map(listed).collect()
}

fn info(instance: &Instance, now: Instant) -> ProcessInfo {
    let process = instance.process();
    let uptime = |since| now.saturating_duration_since(since).as_secs();
    ProcessInfo {
        name: instance.name.to_string(),
        state: match instance.phase {
            Phase::Running { .. } if instance.is_successor => ProcessState::Starting,
            Phase::Running { .. } => ProcessState::Running,
            Phase::Ending { .. } => ProcessState::Ending,
            Phase::Waiting { .. } | Phase::Due | Phase::Starting { .. } | Phase::Gone => {
                ProcessState::Waiting
            }
        },
        pid: process.map(|process| process.as_raw_nonzero().get()),
        port: instance.port,
        restarts: instance.restarts,
        uptime: instance.since().map(uptime),
        memory: 0,
    }
}

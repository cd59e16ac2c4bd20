//! The scheduled tasks of app.json, as an orchestrator starts them.

use super::problem::PlanProblem;
use crate::image::Image;
use procfile::app_json::{AppJson, ConcurrencyPolicy, ScheduledTask};
use procfile::command;
use procfile::launch_spec::FORMATION;
use std::path::Path;

/// A scheduled task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// `cron-` and the position in app.json, from 1.
    pub name: String,
    /// In the syntax of [`procfile::app_json::CronSchedule`].
    pub schedule: String,
    /// As written in app.json.
    pub command: String,
    pub start: TaskStart,
    /// It is not to run for now.
    pub suspended: bool,
    /// See [`ScheduledTask::concurrency`].
    pub concurrency: Option<ConcurrencyPolicy>,
}

/// What starts a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TaskStart {
    /// The entry point of this process type: the command is its name, as Dokku allows it.
    Type(String),
    /// The launcher of the image, with these arguments.
    Launcher(Vec<String>),
}

pub(super) fn tasks(
    image: &Image,
    app_json: &AppJson,
    problems: &mut Vec<PlanProblem>,
) -> Vec<Task> {
    let task = |(index, task): (usize, &ScheduledTask)| {
        let start = start(image, &task.command).map_err(|problem| problems.push(problem));
        Some(Task {
            name: format!("cron-{}", index + 1),
            schedule: task.schedule.to_string(),
            command: task.command.clone(),
            start: start.ok()?,
            suspended: task.suspended,
            concurrency: task.concurrency,
        })
    };
    app_json.cron.iter().enumerate().filter_map(task).collect()
}

fn start(image: &Image, command: &str) -> Result<TaskStart, PlanProblem> {
    if image.process(command).is_some() {
        return Ok(TaskStart::Type(command.into()));
    }
    let is_shell_script = |path: &Path| command::is_shell_script(Path::new(""), path);
    match command::decide(command, &is_shell_script) {
        Ok(launch) => Ok(TaskStart::Launcher(launch.to_args(FORMATION))),
        Err(source) => Err(PlanProblem::Command {
            command: command.into(),
            source,
        }),
    }
}

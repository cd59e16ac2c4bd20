//! What keeps a plan from being made.

use super::super::autoscale::AutoscaleError;
use super::super::names;
use crate::image::quantities::QuantitiesError;
use miette::Diagnostic;
use procfile::command;
use thiserror::Error;

/// Nothing can be written.
#[derive(Debug, Diagnostic, Error)]
#[error("nothing was exported")]
pub struct PlanError(#[related] pub Vec<PlanProblem>);

/// Why not.
#[derive(Debug, Diagnostic, Error)]
pub enum PlanProblem {
    /// Numbers of instances.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Quantities(#[from] QuantitiesError),
    /// Ranges of them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Autoscale(#[from] AutoscaleError),
    /// A type that is a task, or that there is not, in app.json.
    #[error("app.json has a formation of `{process_type}`, which is no process type of this image")]
    #[diagnostic(help("{help}"))]
    UnknownType {
        /// The type.
        process_type: String,
        /// What to do.
        help: String,
    },
    /// Two things of one name.
    #[error("{first} and {second} would both be called `{name}`")]
    #[diagnostic(help(
        "An orchestrator's names have lower-case letters, digits and `-`. Give one of them another name in the Procfile."
    ))]
    SameName {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// What both are called.
        name: String,
    },
    /// An app's name.
    #[error("`{name}` cannot be the name of an app")]
    #[diagnostic(help(
        "A name starts with a lower-case letter, has lower-case letters, digits and `-`, and at most {} characters: `--name {better}`.",
        names::LONGEST_APP
    ))]
    BadName {
        /// As it was given.
        name: String,
        /// The nearest good one.
        better: String,
    },
    /// The name of an object that somebody else makes.
    #[error("`{name}` cannot be the name of a {kind}")]
    #[diagnostic(help(
        "Kubernetes' names have lower-case letters, digits, `-` and `.`, and begin and end with a letter or a digit: `{option} shop-settings`."
    ))]
    BadObjectName {
        /// As it was given.
        name: String,
        /// Of which kind it is.
        kind: &'static str,
        /// The option that it is for.
        option: &'static str,
    },
    /// An image's name.
    #[error("`{image}` is no name of an image")]
    #[diagnostic(help("Name it as `docker pull` would: `--image registry.example/shop:42`."))]
    BadImage {
        /// As it was given.
        image: String,
    },
    /// What to ask `web` for.
    #[error("`{path}` is no path of an HTTP request")]
    #[diagnostic(help("It starts with `/` and has no spaces: `--health-path /up`."))]
    BadHealthPath {
        /// As it was given.
        path: String,
    },
    /// A command of app.json that bash would refuse.
    #[error("the scheduled task `{command}` of app.json cannot be run")]
    Command {
        /// As it is written.
        command: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: command::CommandSyntaxError,
    },
    /// There is nothing to export.
    #[error("the image has no process type that goes on")]
    #[diagnostic(help(
        "Write a Procfile with a line such as `web: bundle exec puma`, and build the image again."
    ))]
    NoTypes,
}

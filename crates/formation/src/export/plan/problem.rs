//! Problems that keep a plan from being made.

use crate::export::names::MAX_APP_LENGTH;
use crate::image::quantities::QuantityProblem;
use miette::Diagnostic;
use procfile::command;
use thiserror::Error;

/// Every problem with an export.
#[derive(Debug, Diagnostic, Error)]
#[error("nothing was exported")]
pub struct PlanError(#[related] pub Vec<PlanProblem>);

#[derive(Debug, Diagnostic, Error)]
pub enum PlanProblem {
    /// In the words of `--scale` or `--autoscale`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Quantity(#[from] QuantityProblem),
    #[error("`{0}` has a number (`--scale`) and a range (`--autoscale`) of instances")]
    #[diagnostic(help("Leave out one of them."))]
    ScaledTwice(String),
    #[error(
        "`formation` in app.json has `{process_type}`, which is not a process type of this image"
    )]
    #[diagnostic(help("{available}"))]
    UnknownType {
        process_type: String,
        /// See [`crate::image::quantities::available_types`].
        available: String,
    },
    #[error("`formation` in app.json has `release`, which is not a long-running process type")]
    #[diagnostic(help("`release` runs once before each release: leave it out of the formation."))]
    ReleaseInFormation,
    #[error("{first} and {second} would both be called `{name}`")]
    #[diagnostic(help(
        "Names in an orchestrator have only lower-case letters, digits and `-`. Rename one of the \
         two in the Procfile."
    ))]
    SameName {
        first: String,
        second: String,
        name: String,
    },
    #[error("`{name}` cannot be the name of an app")]
    #[diagnostic(help(
        "A name starts with a lower-case letter, has only lower-case letters, digits and `-`, and \
         at most {MAX_APP_LENGTH} characters: `--name {suggestion}`."
    ))]
    BadName {
        name: String,
        /// The nearest valid name.
        suggestion: String,
    },
    #[error("`{name}` cannot be the name of a {kind}")]
    #[diagnostic(help(
        "Names in Kubernetes have only lower-case letters, digits, `-` and `.`, and start and end \
         with a letter or a digit: `{option} shop-settings`."
    ))]
    BadObjectName {
        name: String,
        /// The kind of the object, which the user creates: `Secret`.
        kind: &'static str,
        /// The option with the name: `--secret`.
        option: &'static str,
    },
    #[error("`{image}` is not an image name")]
    #[diagnostic(help("Write it as for `docker pull`: `--image registry.example/shop:42`."))]
    BadImage { image: String },
    #[error("`{path}` is not a path for an HTTP request")]
    #[diagnostic(help("A path starts with `/` and has no spaces: `--health-path /up`."))]
    BadHealthPath { path: String },
    #[error("`{host}` is not a host for an HTTP request")]
    #[diagnostic(help(
        "Write the name alone, without `https://` and path: `--health-host shop.example`."
    ))]
    BadHealthHost { host: String },
    #[error("the scheduled task `{command}` of app.json cannot be run")]
    Command {
        command: String,
        #[source]
        #[diagnostic_source]
        source: command::CommandSyntaxError,
    },
    #[error("the image has no long-running process type")]
    #[diagnostic(help(
        "Write a Procfile with a line such as `web: bundle exec puma`, and build the image again."
    ))]
    NoTypes,
}

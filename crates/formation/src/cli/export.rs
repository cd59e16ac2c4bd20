//! `formation export`.

use super::exit::{choose_colours, fail, unblock_signals};
use crate::export::compose::{ComposeOptions, NotAPort, Publish};
use crate::export::kubernetes::{Amount, KubernetesOptions, NotAUser, PodUser};
use crate::export::plan::Options;
use crate::export::{Target, export};
use crate::process::grace::Grace;
use crate::process::signals::Signals;
use clap::{Args, Subcommand};
use rustix::process::{getegid, geteuid};
use std::process::ExitCode;
use std::str::FromStr;
use std::{env, io};

/// Write a file with which an orchestrator runs this image's process types
///
/// Run it in a container of the image. The number of instances of each process type is that of the
/// `formation` in app.json, or one. `release` and the `cron` tasks of app.json become tasks of the
/// orchestrator. The file is written to standard output. If anything is wrong, nothing is written,
/// and the exit status is 1.
#[derive(Subcommand)]
pub(super) enum ExportTarget {
    Compose(ComposeArguments),
    Kubernetes(KubernetesArguments),
}

/// Arguments for any orchestrator.
#[derive(Args)]
pub(super) struct ExportArguments {
    /// The name by which the orchestrator pulls the image
    #[arg(long)]
    image: Option<String>,
    /// The app's name [default: from the image's name]
    #[arg(long)]
    name: Option<String>,
    /// Number of instances of a process type, instead of that of app.json
    #[arg(long, value_name = "TYPE=N", num_args = 1..)]
    scale: Vec<String>,
    /// The port on which `web` listens: its $PORT
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The page that tells whether `web` is healthy [default: the one that a Rails app's routes name, else
    /// `web` only has to accept connections]
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// The `Host` with which that page is requested, for a `web` that answers only the hosts that
    /// it knows, such as Rails' `config.hosts`
    #[arg(long, value_name = "HOST")]
    health_host: Option<String>,
    /// How long a process may take to stop; the orchestrator waits two seconds longer
    #[arg(long, value_name = "SECONDS", default_value = "28")]
    grace: Grace,
}

impl ExportArguments {
    fn options(self, autoscale: Vec<String>) -> Options {
        Options {
            image: self.image,
            name: self.name,
            scale: self.scale,
            autoscale,
            port: self.port,
            grace: self.grace,
            health_path: self.health_path,
            health_host: self.health_host,
        }
    }
}

/// Write one file for Docker Compose and Docker Swarm
#[derive(Args)]
#[command(after_help = COMPOSE_EXAMPLES)]
pub(super) struct ComposeArguments {
    #[command(flatten)]
    common: ExportArguments,
    /// A file with environment variables; the exported file only refers to it
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<String>,
    /// The host's port that leads to `web`, with an address to which it is bound, or `none`
    #[arg(long, value_name = "[ADDRESS:]PORT", default_value = "8080", value_parser = read_publish)]
    publish: OrNone<Publish>,
    /// Write one document without tags, for podman-compose and other programs; Swarm does not read
    /// it
    #[arg(long)]
    plain: bool,
}

/// The value of an option that may be `none`.
#[derive(Clone, Copy)]
struct OrNone<T>(Option<T>);

fn read_publish(text: &str) -> Result<OrNone<Publish>, String> {
    or_none(text).map_err(|error: NotAPort| format!("{error}, or `none`"))
}

fn read_user(text: &str) -> Result<OrNone<PodUser>, String> {
    or_none(text).map_err(|error: NotAUser| format!("{error}, or `none`"))
}

fn or_none<T: FromStr>(text: &str) -> Result<OrNone<T>, T::Err> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    text.parse().map(|value| OrNone(Some(value)))
}

const COMPOSE_EXAMPLES: &str = "\
Examples:
  docker run --rm --entrypoint formation shop:42 export compose --image shop:42 > compose.yaml
  formation export compose --image shop:42 --scale web=2 worker=5 --env-file .env
  formation export compose --image shop:42 --health-path /up --publish none
  formation export compose --image shop:42 --publish 127.0.0.1:8080 --plain";

/// Write one file of objects for Kubernetes
#[derive(Args)]
#[command(after_help = KUBERNETES_EXAMPLES)]
pub(super) struct KubernetesArguments {
    #[command(flatten)]
    common: ExportArguments,
    /// Range in which an autoscaler changes the number of instances, by their use of the CPU
    #[arg(long, value_name = "TYPE=MIN-MAX", num_args = 1..)]
    autoscale: Vec<String>,
    // Not a doc comment: clippy would want backticks, which help does not need.
    #[arg(
        long,
        value_name = "NAME",
        help = "The ConfigMap with environment variables [default: the app's name]"
    )]
    config_map: Option<String>,
    /// The Secret with environment variables [default: the app's name]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// The CPU that each instance requests
    #[arg(long, value_name = "AMOUNT", default_value = "100m")]
    cpu: Amount,
    /// The memory that each instance requests, which is also its limit
    #[arg(long, value_name = "AMOUNT", default_value = "512Mi")]
    memory: Amount,
    /// The user and the group that processes run as, by number, or `none` where the cluster chooses
    /// them [default: those of this container]
    #[arg(long, value_name = "UID:GID", value_parser = read_user)]
    user: Option<OrNone<PodUser>>,
}

const KUBERNETES_EXAMPLES: &str = "\
Examples:
  docker run --rm --entrypoint formation IMAGE export kubernetes --image IMAGE > shop.yaml
  formation export kubernetes --image IMAGE --autoscale web=2-10 --health-path /up
  formation export kubernetes --image IMAGE --scale worker=5 --memory 1Gi --secret NAME";

pub(super) fn export_to(target: ExportTarget, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = unblock_signals(signals, 1) {
        return status;
    }
    choose_colours();
    let (options, target) = match target {
        ExportTarget::Compose(arguments) => {
            let target = Target::Compose(ComposeOptions {
                env_files: arguments.env_files,
                publish: arguments.publish.0,
                formation: path_of_formation(),
                plain: arguments.plain,
            });
            (arguments.common.options(Vec::new()), target)
        }
        ExportTarget::Kubernetes(arguments) => {
            let target = Target::Kubernetes(KubernetesOptions {
                config_map: arguments.config_map,
                secret: arguments.secret,
                cpu: arguments.cpu,
                memory: arguments.memory,
                user: (arguments.user)
                    .map_or_else(|| Some(user_of_this_container()), |user| user.0),
            });
            (arguments.common.options(arguments.autoscale), target)
        }
    };
    match export(options, &target, &quoted_arguments()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// The user of the image, if `docker run` names no other.
fn user_of_this_container() -> PodUser {
    PodUser {
        user: geteuid().as_raw(),
        group: getegid().as_raw(),
    }
}

/// The path of `formation`, which is beside this program. If the kernel does not tell the path of
/// this program, only the name: PATH has its folder.
fn path_of_formation() -> String {
    let beside_this = env::current_exe().map(|path| path.with_file_name("formation"));
    beside_this.map_or_else(
        |_| "formation".into(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// The arguments of this program, quoted for a shell.
fn quoted_arguments() -> String {
    let words = env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        let needs_no_quotes = |c: char| c.is_ascii_alphanumeric() || "._-/:@=,%+".contains(c);
        if !word.is_empty() && word.chars().all(needs_no_quotes) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

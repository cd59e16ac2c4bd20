//! `formation export`.

use super::{fail, hear_signals, use_colours};
use crate::export::compose::ComposeOptions;
use crate::export::kubernetes::{Amount, KubernetesOptions};
use crate::export::plan::Options;
use crate::export::{Target, export};
use crate::process::grace::Grace;
use crate::process::signals::Signals;
use clap::{Args, Subcommand};
use std::process::ExitCode;
use std::{env, io};

/// Write the files by which an orchestrator runs this image's process types
///
/// Run it in a container of the image. How many of each type there are says `app.json` (`formation`), else one of each; `release` and the
/// `cron` of app.json become tasks. The file goes to standard output; nothing is written where anything is wrong, and the exit status is 1
/// then.
#[derive(Subcommand)]
pub(super) enum ExportTarget {
    Compose(ComposeArguments),
    Kubernetes(KubernetesArguments),
}

/// What every orchestrator wants to know.
#[derive(Args)]
pub(super) struct ExportArguments {
    /// The image, as the orchestrator finds it
    #[arg(long)]
    image: Option<String>,
    /// The app's name [default: from the image's]
    #[arg(long)]
    name: Option<String>,
    /// How many of a process type there are, whatever app.json says
    #[arg(long, value_name = "TYPE=N", num_args = 1..)]
    scale: Vec<String>,
    /// Where `web` listens: its $PORT
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Ask `web` for this page to know whether it is well; else that it takes connections is enough
    #[arg(long, value_name = "PATH")]
    health_path: Option<String>,
    /// How long a process may take to end; the orchestrator waits two seconds longer
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
        }
    }
}

/// One file for Docker Compose and for Swarm
#[derive(Args)]
#[command(after_help = COMPOSE_EXAMPLES)]
pub(super) struct ComposeArguments {
    #[command(flatten)]
    all: ExportArguments,
    /// A file with settings, beside the one that is written; it is not read here
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<String>,
    /// The machine's port that leads to `web`, or `none`
    #[arg(long, value_name = "PORT", default_value = "8080", value_parser = read_publish)]
    publish: Publish,
}

/// A port of the machine, or none.
#[derive(Clone, Copy)]
struct Publish(Option<u16>);

fn read_publish(text: &str) -> Result<Publish, String> {
    match text.parse() {
        _ if text == "none" => Ok(Publish(None)),
        Ok(port) if port > 0 => Ok(Publish(Some(port))),
        _ => Err("a port from 1 to 65535 is expected, or none".into()),
    }
}

const COMPOSE_EXAMPLES: &str = "\
Examples:
  docker run --rm --entrypoint formation shop:42 export compose --image shop:42 > compose.yaml
  formation export compose --image shop:42 --scale web=2 worker=5 --env-file .env
  formation export compose --image shop:42 --health-path /up --publish none";

/// Objects for Kubernetes, in one file
#[derive(Args)]
#[command(after_help = KUBERNETES_EXAMPLES)]
pub(super) struct KubernetesArguments {
    #[command(flatten)]
    all: ExportArguments,
    /// Let the number of a process type follow its CPU use
    #[arg(long, value_name = "TYPE=MIN-MAX", num_args = 1..)]
    autoscale: Vec<String>,
    #[arg(
        long,
        value_name = "NAME",
        help = "The ConfigMap with settings [default: the app's name]"
    )]
    config_map: Option<String>,
    /// The Secret with settings [default: the app's name]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// The part of a CPU that each instance is promised
    #[arg(long, value_name = "AMOUNT", default_value = "100m")]
    cpu: Amount,
    /// The memory that each instance is promised, and gets at most
    #[arg(long, value_name = "AMOUNT", default_value = "512Mi")]
    memory: Amount,
}

const KUBERNETES_EXAMPLES: &str = "\
Examples:
  docker run --rm --entrypoint formation shop:42 export kubernetes --image registry.example/shop:42 > shop.yaml
  formation export kubernetes --image registry.example/shop:42 --autoscale web=2-10 --health-path /up
  formation export kubernetes --image registry.example/shop:42 --scale worker=5 --memory 1Gi --secret shop-production";

pub(super) fn export_to(target: ExportTarget, signals: io::Result<Signals>) -> ExitCode {
    if let Err(status) = hear_signals(signals, 1) {
        return status;
    }
    use_colours();
    let (options, target) = match target {
        ExportTarget::Compose(arguments) => {
            let target = Target::Compose(ComposeOptions {
                env_files: arguments.env_files,
                publish: arguments.publish.0,
                formation: our_path(),
            });
            (arguments.all.options(Vec::new()), target)
        }
        ExportTarget::Kubernetes(arguments) => {
            let target = Target::Kubernetes(KubernetesOptions {
                config_map: arguments.config_map,
                secret: arguments.secret,
                cpu: arguments.cpu,
                memory: arguments.memory,
            });
            (arguments.all.options(arguments.autoscale), target)
        }
    };
    match export(options, &target, &arguments_given()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Where the image has the program that hands over to this one. Without an answer of the kernel, by its name, as the image's PATH has it.
fn our_path() -> String {
    let beside_this = env::current_exe().map(|path| path.with_file_name("formation"));
    beside_this.map_or_else(
        |_| "formation".into(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// The words that were given, as a shell would take them again.
fn arguments_given() -> String {
    let words = env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@=,%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

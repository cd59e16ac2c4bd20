//! The command line of `formation`, the program in the image: all but what `formation` itself does.

use clap::{Args, CommandFactory, Parser, Subcommand};
use formation::report;
use formation::supervisor::ask::{self, Ask};
use formation::supervisor::check::{Check, Format};
use formation::supervisor::exec::{Exec, ExecError, Grace, SignalsGoTo, seconds};
use formation::supervisor::export::compose::ComposeOptions;
use formation::supervisor::export::kubernetes::{Amount, KubernetesOptions};
use formation::supervisor::export::plan::Options;
use formation::supervisor::export::{Target, export};
use formation::supervisor::probe::Probe;
use formation::supervisor::program::{FOREGROUND, Program};
use formation::supervisor::run::control::{AskError, Request};
use formation::supervisor::run::exec_d::{EXEC_D, ExecD};
use formation::supervisor::run::{Prefix, Run, RunError};
use formation::supervisor::signals::Signals;
use miette::Diagnostic;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Runs the process types of an image
///
/// `formation TYPE=N …` is short for `formation run TYPE=N …`, and `formation` alone runs every type once.
#[derive(Parser)]
#[command(
    name = "formation",
    bin_name = "formation",
    version,
    propagate_version = true
)]
struct CommandLine {
    #[command(subcommand)]
    subcommand: Formation,
}

/// What `formation` does: for each its arguments, and below what it does with them.
#[derive(Subcommand)]
enum Formation {
    Run(RunArguments),
    Ps(PsArguments),
    Scale(ScaleArguments),
    Restart(RestartArguments),
    Exec(ExecArguments),
    #[command(subcommand)]
    Export(ExportTarget),
    Probe(ProbeArguments),
    Check(CheckArguments),
    Completions(CompletionsArguments),
    #[command(name = FOREGROUND, hide = true)]
    Foreground(ForegroundArguments),
    #[command(name = EXEC_D, hide = true)]
    ExecD(ExecDArguments),
}

fn main() -> ExitCode {
    // Before anything else: a signal that comes now is for a command that has yet to start.
    let signals = Signals::hold();
    match CommandLine::parse_from(with_run(env::args_os())).subcommand {
        Formation::Run(arguments) => run(arguments, signals),
        Formation::Ps(arguments) => ask(&arguments.ask(Request::Ps), signals),
        Formation::Scale(arguments) => ask(
            &arguments.show.ask(Request::Scale(arguments.quantities)),
            signals,
        ),
        Formation::Restart(arguments) => ask(
            &arguments.show.ask(Request::Restart(arguments.processes)),
            signals,
        ),
        Formation::Export(target) => export_to(target, signals),
        Formation::Probe(arguments) => probe(arguments, signals),
        Formation::Check(arguments) => check(arguments, signals),
        Formation::Completions(arguments) => completions(&arguments),
        Formation::Exec(arguments) => exec(arguments, signals),
        Formation::Foreground(arguments) => foreground(arguments),
        Formation::ExecD(arguments) => exec_d(arguments, signals),
    }
}

/// Run several process types in one container
///
/// Every type of the image runs once, but for the tasks `release`, `console` and `rake`; or so many of each as are named, and no others.
/// Their output comes line by line, each with its process. When one ends, all are asked to end, unless its type is named by --restart. The
/// exit status is that process's; 0 where this program was asked to end, 137 where a process had to be killed then.
#[derive(Args)]
#[command(after_help = RUN_EXAMPLES)]
struct RunArguments {
    /// So many instances of a process type
    #[arg(value_name = "TYPE=N", env = "FORMATION", value_delimiter = ',')]
    quantities: Vec<String>,
    /// Start this type again when it ends; `all` is every type
    #[arg(
        long,
        value_name = "TYPE",
        env = "FORMATION_RESTART",
        value_delimiter = ','
    )]
    restart: Vec<String>,
    /// The delay before a first restart; it doubles with each further one, up to a minute
    #[arg(long, value_name = "SECONDS", env = "FORMATION_RESTART_DELAY", value_parser = seconds, default_value = "1")]
    restart_delay: Duration,
    /// Restarts of one process in a row, without a minute of health in between, before its end ends all
    #[arg(long, value_name = "N", env = "FORMATION_RESTART_LIMIT")]
    restart_limit: Option<u32>,
    /// How long a process may take to end before it is killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// What stands before each line of output
    #[arg(long, value_enum, env = "FORMATION_PREFIX", default_value_t)]
    prefix: Prefix,
    /// The port of `web`; a further instance gets the next one, a further type one a hundred above
    #[arg(long, env = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Take the process types from a Procfile instead of the image
    #[arg(long, value_name = "PATH")]
    procfile: Option<PathBuf>,
    /// The socket for `ps`, `scale` and `restart`, if not in the usual place
    #[arg(long, value_name = "PATH", env = "FORMATION_SOCKET")]
    socket: Option<PathBuf>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  docker run --entrypoint formation IMAGE
  docker run --entrypoint formation IMAGE web=1 worker=4
  docker run --entrypoint formation --env FORMATION=web=1,worker=4 IMAGE
  docker run --entrypoint formation IMAGE run --restart worker --prefix json
  formation run --procfile Procfile";

/// `docker run --entrypoint formation IMAGE web=2`: what is no subcommand is for `run`.
fn with_run(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let first = words.get(1).map(|word| word.to_string_lossy());
    let is_for_run = match first.as_deref() {
        None => true,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(word) => word.starts_with('-') || word.contains('='),
    };
    if is_for_run {
        words.insert(1.min(words.len()), "run".into());
    }
    words
}

fn run(arguments: RunArguments, signals: io::Result<Signals>) -> ExitCode {
    let run = Run {
        quantities: arguments.quantities,
        procfile: arguments.procfile,
        restart: arguments.restart,
        restart_delay: arguments.restart_delay,
        restart_limit: arguments.restart_limit,
        grace: arguments.grace,
        prefix: arguments.prefix,
        port: arguments.port,
        socket: arguments.socket,
    };
    match signals
        .map_err(RunError::from)
        .and_then(|signals| run.run(&signals))
    {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// Show the processes of the formation that runs in this container
#[derive(Args)]
#[command(after_help = PS_EXAMPLES)]
struct PsArguments {
    /// As a JSON array, with memory in bytes and uptime in seconds
    #[arg(long)]
    json: bool,
    /// The socket of the formation, if not in the usual place
    #[arg(long, value_name = "PATH", env = "FORMATION_SOCKET")]
    socket: Option<PathBuf>,
}

const PS_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation ps
  docker exec CONTAINER formation ps --json";

/// Change how many instances of a process type run; the other types are left alone
///
/// Instances that are too many are asked to end, the last first. Shows the processes that there are then.
#[derive(Args)]
#[command(after_help = SCALE_EXAMPLES)]
struct ScaleArguments {
    /// So many instances of a process type
    #[arg(required = true, value_name = "TYPE=N")]
    quantities: Vec<String>,
    #[command(flatten)]
    show: PsArguments,
}

const SCALE_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation scale worker=4
  docker exec CONTAINER formation scale web=2 worker=0";

/// Start processes anew, one of each type at a time
///
/// Where nobody listens on its port, a process ends only when its successor has run for a second; otherwise before the successor starts.
#[derive(Args)]
#[command(after_help = RESTART_EXAMPLES)]
struct RestartArguments {
    /// Process types, or single processes; none for all
    #[arg(value_name = "TYPE[.N]")]
    processes: Vec<String>,
    #[command(flatten)]
    show: PsArguments,
}

const RESTART_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation restart
  docker exec CONTAINER formation restart worker web.2";

impl PsArguments {
    fn ask(self, request: Request) -> Ask {
        Ask {
            socket: self.socket,
            request,
            format: if self.json {
                ask::Format::Json
            } else {
                ask::Format::Table
            },
        }
    }
}

fn ask(ask: &Ask, signals: io::Result<Signals>) -> ExitCode {
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 2);
    }
    match ask.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(AskError::Refused(text)) => {
            eprint!("\n{text}\n");
            ExitCode::FAILURE
        }
        Err(error) => fail(&error, 1),
    }
}

/// Print a script that completes this command line
#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
struct CompletionsArguments {
    /// The shell that it is for
    shell: clap_complete::Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(formation completions bash)
  formation completions fish > ~/.config/fish/completions/formation.fish";

fn completions(arguments: &CompletionsArguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut CommandLine::command(),
        "formation",
        &mut script,
    );
    // Who closes the pipe has seen enough.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

/// Check a Procfile, as the build would
///
/// Shows every error and warning with its place. Exit status 0 where there is no error (with --strict: and no warning), 1 where there is
/// one, 2 where nothing was checked: no Procfile that can be read, or wrong usage.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
struct CheckArguments {
    /// The Procfile; `-` for standard input
    #[arg(default_value = "Procfile")]
    path: PathBuf,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  formation check
  formation check --strict backend/Procfile
  git show HEAD:Procfile | formation check --format json -";

fn check(arguments: CheckArguments, signals: io::Result<Signals>) -> ExitCode {
    // Nobody else is to be told: Ctrl-C ends this as it ends any program.
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 2);
    }
    use_colours();
    let check = Check {
        path: arguments.path,
        format: arguments.format,
        strict: arguments.strict,
    };
    match check.run() {
        Ok(passes) => ExitCode::from(u8::from(!passes)),
        Err(error) => fail(&error, 2),
    }
}

/// Run one command as a well-behaved PID 1
///
/// Signals are passed on to the command, processes without a parent are reaped, and the terminal is the command's. The exit status is the
/// command's too: 128+N where signal N ended it, 127 where there is no such command, 126 where it cannot be executed. Nothing is printed.
#[derive(Args)]
#[command(after_help = EXEC_EXAMPLES)]
struct ExecArguments {
    /// Pass signals on to every process of the command's process group, and wait for all of them
    #[arg(long)]
    group: bool,
    /// With --group: how long the others may outlive the command before they are killed
    #[arg(long, value_name = "SECONDS", env = "FORMATION_GRACE", default_value_t)]
    grace: Grace,
    /// A program and its arguments
    #[arg(last = true, required = true, value_names = ["COMMAND", "ARG"])]
    command: Vec<OsString>,
}

const EXEC_EXAMPLES: &str = "\
Examples:
  formation exec -- puma -C config/puma.rb
  formation exec -- bash -c 'exec sidekiq -c \"$SIDEKIQ_CONCURRENCY\"'
  formation exec --group --grace 20 -- bash -c 'rake queue:work | tee log/queue.log'";

fn exec(arguments: ExecArguments, signals: io::Result<Signals>) -> ExitCode {
    let exec = Exec {
        program: program(arguments.command),
        signals_go_to: if arguments.group {
            SignalsGoTo::Group(arguments.grace)
        } else {
            SignalsGoTo::Command
        },
    };
    match signals
        .map_err(ExecError::from)
        .and_then(|signals| exec.run(&signals))
    {
        Ok(status) => ExitCode::from(status),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// Write the files by which an orchestrator runs this image's process types
///
/// Run it in a container of the image. How many of each type there are says `app.json` (`formation`), else one of each; `release` and the
/// `cron` of app.json become tasks. The file goes to standard output; nothing is written where anything is wrong, and the exit status is 1
/// then.
#[derive(Subcommand)]
enum ExportTarget {
    Compose(ComposeArguments),
    Kubernetes(KubernetesArguments),
}

/// What every orchestrator wants to know.
#[derive(Args)]
struct ExportArguments {
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
struct ComposeArguments {
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
struct KubernetesArguments {
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

fn export_to(target: ExportTarget, signals: io::Result<Signals>) -> ExitCode {
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 1);
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

/// Ask whether `web` is well, for the health checks of an orchestrator
///
/// Exit status 0 where it takes a connection and, with --path, answers with a status from 200 to 399; else 1.
#[derive(Args)]
#[command(after_help = PROBE_EXAMPLES)]
struct ProbeArguments {
    /// Where it listens
    #[arg(long, env = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// What to ask it for
    #[arg(long)]
    path: Option<String>,
}

const PROBE_EXAMPLES: &str = "\
Examples:
  docker exec CONTAINER formation probe
  formation probe --port 3000 --path /up";

fn probe(arguments: ProbeArguments, signals: io::Result<Signals>) -> ExitCode {
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 1);
    }
    let probe = Probe {
        port: arguments.port,
        path: arguments.path,
    };
    match probe.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Half of `exec` under a terminal, which starts it; of no use to anybody else.
#[derive(Args)]
struct ForegroundArguments {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn foreground(arguments: ForegroundArguments) -> ExitCode {
    let error = program(arguments.command).run_in_foreground();
    fail(&error, error.exit_code())
}

/// The first half of a process of `run` that begins with exec.d programs; of no use to anybody else.
#[derive(Args)]
struct ExecDArguments {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long = "program")]
    programs: Vec<PathBuf>,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn exec_d(arguments: ExecDArguments, signals: io::Result<Signals>) -> ExitCode {
    // Until it is the process's program, it ends as one that hears of no signal.
    if let Err(error) = signals.and_then(Signals::release) {
        return fail(&ExecError::from(error), 126);
    }
    let exec_d = ExecD {
        programs: arguments.programs,
        folder: arguments.folder,
        program: program(arguments.command),
    };
    let error = exec_d.run();
    fail(&error, error.exit_code())
}

fn program(command: Vec<OsString>) -> Program {
    Program::new(command).expect("the command line asks for one word at least")
}

fn fail(error: &dyn Diagnostic, exit_code: u8) -> ExitCode {
    use_colours();
    report::error(error);
    ExitCode::from(exit_code)
}

fn use_colours() {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    report::use_colours(io::stderr().is_terminal() && !unwanted);
}

//! `formation completions`.

use super::CommandLine;
use clap::{Args, Command, CommandFactory};
use std::io::{self, Write};
use std::process::ExitCode;

/// Print a script that completes this command line
#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArguments {
    /// The shell that it is for
    shell: clap_complete::Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(formation completions bash)
  formation completions fish > ~/.config/fish/completions/formation.fish";

pub(super) fn completions(arguments: &CompletionsArguments) -> ExitCode {
    // Hidden subcommands are of no use to anybody, and some shells' scripts would offer them.
    let all = CommandLine::command();
    let shown = all
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set());
    let mut offered = Command::new("formation")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .subcommands(shown.cloned());
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut offered, "formation", &mut script);
    // Who closes the pipe has seen enough.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

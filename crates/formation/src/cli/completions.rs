//! `formation completions`.

use clap::{Args, Command};
use std::io::{self, Write};
use std::process::ExitCode;

/// Print a script with which a shell completes this command line
#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: clap_complete::Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(formation completions bash)
  formation completions fish > ~/.config/fish/completions/formation.fish";

pub(super) fn completions(arguments: &CompletionsArguments, command: &Command) -> ExitCode {
    // Some shells' scripts would offer the hidden subcommands.
    let shown = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set());
    let mut shown_command = Command::new("formation")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .subcommands(shown.cloned());
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut shown_command,
        "formation",
        &mut script,
    );
    // A reader that closes the pipe, like `head`, does not want the rest.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

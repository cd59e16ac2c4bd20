//! How the command of a process type is launched: without a shell, by a shell that replaces itself
//! with the program, or by a shell that keeps running.
//!
//! A shell that keeps running between PID 1 and a program does not pass signals on to it.
//! Therefore:
//!
//! - A command of plain words runs without a shell.
//! - If a shell has work to do before a single program (variables, redirections, `cd app &&`), it
//!   then replaces itself with the program.
//! - If a shell has to keep running, or the command itself starts one or may do so, signals go to
//!   the whole process group.
//!
//! All decisions are made on the syntax tree of a command, never by searching its text.
//!
//! | module | question |
//! |---|---|
//! | `parse` | what is the syntax tree, and where do the parser and bash disagree? |
//! | `words` | what does bash make of a single word? |
//! | `shape` | which part of a command is its program, and what comes before it? |
//! | `builtins` | which commands does bash run itself? |
//! | `shells` | is the program a shell, or a shell script of the app? |
//! | `app_file` | how does a file of the app begin, and may it be executed? |
//! | `scripts` | would the scripts of the app that it names start? |
//! | `edit` | where do `exec` and `"$@"` go in the text? |

mod app_file;
mod builtins;
mod edit;
mod parse;
mod scripts;
mod shape;
mod shells;
mod words;

#[cfg(test)]
mod against_bash;
#[cfg(test)]
mod tests;

pub use app_file::{FileStart, NamedFile};
pub use parse::CommandSyntaxError;
pub use scripts::{ScriptMistake, named_files, script_mistake};
pub use shells::is_shell_script;

use crate::launch_spec::{LaunchSpec, SignalTarget};
use brush_parser::ast::Program;
use edit::Edited;
use shells::StartsAShell;
use std::path::Path;

/// Decides how a command is launched. `is_shell_script` says for a path, relative to the app's
/// folder, whether the app has a shell script there: [`is_shell_script`] for an app on disk.
///
/// ```
/// use procfile::command::decide;
/// use procfile::launch_spec::SignalTarget;
///
/// let launch = decide("bundle exec puma -p $PORT", &|_| false)?;
/// assert_eq!(launch.signals, SignalTarget::Process);
/// assert_eq!(launch.argv, ["bash", "-c", r#"exec bundle exec puma -p $PORT "$@""#, "bash"]);
/// # Ok::<(), procfile::command::CommandSyntaxError>(())
/// ```
///
/// # Errors
/// Bash would not accept the command.
pub fn decide(
    command: &str,
    is_shell_script: &dyn Fn(&Path) -> bool,
) -> Result<LaunchSpec, CommandSyntaxError> {
    let Some(program) = parse::parse(command)? else {
        return Ok(LaunchSpec::bash(command, SignalTarget::Group));
    };
    let starts_a_shell = shells::starts_a_shell(&program, is_shell_script);
    let signals = match starts_a_shell {
        StartsAShell::Yes | StartsAShell::Perhaps => SignalTarget::Group,
        StartsAShell::No => SignalTarget::Process,
    };
    Ok(match plain_words(&program) {
        Some(argv) => LaunchSpec { argv, signals },
        None if starts_a_shell == StartsAShell::Yes => with_bash(command, &program),
        None => in_place_of_bash(command, &program, signals)
            .unwrap_or_else(|| with_bash(command, &program)),
    })
}

/// The words of a command that needs no shell.
fn plain_words(program: &Program) -> Option<Vec<String>> {
    let words = shape::only_words(program)?
        .into_iter()
        .map(words::literal)
        .collect::<Option<Vec<_>>>()?;
    (!builtins::is_builtin(&words[0])).then_some(words)
}

/// Bash runs what comes before the program, then replaces itself with the program.
fn in_place_of_bash(command: &str, program: &Program, signals: SignalTarget) -> Option<LaunchSpec> {
    let last = shape::program_behind_builtins(program)?;
    let script = Edited::of(command)
        .with_exec_before(last)?
        .with_arguments_after(shape::takes_arguments(program))?
        .script()?;
    Some(LaunchSpec::bash(&script, signals))
}

/// Bash runs all of the command, and keeps running. The user's arguments go to the last command, if
/// it can take them.
fn with_bash(command: &str, program: &Program) -> LaunchSpec {
    let script = Edited::of(command)
        .with_arguments_after(shape::takes_arguments(program))
        .and_then(Edited::script)
        .unwrap_or_else(|| command.to_string());
    LaunchSpec::bash(&script, SignalTarget::Group)
}

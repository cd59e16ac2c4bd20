//! From the command of a Procfile to what is launched: without a shell, in place of the shell, or in a group with one.
//!
//! A shell that stays between PID 1 and a program keeps signals from it. So where a command is plain words, no shell runs at all;
//! where it is one program with something for a shell to do before it (variables, redirections, `cd app &&`), the shell replaces
//! itself with the program; and where a shell has to stay, or the command starts one, signals are for the whole process group.
//!
//! What a command is, is decided on its syntax tree, never by looking for characters. `parse` is where the shell grammar comes
//! from and where its gaps are known, `words` is what bash makes of a single word, `shape` finds the one program of a command,
//! `shells` knows who is a shell itself, and `edit` puts `exec` and `"$@"` into the text.

mod builtins;
mod edit;
mod parse;
mod shape;
mod shells;
mod words;

#[cfg(test)]
mod against_bash;
#[cfg(test)]
mod tests;

pub use parse::CommandSyntaxError;
pub use shells::is_shell_script;

use crate::launch_spec::{LaunchSpec, SignalTarget};
use brush_parser::ast::Program;
use edit::Edited;
use std::path::Path;

/// Decides how a command is launched. `is_shell_script` answers for a path, relative to the app's root, whether the app has a
/// shell script there: [`is_shell_script`] for an app that is on disk.
///
/// ```
/// use procfile::command::decide;
/// use procfile::launch_spec::SignalTarget;
///
/// let command = decide("bundle exec puma -p $PORT", &|_| false)?;
/// assert_eq!(command.signals, SignalTarget::Process);
/// assert_eq!(command.argv, ["bash", "-c", r#"exec bundle exec puma -p $PORT "$@""#, "bash"]);
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
        return Ok(by_bash(command.to_string(), SignalTarget::Group));
    };
    let runs_a_shell = shells::runs_a_shell(&program, is_shell_script);
    Ok(match plain_words(&program) {
        Some(argv) if runs_a_shell => LaunchSpec {
            argv,
            signals: SignalTarget::Group,
        },
        Some(argv) => LaunchSpec {
            argv,
            signals: SignalTarget::Process,
        },
        None if runs_a_shell => in_a_group(command, &program),
        None => {
            in_place_of_bash(command, &program).unwrap_or_else(|| in_a_group(command, &program))
        }
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

/// Bash for what stands before the program, then the program in its place.
fn in_place_of_bash(command: &str, program: &Program) -> Option<LaunchSpec> {
    let last = shape::program_behind_builtins(program)?;
    let script = Edited::of(command)
        .with_exec_before(last)?
        .with_arguments_after(shape::takes_arguments(program))?
        .script()?;
    Some(by_bash(script, SignalTarget::Process))
}

/// Bash for all of it, with the user's arguments where the last of its commands can take them.
fn in_a_group(command: &str, program: &Program) -> LaunchSpec {
    let script = Edited::of(command)
        .with_arguments_after(shape::takes_arguments(program))
        .and_then(Edited::script)
        .unwrap_or_else(|| command.to_string());
    by_bash(script, SignalTarget::Group)
}

fn by_bash(script: String, signals: SignalTarget) -> LaunchSpec {
    let script = if script.starts_with(['-', '+']) {
        // Else bash would take it for an option.
        format!(" {script}")
    } else {
        script
    };
    LaunchSpec::by_bash(&script, signals)
}

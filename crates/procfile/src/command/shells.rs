//! Whether a command starts a shell: `sh -c '…'`, `bash start.sh`, `./start.sh`. A shell does not
//! pass signals on to the programs that it runs.
//!
//! A program whose name is known only at launch (`$HOME/bin/start.sh`) may be one.

use super::app_file::{FileStart, NamedFile};
use super::{shape, words};
use brush_parser::ast::{Program, SimpleCommand};
use std::path::{Path, PathBuf};

const SHELLS: [&str; 7] = ["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];

/// A program that runs the program in its arguments.
struct Runner {
    name: &'static str,
    /// Options whose value is a separate word.
    options_with_value: &'static [&'static str],
    /// The number of operands before the program.
    operands: usize,
}

const RUNNERS: [Runner; 11] = [
    Runner {
        name: "exec",
        options_with_value: &["-a"],
        operands: 0,
    },
    Runner {
        name: "env",
        options_with_value: &["-u", "-C", "--unset", "--chdir"],
        operands: 0,
    },
    Runner {
        name: "nice",
        options_with_value: &["-n", "--adjustment"],
        operands: 0,
    },
    Runner {
        name: "ionice",
        options_with_value: &["-c", "-n", "--class", "--classdata"],
        operands: 0,
    },
    Runner {
        name: "chrt",
        options_with_value: &[],
        operands: 1,
    },
    Runner {
        name: "taskset",
        options_with_value: &[],
        operands: 1,
    },
    Runner {
        name: "nohup",
        options_with_value: &[],
        operands: 0,
    },
    Runner {
        name: "setsid",
        options_with_value: &[],
        operands: 0,
    },
    Runner {
        name: "stdbuf",
        options_with_value: &["-i", "-o", "-e"],
        operands: 0,
    },
    Runner {
        name: "timeout",
        options_with_value: &["-k", "-s"],
        operands: 1,
    },
    Runner {
        name: "bundle",
        options_with_value: &[],
        operands: 1,
    },
];

/// Whether a command starts a shell that has something to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StartsAShell {
    Yes,
    No,
    /// That is known only at launch.
    Perhaps,
}

/// Whether the last command is a shell with something to run, or a shell script of the app.
pub(super) fn starts_a_shell(
    program: &Program,
    is_shell_script: &dyn Fn(&Path) -> bool,
) -> StartsAShell {
    let Some((before, last)) = shape::simple_commands(program) else {
        return StartsAShell::No;
    };
    let words = literal_words(last);
    let does = match after_runners(&words) {
        [Some(name), operands @ ..] if SHELLS.contains(&file_name(name)) => has_operand(operands),
        [Some(name), ..] => {
            let folder = folder_after(&before);
            name.contains('/') && folder.is_some_and(|folder| is_shell_script(&folder.join(name)))
        }
        [None, ..] => return StartsAShell::Perhaps,
        [] => false,
    };
    if does {
        StartsAShell::Yes
    } else {
        StartsAShell::No
    }
}

/// The files that the simple commands start by their path.
pub(super) fn named_files(program: &Program) -> Vec<NamedFile> {
    let Some((mut commands, last)) = shape::simple_commands(program) else {
        return Vec::new();
    };
    commands.push(last);
    let named_file = |(index, command): (usize, &&SimpleCommand)| {
        let words = literal_words(command);
        let [Some(name), ..] = after_runners(&words) else {
            return None;
        };
        let folder = folder_after(&commands[..index])?;
        name.contains('/').then(|| NamedFile {
            name: name.clone(),
            path: folder.join(name),
        })
    };
    commands.iter().enumerate().filter_map(named_file).collect()
}

/// The words of a command. A word is `None` if it is known only at launch.
fn literal_words(command: &SimpleCommand) -> Vec<Option<String>> {
    let words = command.word_or_name.iter().chain(shape::arguments(command));
    words.map(words::literal).collect()
}

/// The program at the end of `exec env A=1 timeout 5 …`, and its arguments. A word is `None` if it
/// is known only at launch.
fn after_runners(words: &[Option<String>]) -> &[Option<String>] {
    let [Some(name), rest @ ..] = words else {
        return words;
    };
    let Some(runner) = RUNNERS.iter().find(|runner| runner.name == file_name(name)) else {
        return words;
    };
    if runner.name == "bundle" && rest.first().and_then(Option::as_deref) != Some("exec") {
        return words;
    }
    let mut rest = rest;
    let mut operands = runner.operands;
    while let [word, others @ ..] = rest {
        rest = match word.as_deref() {
            Some(option) if runner.options_with_value.contains(&option) => {
                others.get(1..).unwrap_or_default()
            }
            Some(option) if option.starts_with('-') => others,
            // `A=1`, and `A=$B`, which is known only at launch.
            word if runner.name == "env" && word.is_none_or(|word| word.contains('=')) => others,
            _ if operands > 0 => {
                operands -= 1;
                others
            }
            _ => break,
        };
    }
    after_runners(rest)
}

/// Whether a shell has something to run: a script, or the text after `-c`. A shell without is
/// interactive.
fn has_operand(arguments: &[Option<String>]) -> bool {
    const OPTIONS_WITH_VALUE: [&str; 6] = ["-o", "+o", "-O", "+O", "--rcfile", "--init-file"];
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_deref() {
            Some(option) if OPTIONS_WITH_VALUE.contains(&option) => {
                arguments.next();
            }
            Some(option) if option.starts_with(['-', '+']) => {}
            _ => return true,
        }
    }
    false
}

/// The folder in which a command runs, relative to the app's folder; `None` if it is known only at
/// launch.
fn folder_after(before: &[&SimpleCommand]) -> Option<PathBuf> {
    let mut folder = PathBuf::new();
    for command in before {
        match command
            .word_or_name
            .as_ref()
            .and_then(words::literal)
            .as_deref()
        {
            Some("cd") => {
                let mut operands = shape::arguments(command);
                let (Some(operand), None) = (operands.next(), operands.next()) else {
                    return None;
                };
                folder.push(words::literal(operand)?);
            }
            Some("pushd" | "popd") => return None,
            _ => {}
        }
    }
    Some(folder)
}

/// Whether a file in the app's folder is a shell script: its first line is `#!…sh`, or it is a text
/// that names no program to run it, which is then the work of `/bin/sh`. `path` is absolute or
/// relative to the app's folder.
#[must_use]
pub fn is_shell_script(app_dir: &Path, path: &Path) -> bool {
    FileStart::read(app_dir, path).is_some_and(|file| is_run_by_a_shell(&file.bytes))
}

/// Whether a file that starts so is a text without `#!`, or has a first line such as `#!/bin/sh` or
/// `#!/usr/bin/env bash`. A compiled program has a NUL in its first bytes.
fn is_run_by_a_shell(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let Some(interpreter) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else {
        return !start.is_empty() && !start.contains(&0);
    };
    let mut words = interpreter.split_whitespace();
    let program = match words.next().map(file_name) {
        Some("env") => words
            .find(|word| !word.starts_with('-') && !word.contains('='))
            .map(file_name),
        program => program,
    };
    program.is_some_and(|program| program.ends_with("sh"))
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

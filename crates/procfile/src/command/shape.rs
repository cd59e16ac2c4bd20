//! The shape of a command: which part is the program, and what comes before it.

use super::{builtins, words};
use brush_parser::SourceSpan;
use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand,
    CompoundListItem, IoFileRedirectTarget, IoRedirect, Pipeline, Program, SeparatorOperator,
    SimpleCommand, SourceLocation, Word,
};

/// The lists of a command, which `;`, `&` or the end of a line separate.
fn lists(program: &Program) -> impl DoubleEndedIterator<Item = &CompoundListItem> {
    program.complete_commands.iter().flat_map(|list| &list.0)
}

fn is_in_the_background(CompoundListItem(_, separator): &CompoundListItem) -> bool {
    matches!(separator, SeparatorOperator::Async)
}

/// The pipelines of a list, which `&&` or `||` separate.
fn pipelines(list: &AndOrList) -> impl Iterator<Item = &Pipeline> {
    let additional = list.additional.iter().map(|and_or| match and_or {
        AndOr::And(pipeline) | AndOr::Or(pipeline) => pipeline,
    });
    std::iter::once(&list.first).chain(additional)
}

/// The command of a pipeline that has only one, and that needs no bash afterwards, as `time` and
/// `!` do.
fn only_command(pipeline: &Pipeline) -> Option<&Command> {
    match pipeline.seq.as_slice() {
        [command] if pipeline.timed.is_none() && !pipeline.bang => Some(command),
        _ => None,
    }
}

/// The words of a command that consists of words only: one simple command without assignments and
/// redirections. At least one word.
pub(super) fn only_words(program: &Program) -> Option<Vec<&Word>> {
    let mut lists = lists(program);
    let (Some(CompoundListItem(list, SeparatorOperator::Sequence)), None) =
        (lists.next(), lists.next())
    else {
        return None;
    };
    let Command::Simple(command) =
        only_command(&list.first).filter(|_| list.additional.is_empty())?
    else {
        return None;
    };
    let first = command.word_or_name.as_ref()?;
    let only_words = command.prefix.is_none()
        && suffix(command).all(|item| matches!(item, Item::Word(_) | Item::AssignmentWord(..)));
    only_words.then(|| std::iter::once(first).chain(arguments(command)).collect())
}

/// The program that bash can replace itself with: only builtins that return at once come before
/// it.
pub(super) fn program_behind_builtins(program: &Program) -> Option<&SimpleCommand> {
    if lists(program).any(is_in_the_background) {
        return None;
    }
    let mut lists = lists(program);
    let CompoundListItem(last_list, _) = lists.next_back()?;
    let mut builtins_before: Vec<&Pipeline> = lists
        .flat_map(|CompoundListItem(list, _)| pipelines(list))
        .collect();
    if last_list
        .additional
        .iter()
        .any(|and_or| matches!(and_or, AndOr::Or(_)))
    {
        return None;
    }
    builtins_before.extend(pipelines(last_list));
    let Command::Simple(last) = only_command(builtins_before.pop()?)? else {
        return None;
    };
    let all_return = builtins_before
        .into_iter()
        .all(|pipeline| only_command(pipeline).is_some_and(returns_at_once));
    (all_return && is_a_program(last)).then_some(last)
}

fn returns_at_once(command: &Command) -> bool {
    match command {
        Command::Compound(CompoundCommand::Arithmetic(_), None)
        | Command::ExtendedTest(_, None) => true,
        Command::Simple(command) if starts_processes(command) => false,
        Command::Simple(command) => match &command.word_or_name {
            None => true,
            Some(name) => match words::literal(name).as_deref() {
                Some("exec") => arguments(command).next().is_none(),
                Some("command") => arguments(command)
                    .next()
                    .is_some_and(|option| matches!(option.value.as_str(), "-v" | "-V")),
                Some(name) => builtins::returns_at_once(name),
                None => false,
            },
        },
        _ => false,
    }
}

/// Whether `exec` can be inserted before the command, or is there already, with a program after it.
fn is_a_program(command: &SimpleCommand) -> bool {
    let Some(name) = command.word_or_name.as_ref() else {
        return false;
    };
    !starts_processes(command)
        && match words::literal(name).as_deref() {
            Some("exec") => arguments(command).next().is_some(),
            // `exec` would read it as an option.
            Some(name) if name.starts_with('-') => false,
            Some(name) => !builtins::is_builtin(name),
            None => true,
        }
}

/// Whether the command has a process substitution, `<(…)` or `>(…)`, which runs beside it.
fn starts_processes(command: &SimpleCommand) -> bool {
    prefix(command)
        .chain(suffix(command))
        .any(|item| match item {
            Item::ProcessSubstitution(..) => true,
            Item::IoRedirect(IoRedirect::File(_, _, target)) => {
                matches!(target, IoFileRedirectTarget::ProcessSubstitution(..))
            }
            _ => false,
        })
}

/// The simple commands before the last one, and the last one. `None` if the whole does not end with
/// a simple command. Without the commands inside groups, loops and functions.
pub(super) fn simple_commands(program: &Program) -> Option<(Vec<&SimpleCommand>, &SimpleCommand)> {
    if is_in_the_background(lists(program).next_back()?) {
        return None;
    }
    let mut commands: Vec<&Command> = lists(program)
        .flat_map(|CompoundListItem(list, _)| pipelines(list))
        .flat_map(|pipeline| &pipeline.seq)
        .collect();
    let Command::Simple(last) = commands.pop()? else {
        return None;
    };
    let before = commands
        .into_iter()
        .filter_map(|command| match command {
            Command::Simple(command) => Some(command),
            _ => None,
        })
        .collect();
    Some((before, last))
}

/// The command to which the user's arguments are appended: the last one. `None` if it is a builtin
/// that cannot use them, if the command says itself where they go (`$1`, `"$@"`), or if it replaces
/// them (`set --`).
pub(super) fn takes_arguments(program: &Program) -> Option<&SimpleCommand> {
    let (before, last) = simple_commands(program)?;
    let name = last.word_or_name.as_ref()?;
    let name_takes_them = match words::literal(name).as_deref() {
        Some("exec") => arguments(last).next().is_some(),
        Some(name) => builtins::takes_arguments(name),
        None => true,
    };
    let names_them = std::iter::once(name)
        .chain(arguments(last))
        .any(|word| words::names_arguments(&word.value));
    let replaces_them = before.into_iter().any(replaces_arguments);
    (name_takes_them && !names_them && !replaces_them).then_some(last)
}

/// Whether the command is `shift`, or `set` with operands.
fn replaces_arguments(command: &SimpleCommand) -> bool {
    match command
        .word_or_name
        .as_ref()
        .and_then(words::literal)
        .as_deref()
    {
        Some("shift") => true,
        Some("set") => arguments(command).any(|word| {
            word.value == "--"
                || !(word.value.starts_with(['-', '+']) || is_option_name(&word.value))
        }),
        _ => false,
    }
}

/// Whether the word is an option name after `set -o`.
fn is_option_name(word: &str) -> bool {
    const OPTIONS: [&str; 8] = [
        "allexport",
        "errexit",
        "errtrace",
        "monitor",
        "noglob",
        "nounset",
        "pipefail",
        "xtrace",
    ];
    OPTIONS.contains(&word)
}

fn prefix(command: &SimpleCommand) -> impl Iterator<Item = &Item> {
    command.prefix.iter().flat_map(|prefix| &prefix.0)
}

fn suffix(command: &SimpleCommand) -> impl Iterator<Item = &Item> {
    command.suffix.iter().flat_map(|suffix| &suffix.0)
}

/// The words after the first, without redirections.
pub(super) fn arguments(command: &SimpleCommand) -> impl Iterator<Item = &Word> {
    suffix(command).filter_map(|item| match item {
        Item::Word(word) | Item::AssignmentWord(_, word) => Some(word),
        _ => None,
    })
}

/// The place of the last word of a command, or of a process substitution that stands for one.
pub(super) fn last_argument(command: &SimpleCommand) -> Option<SourceSpan> {
    let last = suffix(command)
        .filter_map(|item| match item {
            Item::Word(word) | Item::AssignmentWord(_, word) => Some(word.location()),
            Item::ProcessSubstitution(_, command) => Some(Some(command.loc.clone())),
            Item::IoRedirect(_) => None,
        })
        .last();
    last.unwrap_or_else(|| command.word_or_name.as_ref()?.location())
}

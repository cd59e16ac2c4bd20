//! What is accepted in an entry, and probably not what its author wanted.

use super::characters::{Deceptive, deceptive, described, unquoted};
use super::entry::Entry;
use super::problem::{Problem, as_line};
use super::process_type::ProcessType;
use crate::command::{FileStart, named_files, script_mistake};
use std::path::Path;

/// Types that users would expect to be programs, as in `docker run --entrypoint bash IMAGE`.
const PROGRAM_NAMES: [&str; 5] = ["bash", "bundle", "rake", "ruby", "sh"];

/// Types with a meaning, which they have in this case only.
const TYPES_WITH_MEANING: [(&str, &str); 2] = [
    (ProcessType::WEB, "receives HTTP traffic"),
    (ProcessType::RELEASE, "runs once before each release"),
];

/// An entry with its place: bytes from the start of the file.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) process_type: usize,
    pub(super) command: usize,
}

/// The suspicions about one entry.
pub(super) fn suspicions(entry: &Entry, place: Place) -> Vec<Problem> {
    let about_type = [program_name(entry), other_case(entry)];
    let about_type = about_type
        .into_iter()
        .flatten()
        .map(|(message, help)| Problem {
            message,
            help,
            offset: place.process_type,
            length: entry.process_type.as_str().len(),
        });
    let characters = deceptive_characters(&entry.command, place.command);
    let one_word = one_word(entry, place.command);
    about_type.chain(characters).chain(one_word).collect()
}

fn program_name(entry: &Entry) -> Option<(String, Option<String>)> {
    let process_type = &entry.process_type;
    PROGRAM_NAMES.contains(&process_type.as_str()).then(|| {
        let message = format!(
            "`docker run --entrypoint {process_type} IMAGE` starts this process type, not the \
             program"
        );
        (message, None)
    })
}

fn other_case(entry: &Entry) -> Option<(String, Option<String>)> {
    let written = entry.process_type.as_str();
    let (name, meaning) = TYPES_WITH_MEANING
        .into_iter()
        .find(|(name, _)| *name != written && name.eq_ignore_ascii_case(written))?;
    let message = format!("not the type `{name}`, which {meaning}, because case matters");
    Some((message, Some(as_line(name, &entry.command))))
}

/// One for each such character; the same one is named once.
fn deceptive_characters(command: &str, command_at: usize) -> Vec<Problem> {
    let mut named = Vec::new();
    unquoted(command)
        .into_iter()
        .filter_map(|(offset, c)| {
            let Deceptive { looks_like, .. } = deceptive(c).filter(|_| !named.contains(&c))?;
            named.push(c);
            let help = match looks_like {
                Some(' ') => "write a plain space".to_string(),
                Some(plain) => format!("write `{plain}`"),
                None => "delete it".to_string(),
            };
            Some(Problem {
                message: format!("{}, which is text to a shell", described(c)),
                help: Some(help),
                offset: command_at + offset,
                length: c.len_utf8(),
            })
        })
        .collect()
}

/// A whole command in quotes, as other formats want it.
fn one_word(entry: &Entry, command_at: usize) -> Option<Problem> {
    let command = &entry.command;
    let quote = command.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = command.strip_prefix(quote)?.strip_suffix(quote)?;
    let has_words = inner.trim().contains(char::is_whitespace);
    (has_words && !inner.contains(quote)).then(|| Problem {
        message: "the quotes make this one word, the name of a single program".into(),
        help: Some(as_line(entry.process_type.as_str(), inner.trim())),
        offset: command_at,
        length: command.len(),
    })
}

/// The scripts of the app that an entry names, and that would not start. `read` gives the start of
/// a file, by its path from the app's folder.
pub(super) fn scripts_that_do_not_start(
    command: &str,
    command_at: usize,
    read: &dyn Fn(&Path) -> Option<FileStart>,
) -> Vec<Problem> {
    named_files(command)
        .into_iter()
        .filter_map(|file| {
            let mistake = script_mistake(&read(&file.path)?)?;
            // In quotes it may be written in another way.
            let place = command.find(&file.name);
            Some(Problem {
                message: mistake.message(&file.name),
                help: Some(mistake.help(&file.name)),
                offset: command_at + place.unwrap_or_default(),
                length: place.map_or(command.len(), |_| file.name.len()),
            })
        })
        .collect()
}

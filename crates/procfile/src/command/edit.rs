//! Puts `exec` and `"$@"` into the text of a command, which otherwise stays as its author wrote it.

use super::{shape, words};
use brush_parser::ast::{SimpleCommand, SourceLocation};
use brush_parser::{Token, tokenize_str_with_options};

const EXEC: &str = "exec";
const ARGUMENTS: &str = "\"$@\"";

/// A command with what is to be put into it.
pub(super) struct Edited<'a> {
    command: &'a str,
    /// Words and their places: in characters from the start, as the parser counts, in rising order.
    insertions: Vec<(usize, &'static str)>,
}

impl<'a> Edited<'a> {
    pub(super) fn of(command: &'a str) -> Self {
        Self {
            command,
            insertions: Vec::new(),
        }
    }

    /// None where the place is not known.
    pub(super) fn with_exec_before(mut self, program: &SimpleCommand) -> Option<Self> {
        let name = program.word_or_name.as_ref()?;
        if words::literal(name).as_deref() != Some(EXEC) {
            self.insertions.push((name.location()?.start.index, EXEC));
        }
        Some(self)
    }

    /// None where the place is not known.
    pub(super) fn with_arguments_after(mut self, last: Option<&SimpleCommand>) -> Option<Self> {
        if let Some(last) = last {
            let end = shape::last_argument(last)?.end.index;
            self.insertions.push((end, ARGUMENTS));
        }
        Some(self)
    }

    /// The text; none unless reading it again gives the same command with these words in it and nothing else changed.
    pub(super) fn script(self) -> Option<String> {
        let mut script = String::new();
        let mut rest = self.insertions.iter().peekable();
        for (index, character) in self.command.chars().map(Some).chain([None]).enumerate() {
            while let Some((_, word)) = rest.next_if(|(place, _)| *place == index) {
                match *word {
                    // Behind `A=(1 2)` a word may stand at once, but not every word.
                    EXEC if script.ends_with(')') => script.push_str(" exec "),
                    EXEC => script.push_str("exec "),
                    word => {
                        script.push(' ');
                        script.push_str(word);
                    }
                }
            }
            script.extend(character);
        }
        (rest.next().is_none() && self.is_what_was_meant(&script)).then_some(script)
    }

    fn is_what_was_meant(&self, script: &str) -> bool {
        let (Some(original), Some(edited)) = (tokens(self.command), tokens(script)) else {
            return false;
        };
        let mut insertions = self.insertions.iter().peekable();
        let mut expected: Vec<String> = Vec::new();
        for token in &original {
            let at = |place: usize| place <= token.location().start.index;
            while let Some((_, word)) = insertions.next_if(|(place, _)| at(*place)) {
                expected.push((*word).to_string());
            }
            expected.push(token.to_str().to_string());
        }
        expected.extend(insertions.map(|(_, word)| (*word).to_string()));
        edited
            .iter()
            .map(Token::to_str)
            .eq(expected.iter().map(String::as_str))
    }
}

fn tokens(script: &str) -> Option<Vec<Token>> {
    tokenize_str_with_options(script, &words::options().tokenizer_options()).ok()
}

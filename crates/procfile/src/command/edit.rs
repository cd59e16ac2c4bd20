//! Inserts `exec` and `"$@"` into the text of a command. The rest stays as its author wrote it.

use super::{shape, words};
use brush_parser::ast::{SimpleCommand, SourceLocation};
use brush_parser::{Token, tokenize_str_with_options};

const EXEC: &str = "exec";
const ARGUMENTS: &str = "\"$@\"";

/// A command, and the words to insert.
pub(super) struct Edited<'a> {
    command: &'a str,
    /// Positions and words, in ascending order. A position counts characters from the start, as the
    /// parser does.
    insertions: Vec<(usize, &'static str)>,
}

impl<'a> Edited<'a> {
    pub(super) fn of(command: &'a str) -> Self {
        Self {
            command,
            insertions: Vec::new(),
        }
    }

    /// `None` if the parser does not give the position.
    pub(super) fn with_exec_before(mut self, program: &SimpleCommand) -> Option<Self> {
        let name = program.word_or_name.as_ref()?;
        if words::literal(name).as_deref() != Some(EXEC) {
            self.insertions.push((name.location()?.start.index, EXEC));
        }
        Some(self)
    }

    /// `None` if the parser does not give the position.
    pub(super) fn with_arguments_after(mut self, last: Option<&SimpleCommand>) -> Option<Self> {
        if let Some(last) = last {
            let end = shape::last_argument(last)?.end.index;
            self.insertions.push((end, ARGUMENTS));
        }
        Some(self)
    }

    /// The edited text. `None` unless its tokens are those of the command with the inserted words.
    pub(super) fn script(self) -> Option<String> {
        let mut script = String::new();
        let mut rest = self.insertions.iter().peekable();
        for (index, character) in self.command.chars().map(Some).chain([None]).enumerate() {
            while let Some((_, word)) = rest.next_if(|(position, _)| *position == index) {
                match *word {
                    // After the array of `A=(1 2)`, `exec` needs a space before it.
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
        (rest.next().is_none() && self.has_expected_tokens(&script)).then_some(script)
    }

    fn has_expected_tokens(&self, script: &str) -> bool {
        let (Some(original), Some(edited)) = (tokens(self.command), tokens(script)) else {
            return false;
        };
        let mut insertions = self.insertions.iter().peekable();
        let mut expected: Vec<String> = Vec::new();
        for token in &original {
            let start = token.location().start.index;
            while let Some((_, word)) = insertions.next_if(|(position, _)| *position <= start) {
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

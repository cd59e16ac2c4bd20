//! The syntax tree of a command, and what to do when the parser and bash disagree.
//!
//! The parser (brush-parser) knows less than bash. A command that it cannot read, but bash perhaps
//! can, is launched as written; only what bash would certainly refuse is an error. The tests
//! compare both with bash itself. Known differences:
//!
//! - Not reported as an error, though bash refuses it: a mistake inside `$(…)` or backquotes, an
//!   extended pattern such as `@(a|b)` outside `[[ … ]]`, an array as an argument, a mistake in a
//!   command that also has one of the constructs listed in `may_be_misread`.
//! - Launched as written (form `group`, without the user's arguments), though a simpler form might
//!   do: those constructs if the parser fails on them, `select`, `{name}>file`, a here document,
//!   `<<` inside an expansion, a backslash at the end, an expansion that the parser does not know,
//!   and nesting deeper than `MAX_OPENINGS`.

use super::words;
use brush_parser::ast::Program;
use brush_parser::{
    ParseError, ParserOptions, SourcePosition, Token, TokenizerError, parse_tokens,
    tokenize_str_with_options,
};
use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

/// How many brackets and compound commands a command may open: the parser's time grows
/// exponentially with their depth.
const MAX_OPENINGS: usize = 12;

/// How many expansions a command may have: each level of nesting takes part of the parser's stack.
const MAX_EXPANSIONS: usize = 128;

/// Bash would not accept the command.
#[derive(Clone, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("bash cannot read this command: {message}")]
#[diagnostic(help(
    "Put a backslash before a quote or another special character that is meant as text. To check a \
     command: `bash -n -c 'COMMAND'`."
))]
pub struct CommandSyntaxError {
    pub message: String,
    #[source_code]
    pub command: String,
    /// In bytes. If something is missing at the end: the last character of the command.
    #[label("{message}")]
    pub span: SourceSpan,
}

/// The syntax tree; `None` if the parser does not understand the command well enough to edit it.
pub(super) fn parse(command: &str) -> Result<Option<Program>, CommandSyntaxError> {
    if let Some(offset) = command.find('\0') {
        return Err(syntax_error(command, "a NUL byte", (offset, 1)));
    }
    let options = words::options();
    let has_too_many_expansions = words::count_expansions(command) > MAX_EXPANSIONS;
    if has_too_many_expansions || starts_a_here_document(command, &options) {
        return Ok(None);
    }
    let tokens = match tokenize(command, &options) {
        Ok(tokens) => tokens,
        Err(error) => return unclosed(command, &error).map_or(Ok(None), Err),
    };
    let can_be_parsed = !is_too_deep(&tokens)
        && !tokens.windows(2).any(has_huge_file_descriptor)
        && !tokens.windows(2).any(names_a_file_descriptor)
        && tokens.iter().all(is_understood);
    if !can_be_parsed {
        return Ok(None);
    }
    match parse_tokens(&tokens, &options) {
        Ok(program) => Ok(Some(program)),
        Err(_) if may_be_misread(command, &tokens) => Ok(None),
        Err(error) => Err(unexpected(command, &tokens, &error)),
    }
}

/// Whether the command has a here document: the parser may search for its end for ever. `<<` inside
/// quotes does not start one.
fn starts_a_here_document(command: &str, options: &ParserOptions) -> bool {
    if !command.contains("<<") {
        return false;
    }
    // This gives the same words at the same positions, without any here document.
    let Ok(tokens) = tokenize(&command.replace('<', ">"), options) else {
        return true;
    };
    let mut operators: Vec<char> = command.chars().collect();
    for token in &tokens {
        let Token::Word(word, location) = token else {
            continue;
        };
        match operators.get_mut(location.start.index..location.end.index) {
            Some(written) if !has_pair(written) || words::count_expansions(word) == 0 => {
                written.fill(' ');
            }
            _ => return true,
        }
    }
    operators
        .split(|c| !matches!(c, '<' | '>' | '&'))
        .any(|run| has_pair(run) && run != ['<'; 3])
}

fn has_pair(text: &[char]) -> bool {
    text.windows(2).any(|pair| pair == ['<', '<'])
}

fn tokenize(command: &str, options: &ParserOptions) -> Result<Vec<Token>, TokenizerError> {
    tokenize_str_with_options(command, &options.tokenizer_options())
}

fn is_too_deep(tokens: &[Token]) -> bool {
    let opens = |token: &&Token| {
        matches!(
            token.to_str(),
            "(" | "{"
                | "if"
                | "while"
                | "until"
                | "for"
                | "case"
                | "select"
                | "function"
                | "coproc"
        )
    };
    tokens.iter().filter(opens).count() > MAX_OPENINGS
}

/// A file descriptor before a redirection that is too large for the parser's integers.
fn has_huge_file_descriptor(pair: &[Token]) -> bool {
    matches!(pair, [Token::Word(word, _), operator @ Token::Operator(..)]
        if is_redirection(operator)
            && word.len() > 9
            && word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_understood(token: &Token) -> bool {
    match token {
        Token::Operator(..) => true,
        Token::Word(word, _) => words::is_understood(word),
    }
}

/// `{name}>file`: bash reads a redirection, the parser reads a word and a redirection.
fn names_a_file_descriptor(pair: &[Token]) -> bool {
    matches!(pair, [Token::Word(word, _), operator @ Token::Operator(..)]
        if word.starts_with('{') && word.ends_with('}') && is_redirection(operator) && touch(pair))
}

fn is_redirection(operator: &Token) -> bool {
    operator.to_str().contains(['<', '>'])
}

/// Whether there is nothing between two tokens.
fn touch(pair: &[Token]) -> bool {
    matches!(pair, [left, right] if left.location().end.index == right.location().start.index)
}

/// Whether the command has a construct that bash may accept and the parser may refuse.
fn may_be_misread(command: &str, tokens: &[Token]) -> bool {
    let is_loop_or_test =
        |token: &Token| matches!(token.to_str(), "select" | "coproc" | "[[" | "]]");
    tokens.iter().any(is_loop_or_test)
        || tokens.windows(2).any(|pair| {
            let is_process_substitution = is_redirection(&pair[0]) && pair[1].to_str() == "(";
            let is_array = pair[0].to_str().ends_with('=') && pair[1].to_str() == "(";
            touch(pair) && (is_process_substitution || is_array)
        })
        || follows_a_prefix(tokens)
        // A pattern of `case` ends with a bracket, which the parser reads as the end of `$(`.
        || (command.contains("$(") && command.contains("case"))
}

/// Whether a reserved word follows an assignment or a redirection: bash reads it as a program
/// there.
fn follows_a_prefix(tokens: &[Token]) -> bool {
    let is_prefix = |index: usize| {
        let assigns = tokens[index].to_str().contains('=');
        let redirects = index > 0 && is_redirection(&tokens[index - 1]);
        assigns || redirects
    };
    (1..tokens.len()).any(|index| is_reserved(tokens[index].to_str()) && is_prefix(index - 1))
}

fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "!" | "{"
            | "}"
            | "case"
            | "do"
            | "done"
            | "elif"
            | "else"
            | "esac"
            | "fi"
            | "for"
            | "function"
            | "if"
            | "in"
            | "then"
            | "time"
            | "until"
            | "while"
    )
}

/// The error for a quote or an expansion that is not closed; `None` if bash may see its end, or may
/// not need one.
fn unclosed(command: &str, error: &TokenizerError) -> Option<CommandSyntaxError> {
    let quote = |start: &SourcePosition| byte_offset(command, start.index);
    let (what, start) = match error {
        TokenizerError::UnterminatedSingleQuote(start)
        | TokenizerError::UnterminatedAnsiCQuote(start)
        | TokenizerError::UnterminatedDoubleQuote(start) => ("quote", quote(start)),
        TokenizerError::UnterminatedBackquote(start) => ("backquote", quote(start)),
        TokenizerError::UnterminatedVariable => ("expansion", last_opening(command, "${")),
        TokenizerError::UnterminatedCommandSubstitution | TokenizerError::UnterminatedExpansion => {
            ("substitution", last_opening(command, "$("))
        }
        _ => return None,
    };
    // `$$` and an escaped `$` do not start `$'` or `${`; a quote in `"${…}"` may be text; bash
    // reads `((…))` only when it runs it.
    let may_be_closed = command.contains("$$")
        || command.contains("((")
        || command.contains("\\$")
        || (command.contains("${") && command.contains('\''))
        || (command.contains("$(") && command.contains("case"));
    let length = command[start..].chars().next().map_or(0, char::len_utf8);
    (!may_be_closed).then(|| {
        syntax_error(
            command,
            &format!("this {what} is not closed"),
            (start, length),
        )
    })
}

/// The last opening with only complete text before it, else the last character.
fn last_opening(command: &str, opening: &str) -> usize {
    command
        .match_indices(opening)
        .map(|(offset, _)| offset)
        .filter(|offset| tokenize(&command[..*offset], &words::options()).is_ok())
        .last()
        .unwrap_or_else(|| last_character(command))
}

fn unexpected(command: &str, tokens: &[Token], error: &ParseError) -> CommandSyntaxError {
    let found = match error {
        ParseError::ParsingNear(place) => tokens
            .iter()
            .find(|token| token.location().start.index == place.index),
        // The parser did not find the end of something. Most often, such a pair is the cause.
        _ => tokens
            .windows(2)
            .find(|pair| is_misplaced(pair))
            .map(|pair| &pair[1]),
    };
    let Some(token) = found.filter(|token| token.to_str() != "\n") else {
        let start = last_character(command);
        return syntax_error(
            command,
            "something is missing after this",
            (start, command.len() - start),
        );
    };
    let message = match token {
        Token::Word(word, _) if is_reserved(word) => format!("`{word}` needs a `;` before it"),
        token => format!("`{}` is not expected here", token.to_str()),
    };
    let start = byte_offset(command, token.location().start.index);
    let end = byte_offset(command, token.location().end.index);
    syntax_error(command, &message, (start, end - start))
}

/// A bracket after a word, or the next part of a compound command among the words of a simple one.
fn is_misplaced(pair: &[Token]) -> bool {
    let [Token::Word(before, _), token] = pair else {
        return false;
    };
    let continues = matches!(
        token.to_str(),
        "then" | "do" | "done" | "fi" | "else" | "elif"
    );
    !is_reserved(before) && (continues || token.to_str() == "(")
}

/// The offset of the last character that is not white space.
fn last_character(command: &str) -> usize {
    command
        .char_indices()
        .rfind(|(_, c)| !c.is_whitespace())
        .map_or(0, |(offset, _)| offset)
}

fn syntax_error(command: &str, message: &str, span: (usize, usize)) -> CommandSyntaxError {
    CommandSyntaxError {
        message: message.to_string(),
        command: command.to_string(),
        span: span.into(),
    }
}

/// Converts a position of the parser, which counts characters.
fn byte_offset(command: &str, characters: usize) -> usize {
    command
        .char_indices()
        .nth(characters)
        .map_or(command.len(), |(offset, _)| offset)
}

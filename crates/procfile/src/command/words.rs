//! What bash makes of a single word.

use brush_parser::ParserOptions;
use brush_parser::ast::Word;
use brush_parser::word::{
    self, Parameter, ParameterExpr, SpecialParameter, WordPiece, WordPieceWithSource,
};

/// How many expansions and subscripts a word may open: the parser's time grows exponentially with
/// their nesting.
const MAX_EXPANSIONS: usize = 12;
const MAX_SUBSCRIPTS: usize = 4;

/// The options of bash for a script. The parser leaves tildes in the text:
/// `may_start_with_a_home` looks at them.
pub(super) fn options() -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: false,
        tilde_expansion_at_word_start: false,
        ..ParserOptions::default()
    }
}

/// The pieces of a word as written; `None` if the parser is not sure, or would take too long.
fn pieces(text: &str) -> Option<Vec<WordPieceWithSource>> {
    let expansions = count_expansions(text);
    let subscripts = text.matches('[').count();
    if expansions > MAX_EXPANSIONS || (expansions > 0 && subscripts > MAX_SUBSCRIPTS) {
        return None;
    }
    word::parse(text, &options()).ok()
}

/// How many expansions a text opens at most: quoted ones count too.
pub(super) fn count_expansions(text: &str) -> usize {
    ["${", "$(", "$[", "`"]
        .into_iter()
        .map(|opening| text.matches(opening).count())
        .sum()
}

/// Whether the parser of words agrees with the parser of commands: no character that ends a word is
/// unquoted in it.
pub(super) fn is_understood(text: &str) -> bool {
    pieces(text).is_some_and(|pieces| {
        !pieces.iter().any(|piece| match &piece.piece {
            WordPiece::Text(text) => text.contains([' ', '\t', '\n', '|', '&', ';', '<', '>']),
            _ => false,
        })
    })
}

/// The value of a word after quotes and escapes are removed; `None` if bash expands something in
/// it.
pub(super) fn literal(word: &Word) -> Option<String> {
    let pieces = pieces(&word.value)?;
    let unquoted: String = pieces
        .iter()
        .filter_map(|piece| match &piece.piece {
            WordPiece::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if is_a_pattern(&unquoted) || may_be_a_brace_expansion(&unquoted) {
        return None;
    }
    pieces.iter().map(|piece| unquote(&piece.piece)).collect()
}

fn unquote(piece: &WordPiece) -> Option<String> {
    match piece {
        WordPiece::Text(text) if may_start_with_a_home(text) => None,
        WordPiece::Text(text) | WordPiece::SingleQuotedText(text) => Some(text.clone()),
        WordPiece::EscapeSequence(escaped) => escaped.strip_prefix('\\').map(str::to_string),
        WordPiece::DoubleQuotedSequence(pieces) => pieces
            .iter()
            .map(|piece| match &piece.piece {
                // Patterns and tildes in quotes are text.
                WordPiece::Text(text) => Some(text.clone()),
                WordPiece::EscapeSequence(_) => unquote(&piece.piece),
                _ => None,
            })
            .collect(),
        // `$'…'` and `$"…"` have many rules and few users: bash expands them.
        _ => None,
    }
}

/// Whether bash would replace the word with the names of matching files.
fn is_a_pattern(unquoted: &str) -> bool {
    let has_a_set = unquoted
        .split_once('[')
        .is_some_and(|(_, rest)| rest.contains(']'));
    has_a_set || unquoted.contains(['*', '?'])
}

/// Whether bash would replace a tilde with a home folder: at the start of a word, or of a part of
/// an assigned value.
fn may_start_with_a_home(unquoted: &str) -> bool {
    unquoted.starts_with('~') || unquoted.contains("=~") || unquoted.contains(":~")
}

/// `{a,b}` and `{1..9}`, and some words that only look like them, which bash leaves unchanged.
fn may_be_a_brace_expansion(unquoted: &str) -> bool {
    unquoted.contains('{')
        && unquoted.contains('}')
        && (unquoted.contains(',') || unquoted.contains(".."))
}

/// Whether the word says where the user's arguments go: `$@`, `$*`, `$1`.
pub(super) fn names_arguments(text: &str) -> bool {
    pieces(text).is_some_and(|pieces| {
        pieces
            .iter()
            .any(|piece| piece_names_arguments(&piece.piece))
    })
}

fn piece_names_arguments(piece: &WordPiece) -> bool {
    match piece {
        WordPiece::DoubleQuotedSequence(pieces)
        | WordPiece::GettextDoubleQuotedSequence(pieces) => pieces
            .iter()
            .any(|piece| piece_names_arguments(&piece.piece)),
        WordPiece::CommandSubstitution(command)
        | WordPiece::BackquotedCommandSubstitution(command) => names_arguments(command),
        WordPiece::ParameterExpansion(expansion) => {
            expanded_parameter(expansion).is_some_and(is_an_argument)
                || default_text(expansion).is_some_and(names_arguments)
        }
        _ => false,
    }
}

fn is_an_argument(parameter: &Parameter) -> bool {
    matches!(
        parameter,
        Parameter::Positional(_)
            | Parameter::Special(SpecialParameter::AllPositionalParameters { .. })
    )
}

/// The parameter of an expansion that inserts a whole value, or a part of it by position.
fn expanded_parameter(expansion: &ParameterExpr) -> Option<&Parameter> {
    match expansion {
        ParameterExpr::Parameter { parameter, .. }
        | ParameterExpr::UseDefaultValues { parameter, .. }
        | ParameterExpr::AssignDefaultValues { parameter, .. }
        | ParameterExpr::IndicateErrorIfNullOrUnset { parameter, .. }
        | ParameterExpr::UseAlternativeValue { parameter, .. }
        | ParameterExpr::Substring { parameter, .. } => Some(parameter),
        _ => None,
    }
}

fn default_text(expansion: &ParameterExpr) -> Option<&str> {
    match expansion {
        ParameterExpr::UseDefaultValues { default_value, .. }
        | ParameterExpr::AssignDefaultValues { default_value, .. } => default_value.as_deref(),
        ParameterExpr::UseAlternativeValue {
            alternative_value, ..
        } => alternative_value.as_deref(),
        _ => None,
    }
}

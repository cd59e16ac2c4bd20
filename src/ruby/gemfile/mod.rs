//! The `ruby` statement of a Gemfile, as far as its text tells.
//!
//! Source: <https://bundler.io/man/gemfile.5.html#RUBY>

mod file_content;
mod tokens;

pub use file_content::FileContent;

use crate::ruby::gem_version::GemRequirement;
use crate::ruby::requirement::ruby_requirement;
use file_content::{file_content, path};
use std::ops::Range;
use tokens::{Placed, Token, split_at_commas, tokens};

/// What the `ruby` statement asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RubyDirective {
    /// `ruby "3.3.8"`, `ruby "~> 3.3.0"`, `ruby ">= 3.2", "< 4"`.
    Requirement(GemRequirement),
    /// `ruby file: ".ruby-version"`: the file's name.
    File(String),
    /// `ruby File.read(".ruby-version").strip`: the file whose whole text is the version.
    Content(FileContent),
    /// `ruby "3.1.4", engine: "jruby", …`: the engine.
    Engine(String),
    /// A version that only Ruby could compute.
    Computed,
    /// A literal that is not a version requirement.
    Invalid(String),
}

/// The `ruby` statement of a Gemfile, with its place in bytes. Of several the last counts, as for
/// Bundler. A statement that may be skipped (in `if`, `case`, `def` …) is computed.
#[must_use]
pub fn ruby_directive(gemfile: &str) -> Option<(RubyDirective, Range<usize>)> {
    let tokens = tokens(gemfile);
    let mut found = None;
    let mut blocks = Blocks::default();
    for (index, placed) in tokens.iter().enumerate() {
        let starts = starts_statement(&tokens[..index]);
        blocks.follow(placed, starts, &tokens[..index]);
        if !starts || placed.token != Token::Word("ruby".into()) {
            continue;
        }
        let arguments = statement(&tokens[index + 1..]);
        let Some(last) = arguments.last().filter(|_| takes_arguments(arguments)) else {
            continue;
        };
        let place = placed.start..last.end;
        if blocks.may_be_skipped() {
            return Some((RubyDirective::Computed, place));
        }
        found = Some((read_arguments(arguments), place));
    }
    found
}

/// The blocks that are open at a place of the program: for each, whether it may be skipped.
#[derive(Default)]
struct Blocks {
    open: Vec<bool>,
    /// `while … do`: the `do` is the loop's own.
    loop_waits_for_do: bool,
}

impl Blocks {
    fn may_be_skipped(&self) -> bool {
        self.open.contains(&true)
    }

    fn follow(&mut self, placed: &Placed, starts_statement: bool, before: &[Placed]) {
        let Token::Word(word) = &placed.token else {
            if placed.token == Token::Newline {
                self.loop_waits_for_do = false;
            }
            return;
        };
        // `gem "a" if b` has no end of its own; `a = if b` has.
        let is_value =
            starts_statement || before.last().is_some_and(|last| is_operator(&last.token));
        match word.as_str() {
            "if" | "unless" if is_value => self.open.push(true),
            "while" | "until" if is_value => {
                self.open.push(true);
                self.loop_waits_for_do = true;
            }
            "for" if starts_statement => {
                self.open.push(true);
                self.loop_waits_for_do = true;
            }
            "case" | "def" | "class" | "module" => self.open.push(true),
            "do" if self.loop_waits_for_do => self.loop_waits_for_do = false,
            "do" | "begin" => self.open.push(false),
            // The lines behind `rescue` run only after an error.
            "rescue" if starts_statement => {
                if let Some(block) = self.open.last_mut() {
                    *block = true;
                }
            }
            "end" => {
                self.open.pop();
            }
            _ => {}
        }
    }
}

fn starts_statement(before: &[Placed]) -> bool {
    match before.last().map(|placed| &placed.token) {
        None | Some(Token::Sign(';' | '{' | '|')) => true,
        Some(Token::Newline) => {
            let last = before
                .iter()
                .rev()
                .find(|placed| placed.token != Token::Newline);
            !last.is_some_and(|last| continues(&last.token))
        }
        Some(Token::Word(word)) => {
            matches!(
                word.as_str(),
                "then" | "else" | "do" | "begin" | "ensure" | "rescue"
            )
        }
        _ => false,
    }
}

/// Whether a line that ends with this token continues on the next.
fn continues(token: &Token) -> bool {
    matches!(
        token,
        Token::Sign(',' | '.' | '(' | '[' | '=' | '+' | '-' | '*' | '&' | '<' | '\\')
    ) || matches!(token, Token::Label(_))
        || matches!(token, Token::Word(word) if matches!(word.as_str(), "and" | "or" | "not"))
}

fn is_operator(token: &Token) -> bool {
    matches!(
        token,
        Token::Sign('=' | '(' | ',' | '[' | '|' | '&' | '!' | '?' | ':' | '>' | '+')
    ) || matches!(token, Token::Label(_))
        || matches!(token, Token::Word(word) if matches!(word.as_str(), "and" | "or" | "not"))
}

/// The tokens up to the end of the statement, which may have several lines.
fn statement(tokens: &[Placed]) -> &[Placed] {
    let mut depth = 0_usize;
    for (index, placed) in tokens.iter().enumerate() {
        match &placed.token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}' | ';') if depth == 0 => return &tokens[..index],
            Token::Sign(')' | ']' | '}') => depth -= 1,
            Token::Word(word) if depth == 0 && word == "end" => return &tokens[..index],
            Token::Newline if depth == 0 => {
                let goes_on = index
                    .checked_sub(1)
                    .is_some_and(|last| continues(&tokens[last].token));
                let next = tokens[index..]
                    .iter()
                    .find(|next| next.token != Token::Newline);
                let chained = next.is_some_and(|next| next.token == Token::Sign('.'));
                // After a comma any number of lines may be blank or comments.
                let blank = index > 0 && tokens[index - 1].token == Token::Newline;
                if !(goes_on || chained || blank) {
                    return &tokens[..index];
                }
            }
            _ => {}
        }
    }
    tokens
}

/// Whether these are the arguments of a call: `ruby` may also be a variable.
fn takes_arguments(arguments: &[Placed]) -> bool {
    match arguments.first().map(|placed| &placed.token) {
        Some(Token::Sign(sign)) => matches!(sign, '(' | '[' | '*'),
        Some(Token::Word(word)) => !matches!(
            word.as_str(),
            "if" | "unless" | "and" | "or" | "while" | "until"
        ),
        Some(Token::Method(_) | Token::Newline) | None => false,
        Some(_) => true,
    }
}

fn read_arguments(placed: &[Placed]) -> RubyDirective {
    let tokens: Vec<_> = placed
        .iter()
        .map(|placed| placed.token.clone())
        .filter(|token| *token != Token::Newline)
        .collect();
    let Some(arguments) = without_brackets(&tokens) else {
        return RubyDirective::Computed;
    };
    let mut requirements = Vec::new();
    let mut file = None;
    let mut engine = None;
    for argument in split_at_commas(arguments) {
        match (split_option(argument), argument) {
            (Some(("file", value)), _) => match path(value) {
                Some(name) => file = Some(name),
                None => return RubyDirective::Computed,
            },
            (Some(("engine", value)), _) => match value {
                [Token::Literal(name) | Token::Symbol(name)] => engine = Some(name.clone()),
                _ => return RubyDirective::Computed,
            },
            (Some(_), _) | (None, []) => {}
            (None, value) => match (literals(value), file_content(value)) {
                (Some(literals), _) => requirements.extend(literals),
                (None, Some(name)) if requirements.is_empty() => {
                    return RubyDirective::Content(name);
                }
                _ => return RubyDirective::Computed,
            },
        }
    }
    match (file, engine) {
        (_, Some(engine)) if engine != "ruby" => RubyDirective::Engine(engine),
        (Some(file), _) => RubyDirective::File(file),
        _ if requirements.is_empty() => RubyDirective::Computed,
        _ => {
            let text = requirements.join(", ");
            ruby_requirement(&text).map_or(RubyDirective::Invalid(text), RubyDirective::Requirement)
        }
    }
}

/// `("3.3.8")` without its brackets; none where something follows them.
fn without_brackets(tokens: &[Token]) -> Option<&[Token]> {
    if tokens.first() != Some(&Token::Sign('(')) {
        return Some(tokens);
    }
    let inner = tokens[1..].strip_suffix(&[Token::Sign(')')])?;
    let mut depth = 0_isize;
    for token in inner {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// `file: x` and `:file => x` are the option `file` with the value `x`.
fn split_option(argument: &[Token]) -> Option<(&str, &[Token])> {
    match argument {
        [Token::Label(name), value @ ..]
        | [
            Token::Symbol(name) | Token::Literal(name),
            Token::Sign('='),
            Token::Sign('>'),
            value @ ..,
        ] => Some((name, value)),
        _ => None,
    }
}

/// `"3.3.8"`, `["~> 3.3", "< 4"]` or `%w[3.3.8]`.
fn literals(argument: &[Token]) -> Option<Vec<String>> {
    match argument {
        [Token::Literal(literal)] => Some(vec![literal.clone()]),
        [Token::Words(words)] => Some(words.clone()),
        [Token::Sign('['), inner @ .., Token::Sign(']')] if !inner.is_empty() => {
            let elements = inner.split(|token| *token == Token::Sign(','));
            let mut literals = Vec::new();
            for element in elements {
                match element {
                    [Token::Literal(literal)] => literals.push(literal.clone()),
                    [] => {}
                    _ => return None,
                }
            }
            Some(literals)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Common expressions with which a Gemfile reads `.ruby-version` itself.

use super::tokens::{Token, split_at_commas, tokens};

/// A version that is the whole text of a file, without surrounding space.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileContent {
    pub file: String,
    /// The text before the version, such as `~> `.
    pub operator: String,
    /// Whether a leading `ruby-` is removed.
    pub drops_prefix: bool,
}

/// `File.read(".ruby-version")`, followed by `.strip` or the like, alone or in `"~> #{…}"`.
pub(super) fn file_content(argument: &[Token]) -> Option<FileContent> {
    let [Token::Interpolated(text)] = argument else {
        return content_of_call(argument);
    };
    let (operator, rest) = text.split_once("#{")?;
    let is_operator = matches!(operator.trim(), "" | "=" | "~>" | ">=" | "<=" | ">" | "<");
    let inner: Vec<_> = tokens(rest.strip_suffix('}')?)
        .into_iter()
        .map(|placed| placed.token)
        .collect();
    let content = content_of_call(&inner).filter(|_| is_operator)?;
    Some(FileContent {
        operator: operator.to_string(),
        ..content
    })
}

fn content_of_call(expression: &[Token]) -> Option<FileContent> {
    let mut content = FileContent::default();
    let mut rest = expression;
    while let Some((before, drops_prefix)) = without_last_call(rest) {
        content.drops_prefix |= drops_prefix;
        rest = before;
    }
    content.file = read_file(rest)?;
    Some(content)
}

/// The expression without its last call, if that call does not change a version; and whether the
/// call removes `ruby-`.
fn without_last_call(expression: &[Token]) -> Option<(&[Token], bool)> {
    match expression {
        [before @ .., Token::Sign('.'), Token::Method(method)]
            if matches!(
                method.as_str(),
                "strip" | "chomp" | "to_s" | "rstrip" | "lstrip"
            ) =>
        {
            Some((before, false))
        }
        [
            before @ ..,
            Token::Sign('.'),
            Token::Method(method),
            Token::Sign('('),
            Token::Literal(prefix),
            Token::Sign(')'),
        ] if method == "delete_prefix" && prefix == "ruby-" => Some((before, true)),
        [
            before @ ..,
            Token::Sign('.'),
            Token::Method(method),
            Token::Sign('('),
            Token::Literal(prefix),
            Token::Sign(','),
            Token::Literal(nothing),
            Token::Sign(')'),
        ] if matches!(method.as_str(), "sub" | "gsub")
            && prefix == "ruby-"
            && nothing.is_empty() =>
        {
            Some((before, true))
        }
        _ => None,
    }
}

/// `File.read(PATH)`, or `File.open(PATH) { |f| f.read.chomp }`: the file's name.
fn read_file(expression: &[Token]) -> Option<String> {
    let [
        Token::Word(class),
        Token::Sign('.'),
        Token::Method(method),
        Token::Sign('('),
        rest @ ..,
    ] = expression
    else {
        return None;
    };
    match (class.as_str(), method.as_str()) {
        ("File" | "IO", "read") => path(rest.strip_suffix(&[Token::Sign(')')])?),
        ("File", "open") => {
            let close = rest.iter().rposition(|token| *token == Token::Sign(')'))?;
            let (arguments, block) = (&rest[..close], &rest[close + 1..]);
            let block = block
                .strip_prefix(&[Token::Sign('{'), Token::Sign('|')])?
                .strip_suffix(&[Token::Sign('}')])?;
            let [
                Token::Word(file),
                Token::Sign('|'),
                Token::Word(read),
                calls @ ..,
            ] = block
            else {
                return None;
            };
            let mut calls = calls;
            while let Some((before, false)) = without_last_call(calls) {
                calls = before;
            }
            let reads = [Token::Sign('.'), Token::Method("read".into())];
            let arguments = split_at_commas(arguments);
            (file == read && *calls == reads)
                .then(|| path(arguments.first()?))
                .flatten()
        }
        _ => None,
    }
}

/// A file's name: `"name"`, or the same made absolute with `__dir__` or `__FILE__`.
pub(super) fn path(value: &[Token]) -> Option<String> {
    let name = match value {
        [Token::Literal(name)] => name.as_str(),
        [Token::Interpolated(text)] => ["#{__dir__}/", "#{Dir.pwd}/"]
            .iter()
            .find_map(|here| text.strip_prefix(here))
            .filter(|name| !name.contains(['#', '\\']))?,
        [
            Token::Word(class),
            Token::Sign('.'),
            Token::Method(method),
            Token::Sign('('),
            arguments @ ..,
            Token::Sign(')'),
        ] if class == "File" => match (method.as_str(), split_at_commas(arguments).as_slice()) {
            ("join", [base, [Token::Literal(name)]])
            | ("expand_path", [[Token::Literal(name)], base])
                if is_here(base) =>
            {
                name
            }
            // The first `..` leads from the Gemfile to its folder.
            ("expand_path", [[Token::Literal(name)], [Token::Word(base)]])
                if base == "__FILE__" =>
            {
                name.strip_prefix("../")?
            }
            ("expand_path", [[Token::Literal(name)]]) => name,
            _ => return None,
        },
        _ => return None,
    };
    Some(name.strip_prefix("./").unwrap_or(name).to_string())
}

/// `__dir__` or `File.dirname(__FILE__)`.
fn is_here(base: &[Token]) -> bool {
    match base {
        [Token::Word(word)] => word == "__dir__",
        [
            Token::Word(class),
            Token::Sign('.'),
            Token::Method(method),
            Token::Sign('('),
            Token::Word(file),
            Token::Sign(')'),
        ] => class == "File" && method == "dirname" && file == "__FILE__",
        _ => false,
    }
}

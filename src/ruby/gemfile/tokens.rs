//! Ruby source as tokens: just enough of Ruby's grammar to tell code from strings, heredocs,
//! comments and regular expressions, so that a Gemfile can be read without running Ruby.

use procfile::text::without_byte_order_mark;
use std::collections::VecDeque;

/// A piece of Ruby source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A name or keyword, such as `ruby` or `if`.
    Word(String),
    /// A name behind a dot: the name of a method, never a keyword.
    Method(String),
    /// A string without interpolation and escapes.
    Literal(String),
    /// The source between double quotes, of a string with an interpolation or an escape.
    Interpolated(String),
    /// `%w[a b]`.
    Words(Vec<String>),
    /// `:name`.
    Symbol(String),
    /// `name:` before an option's value.
    Label(String),
    /// Any other value: a number, a regular expression, a heredoc.
    Value,
    /// An operator, a bracket, a comma.
    Sign(char),
    /// The end of a line.
    Newline,
}

/// A token with its place, in bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The kind of the previous token. It decides whether a sign such as `/`, `%` or `<<` starts a
/// literal.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Before {
    /// The start, an operator, a keyword: a value follows.
    Nothing,
    /// A name: it may be a method, whose argument follows behind a space.
    Name,
    /// A value: an operator follows.
    Value,
    /// A dot: a method's name follows.
    Dot,
}

struct Heredoc {
    end: String,
    indented: bool,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    before: Before,
    heredocs: VecDeque<Heredoc>,
    tokens: Vec<Placed>,
}

/// The tokens of a Ruby program, up to its `__END__`.
pub(super) fn tokens(text: &str) -> Vec<Placed> {
    let mut lexer = Lexer {
        text,
        at: text.len() - without_byte_order_mark(text).len(),
        before: Before::Nothing,
        heredocs: VecDeque::new(),
        tokens: Vec::new(),
    };
    if !lexer.at_end_of_program() {
        lexer.skip_comment_block();
        while lexer.step() {}
    }
    lexer.tokens
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn peek_after(&self, count: usize) -> Option<char> {
        self.rest().chars().nth(count)
    }

    fn push(&mut self, token: Token, start: usize) {
        self.before = match &token {
            Token::Word(word) if is_operator_word(word) => Before::Nothing,
            Token::Word(word)
                if matches!(word.as_str(), "end" | "self" | "true" | "false" | "nil") =>
            {
                Before::Value
            }
            Token::Word(_) | Token::Method(_) => Before::Name,
            Token::Sign(')' | ']' | '}') => Before::Value,
            Token::Sign('.') => Before::Dot,
            Token::Sign(_) | Token::Label(_) | Token::Newline => Before::Nothing,
            _ => Before::Value,
        };
        let end = self.at;
        self.tokens.push(Placed { token, start, end });
    }

    /// Whether a sign here may start a literal: a value must follow, or a method's argument may.
    fn literal_may_start(&self, sign_length: usize) -> bool {
        match self.before {
            Before::Nothing => true,
            Before::Name => {
                let space_before = self.text[..self.at].ends_with([' ', '\t']);
                let next = self.rest()[sign_length..].chars().next();
                space_before && next.is_some_and(|c| !c.is_whitespace() && c != '=')
            }
            Before::Value | Before::Dot => false,
        }
    }

    /// Whether a regular expression that starts here ends on its line; else the slash is a
    /// division.
    fn closes_on_this_line(&self) -> bool {
        let line = self.rest().lines().next().unwrap_or_default();
        line[1..].contains('/')
    }

    /// Reads one token, or the space or comment between two. False at the end.
    fn step(&mut self) -> bool {
        let start = self.at;
        let Some(c) = self.peek() else { return false };
        match c {
            '\n' => {
                self.at += 1;
                self.push(Token::Newline, start);
                self.skip_heredocs();
                self.skip_comment_block();
                return !self.at_end_of_program();
            }
            '\\' if self.rest().starts_with("\\\n") => self.at += 2,
            '\\' if self.rest().starts_with("\\\r\n") => self.at += 3,
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '"' | '\'' | '`' => {
                self.at += 1;
                let literal = self.string(c, c, c != '\'');
                let is_label = self.peek() == Some(':') && self.peek_after(1) != Some(':');
                match literal {
                    Some(name)
                        if is_label && matches!(self.before, Before::Nothing | Before::Name) =>
                    {
                        self.at += 1;
                        self.push(Token::Label(name), start);
                    }
                    Some(literal) if c != '`' => self.push(Token::Literal(literal), start),
                    None if c == '"' => {
                        let inner = &self.text[start + 1..self.at];
                        let inner = inner.strip_suffix('"').unwrap_or(inner).to_string();
                        self.push(Token::Interpolated(inner), start);
                    }
                    _ => self.push(Token::Value, start),
                }
            }
            '%' if self.literal_may_start(1) => self.percent_literal(start),
            '<' if self.rest().starts_with("<<") && self.heredoc(start) => {}
            '/' if self.literal_may_start(1) && self.closes_on_this_line() => {
                self.at += 1;
                self.string('/', '/', true);
                self.push(Token::Value, start);
            }
            '?' if self.literal_may_start(1) && self.peek_after(1).is_some() => {
                self.at += 1 + self.peek_after(1).map_or(0, char::len_utf8);
                self.push(Token::Value, start);
            }
            ':' => self.colon(start),
            '@' | '$' => {
                self.at += self.rest().len() - self.rest().trim_start_matches(['@', '$']).len();
                self.at += word_length(self.rest());
                self.push(Token::Value, start);
            }
            c if c.is_ascii_digit() => {
                self.at += self
                    .rest()
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
                    .unwrap_or(self.rest().len());
                self.push(Token::Value, start);
            }
            c if is_word(c) => self.word(start),
            sign => {
                self.at += sign.len_utf8();
                self.push(Token::Sign(sign), start);
            }
        }
        true
    }

    fn word(&mut self, start: usize) {
        self.at += word_length(self.rest());
        if matches!(self.peek(), Some('?' | '!')) && self.peek_after(1) != Some('=') {
            self.at += 1;
        }
        let word = self.text[start..self.at].to_string();
        if self.before == Before::Dot {
            self.push(Token::Method(word), start);
        } else if self.peek() == Some(':') && self.peek_after(1) != Some(':') {
            self.at += 1;
            self.push(Token::Label(word), start);
        } else {
            self.push(Token::Word(word), start);
        }
    }

    fn colon(&mut self, start: usize) {
        self.at += 1;
        match self.peek() {
            Some(':') => {
                self.at += 1;
                self.push(Token::Sign('.'), start); // `A::B` names, as `a.b` does.
            }
            Some(quote @ ('"' | '\'')) => {
                self.at += 1;
                let name = self.string(quote, quote, quote == '"');
                self.push(name.map_or(Token::Value, Token::Symbol), start);
            }
            Some(c) if is_word(c) => {
                let name = self.at;
                self.at += word_length(self.rest());
                self.push(Token::Symbol(self.text[name..self.at].to_string()), start);
            }
            _ => self.push(Token::Sign(':'), start),
        }
    }

    /// Skips a string whose opening quote has been read. Returns its text if the string has no
    /// interpolation and no escape.
    fn string(&mut self, open: char, close: char, interpolates: bool) -> Option<String> {
        let start = self.at;
        let mut is_plain = true;
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            if c == '\\' {
                is_plain = false;
                self.at += 1 + self.peek_after(1).map_or(0, char::len_utf8);
            } else if interpolates && self.rest().starts_with("#{") {
                is_plain = false;
                self.at += 2;
                self.skip_interpolation();
            } else if c == close && depth == 0 {
                let text = self.text[start..self.at].to_string();
                self.at += c.len_utf8();
                return is_plain.then_some(text);
            } else {
                if open != close && c == open {
                    depth += 1;
                } else if c == close {
                    depth -= 1;
                }
                self.at += c.len_utf8();
            }
        }
        None
    }

    /// Skips to the brace that ends an interpolation, over the strings in it.
    fn skip_interpolation(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '}' if depth == 0 => return,
                '}' => depth -= 1,
                '{' => depth += 1,
                '"' | '\'' => self.skip_quoted(c),
                _ => {}
            }
        }
    }

    fn skip_quoted(&mut self, quote: char) {
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '\\' => self.at += self.peek().map_or(0, char::len_utf8),
                c if c == quote => return,
                _ => {}
            }
        }
    }

    /// `%w[a b]`, `%q(text)`, `%(text)`, `%r{…}` and the like.
    fn percent_literal(&mut self, start: usize) {
        let kind = self.peek_after(1).filter(char::is_ascii_alphabetic);
        let open = self.peek_after(if kind.is_some() { 2 } else { 1 });
        let Some(open) = open.filter(char::is_ascii_punctuation) else {
            self.at += 1;
            self.push(Token::Sign('%'), start);
            return;
        };
        self.at += if kind.is_some() { 3 } else { 2 };
        let close = match open {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        let interpolates = !matches!(kind, Some('q' | 'w' | 'i'));
        let literal = self.string(open, close, interpolates);
        let token = match (kind, literal) {
            (None | Some('q' | 'Q'), Some(text)) => Token::Literal(text),
            (Some('w' | 'W'), Some(text)) => {
                Token::Words(text.split_whitespace().map(str::to_string).collect())
            }
            _ => Token::Value,
        };
        self.push(token, start);
    }

    /// `<<~NAME`, `<<-NAME`, `<<NAME`: the text starts on the next line. False for the operator
    /// `<<`.
    fn heredoc(&mut self, start: usize) -> bool {
        let behind = &self.rest()[2..];
        let name = behind.trim_start_matches(['~', '-']);
        let marks = behind.len() - name.len();
        if marks > 1 || !self.literal_may_start(2 + marks) {
            return false;
        }
        let (name, quoted) = match name.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => match name[1..].split_once(quote) {
                Some((name, _)) if !name.contains('\n') => (name, 2),
                _ => return false,
            },
            // A name without a mark must start with a capital: `a << b` is the operator.
            Some(c) if c.is_ascii_uppercase() || (marks > 0 && is_word(c)) => {
                (&name[..word_length(name)], 0)
            }
            _ => return false,
        };
        self.heredocs.push_back(Heredoc {
            end: name.to_string(),
            indented: marks > 0,
        });
        self.at += 2 + marks + name.len() + quoted;
        self.push(Token::Value, start);
        true
    }

    /// Skips the texts of all heredocs of the line before.
    fn skip_heredocs(&mut self) {
        while let Some(Heredoc { end, indented }) = self.heredocs.pop_front() {
            while let Some(line) = self.rest().split_inclusive('\n').next() {
                let is_end = if indented {
                    line.trim() == end
                } else {
                    line.trim_end_matches(['\r', '\n']) == end
                };
                self.at += line.len();
                if is_end {
                    break;
                }
            }
        }
    }

    /// Skips `=begin` to `=end` at the left margin.
    fn skip_comment_block(&mut self) {
        let is_mark = |line: &str, mark: &str| {
            line.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        while is_mark(self.rest(), "=begin") {
            while let Some(line) = self.rest().split_inclusive('\n').next() {
                let is_end = is_mark(line, "=end");
                self.at += line.len();
                if is_end {
                    break;
                }
            }
        }
    }

    fn at_end_of_program(&self) -> bool {
        let line = self.rest().lines().next();
        line.is_some_and(|line| line.trim_end_matches('\r') == "__END__")
    }
}

/// The arguments of a call.
pub(super) fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *token == Token::Sign(',')
        })
        .collect()
}

/// Keywords and operators after which a value follows.
fn is_operator_word(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "not"
            | "if"
            | "unless"
            | "elsif"
            | "else"
            | "then"
            | "when"
            | "case"
            | "in"
            | "while"
            | "until"
            | "do"
            | "begin"
            | "rescue"
            | "ensure"
            | "return"
            | "yield"
    )
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter_map(|placed| match placed.token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn strings_and_comments_are_not_code() {
        for (text, expected) in [
            ("gem 'ruby' # ruby", vec!["gem"]),
            ("gem \"a #{b[\"ruby\"]} ruby\"\nc", vec!["gem", "c"]),
            ("a = <<~TEXT\n  ruby\n  TEXT\nb", vec!["a", "b"]),
            ("a <<-'TEXT', <<B\nruby\n TEXT\nruby\nB\nb", vec!["a", "b"]),
            ("a << b", vec!["a", "b"]),
            ("x = y <<Z\nruby\nZ\nb", vec!["x", "y", "b"]),
            ("a %w[ruby rake], %q(ruby (a) ruby)", vec!["a"]),
            ("a % b", vec!["a", "b"]),
            ("a =~ /ruby \\/ ruby/\nb", vec!["a", "b"]),
            ("a / b / c", vec!["a", "b", "c"]),
            ("a /2\nb", vec!["a", "b"]),
            ("x.if :if, if: 1", vec!["x"]),
            ("=begin\nruby\n=end\na", vec!["a"]),
            ("a\n__END__\nruby", vec!["a"]),
            ("__END__\nruby", vec![]),
            ("a ? 'b' : c", vec!["a", "c"]),
            ("a[?\"] ; b", vec!["a", "b"]),
            ("a 'never closed\nruby", vec!["a"]),
            ("é = 1", vec!["é"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn places_are_in_the_text_and_in_order(text in "(?s)([a-z%<~\"'#{}()/?:=\\\\\n .-]|ruby|é|<<~A\n|%w\\[|=begin\n|\\PC){0,40}") {
            let mut end = 0;
            for placed in tokens(&text) {
                prop_assert!(end <= placed.start && placed.start < placed.end);
                prop_assert!(text.get(placed.start..placed.end).is_some());
                end = placed.end;
            }
        }
    }
}

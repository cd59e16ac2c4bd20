//! What `ruby …` in a Gemfile asks for, as far as its text tells.
//!
//! Source: <https://bundler.io/man/gemfile.5.html#RUBY>

use super::tokens::{Placed, Token, tokens};
use crate::app::gem_version::GemRequirement;
use crate::app::ruby_requirement::ruby_requirement;
use std::ops::Range;

/// What `ruby …` in a Gemfile asks for.
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
    /// A literal that is no version requirement.
    Invalid(String),
}

/// A version that is a file's whole text, without the space around it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileContent {
    /// The file's name.
    pub file: String,
    /// What stands before the text, such as `~> `.
    pub operator: String,
    /// Whether a leading `ruby-` is taken away.
    pub drops_prefix: bool,
}

/// The `ruby` directive of a Gemfile, with its place in bytes. Of several the last counts, as for Bundler. One that is not always run
/// (`if`, `case`, `def` …) is computed.
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

/// The blocks that are open at a place of the program: for each, whether it may be left out when the program runs.
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
            // What stands behind `rescue` is run after a failure only.
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

/// Whether a line that ends in this token goes on in the next.
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

/// The tokens up to the end of the statement, without the ends of lines in it.
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
                // After a comma any number of lines may be blank or hold comments only.
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

/// Whether these follow a call of `ruby`, and not a variable of that name.
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

fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
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

/// `File.read(".ruby-version")`, with `.strip` or the like behind it, alone or as the version of `"~> #{…}"`.
fn file_content(argument: &[Token]) -> Option<FileContent> {
    if let [Token::Interpolated(text)] = argument {
        let (operator, rest) = text.split_once("#{")?;
        let is_operator = matches!(operator.trim(), "" | "=" | "~>" | ">=" | "<=" | ">" | "<");
        let inner: Vec<_> = tokens(rest.strip_suffix('}')?)
            .into_iter()
            .map(|placed| placed.token)
            .collect();
        let content = file_content(&inner).filter(|_| is_operator)?;
        return Some(FileContent {
            operator: operator.to_string(),
            ..content
        });
    }
    let mut content = FileContent::default();
    let mut rest = argument;
    while let Some((before, drops_prefix)) = without_last_call(rest) {
        content.drops_prefix |= drops_prefix;
        rest = before;
    }
    content.file = read_file(rest)?;
    Some(content)
}

/// Takes a call away that leaves a version what it is; and whether that call takes `ruby-` away.
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
fn path(value: &[Token]) -> Option<String> {
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
            // The file itself counts as a step of the path.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requirement(text: &str) -> RubyDirective {
        RubyDirective::Requirement(text.parse().unwrap())
    }

    fn file(name: &str) -> RubyDirective {
        RubyDirective::File(name.into())
    }

    fn content(name: &str) -> RubyDirective {
        RubyDirective::Content(FileContent {
            file: name.into(),
            ..FileContent::default()
        })
    }

    fn directive(lines: &str) -> Option<RubyDirective> {
        let gemfile = format!("source \"https://rubygems.org\"\n{lines}\ngem \"rack\"\n");
        let found = ruby_directive(&gemfile).map(|(directive, _)| directive);
        let windows = ruby_directive(&gemfile.replace('\n', "\r\n"));
        assert_eq!(
            windows.map(|(directive, _)| directive),
            found,
            "CRLF: {lines}"
        );
        found
    }

    fn assert_directives(cases: &[(&str, RubyDirective)]) {
        for (lines, expected) in cases {
            assert_eq!(directive(lines).as_ref(), Some(expected), "{lines}");
        }
    }

    #[test]
    fn literals_in_their_spellings() {
        assert_directives(&[
            ("ruby \"3.3.8\"", requirement("3.3.8")),
            ("ruby '3.3.8'", requirement("3.3.8")),
            ("ruby('3.3.8') # note", requirement("3.3.8")),
            ("ruby ('3.3.8')", requirement("3.3.8")),
            ("ruby(\n  '3.3.8',\n  # note\n)", requirement("3.3.8")),
            ("  ruby \"~> 3.3.0\"", requirement("~> 3.3.0")),
            ("ruby \">= 3.2\", \"< 4\"", requirement(">= 3.2, < 4")),
            (
                "ruby \">= 3.2\",\n\n  # below four\n  \"< 4\"",
                requirement(">= 3.2, < 4"),
            ),
            ("ruby([\"~> 3.3\", \"< 4\"])", requirement("~> 3.3, < 4")),
            ("ruby %w[~>3.3 <4]", requirement("~> 3.3, < 4")),
            ("ruby %q(3.3.8)", requirement("3.3.8")),
            ("ruby '3.3.8p144'", requirement("3.3.8")),
            ("ruby '3.3.8';", requirement("3.3.8")),
            ("ruby '3.3.8', :patchlevel => '144'", requirement("3.3.8")),
            ("ruby '3.3.8', engine: 'ruby'", requirement("3.3.8")),
            ("ruby ['3.3.8'], engine: 'ruby'", requirement("3.3.8")),
            (
                "ruby \"3.3.8\",\n  engine: \"ruby\",\n  engine_version: \"3.3.8\"",
                requirement("3.3.8"),
            ),
            ("ruby 'latest'", RubyDirective::Invalid("latest".into())),
            ("ruby '3.x'", RubyDirective::Invalid("3.x".into())),
        ]);
    }

    #[test]
    fn files_and_engines() {
        let jruby = RubyDirective::Engine("jruby".into());
        assert_directives(&[
            ("ruby file: \".ruby-version\"", file(".ruby-version")),
            ("ruby(file: \".ruby-version\")", file(".ruby-version")),
            ("ruby :file => '.tool-versions'", file(".tool-versions")),
            ("ruby 'file': 'mise.toml'", file("mise.toml")),
            (
                "ruby file: File.join(__dir__, '.ruby-version')",
                file(".ruby-version"),
            ),
            (
                "ruby File.read('.ruby-version').strip",
                content(".ruby-version"),
            ),
            (
                "ruby IO.read(\".ruby-version\").chomp",
                content(".ruby-version"),
            ),
            (
                "ruby(File.read('.ruby-version').strip)",
                content(".ruby-version"),
            ),
            (
                "ruby '3.1.4', engine: 'jruby', engine_version: '9.4.3.0'",
                jruby.clone(),
            ),
            (
                "ruby '3.1.4',\n  :engine => :jruby,\n  :engine_version => '9.4'",
                jruby,
            ),
        ]);
    }

    #[test]
    fn a_files_content_in_its_spellings() {
        for path in [
            "'.ruby-version'",
            "\"./.ruby-version\"",
            "\"#{__dir__}/.ruby-version\"",
            "\"#{Dir.pwd}/.ruby-version\"",
            "File.expand_path('.ruby-version')",
            "File.expand_path('.ruby-version', __dir__)",
            "File.expand_path(\"../.ruby-version\", __FILE__)",
            "File.expand_path('.ruby-version', File.dirname(__FILE__))",
            "File.join(__dir__, '.ruby-version')",
            "File.join(File.dirname(__FILE__), \".ruby-version\")",
        ] {
            for read in [
                format!("File.read({path})"),
                format!("IO.read({path}).strip"),
                format!("(File.read({path}).chomp)"),
                format!("\"#{{File.read({path}).strip}}\""),
                format!("File.open({path}) {{ |f| f.read.chomp }}"),
                format!("File.open({path}, 'rb') {{ |file| file.read }}.strip"),
            ] {
                assert_directives(&[(&format!("ruby {read}"), content(".ruby-version"))]);
            }
        }
        let changed = |operator: &str, drops_prefix| {
            RubyDirective::Content(FileContent {
                file: ".ruby-version".into(),
                operator: operator.into(),
                drops_prefix,
            })
        };
        assert_directives(&[
            (
                "ruby \"~> #{File.read('.ruby-version').strip}\"",
                changed("~> ", false),
            ),
            (
                "ruby File.read('.ruby-version').chomp.sub('ruby-', '')",
                changed("", true),
            ),
            (
                "ruby File.read('.ruby-version').delete_prefix('ruby-').strip",
                changed("", true),
            ),
        ]);
    }

    #[test]
    fn what_only_ruby_can_compute() {
        for lines in [
            "ruby ENV.fetch(\"RUBY\", \"3.3.8\")",
            "ruby RUBY_VERSION",
            "ruby \"3.#{minor}\"",
            "ruby version",
            "ruby \"3.3.8\" if ENV[\"CI\"]",
            "ruby(\"3.3.8\") unless ENV[\"CI\"]",
            "ruby ['3.3.8'",
            "ruby ['3.3.8'].first",
            "ruby []",
            "ruby \"~> #{`cat .ruby-version`.strip}\"",
            "ruby \"~> #{File.read('.ruby-version').strip}.0\"",
            "ruby File.read(\"#{__dir__}/.ruby-version\")[5..]",
            "ruby File.read('.ruby-version').sub('a', '')",
            "ruby File.read(File.join(File.expand_path('~'), '.ruby-version'))",
            "ruby File.open('.ruby-version') { |f| other.read }",
            "ruby File.open('.ruby-version')",
            "ruby File.read('.ruby-version').lines.first",
            "ruby File.read(name).strip",
            "ruby '3.3.8', engine: ENV['ENGINE']",
            "ruby <<~VERSION.strip\n  3.3.8\nVERSION",
            "if ENV['NEXT']\n  ruby '4.0.6'\nelse\n  ruby '3.3.8'\nend",
            "ruby '3.3.8'\nruby '4.0.6' if ENV['NEXT']",
            "case ENV['R']\nwhen 'a' then ruby '3.3.8'\nend",
            "x = if y\n  ruby '3.3.8'\nend",
            "begin\n  a\nrescue LoadError\n  ruby '3.3.8'\nend",
            "def version\n  ruby '3.3.8'\nend",
        ] {
            assert_directives(&[(lines, RubyDirective::Computed)]);
        }
    }

    #[test]
    fn what_only_looks_like_it() {
        for lines in [
            "# ruby \"3.3.8\"",
            "gem \"ruby\"",
            "rubyzip = 1",
            "ruby = '3.3.8'",
            "ruby == '3.3.8'",
            "ruby.version",
            "config.ruby '3.3.8'",
            "=begin\nruby '3.3.8'\n=end",
            "__END__\nruby '3.3.8'",
            "text = \"\nruby '3.3.8'\n\"",
            "text = <<~TEXT\n  ruby '3.3.8'\nTEXT",
            "gem 'a',\n  ruby '3.3.8'",
            "gem 'a', require: %w[\nruby\n]",
            "ruby if x",
            "",
        ] {
            assert_eq!(directive(lines), None, "{lines}");
        }
    }

    #[test]
    fn blocks_that_are_always_run() {
        assert_directives(&[
            ("source 'x' do\n  ruby '3.3.8'\nend", requirement("3.3.8")),
            ("group :a do |x|\n  ruby '3.3.8'\nend", requirement("3.3.8")),
            ("gem 'a' if b\nruby '3.3.8'", requirement("3.3.8")),
            ("if a\n  gem 'b'\nend\nruby '3.3.8'", requirement("3.3.8")),
            (
                "a = if b then 1 else 2 end\nruby '3.3.8'",
                requirement("3.3.8"),
            ),
            ("while a do\n  b\nend\nruby '3.3.8'", requirement("3.3.8")),
            ("x.each { |a| gem a }; ruby '3.3.8'", requirement("3.3.8")),
            ("gem 'a', if: b\nruby '3.3.8'", requirement("3.3.8")),
            ("return if b\nruby '3.3.8'", requirement("3.3.8")),
            ("ruby '3.2.9'\nruby '3.3.8'", requirement("3.3.8")),
            (
                "=begin\nruby '3.3.8'\n=end\nruby '3.4.1'",
                requirement("3.4.1"),
            ),
        ]);
    }

    #[test]
    fn the_place_is_that_of_the_statement() {
        let gemfile = "source \"x\"\n  ruby \"3.3.8\",\r\n engine: 'ruby' \r\n";
        let (_, place) = ruby_directive(gemfile).unwrap();
        assert_eq!(&gemfile[place], "ruby \"3.3.8\",\r\n engine: 'ruby'");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(?s).*", arguments in "\\PC*") {
            let _ = ruby_directive(&text);
            let _ = ruby_directive(&format!("ruby {arguments}"));
        }
    }
}

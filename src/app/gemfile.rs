//! The Gemfile (`gems.rb`): which file it is, and which Ruby it asks for. It is read as text: no Ruby runs to read it.

use crate::app::gem_version::GemRequirement;
use crate::app::ruby_requirement::ruby_requirement;
use std::path::{Path, PathBuf};

/// Where the app's bundle is described.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GemfilePaths {
    /// The Gemfile, `gems.rb`, or what `BUNDLE_GEMFILE` names.
    pub gemfile: PathBuf,
    /// The lockfile beside it.
    pub lockfile: PathBuf,
}

impl GemfilePaths {
    /// Finds the Gemfile as Bundler does: what `BUNDLE_GEMFILE` names, else `gems.rb`, else `Gemfile`.
    /// None for an app that has neither a Gemfile nor a lockfile.
    #[must_use]
    pub fn find(app_dir: &Path, bundle_gemfile: Option<&Path>) -> Option<Self> {
        let gemfile = match bundle_gemfile {
            Some(path) => app_dir.join(path),
            None => ["gems.rb", "Gemfile"]
                .iter()
                .map(|name| app_dir.join(name))
                .find(|path| is_there(path) || is_there(&lockfile_of(path)))?,
        };
        Some(Self {
            lockfile: lockfile_of(&gemfile),
            gemfile,
        })
    }
}

/// Whether something has this name, be it a link that leads nowhere: that is a mistake, and shown when it is read.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Bundler's rule: `gems.rb` has `gems.locked`, any other file its own name with `.lock`.
fn lockfile_of(gemfile: &Path) -> PathBuf {
    if gemfile.file_name().is_some_and(|name| name == "gems.rb") {
        return gemfile.with_file_name("gems.locked");
    }
    let mut name = gemfile.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// What `ruby …` in a Gemfile asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RubyDirective {
    /// `ruby "3.3.8"`, `ruby "~> 3.3.0"`, `ruby ">= 3.2", "< 4"`.
    Requirement(GemRequirement),
    /// `ruby file: ".ruby-version"`: the file's name.
    File(String),
    /// `ruby "3.1.4", engine: "jruby", …`: the engine.
    Engine(String),
    /// A version that only Ruby could compute.
    Computed,
    /// A literal that is no version requirement.
    Invalid(String),
}

/// The first `ruby` line of a Gemfile, with its place (byte offset, length). What stands between `=begin` and `=end`, or after
/// `__END__`, is no part of the program.
#[must_use]
pub fn ruby_directive(gemfile: &str) -> Option<(RubyDirective, (usize, usize))> {
    let mut offset = 0;
    let mut in_comment = false;
    for line in gemfile.split_inclusive('\n') {
        match line.split_whitespace().next() {
            Some("__END__") if line.trim_end() == "__END__" => return None,
            Some("=begin") if line.starts_with('=') => in_comment = true,
            Some("=end") if line.starts_with('=') => in_comment = false,
            _ => {}
        }
        let start = offset + line.len() - line.trim_start().len();
        offset += line.len();
        let statement = line.trim();
        if let Some(arguments) = statement
            .strip_prefix("ruby")
            .filter(|rest| !in_comment && rest.starts_with([' ', '\t', '(', '"', '\'']))
        {
            return Some((read_arguments(arguments), (start, statement.len())));
        }
    }
    None
}

fn read_arguments(arguments: &str) -> RubyDirective {
    let mut rest = arguments.trim_start_matches([' ', '\t', '(']);
    let mut requirements: Vec<String> = Vec::new();
    let mut file = None;
    let mut engine = None;
    while !(rest.is_empty() || rest.starts_with(['#', ')'])) {
        let (option, value) = split_option(rest);
        if let Some((literals, after)) = read_array(value)
            && option.is_none()
        {
            requirements.extend(literals);
            match next_argument(after) {
                Some(next) => rest = next,
                None => return RubyDirective::Computed,
            }
            continue;
        }
        let Some((literal, after)) = read_literal(value) else {
            return RubyDirective::Computed;
        };
        match option {
            None => requirements.push(literal),
            Some("file") => file = Some(literal),
            Some("engine") => engine = Some(literal),
            Some(_) => {}
        }
        match next_argument(after) {
            Some(next) => rest = next,
            None => return RubyDirective::Computed,
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

/// `file: x` and `:file => x` are the option `file` with the value `x`.
fn split_option(text: &str) -> (Option<&str>, &str) {
    let name_end = |text: &str| {
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len())
    };
    if let Some(symbol) = text.strip_prefix(':') {
        let (name, rest) = symbol.split_at(name_end(symbol));
        if let Some(value) = rest.trim_start().strip_prefix("=>") {
            return (Some(name), value.trim_start());
        }
    }
    let (name, rest) = text.split_at(name_end(text));
    match rest.strip_prefix(':') {
        Some(value) if !name.is_empty() => (Some(name), value.trim_start()),
        _ => (None, text),
    }
}

/// What follows an argument: the next one behind a comma, or the end. None where the argument goes on.
fn next_argument(after: &str) -> Option<&str> {
    let rest = after.trim_start();
    match rest.strip_prefix(',') {
        Some(next) => Some(next.trim_start()),
        None => (rest.is_empty() || rest.starts_with(['#', ')'])).then_some(rest),
    }
}

/// A list of quoted strings (`["~> 3.3", "< 4"]`) at the start of the text, and what follows it.
fn read_array(text: &str) -> Option<(Vec<String>, &str)> {
    let mut rest = text.strip_prefix('[')?.trim_start();
    let mut literals = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return Some((literals, after));
        }
        let (literal, after) = read_literal(rest)?;
        literals.push(literal);
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None => rest.starts_with(']').then_some(rest)?,
        };
    }
}

/// A quoted string at the start of the text, and what follows it. One with an interpolation or an escape is not a literal.
fn read_literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (literal, after) = text[1..].split_once(quote)?;
    (!literal.contains("#{") && !literal.contains('\\')).then(|| (literal.to_string(), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ruby_lines_in_their_spellings() {
        let requirement = |text: &str| RubyDirective::Requirement(text.parse().unwrap());
        for (line, expected) in [
            ("ruby \"3.3.8\"", Some(requirement("3.3.8"))),
            ("ruby '3.3.8'", Some(requirement("3.3.8"))),
            ("ruby('3.3.8') # note", Some(requirement("3.3.8"))),
            ("  ruby \"~> 3.3.0\"", Some(requirement("~> 3.3.0"))),
            ("ruby \">= 3.2\", \"< 4\"", Some(requirement(">= 3.2, < 4"))),
            (
                "ruby file: \".ruby-version\"",
                Some(RubyDirective::File(".ruby-version".into())),
            ),
            (
                "ruby :file => '.tool-versions'",
                Some(RubyDirective::File(".tool-versions".into())),
            ),
            (
                "ruby '3.1.4', engine: 'jruby', engine_version: '9.4.3.0'",
                Some(RubyDirective::Engine("jruby".into())),
            ),
            (
                "ruby '3.3.8', :patchlevel => '144'",
                Some(requirement("3.3.8")),
            ),
            ("ruby '3.3.8', engine: 'ruby'", Some(requirement("3.3.8"))),
            (
                "ruby ENV.fetch(\"RUBY\", \"3.3.8\")",
                Some(RubyDirective::Computed),
            ),
            ("ruby \"3.#{minor}\"", Some(RubyDirective::Computed)),
            (
                "ruby \"3.3.8\" if ENV[\"CI\"]",
                Some(RubyDirective::Computed),
            ),
            (
                "ruby 'latest'",
                Some(RubyDirective::Invalid("latest".into())),
            ),
            (
                "ruby([\"~> 3.3\", \"< 4\"])",
                Some(requirement("~> 3.3, < 4")),
            ),
            ("ruby ['3.3.8'], engine: 'ruby'", Some(requirement("3.3.8"))),
            ("ruby ['3.3.8'", Some(RubyDirective::Computed)),
            ("ruby ['3.3.8'].first", Some(RubyDirective::Computed)),
            ("ruby []", Some(RubyDirective::Computed)),
            ("ruby '3.3.8p144'", Some(requirement("3.3.8"))),
            ("ruby '3.x'", Some(RubyDirective::Invalid("3.x".into()))),
            ("=begin\nruby '3.3.8'\n=end", None),
            (
                "=begin\nruby '3.3.8'\n=end\nruby '3.4.1'",
                Some(requirement("3.4.1")),
            ),
            ("__END__\nruby '3.3.8'", None),
            ("# ruby \"3.3.8\"", None),
            ("gem \"ruby\"", None),
            ("rubyzip = 1", None),
            ("", None),
        ] {
            let gemfile = format!("source \"https://rubygems.org\"\n{line}\ngem \"rack\"\n");
            assert_eq!(
                ruby_directive(&gemfile).map(|(directive, _)| directive),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn the_place_is_that_of_the_statement() {
        let gemfile = "source \"x\"\n  ruby \"3.3.8\" \r\n";
        let (_, (offset, length)) = ruby_directive(gemfile).unwrap();
        assert_eq!(&gemfile[offset..offset + length], "ruby \"3.3.8\"");
    }

    #[test]
    fn the_lockfile_is_bundlers() {
        let app = Path::new("/app");
        assert_eq!(lockfile_of(&app.join("Gemfile")), app.join("Gemfile.lock"));
        assert_eq!(lockfile_of(&app.join("gems.rb")), app.join("gems.locked"));
        assert_eq!(
            lockfile_of(&app.join("gemfiles/rails_8.gemfile")),
            app.join("gemfiles/rails_8.gemfile.lock")
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(?s).*", arguments in "\\PC*") {
            let _ = ruby_directive(&text);
            let _ = ruby_directive(&format!("ruby {arguments}"));
        }
    }
}

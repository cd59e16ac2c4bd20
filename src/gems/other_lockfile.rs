//! A lockfile that is not the one beside the Gemfile: Bundler 4 has a method in the Gemfile and a
//! setting for it.
//!
//! Source: <https://bundler.io/man/gemfile.5.html#LOCKFILE>

use crate::ruby::gem_version::GemVersion;

/// Bundler's setting for the lockfile: a path, relative to the app.
pub(super) const SETTING: &str = "BUNDLE_LOCKFILE";

/// Whether the Bundler that locked it reads it again. Older ones than 4 pass over the setting.
pub(super) fn is_read_by(bundled_with: Option<&GemVersion>) -> bool {
    bundled_with.is_some_and(|version| version.number(0) >= 4)
}

/// What a Gemfile says of its lockfile.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum InGemfile<'a> {
    /// `lockfile "other.lock"`: a path, relative to the app.
    Named(&'a str),
    /// Any other call, as it is written: an expression, a condition, or `false` for no lockfile.
    Computed(&'a str),
}

/// The Gemfile's call of `lockfile`. Not one with a block or options, which is the method of a plugin for
/// several lockfiles.
pub(super) fn called_in(gemfile: &str) -> Option<InGemfile<'_>> {
    gemfile.lines().find_map(|line| {
        let line = line.split(" #").next().unwrap_or(line).trim();
        let rest = line.strip_prefix("lockfile")?;
        let argument = rest.trim_start_matches([' ', '(']);
        let is_assignment = argument.starts_with('=');
        let is_of_plugin =
            argument.contains(',') || argument.contains(" do") || rest.contains(" {");
        if argument.len() == rest.len() || argument.is_empty() || is_assignment || is_of_plugin {
            return None;
        }
        let name = plain_string(argument.trim_end_matches([' ', ')']));
        Some(name.map_or(InGemfile::Computed(line), InGemfile::Named))
    })
}

/// The text of a string that nothing is computed in.
fn plain_string(argument: &str) -> Option<&str> {
    let quote = argument
        .chars()
        .next()
        .filter(|c| ['"', '\''].contains(c))?;
    let text = argument[1..].strip_suffix(quote)?;
    let is_plain = !text.is_empty() && !text.contains([quote, '\\']) && !text.contains("#{");
    is_plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use InGemfile::{Computed, Named};

    #[test]
    fn the_method_is_found_but_not_that_of_a_plugin() {
        for (gemfile, expected) in [
            (
                "gem 'rack'\n  lockfile \"other.lock\" # note\n",
                Some(Named("other.lock")),
            ),
            ("lockfile('other.lock')\n", Some(Named("other.lock"))),
            (
                "lockfile \"ruby-#{RUBY_VERSION}.lock\"\n",
                Some(Computed("lockfile \"ruby-#{RUBY_VERSION}.lock\"")),
            ),
            (
                "lockfile 'next.lock' if ENV['NEXT']\n",
                Some(Computed("lockfile 'next.lock' if ENV['NEXT']")),
            ),
            ("lockfile false\n", Some(Computed("lockfile false"))),
            ("lockfile \"rails-7\" do\nend\n", None),
            ("lockfile 'next', active: true\n", None),
            ("lockfile { |it| it }\nlockfile = 'x'\nlockfile\n", None),
            (
                "# lockfile 'other.lock'\nlockfiles 'x'\nlockfile_x 'x'\n",
                None,
            ),
        ] {
            assert_eq!(called_in(gemfile), expected, "{gemfile}");
        }
    }
}

//! A lockfile that is not the one beside the Gemfile: Bundler 4 has a method in the Gemfile and a
//! setting for it.

/// Bundler's setting for the lockfile.
pub(super) const SETTING: &str = "BUNDLE_LOCKFILE";

/// The lockfile that a Gemfile names: `lockfile "other.lock"`. Not with a block, which is the method
/// of a plugin for several lockfiles.
pub(super) fn named_in(gemfile: &str) -> Option<&str> {
    gemfile.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("lockfile")?;
        let rest = rest.trim_start_matches([' ', '(']);
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (name, rest) = rest[1..].split_once(quote)?;
        let rest = rest.trim_start_matches([' ', ')']);
        (rest.is_empty() || rest.starts_with('#')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_found_but_not_that_of_a_plugin() {
        for (gemfile, expected) in [
            (
                "gem 'rack'\n  lockfile \"other.lock\" # note\n",
                Some("other.lock"),
            ),
            ("lockfile('other.lock')\n", Some("other.lock")),
            ("lockfile \"rails-7\" do\nend\n", None),
            ("lockfile 'next', active: true\n", None),
            (
                "# lockfile 'other.lock'\nlockfiles 'x'\nlockfile false\n",
                None,
            ),
        ] {
            assert_eq!(named_in(gemfile), expected, "{gemfile}");
        }
    }
}

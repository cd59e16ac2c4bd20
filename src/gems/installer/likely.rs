//! Which gems the app is likely to need, as far as the Gemfile's text tells: a guess, made before
//! there is a Ruby that could evaluate it. Where it is wrong, an archive is downloaded later than it
//! could be, or for nothing.

use crate::gems::environment::DEFAULT_WITHOUT;
use crate::gems::lockfile::GemfileLock;
use crate::gems::settings::BundlerSettings;
use std::collections::BTreeSet;

/// What opens a block that `end` closes, at the start of a statement.
const BLOCKS: [&str; 8] = [
    "begin", "case", "def", "for", "if", "unless", "until", "while",
];

/// The names of the gems that are needed where the groups of development and test, or those of
/// `BUNDLE_WITHOUT`, are left out.
pub(super) fn likely_gems<'a>(
    gemfile: &str,
    lockfile: &'a GemfileLock,
    settings: &BundlerSettings,
) -> BTreeSet<&'a str> {
    let left_out = left_out_gems(gemfile, &left_out_groups(settings));
    let wanted = lockfile.dependencies.iter().map(|gem| gem.name.as_str());
    let mut open: Vec<&str> = wanted.filter(|name| !left_out.contains(*name)).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !found.insert(name) {
            continue;
        }
        let specs = lockfile.specs().filter(|spec| spec.name == name);
        let needed = specs.flat_map(|spec| &spec.dependencies);
        open.extend(needed.map(|gem| gem.name.as_str()));
    }
    found
}

fn left_out_groups(settings: &BundlerSettings) -> Vec<&str> {
    if settings.sets("BUNDLE_ONLY") || settings.sets("BUNDLE_WITH") {
        return Vec::new();
    }
    let groups = if settings.sets("BUNDLE_WITHOUT") {
        settings.get("BUNDLE_WITHOUT").unwrap_or_default()
    } else {
        DEFAULT_WITHOUT
    };
    groups.split(':').collect()
}

/// The gems of which every statement is for left-out groups.
fn left_out_gems<'a>(gemfile: &'a str, left_out: &[&str]) -> BTreeSet<&'a str> {
    let (mut out, mut needed) = (BTreeSet::new(), BTreeSet::new());
    // For each open block, the groups that it names.
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in gemfile.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let first = line.split([' ', '(']).next().unwrap_or_default();
        let mut groups = blocks.concat();
        let mut statement = line;
        match first {
            "end" => {
                blocks.pop();
            }
            "group" => {
                let place = line.find([' ', '(']).unwrap_or(line.len());
                let arguments = &line[place..];
                let opened = arguments
                    .split_once('{')
                    .or_else(|| arguments.split_once(" do"));
                let (names, rest) = opened.unwrap_or((arguments, ""));
                let rest = rest.trim();
                if rest.is_empty() {
                    blocks.push(symbols(names));
                } else {
                    groups.extend(symbols(names));
                    statement = rest;
                }
            }
            word if BLOCKS.contains(&word) => blocks.push(Vec::new()),
            _ if line.ends_with(" do") || line.contains(" do |") => blocks.push(Vec::new()),
            _ => {}
        }
        let Some(arguments) = statement.strip_prefix("gem").filter(|_| is_gem(statement)) else {
            continue;
        };
        if let Some(place) = arguments.find("group") {
            groups.extend(symbols(&arguments[place + "group".len()..]));
        }
        if let Some(name) = quoted(arguments) {
            let is_out = !groups.is_empty() && groups.iter().all(|group| left_out.contains(group));
            if is_out { &mut out } else { &mut needed }.insert(name);
        }
    }
    &out - &needed
}

fn is_gem(statement: &str) -> bool {
    statement.starts_with("gem ") || statement.starts_with("gem(")
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let start = text.find(['"', '\''])?;
    let quote = text[start..].chars().next()?;
    text[start + 1..].split_once(quote).map(|(name, _)| name)
}

/// Names such as `:test` or `"test"`.
fn symbols(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || "_:\"'".contains(c)));
    words
        .filter_map(|word| word.strip_prefix(':').or_else(|| quoted(word)))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use indoc::indoc;
    use proptest::prelude::*;

    const GEMFILE: &str = indoc! {r#"
        source "https://rubygems.org"
        gem "rails" # not in group :test
        gem("pg")
        gem "debug", "~> 1.9", group: :development
        gem "bullet", groups: [:development, :test]
        gem 'rack-mini-profiler', group: %i[development]
        gem "both", groups: [:development, :production]
        group :development, :test do
          gem "rspec"
          if ENV["CI"]
            gem "junit"
          end
          platforms :mri do
            gem "byebug"
          end
        end
        group(:test) { gem "capybara" }
        group(:test) do gem "webdrivers" end
        group :staging do
          gem "pool"
        end
        group "test" do
          gem "rake"
        end
        gem "rake"
        gemspec
    "#};

    #[test]
    fn gems_of_left_out_groups_alone_are_left_out() {
        let found = |groups| {
            let gems = left_out_gems(GEMFILE, groups);
            gems.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            found(&["development", "test"]),
            "bullet byebug capybara debug junit rspec webdrivers"
        );
        assert_eq!(found(&["staging"]), "pool");
        assert_eq!(found(&[]), "");
    }

    #[test]
    fn what_a_needed_gem_depends_on_is_needed() {
        let lockfile = GemfileLock::parse(
            "Gemfile.lock",
            indoc! {"
                GEM
                  specs:
                    capybara (3.40)
                      rack (>= 1.6)
                      xpath (~> 3.2)
                    rack (3.1)
                    rails (8.0)
                      rack (>= 3)
                    xpath (3.2)

                DEPENDENCIES
                  capybara
                  rails
            "},
        )
        .unwrap();
        let settings = BundlerSettings::default();
        let likely = likely_gems(GEMFILE, &lockfile, &settings);
        assert_eq!(likely.into_iter().collect::<Vec<_>>(), ["rack", "rails"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(gem|group|end|if| do|[ :\"'{}(),#a-zé\n]){0,60}") {
            left_out_gems(&text, &["a"]);
        }
    }
}

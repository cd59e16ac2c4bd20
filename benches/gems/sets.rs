//! What is installed, and what changes between two builds.

use crate::build_container::Files;
use rig::command::text;
use std::fs;

/// Of the Ruby series for which the rig's gems are compiled.
pub(crate) const RUBY: &str = "3.3.8";
pub(crate) const NEXT_RUBY: &str = "3.3.9";

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Set {
    /// The sample app: Sinatra, 12 gems
    Sample,
    /// Rails, 73 gems, 8 of which compile
    Rails,
    /// Rails, and no gem compiles
    Precompiled,
    /// 300 gems of nothing but Ruby code
    Pure,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Case {
    /// Ruby is in its layer; there are no gems yet
    Cold,
    /// The very same app again
    Nothing,
    /// Another file of the app has changed
    Code,
    /// The Gemfile has one gem more
    Added,
    /// The lockfile has a newer release of one gem
    Updated,
    /// The next patch release of Ruby
    Patch,
}

impl Set {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample app",
            Self::Rails => "Rails",
            Self::Precompiled => "Rails, precompiled",
            Self::Pure => "300 pure gems",
        }
    }

    /// Whether it needs the gems that `generate.rb` makes. With them, Bundler would install
    /// precompiled gems for Rails.
    pub(crate) fn needs_generated(self) -> bool {
        self != Self::Rails
    }

    pub(crate) fn app(self, generated: &Files) -> App {
        let fixture = match self {
            Self::Sample => "ruby-sample-app",
            Self::Rails => "rails-gems",
            Self::Precompiled => "rails-gems-precompiled",
            Self::Pure => return App::new(|name| text(&generated[&format!("app/{name}")])),
        };
        App::new(|name| {
            fs::read_to_string(format!("fixtures/{fixture}/{name}")).expect("a fixture")
        })
    }

    /// A gem that the set does not have and that depends on no other: name and version.
    pub(crate) fn added(self) -> (&'static str, &'static str) {
        match self {
            Self::Pure => ("pure300", "1.300.0"),
            _ => ("multi_json", "1.15.0"),
        }
    }

    /// A gem of the set: name, version, and an older version.
    fn updated(self) -> [&'static str; 3] {
        match self {
            Self::Sample => ["tilt", "2.4.0", "2.3.0"],
            Self::Pure => ["pure002", "1.2.0", "0.9.0"],
            Self::Rails | Self::Precompiled => ["rake", "13.2.1", "13.1.0"],
        }
    }
}

impl Case {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Nothing => "nothing changed",
            Self::Code => "code changed",
            Self::Added => "one gem added",
            Self::Updated => "one gem updated",
            Self::Patch => "Ruby patch changed",
        }
    }
}

/// The files of an app that Bundler and Formation read.
#[derive(Clone)]
pub(crate) struct App {
    gemfile: String,
    lockfile: String,
}

impl App {
    fn new(read: impl Fn(&str) -> String) -> Self {
        // The benchmark changes Ruby: the Gemfile must not ask for a version.
        let without_ruby = |text: &str| -> String {
            let lines = text.split_inclusive('\n');
            lines.filter(|line| !line.starts_with("ruby ")).collect()
        };
        let lockfile = read("Gemfile.lock");
        let lockfile = match lockfile.split_once("RUBY VERSION\n") {
            Some((before, after)) => {
                let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
                format!("{before}{rest}")
            }
            None => lockfile,
        };
        Self {
            gemfile: without_ruby(&read("Gemfile")),
            lockfile,
        }
    }

    pub(crate) fn files(&self) -> Files {
        let file = |name: &str, text: &str| (name.to_string(), text.as_bytes().to_vec());
        Files::from([
            file("Gemfile", &self.gemfile),
            file("Gemfile.lock", &self.lockfile),
            file("Procfile", "web: true\n"),
            file("app.rb", "puts 1\n"),
        ])
    }

    /// The app that is built in a case.
    pub(crate) fn in_case(&self, case: Case, set: Set) -> Self {
        match case {
            Case::Added => self.with_added(set),
            _ => self.clone(),
        }
    }

    pub(crate) fn with_added(&self, set: Set) -> Self {
        let (name, version) = set.added();
        let lockfile = insert(
            &self.lockfile,
            "  specs:",
            "    ",
            name,
            &format!(" ({version})"),
        );
        Self {
            gemfile: format!("{}gem {name:?}\n", self.gemfile),
            lockfile: insert(&lockfile, "DEPENDENCIES", "  ", name, ""),
        }
    }

    pub(crate) fn before_update(&self, set: Set) -> Self {
        let [name, now, before] = set.updated();
        let line = |version: &str| format!("\n    {name} ({version})\n");
        assert!(self.lockfile.contains(&line(now)), "{name} {now} is locked");
        Self {
            gemfile: self.gemfile.clone(),
            lockfile: self.lockfile.replace(&line(now), &line(before)),
        }
    }
}

/// Adds an entry to a lockfile, in the order of names, in the section below a heading.
fn insert(lockfile: &str, heading: &str, indent: &str, name: &str, rest: &str) -> String {
    let mut lines: Vec<_> = lockfile.lines().map(String::from).collect();
    let first = 1 + lines
        .iter()
        .position(|line| line == heading)
        .expect(heading);
    let place = lines[first..].iter().position(|line| {
        let entry = line.strip_prefix(indent).unwrap_or_default();
        line.is_empty() || (!entry.starts_with(' ') && entry > name)
    });
    let place = place.map_or(lines.len(), |place| first + place);
    lines.insert(place, format!("{indent}{name}{rest}"));
    lines.join("\n") + "\n"
}

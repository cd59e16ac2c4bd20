//! `Gemfile.lock` (`gems.locked`): which gems, for which platforms, with which Ruby and Bundler.
//!
//! The format is Bundler's `LockfileParser`: a section for each heading at the left margin, its options at two spaces, its specs at
//! four, their dependencies at six. Headings that are not known are passed over, as Bundler does.

use crate::app::gem_version::GemVersion;
use crate::app::ruby_requirement::without_patch_level;
use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// What a lockfile says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GemfileLock {
    /// In the order of the file; a lockfile may have several of a kind.
    pub sources: Vec<Source>,
    /// The platforms that were resolved for, such as `ruby`, `x86_64-linux`.
    pub platforms: Vec<String>,
    /// RUBY VERSION, if there is one.
    pub ruby: Option<LockedRuby>,
    /// BUNDLED WITH, if there is one.
    pub bundled_with: Option<GemVersion>,
}

/// One GEM, GIT, PATH or PLUGIN SOURCE section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Which section it is.
    pub kind: SourceKind,
    /// URLs, or for [`SourceKind::Path`] a folder relative to the lockfile; a GEM section has none to many.
    pub remotes: Vec<String>,
    /// The gems that come from here.
    pub specs: Vec<Spec>,
}

/// Where gems of a section come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceKind {
    /// A gem server.
    Gem,
    /// A git repository.
    Git,
    /// A folder of the app.
    Path,
    /// A source that a Bundler plugin serves.
    Plugin,
}

/// A locked gem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spec {
    /// Such as `nokogiri`.
    pub name: String,
    /// Such as `1.18.2`.
    pub version: String,
    /// Such as `x86_64-linux`; none for a gem that suits every platform or is compiled on install.
    pub platform: Option<String>,
}

/// The value of RUBY VERSION: `ruby 3.3.8p144`, or with an engine `ruby 3.1.4p0 (jruby 9.4.3.0)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LockedRuby {
    /// Without the patch level.
    pub version: GemVersion,
    /// `jruby 9.4.3.0` and the like; none for CRuby.
    pub engine: Option<String>,
}

/// The lockfile cannot be used.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum GemfileLockError {
    /// A merge or rebase was left half done.
    #[error("{file} holds merge conflict markers")]
    #[diagnostic(help(
        "Resolve the conflict: take either side, then run `bundle install` and commit {file}."
    ))]
    MergeConflict {
        /// The lockfile's name.
        file: String,
        /// Its text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The first marker.
        #[label("the conflict starts here")]
        span: SourceSpan,
    },
    /// RUBY VERSION is not one.
    #[error("RUBY VERSION in {file} cannot be read")]
    #[diagnostic(help("Run `bundle update --ruby` and commit {file}."))]
    RubyVersion {
        /// The lockfile's name.
        file: String,
        /// Its text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The value.
        #[label("expected a line like `ruby 3.3.8p144`")]
        span: SourceSpan,
    },
}

/// Which section a line belongs to.
#[derive(Clone, Copy)]
enum Section {
    Source,
    Platforms,
    RubyVersion,
    BundledWith,
    Other,
}

impl GemfileLock {
    /// Reads the text of a lockfile; `file` is its name, for messages.
    ///
    /// # Errors
    /// Merge conflict markers, or a RUBY VERSION that is none.
    pub fn parse(file: &str, text: &str) -> Result<Self, GemfileLockError> {
        let mut lockfile = Self::default();
        let mut section = Section::Other;
        let mut offset = 0;
        for raw in text.split_inclusive('\n') {
            let span = SourceSpan::from((offset, raw.trim_end().len()));
            offset += raw.len();
            let line = raw.trim_end();
            let indent = line.len() - line.trim_start().len();
            let value = line.trim_start();
            if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
                .iter()
                .any(|marker| line.starts_with(marker))
            {
                return Err(GemfileLockError::MergeConflict {
                    file: file.to_string(),
                    source_code: NamedSource::new(file, text.to_string()),
                    span,
                });
            }
            match (indent, section) {
                _ if value.is_empty() => {}
                (0, _) => section = lockfile.open_section(value.trim_start_matches('\u{feff}')),
                (_, Section::Source) => lockfile.read_source_line(indent, value),
                (_, Section::Platforms) => lockfile.platforms.push(value.to_string()),
                (_, Section::RubyVersion) => {
                    lockfile.ruby = Some(LockedRuby::parse(value).ok_or_else(|| {
                        GemfileLockError::RubyVersion {
                            file: file.to_string(),
                            source_code: NamedSource::new(file, text.to_string()),
                            span,
                        }
                    })?);
                }
                (_, Section::BundledWith) => lockfile.bundled_with = value.parse().ok(),
                (_, Section::Other) => {}
            }
        }
        Ok(lockfile)
    }

    /// Every locked gem, of every source.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.sources.iter().flat_map(|source| &source.specs)
    }

    /// Whether a gem of this name is locked.
    #[must_use]
    pub fn has_gem(&self, name: &str) -> bool {
        self.specs().any(|spec| spec.name == name)
    }

    fn open_section(&mut self, heading: &str) -> Section {
        let kind = match heading {
            "GEM" => SourceKind::Gem,
            "GIT" => SourceKind::Git,
            "PATH" => SourceKind::Path,
            "PLUGIN SOURCE" => SourceKind::Plugin,
            "PLATFORMS" => return Section::Platforms,
            "RUBY VERSION" => return Section::RubyVersion,
            "BUNDLED WITH" => return Section::BundledWith,
            _ => return Section::Other,
        };
        self.sources.push(Source {
            kind,
            remotes: Vec::new(),
            specs: Vec::new(),
        });
        Section::Source
    }

    fn read_source_line(&mut self, indent: usize, value: &str) {
        let Some(source) = self.sources.last_mut() else {
            return;
        };
        match indent {
            2 => source.remotes.extend(
                value
                    .strip_prefix("remote:")
                    .map(|url| url.trim().to_string()),
            ),
            4 => source.specs.extend(Spec::parse(value)),
            _ => {}
        }
    }
}

impl Spec {
    /// Reads `name (version[-platform])`; a gem's version holds no dash.
    fn parse(value: &str) -> Option<Self> {
        let (name, rest) = value.split_once(" (")?;
        let locked = rest.strip_suffix(')')?;
        let (version, platform) = match locked.split_once('-') {
            Some((version, platform)) => (version, Some(platform.to_string())),
            None => (locked, None),
        };
        Some(Self {
            name: name.to_string(),
            version: version.to_string(),
            platform,
        })
    }
}

impl LockedRuby {
    fn parse(value: &str) -> Option<Self> {
        let (version, engine) = match value.split_once(" (") {
            Some((version, engine)) => (version, Some(engine.strip_suffix(')')?.to_string())),
            None => (value, None),
        };
        Some(Self {
            version: without_patch_level(version.strip_prefix("ruby ")?)
                .parse()
                .ok()?,
            engine,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use indoc::indoc;
    use proptest::prelude::*;

    const LOCKFILE: &str = indoc! {"
        PATH
          remote: engines/billing
          specs:
            billing (0.1.0)
              rack

        GIT
          remote: https://github.com/rails/rails.git
          revision: 0123456789abcdef0123456789abcdef01234567
          branch: main
          specs:
            rails (8.1.0.alpha)
              rack (>= 2.2.4, < 3.2)

        GEM
          remote: https://rubygems.org/
          remote: https://gems.example.com/
          specs:
            nokogiri (1.18.2)
              mini_portile2 (~> 2.8.2)
            nokogiri (1.18.2-x86_64-linux-gnu)
            rack (3.1.20)

        PLATFORMS
          ruby
          x86_64-linux-gnu

        DEPENDENCIES
          billing!
          nokogiri

        CHECKSUMS
          rack (3.1.20) sha256=38f5510de81366e5a8f5d7084d88dbf075382703c74c6153a9d3aa8db848dcde

        RUBY VERSION
           ruby 3.3.8p144

        SOMETHING NEW
          what: ever

        BUNDLED WITH
           2.6.7
    "};

    #[test]
    fn every_section_is_read() {
        let lockfile = GemfileLock::parse("Gemfile.lock", LOCKFILE).unwrap();
        insta::assert_debug_snapshot!(lockfile);
    }

    #[test]
    fn line_endings_do_not_matter() {
        let unix = GemfileLock::parse("Gemfile.lock", LOCKFILE).unwrap();
        let windows = LOCKFILE.replace('\n', "\r\n");
        assert_eq!(GemfileLock::parse("Gemfile.lock", &windows).unwrap(), unix);
    }

    #[test]
    fn ruby_version_in_its_spellings() {
        for (value, version, engine) in [
            ("ruby 3.3.5p100", "3.3.5", None),
            ("ruby 3.4.0.rc1", "3.4.0.rc1", None),
            ("ruby 4.0.6", "4.0.6", None),
            ("ruby 4.0.0.preview2", "4.0.0.preview2", None),
            (
                "ruby 3.1.4p0 (jruby 9.4.3.0)",
                "3.1.4",
                Some("jruby 9.4.3.0"),
            ),
        ] {
            let text = format!("RUBY VERSION\n  {value}\n");
            let ruby = GemfileLock::parse("Gemfile.lock", &text)
                .unwrap()
                .ruby
                .unwrap();
            assert_eq!(ruby.version.to_string(), version);
            assert_eq!(ruby.engine.as_deref(), engine);
        }
    }

    #[test]
    fn a_merge_conflict_is_shown() {
        let text = LOCKFILE.replace(
            "    rack (3.1.20)\n",
            "<<<<<<< HEAD\n    rack (3.1.20)\n=======\n    rack (3.1.19)\n>>>>>>> main\n",
        );
        assert_report!(GemfileLock::parse("Gemfile.lock", &text).unwrap_err());
    }

    #[test]
    fn an_unreadable_ruby_version_is_shown() {
        let text = LOCKFILE.replace("3.3.8p144", "latest");
        assert_report!(GemfileLock::parse("Gemfile.lock", &text).unwrap_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(?s).*") {
            let _ = GemfileLock::parse("Gemfile.lock", &text);
        }

        #[test]
        fn a_spec_is_read_as_it_was_written(name in "[a-zA-Z0-9_.-]{1,12}", version in "[0-9]{1,2}(\\.[0-9a-z]{1,4}){0,3}", platform in prop::option::of("[a-z0-9_]{1,8}-[a-z]{1,6}")) {
            let suffix = platform.as_ref().map(|platform| format!("-{platform}")).unwrap_or_default();
            let text = format!("GEM\n  specs:\n    {name} ({version}{suffix})\n      other (>= 1)\n");
            let lockfile = GemfileLock::parse("Gemfile.lock", &text).unwrap();
            prop_assert_eq!(lockfile.specs().cloned().collect::<Vec<_>>(), vec![Spec { name, version, platform }]);
        }
    }
}

//! `Gemfile.lock` (`gems.locked`): which gems, for which platforms, with which Ruby and Bundler.
//!
//! The format is Bundler's `LockfileParser`: a section for each heading at the left margin, its options at two spaces, its specs at
//! four, their dependencies at six. Headings that are not known are passed over, as Bundler does. Where Bundler would pass over a
//! line of a section that it does know, or fail on it later, reading fails here and shows the line.
//!
//! Source: <https://github.com/rubygems/rubygems/blob/master/bundler/lib/bundler/lockfile_parser.rb>

mod checksum;
mod choice;
mod entry;
mod parse;
mod source;
#[cfg(test)]
mod tests;

pub use checksum::{Checksum, Checksums};
pub use choice::{Choice, ChosenGem};
pub use parse::{GemfileLockError, LineFault};
pub use source::{GitSource, PathSource, PluginSource, Source, SourceKind};

use crate::gems::platform::GemPlatform;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::locked::LockedRuby;
use std::fmt::{self, Display, Formatter};

/// What a lockfile says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GemfileLock {
    /// In the order of the file; a lockfile may have several of a kind.
    pub sources: Vec<Source>,
    /// PLATFORMS: those that were resolved for.
    pub platforms: Vec<GemPlatform>,
    /// DEPENDENCIES: what the Gemfile asks for, each name once.
    pub dependencies: Vec<Dependency>,
    /// CHECKSUMS, if there is such a section.
    pub checksums: Option<Checksums>,
    /// RUBY VERSION, if there is one.
    pub ruby: Option<LockedRuby>,
    /// BUNDLED WITH, if there is one.
    pub bundled_with: Option<GemVersion>,
}

/// A locked gem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spec {
    /// Such as `nokogiri`.
    pub name: String,
    /// Such as `1.18.2`, in the lockfile's spelling.
    pub version: GemVersion,
    /// Which of the gem's variants.
    pub platform: GemPlatform,
    /// The gems that this variant needs at run time.
    pub dependencies: Vec<Dependency>,
}

/// A gem that another gem or the Gemfile needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dependency {
    /// Such as `racc`.
    pub name: String,
    /// Which versions will do; `>= 0` where the lockfile names none.
    pub requirement: GemRequirement,
    /// `!`: the Gemfile names the source. Only in DEPENDENCIES.
    pub is_pinned: bool,
}

impl GemfileLock {
    /// Every locked gem, of every source.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.sources.iter().flat_map(|source| &source.specs)
    }

    /// Whether a gem of this name is locked.
    #[must_use]
    pub fn has_gem(&self, name: &str) -> bool {
        self.specs().any(|spec| spec.name == name)
    }
}

impl Spec {
    /// The name of its archive without `.gem`: `nokogiri-1.18.2-x86_64-linux-gnu`, `rack-3.1.20`.
    #[must_use]
    pub fn full_name(&self) -> String {
        full_name(&self.name, &self.version, &self.platform)
    }
}

/// As Bundler writes it: `nokogiri (1.18.2-x86_64-linux-gnu)`.
impl Display for Spec {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}", self.name, self.version)?;
        if self.platform != GemPlatform::Ruby {
            write!(formatter, "-{}", self.platform)?;
        }
        formatter.write_str(")")
    }
}

fn full_name(name: &str, version: &GemVersion, platform: &GemPlatform) -> String {
    match platform {
        GemPlatform::Ruby => format!("{name}-{version}"),
        GemPlatform::Native { .. } => format!("{name}-{version}-{platform}"),
    }
}

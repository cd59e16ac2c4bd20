//! `Gemfile.lock` (`gems.locked`): which gems, for which platforms, with which Ruby and Bundler.
//!
//! The format is that of Bundler's `LockfileParser`: a section for each heading at the left margin,
//! its options at two spaces, its specs at four, their dependencies at six. Unknown headings are
//! ignored, as by Bundler. A line of a known section that Bundler would ignore, or fail on later,
//! is an error that shows the line.
//!
//! Source: <https://github.com/rubygems/rubygems/blob/master/bundler/lib/bundler/lockfile_parser.rb>

mod checksum;
mod gem_line;
mod line_fault;
mod parse;
mod selection;
mod source;
#[cfg(test)]
mod tests;

pub use checksum::{Checksum, Checksums};
pub use line_fault::LineFault;
pub use parse::GemfileLockError;
pub use selection::{SelectedGem, SelectedGems};
pub use source::{GitSource, PathSource, PluginSource, Source, SourceKind};

use crate::gems::platform::GemPlatform;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::locked::LockedRuby;
use std::fmt::{self, Display, Formatter};

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GemfileLock {
    /// In the order of the file; a lockfile may have several of a kind.
    pub sources: Vec<Source>,
    /// PLATFORMS: those that the gems were resolved for.
    pub platforms: Vec<GemPlatform>,
    /// DEPENDENCIES: the Gemfile's gems, each name once.
    pub dependencies: Vec<Dependency>,
    /// CHECKSUMS; none without the section.
    pub checksums: Option<Checksums>,
    /// RUBY VERSION; none without the section.
    pub ruby: Option<LockedRuby>,
    /// BUNDLED WITH; none without the section.
    pub bundled_with: Option<GemVersion>,
}

/// A locked gem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spec {
    /// Such as `nokogiri`.
    pub name: String,
    /// Such as `1.18.2`, in the lockfile's spelling.
    pub version: GemVersion,
    pub platform: GemPlatform,
    /// The gems that it needs at run time.
    pub dependencies: Vec<Dependency>,
}

/// A gem that another gem or the Gemfile needs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dependency {
    /// Such as `racc`.
    pub name: String,
    /// `>= 0` where the lockfile names none.
    pub requirement: GemRequirement,
    /// `!`: the Gemfile names the gem's source. Only in DEPENDENCIES.
    pub is_pinned: bool,
}

impl GemfileLock {
    /// The locked gems of all sources.
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

//! What is wrong with a line of a lockfile.

use thiserror::Error;

/// The texts are labels at the line.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum LineFault {
    /// An indentation that the section does not have, or an option without a value.
    #[error("Bundler ignores this line: it is not indented like the lines of this section")]
    Ignored,
    /// Neither a heading of Bundler nor one that another tool may have written.
    #[error("this is not a heading, so Bundler ignores the lines below it")]
    Heading,
    /// A gem before `specs:`.
    #[error("this line must come after the section's `  specs:`")]
    BeforeSpecs,
    /// A dependency before the first gem.
    #[error("this is a dependency, but no gem comes before it")]
    BeforeSpec,
    /// The section needs this option.
    #[error("the section has no `{0}:`")]
    OptionMissing(&'static str),
    #[error("expected a line like `rack (3.1.20)`")]
    Version,
    #[error("expected a line like `rack (>= 2.2.4, < 3.2)`")]
    Requirement,
    #[error("expected a line like `rack (3.1.20) sha256=` with 64 hexadecimal digits")]
    Checksum,
    /// Two checksums for one archive.
    #[error("another line has a different checksum for this gem")]
    ChecksumsDiffer,
    /// Reported as an error of its own.
    #[error("expected a line like `ruby 3.3.8p144`")]
    RubyVersion,
}

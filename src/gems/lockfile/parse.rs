//! Reading a lockfile, line by line.

use super::entry::Entry;
use super::source::{Options, SourceHeading, read_option};
use super::{Dependency, GemfileLock, Spec};
use crate::gems::platform::GemPlatform;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::locked::LockedRuby;
use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

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
    /// An invisible character before the first heading.
    #[error("{file} starts with a byte-order mark, and Bundler does not read its first section")]
    #[diagnostic(help("Save {file} as UTF-8 without a byte-order mark, and commit it."))]
    ByteOrderMark {
        /// The lockfile's name.
        file: String,
    },
    /// A line that Bundler would pass over or fail on.
    #[error("{file} has a line that Bundler cannot use")]
    #[diagnostic(help(
        "Lockfiles are written by Bundler. Take {file} from the last commit where it worked, run `bundle lock`, and commit it."
    ))]
    Line {
        /// The lockfile's name.
        file: String,
        /// What is wrong with it.
        fault: LineFault,
        /// The file's text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The line.
        #[label("{fault}")]
        span: SourceSpan,
    },
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum LineFault {
    /// The indentation is none of the section's, or there is no value.
    #[error("Bundler passes over this line: it is not indented as the section's lines are")]
    PassedOver,
    /// Neither a heading of Bundler's nor one that another tool may have put there.
    #[error("this is no heading, so Bundler passes over what follows")]
    Heading,
    /// A gem before `specs:`.
    #[error("this stands before the section's `  specs:`")]
    BeforeSpecs,
    /// A dependency before the first gem.
    #[error("this gem needs one before it that depends on it")]
    BeforeSpec,
    /// An option that the section cannot do without.
    #[error("the section has no `{0}:`")]
    OptionMissing(&'static str),
    /// No version, or none that is one.
    #[error("expected a line like `rack (3.1.20)`")]
    Version,
    /// No requirement of a version.
    #[error("expected a line like `rack (>= 2.2.4, < 3.2)`")]
    Requirement,
    /// No checksum.
    #[error("expected a line like `rack (3.1.20) sha256=` with 64 hexadecimal digits")]
    Checksum,
    /// Two checksums for one archive.
    #[error("another line has a different checksum for this gem")]
    ChecksumsDiffer,
    /// RUBY VERSION is not one; reported as an error of its own.
    #[error("expected a line like `ruby 3.3.8p144`")]
    RubyVersion,
}

/// The section that a line stands in.
#[derive(Clone, Copy)]
enum Section {
    Source(SourceHeading),
    Platforms,
    Dependencies,
    Checksums,
    RubyVersion,
    BundledWith,
    /// Of another tool, or of a newer Bundler.
    Unknown,
    /// What follows a line, at this place, that only looks like a heading.
    Lost(SourceSpan),
}

/// What has been read so far.
struct Parser {
    lockfile: GemfileLock,
    section: Section,
    /// Of the section of a source, up to its `specs:`.
    options: Options,
    /// Whether `specs:` has been seen.
    has_specs: bool,
}

impl GemfileLock {
    /// Reads the text of a lockfile; `file` is its name, for messages.
    ///
    /// # Errors
    /// Merge conflict markers, a RUBY VERSION that is none, and lines that Bundler would pass over or fail on.
    pub fn parse(file: &str, text: &str) -> Result<Self, GemfileLockError> {
        let source_code = || NamedSource::new(file, text.to_string());
        if let Some(span) = first_conflict(text) {
            return Err(GemfileLockError::MergeConflict {
                file: file.to_string(),
                source_code: source_code(),
                span,
            });
        }
        if text.starts_with('\u{feff}') {
            return Err(GemfileLockError::ByteOrderMark {
                file: file.to_string(),
            });
        }
        let mut parser = Parser {
            lockfile: Self::default(),
            section: Section::Unknown,
            options: Options::new(),
            has_specs: false,
        };
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let start = offset;
            offset += line.len();
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            let span = SourceSpan::from((start, line.len()));
            parser
                .read(line, span)
                .map_err(|(fault, span)| match fault {
                    LineFault::RubyVersion => GemfileLockError::RubyVersion {
                        file: file.to_string(),
                        source_code: source_code(),
                        span,
                    },
                    _ => GemfileLockError::Line {
                        file: file.to_string(),
                        fault,
                        source_code: source_code(),
                        span,
                    },
                })?;
        }
        Ok(parser.lockfile)
    }
}

/// The line with the first marker. Bundler looks for them anywhere in a line.
fn first_conflict(text: &str) -> Option<SourceSpan> {
    let markers = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
    let first = markers
        .iter()
        .filter_map(|marker| text.find(marker))
        .min()?;
    let start = text[..first].rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next()?;
    Some(SourceSpan::from((start, line.len())))
}

impl Parser {
    fn read(&mut self, line: &str, span: SourceSpan) -> Result<(), (LineFault, SourceSpan)> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        if !line.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.section = Section::open(line, span);
            self.options.clear();
            self.has_specs = false;
            if matches!(self.section, Section::Checksums) {
                self.lockfile.checksums.get_or_insert_default();
            }
            return Ok(());
        }
        let read = match self.section {
            Section::Source(heading) => self.read_source(heading, line),
            Section::Platforms => self.read_platform(line),
            Section::Dependencies => self.read_dependency(line),
            Section::Checksums => self.read_checksum(line),
            Section::RubyVersion => self.read_ruby(line.trim_ascii()),
            Section::BundledWith => {
                // What is no version is as good as no section, to Bundler too.
                let version = line.trim_ascii().parse().ok();
                self.lockfile.bundled_with = version.or(self.lockfile.bundled_with.take());
                Ok(())
            }
            Section::Unknown => Ok(()),
            Section::Lost(heading) => return Err((LineFault::Heading, heading)),
        };
        read.map_err(|fault| (fault, span))
    }

    fn read_source(&mut self, heading: SourceHeading, line: &str) -> Result<(), LineFault> {
        if line == "  specs:" {
            let options = std::mem::take(&mut self.options);
            let source = heading.into_source(options)?;
            self.lockfile.sources.push(source);
            self.has_specs = true;
            return Ok(());
        }
        if let Some(option) = read_option(line) {
            self.options.push(option);
            return Ok(());
        }
        let entry = Entry::read(line).ok_or(LineFault::PassedOver)?;
        match entry.indent {
            2 => Ok(()), // An option without a value.
            _ if !self.has_specs => Err(LineFault::BeforeSpecs),
            4 => {
                let (version, platform) = version_of(&entry)?;
                let specs = self
                    .lockfile
                    .sources
                    .last_mut()
                    .map(|source| &mut source.specs);
                specs.ok_or(LineFault::BeforeSpecs)?.push(Spec {
                    name: entry.name.to_string(),
                    version,
                    platform,
                    dependencies: Vec::new(),
                });
                Ok(())
            }
            _ => {
                let source = self.lockfile.sources.last_mut();
                let spec = source.and_then(|source| source.specs.last_mut());
                let spec = spec.ok_or(LineFault::BeforeSpec)?;
                spec.dependencies.push(Dependency::read(&entry)?);
                Ok(())
            }
        }
    }

    fn read_platform(&mut self, line: &str) -> Result<(), LineFault> {
        let text = line.strip_prefix("  ").ok_or(LineFault::PassedOver)?;
        self.lockfile
            .platforms
            .push(GemPlatform::parse(text.trim_ascii()));
        Ok(())
    }

    fn read_dependency(&mut self, line: &str) -> Result<(), LineFault> {
        let dependency = Dependency::read(&flat_entry(line)?)?;
        let known = &mut self.lockfile.dependencies;
        match known.iter_mut().find(|known| known.name == dependency.name) {
            Some(same) => *same = dependency,
            None => known.push(dependency),
        }
        Ok(())
    }

    fn read_checksum(&mut self, line: &str) -> Result<(), LineFault> {
        let entry = flat_entry(line)?;
        let (version, platform) = version_of(&entry)?;
        let checksums = self.lockfile.checksums.get_or_insert_default();
        checksums.add(entry.name, &version, &platform, entry.checksum)
    }

    fn read_ruby(&mut self, value: &str) -> Result<(), LineFault> {
        let ruby = LockedRuby::read(value).ok_or(LineFault::RubyVersion)?;
        self.lockfile.ruby = Some(ruby);
        Ok(())
    }
}

impl Section {
    fn open(line: &str, span: SourceSpan) -> Self {
        let known = Self::known(line);
        let is_heading = line
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_ ".contains(&byte));
        known.unwrap_or(if is_heading && Self::known(line.trim_ascii()).is_none() {
            Self::Unknown
        } else {
            Self::Lost(span)
        })
    }

    fn known(heading: &str) -> Option<Self> {
        Some(match heading {
            "GEM" => Self::Source(SourceHeading::Gem),
            "GIT" => Self::Source(SourceHeading::Git),
            "PATH" => Self::Source(SourceHeading::Path),
            "PLUGIN SOURCE" => Self::Source(SourceHeading::Plugin),
            "PLATFORMS" => Self::Platforms,
            "DEPENDENCIES" => Self::Dependencies,
            "CHECKSUMS" => Self::Checksums,
            "RUBY VERSION" => Self::RubyVersion,
            "BUNDLED WITH" => Self::BundledWith,
            _ => return None,
        })
    }
}

/// A line of the sections that have no second level.
fn flat_entry(line: &str) -> Result<Entry<'_>, LineFault> {
    let entry = Entry::read(line).filter(|entry| entry.indent == 2);
    entry.ok_or(LineFault::PassedOver)
}

fn version_of(entry: &Entry<'_>) -> Result<(GemVersion, GemPlatform), LineFault> {
    let version = entry.version.and_then(|version| version.parse().ok());
    let platform = entry.platform.unwrap_or_default();
    Ok((
        version.ok_or(LineFault::Version)?,
        GemPlatform::parse(platform),
    ))
}

impl Dependency {
    fn read(entry: &Entry<'_>) -> Result<Self, LineFault> {
        let requirement = match entry.version {
            None => GemRequirement::any(),
            Some(text) => text.parse().map_err(|_| LineFault::Requirement)?,
        };
        Ok(Self {
            name: entry.name.to_string(),
            requirement,
            is_pinned: entry.is_pinned,
        })
    }
}

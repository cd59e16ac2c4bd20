//! Reading a lockfile, line by line.

use super::gem_line::GemLine;
use super::line_fault::LineFault;
use super::source::{Options, SourceHeading, read_option};
use super::{Dependency, GemfileLock, Spec};
use crate::gems::platform::GemPlatform;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::locked::LockedRuby;
use miette::{Diagnostic, NamedSource, SourceSpan};
use procfile::text::{BYTE_ORDER_MARK, CONFLICT_MARKERS};
use thiserror::Error;

/// The lockfile cannot be used.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum GemfileLockError {
    #[error("{file} contains merge conflict markers")]
    #[diagnostic(help(
        "Resolve the conflict: keep either side, then run `bundle install` and commit {file}."
    ))]
    MergeConflict {
        file: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("the conflict starts here")]
        span: SourceSpan,
    },
    #[error("RUBY VERSION in {file} cannot be read")]
    #[diagnostic(help("Run `bundle update --ruby` and commit {file}."))]
    RubyVersion {
        file: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("expected a line like `ruby 3.3.8p144`")]
        span: SourceSpan,
    },
    #[error("{file} starts with a byte-order mark, so Bundler does not read its first section")]
    #[diagnostic(help("Save {file} as UTF-8 without a byte-order mark, and commit it."))]
    ByteOrderMark { file: String },
    #[error("{file} has a line that Bundler cannot use")]
    #[diagnostic(help(
        "Bundler writes lockfiles. Restore {file} from the last commit in which it worked, run \
         `bundle lock`, and commit it."
    ))]
    Line {
        file: String,
        fault: LineFault,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("{fault}")]
        span: SourceSpan,
    },
}

/// The section of a line.
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
    /// The lines below one that only looks like a heading, at this place.
    NotAHeading(SourceSpan),
}

struct Parser {
    lockfile: GemfileLock,
    section: Section,
    /// The options of a source's section, up to its `specs:`.
    options: Options,
    /// Whether `specs:` has been read.
    has_specs: bool,
}

impl GemfileLock {
    /// Reads the text of a lockfile; `file` is its name, for messages.
    ///
    /// # Errors
    /// Merge conflict markers, a byte-order mark, an unreadable RUBY VERSION, and lines that
    /// Bundler would ignore or fail on.
    pub fn parse(file: &str, text: &str) -> Result<Self, GemfileLockError> {
        let source_code = || NamedSource::new(file, text.to_string());
        if let Some(span) = first_conflict(text) {
            return Err(GemfileLockError::MergeConflict {
                file: file.to_string(),
                source_code: source_code(),
                span,
            });
        }
        if text.starts_with(BYTE_ORDER_MARK) {
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

/// The line with the first marker. As for Bundler, it may be anywhere in the line.
fn first_conflict(text: &str) -> Option<SourceSpan> {
    let first = CONFLICT_MARKERS
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
                // As for Bundler, an unreadable version counts as none.
                let version = line.trim_ascii().parse().ok();
                self.lockfile.bundled_with = version.or(self.lockfile.bundled_with.take());
                Ok(())
            }
            Section::Unknown => Ok(()),
            Section::NotAHeading(heading) => return Err((LineFault::Heading, heading)),
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
        let line = GemLine::read(line).ok_or(LineFault::Ignored)?;
        match line.indent {
            2 => Ok(()), // An option without a value.
            _ if !self.has_specs => Err(LineFault::BeforeSpecs),
            4 => {
                let (version, platform) = version_of(&line)?;
                let specs = self
                    .lockfile
                    .sources
                    .last_mut()
                    .map(|source| &mut source.specs);
                specs.ok_or(LineFault::BeforeSpecs)?.push(Spec {
                    name: line.name.to_string(),
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
                spec.dependencies.push(Dependency::read(&line)?);
                Ok(())
            }
        }
    }

    fn read_platform(&mut self, line: &str) -> Result<(), LineFault> {
        let text = line.strip_prefix("  ").ok_or(LineFault::Ignored)?;
        self.lockfile
            .platforms
            .push(GemPlatform::parse(text.trim_ascii()));
        Ok(())
    }

    fn read_dependency(&mut self, line: &str) -> Result<(), LineFault> {
        let dependency = Dependency::read(&flat_line(line)?)?;
        let known = &mut self.lockfile.dependencies;
        match known.iter_mut().find(|known| known.name == dependency.name) {
            Some(same) => *same = dependency,
            None => known.push(dependency),
        }
        Ok(())
    }

    fn read_checksum(&mut self, line: &str) -> Result<(), LineFault> {
        let line = flat_line(line)?;
        let (version, platform) = version_of(&line)?;
        let checksums = self.lockfile.checksums.get_or_insert_default();
        checksums.add(line.name, &version, &platform, line.checksum)
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
            Self::NotAHeading(span)
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

/// A line of DEPENDENCIES or CHECKSUMS, which have one level.
fn flat_line(line: &str) -> Result<GemLine<'_>, LineFault> {
    let line = GemLine::read(line).filter(|line| line.indent == 2);
    line.ok_or(LineFault::Ignored)
}

fn version_of(line: &GemLine<'_>) -> Result<(GemVersion, GemPlatform), LineFault> {
    let version = line.version.and_then(|version| version.parse().ok());
    let platform = line.platform.unwrap_or_default();
    Ok((
        version.ok_or(LineFault::Version)?,
        GemPlatform::parse(platform),
    ))
}

impl Dependency {
    fn read(line: &GemLine<'_>) -> Result<Self, LineFault> {
        let requirement = match line.version {
            None => GemRequirement::any(),
            Some(text) => text.parse().map_err(|_| LineFault::Requirement)?,
        };
        Ok(Self {
            name: line.name.to_string(),
            requirement,
            is_pinned: line.is_pinned,
        })
    }
}

//! The Gemfile's `ruby` statement: the only request that Bundler itself checks.

use super::{Asked, RubyRequest, RubySource, RubyVersionError, request};
use crate::ruby::gem_version::GemVersion;
use crate::ruby::gemfile::{RubyDirective, ruby_directive};
use crate::ruby::is_lockfile;
use crate::ruby::requirement::{how_to_write, ruby_requirement};
use crate::ruby::ruby_version_file::{version_by_bundler, whole_text};
use crate::ruby::spanned::Spanned;
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

pub(super) struct Directive {
    says: RubyDirective,
    name: String,
    source_code: NamedSource<String>,
    span: SourceSpan,
}

impl Directive {
    /// None for a Gemfile without such a statement.
    pub(super) fn of(name: &str, text: &str) -> Option<Self> {
        let (directive, place) = ruby_directive(text)?;
        Some(Self {
            says: directive,
            name: name.to_string(),
            source_code: NamedSource::new(name, text.to_string()),
            span: place.into(),
        })
    }

    /// The name in the app of the file that the version is taken from.
    pub(super) fn named_file(&self) -> Option<String> {
        match &self.says {
            RubyDirective::File(file) => Some(self.beside(file)),
            RubyDirective::Content(content) => Some(self.beside(&content.file)),
            _ => None,
        }
    }

    /// The name in the app of a file whose path is relative to the Gemfile's folder.
    fn beside(&self, file: &str) -> String {
        let mut path = PathBuf::new();
        for component in Path::new(&self.name).with_file_name(file).components() {
            match component {
                Component::ParentDir if path.file_name().is_some() => {
                    path.pop();
                }
                Component::CurDir => {}
                component => path.push(component),
            }
        }
        path.display().to_string()
    }

    /// What it asks for, as far as its text tells. As for Bundler, a version from a file is exact:
    /// `3.3` is 3.3.0 and no other.
    pub(super) fn asked(&self, read_file: &dyn Fn(&str) -> Option<String>) -> Asked {
        let from_file = |file: &str, version: &dyn Fn(&str) -> Spanned| {
            let text = read_file(file).ok_or_else(|| RubyVersionError::FileMissing {
                name: self.name.clone(),
                file: file.to_string(),
                source_code: self.source_code.clone(),
                span: self.span,
            })?;
            let source = RubySource::File(self.beside(file));
            request(source, &text, &version(&text), &ruby_requirement).map(Some)
        };
        match &self.says {
            RubyDirective::Requirement(requirement) => Ok(Some(RubyRequest {
                requirement: requirement.clone(),
                source: RubySource::File(self.name.clone()),
            })),
            RubyDirective::File(file) => from_file(file, &version_by_bundler),
            RubyDirective::Content(content) => from_file(&content.file, &|text| {
                let mut version = whole_text(text);
                if let Some(rest) = version.value.strip_prefix("ruby-")
                    && content.drops_prefix
                {
                    version.value = rest.to_string();
                }
                version.value.insert_str(0, &content.operator);
                version
            }),
            RubyDirective::Engine(engine) => Err(RubyVersionError::Engine {
                name: self.name.clone(),
                engine: engine.clone(),
            }),
            RubyDirective::Invalid(value) => Err(RubyVersionError::NotAVersion {
                name: self.name.clone(),
                hint: how_to_write(value),
                source_code: self.source_code.clone(),
                span: self.span,
            }),
            RubyDirective::Computed => Ok(None),
        }
    }

    pub(super) fn into_checked(self, request: RubyRequest) -> GemfileRuby {
        GemfileRuby {
            request,
            gemfile: self.name,
            source_code: self.source_code,
            span: self.span,
        }
    }

    pub(super) fn into_computed(self, is_missed: bool) -> ComputedRubyVersion {
        ComputedRubyVersion {
            is_missed,
            name: self.name,
            source_code: self.source_code,
            span: self.span,
        }
    }
}

/// The Gemfile's request, against which Bundler checks the Ruby that runs it. Bundler does not
/// check the lockfile's RUBY VERSION.
///
/// Source: `Definition#validate_ruby!` in <https://github.com/ruby/rubygems/blob/master/bundler/lib/bundler/definition.rb>
#[derive(Clone, Debug)]
pub struct GemfileRuby {
    /// Its source is the Gemfile, or the file that the Gemfile names.
    pub request: RubyRequest,
    gemfile: String,
    source_code: NamedSource<String>,
    span: SourceSpan,
}

impl GemfileRuby {
    /// The error of a Ruby that Bundler would refuse; none where Bundler would accept it.
    #[must_use]
    pub fn refuses(&self, version: &GemVersion, asked_by: &RubySource) -> Option<RefusedByBundler> {
        if self.request.requirement.allows(version) {
            return None;
        }
        let gemfile = &self.gemfile;
        let remedy = match asked_by {
            RubySource::Variable(name) => {
                format!("Set {name} to a version that {gemfile} allows, or unset it.")
            }
            RubySource::File(name) if is_lockfile(name) => {
                format!(
                    "Run `bundle update --ruby` with a Ruby that {gemfile} allows, and commit \
                     {name}."
                )
            }
            source => format!("Make {source} and {gemfile} agree."),
        };
        Some(RefusedByBundler {
            asked_by: asked_by.clone(),
            version: version.clone(),
            gemfile: gemfile.clone(),
            requirement: self.request.requirement.to_string(),
            remedy,
            source_code: self.source_code.clone(),
            span: self.span,
        })
    }
}

/// The Gemfile does not allow the chosen Ruby: `bundle install` would fail.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{asked_by} asks for Ruby {version}, but {gemfile} only allows {requirement}")]
#[diagnostic(help("Bundler refuses to run with a Ruby that {gemfile} does not allow. {remedy}"))]
pub struct RefusedByBundler {
    asked_by: RubySource,
    version: GemVersion,
    gemfile: String,
    requirement: String,
    remedy: String,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("asks for {requirement}")]
    span: SourceSpan,
}

/// The Gemfile's version, which only Ruby could compute.
#[derive(Clone, Debug)]
pub struct ComputedRubyVersion {
    /// Whether no source before the Gemfile has named a version.
    pub is_missed: bool,
    /// The Gemfile's name.
    pub name: String,
    pub source_code: NamedSource<String>,
    pub span: SourceSpan,
}

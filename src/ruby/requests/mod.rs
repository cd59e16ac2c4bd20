//! Which Ruby the app asks for, and in which of its inputs.

mod checked;

pub use checked::{ComputedRubyVersion, GemfileRuby, RefusedByBundler};

use crate::app::{App, Mistake, Mistakes};
use crate::platform::variables::BuildVariables;
use crate::ruby::gem_version::{GemRequirement, GemVersion, NotAVersion};
use crate::ruby::locked::LockedRuby;
use crate::ruby::requirement::{how_to_write, managers_requirement, names_no_release};
use crate::ruby::spanned::Spanned;
use crate::ruby::{mise, ruby_version_file, tool_versions};
use checked::Directive;
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use thiserror::Error;

/// A Ruby version that an input of the app asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RubyRequest {
    pub requirement: GemRequirement,
    pub source: RubySource,
}

/// The input that asks for a Ruby version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RubySource {
    /// The build variable of this name.
    Variable(&'static str),
    /// The file of this name.
    File(String),
    /// No input: the inventory's default series.
    Default,
}

impl Display for RubySource {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => formatter.write_str(name),
            Self::File(name) => formatter.write_str(name),
            Self::Default => formatter.write_str("Formation's default"),
        }
    }
}

/// The build variables that may name a version: Formation's own, and the one of Paketo's buildpack.
pub const VARIABLES: [&str; 2] = ["BP_RUBY_VERSION", "BP_MRI_VERSION"];

/// The texts that may name a version, each with its name in messages.
#[derive(Clone, Copy, Default)]
pub struct RubyInputs<'a> {
    /// The variables of [`VARIABLES`] that are set, in their order.
    pub variables: &'a [(&'static str, &'a str)],
    /// The lockfile's name and its RUBY VERSION.
    pub locked: Option<(&'a str, &'a LockedRuby)>,
    /// The Gemfile's name and text.
    pub gemfile: Option<(&'a str, &'a str)>,
    /// The text of `.ruby-version`.
    pub ruby_version_file: Option<&'a str>,
    /// The text of `.tool-versions`.
    pub tool_versions: Option<&'a str>,
    /// The name and text of `mise.toml`, or of another file of mise.
    pub mise: Option<(&'static str, &'a str)>,
}

/// An input asks for a Ruby that cannot be installed.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum RubyVersionError {
    #[error("{name} asks for a Ruby version that cannot be read")]
    #[diagnostic(help("{hint}"))]
    NotAVersion {
        name: String,
        hint: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("not a version")]
        span: SourceSpan,
    },
    /// JRuby, TruffleRuby or the like.
    #[error("{name} asks for {engine}, but Formation installs only CRuby")]
    #[diagnostic(help("Ask for a CRuby version such as 3.3.8, or use a buildpack for {engine}."))]
    Engine {
        name: String,
        /// Such as `jruby 9.4.3.0`.
        engine: String,
    },
    /// `ruby file: "…"` names a missing file.
    #[error("{name} takes the Ruby version from `{file}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {file} (and check that .dockerignore or project.toml do not exclude it), or write \
         the version into {name}."
    ))]
    FileMissing {
        name: String,
        file: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("named here")]
        span: SourceSpan,
    },
    #[error("{name} cannot be read: {reason}")]
    #[diagnostic(help(
        "Correct it, or write the Ruby version into {}.",
        ruby_version_file::FILE_NAME
    ))]
    NotMise {
        name: String,
        reason: String,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("here")]
        span: SourceSpan,
    },
    /// A source before the Gemfile asks for a Ruby that the Gemfile does not allow.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] RefusedByBundler),
}

/// A source that cannot be used, but an earlier source has named a version.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{reason}; {answered_by} takes precedence")]
#[diagnostic(
    severity(Warning),
    help("Correct or remove it, so that all sources agree.")
)]
pub struct PassedOver {
    pub reason: RubyVersionError,
    /// The source that takes precedence.
    pub answered_by: RubySource,
}

/// All requests of the inputs. The first one decides; the others are compared with it.
#[derive(Clone, Debug, Default)]
pub struct RubyRequests {
    /// In order of precedence.
    pub requests: Vec<RubyRequest>,
    /// The Gemfile's request, which Bundler checks even where another source decides.
    pub gemfile: Option<GemfileRuby>,
    /// The Gemfile's request, where only Ruby could compute it.
    pub computed: Option<ComputedRubyVersion>,
    /// Sources that cannot be used, behind one that can.
    pub passed_over: Vec<PassedOver>,
}

/// A Gemfile's name in the app, its path and its text.
#[derive(Clone, Copy)]
pub struct GemfileText<'a> {
    pub name: &'a str,
    pub path: &'a Path,
    pub text: &'a str,
}

/// Reads every input of an app that may ask for a Ruby. `locked` is the lockfile's name and its
/// RUBY VERSION.
pub fn read(
    app: &App,
    env: &BuildVariables,
    gemfile: Option<GemfileText<'_>>,
    locked: Option<(&str, &LockedRuby)>,
) -> Result<RubyRequests, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let mut text_of = |name: &str| mistakes.keep(app.read_text(&app.dir.join(name))).flatten();
    let ruby_version_file = text_of(ruby_version_file::FILE_NAME);
    let tool_versions = text_of(tool_versions::FILE_NAME);
    let mise = mise::file_for_ruby(text_of);
    mistakes
        .into_result()
        .map_err(|Mistakes(mistakes)| mistakes)?;
    let variables: Vec<_> = VARIABLES
        .iter()
        .filter_map(|name| Some((*name, env.get(name)?)))
        .collect();
    let inputs = RubyInputs {
        variables: &variables,
        locked,
        gemfile: gemfile.map(|gemfile| (gemfile.name, gemfile.text)),
        ruby_version_file: ruby_version_file.as_deref(),
        tool_versions: tool_versions.as_deref(),
        mise: mise.as_ref().map(|(name, text)| (*name, text.as_str())),
    };
    let beside_gemfile = |name: &str| {
        let path = gemfile?.path.with_file_name(name);
        app.read_text(&path).ok().flatten()
    };
    RubyRequests::read(inputs, &beside_gemfile)
        .map_err(|errors| errors.into_iter().map(Mistake::from).collect())
}

/// The request of one input: none, a Ruby, or one that cannot be installed.
type Asked = Result<Option<RubyRequest>, RubyVersionError>;

impl RubyRequests {
    /// Reads every input, in order of precedence: variable, lockfile, Gemfile, `.ruby-version`,
    /// `.tool-versions`, `mise.toml`. `read_file` gives the text of a file beside the Gemfile, for
    /// `ruby file: "…"`.
    ///
    /// # Errors
    /// All inputs that ask for a Ruby that cannot be installed. Behind a source that names a
    /// version, such an input is only passed over; the Gemfile is not, because Bundler would refuse
    /// it.
    pub fn read(
        inputs: RubyInputs<'_>,
        read_file: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<RubyVersionError>> {
        let mut found = Self::default();
        let mut errors = Vec::new();
        for (name, text) in inputs.variables {
            found.take(from_line(RubySource::Variable(name), text), &mut errors);
        }
        if let Some((name, ruby)) = inputs.locked {
            found.take(from_lockfile(name, ruby), &mut errors);
        }
        let mut named_file = None;
        if let Some((name, text)) = inputs.gemfile {
            named_file = found.take_gemfile(name, text, read_file, &mut errors);
        }
        let file = |name: &str| RubySource::File(name.to_string());
        let others = [
            inputs.ruby_version_file.map(|text| {
                let name = ruby_version_file::FILE_NAME;
                (name, from_line(file(name), text))
            }),
            inputs.tool_versions.map(|text| {
                let name = tool_versions::FILE_NAME;
                let versions = tool_versions::ruby(text);
                (name, from_list(file(name), text, &versions))
            }),
            inputs
                .mise
                .map(|(name, text)| (name, from_mise(name, text))),
        ];
        for (name, asked) in others.into_iter().flatten() {
            // A file that the Gemfile names has been read with it.
            if named_file.as_deref() != Some(name) {
                found.take(asked, &mut errors);
            }
        }
        if errors.is_empty() {
            Ok(found)
        } else {
            Err(errors)
        }
    }

    fn take(&mut self, asked: Asked, errors: &mut Vec<RubyVersionError>) {
        match (asked, self.requests.first()) {
            (Ok(request), _) => self.requests.extend(request),
            (Err(reason), Some(first)) => self.passed_over.push(PassedOver {
                reason,
                answered_by: first.source.clone(),
            }),
            (Err(error), None) => errors.push(error),
        }
    }

    /// Reads the Gemfile. Returns the name of the file that it takes its version from.
    fn take_gemfile(
        &mut self,
        name: &str,
        text: &str,
        read_file: &dyn Fn(&str) -> Option<String>,
        errors: &mut Vec<RubyVersionError>,
    ) -> Option<String> {
        let directive = Directive::of(name, text)?;
        let named_file = directive.named_file();
        match directive.asked(read_file) {
            Ok(Some(request)) => {
                let gemfile = directive.into_checked(request.clone());
                // An exact version is checked now. For a requirement, a version is chosen later
                // that meets both.
                let refused = self.requests.first().and_then(|first| {
                    gemfile.refuses(first.requirement.exact_version()?, &first.source)
                });
                errors.extend(refused.map(RubyVersionError::from));
                self.requests.push(request);
                self.gemfile = Some(gemfile);
            }
            Ok(None) => self.computed = Some(directive.into_computed(self.requests.is_empty())),
            Err(error) => errors.push(error),
        }
        named_file
    }
}

fn from_lockfile(name: &str, ruby: &LockedRuby) -> Asked {
    match &ruby.engine {
        Some(engine) => Err(RubyVersionError::Engine {
            name: name.to_string(),
            engine: engine.clone(),
        }),
        None => Ok(Some(RubyRequest {
            requirement: GemRequirement::exactly(ruby.version.clone()),
            source: RubySource::File(name.to_string()),
        })),
    }
}

/// The request of a variable or of `.ruby-version`.
fn from_line(source: RubySource, text: &str) -> Asked {
    let Some(version) = ruby_version_file::version(text) else {
        return Ok(None);
    };
    let short = match version.value.strip_prefix("ruby") {
        Some(rest) if rest.starts_with(['-', ' ', '\t']) => rest[1..].trim_start().to_string(),
        _ => version.value,
    };
    let version = Spanned {
        value: short,
        span: version.span,
    };
    request(source, text, &version, &managers_requirement).map(Some)
}

/// The request for the first of several versions that is a release: a version manager tries one
/// after the other.
fn from_list(source: RubySource, text: &str, versions: &[Spanned]) -> Asked {
    let release = versions
        .iter()
        .find(|version| !names_no_release(&version.value));
    release
        .or(versions.first())
        .map(|version| request(source, text, version, &managers_requirement))
        .transpose()
}

fn from_mise(name: &str, text: &str) -> Asked {
    let versions = mise::ruby(text).map_err(|error| RubyVersionError::NotMise {
        name: name.to_string(),
        reason: error.reason,
        source_code: NamedSource::new(name, text.to_string()),
        span: error.span.into(),
    })?;
    from_list(RubySource::File(name.into()), text, &versions)
}

/// The names that version managers give to other implementations of Ruby.
const ENGINES: [&str; 9] = [
    "jruby",
    "truffleruby",
    "mruby",
    "picoruby",
    "rbx",
    "rubinius",
    "artichoke",
    "maglev",
    "ree",
];

/// Reads the version at a place of a text, by the rule of the tool that the text is for.
fn request(
    source: RubySource,
    text: &str,
    version: &Spanned,
    requirement: &dyn Fn(&str) -> Result<GemRequirement, NotAVersion>,
) -> Result<RubyRequest, RubyVersionError> {
    let value = &version.value;
    if let Some(engine) = ENGINES.iter().find(|engine| value.starts_with(**engine)) {
        return Err(RubyVersionError::Engine {
            name: source.to_string(),
            engine: (*engine).to_string(),
        });
    }
    match requirement(value) {
        Ok(requirement) => Ok(RubyRequest {
            requirement,
            source,
        }),
        Err(_) => Err(RubyVersionError::NotAVersion {
            name: source.to_string(),
            hint: how_to_write(value),
            source_code: NamedSource::new(source.to_string(), text.to_string()),
            span: version.span,
        }),
    }
}

/// The request of an app that asks for no Ruby: the newest patch release of a series such as `3.4`.
#[must_use]
pub fn default_request(series: &GemVersion) -> RubyRequest {
    RubyRequest {
        requirement: GemRequirement::series(series),
        source: RubySource::Default,
    }
}

#[cfg(test)]
mod tests;

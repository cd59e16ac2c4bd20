//! Which Ruby the app asks for, and where it says so.

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

/// A version that some input of the app asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RubyRequest {
    /// What the version has to meet.
    pub requirement: GemRequirement,
    /// Who asks.
    pub source: RubySource,
}

/// Who asks for a Ruby version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RubySource {
    /// The build variable of this name.
    Variable(&'static str),
    /// The file of this name.
    File(String),
    /// Nobody: the inventory's default series.
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

/// The build variables that may name a version: Formation's own, and that of Paketo's buildpack.
pub const VARIABLES: [&str; 2] = ["BP_RUBY_VERSION", "BP_MRI_VERSION"];

/// The texts that may name a version, each with the name that messages give it.
#[derive(Clone, Copy, Default)]
pub struct RubyInputs<'a> {
    /// Those of [`VARIABLES`] that are set, in their order.
    pub variables: &'a [(&'static str, &'a str)],
    /// The lockfile's RUBY VERSION.
    pub locked: Option<(&'a str, &'a LockedRuby)>,
    /// The Gemfile.
    pub gemfile: Option<(&'a str, &'a str)>,
    /// The text of `.ruby-version`.
    pub ruby_version_file: Option<&'a str>,
    /// The text of `.tool-versions`.
    pub tool_versions: Option<&'a str>,
    /// The name and text of `mise.toml`.
    pub mise: Option<(&'static str, &'a str)>,
}

/// An input names a Ruby that cannot be had.
#[derive(Clone, Debug, Diagnostic, Error)]
pub enum RubyVersionError {
    /// The text is no version or requirement.
    #[error("{name} asks for a Ruby version that cannot be read")]
    #[diagnostic(help("{hint}"))]
    NotAVersion {
        /// The file or variable.
        name: String,
        /// What to write instead.
        hint: String,
        /// Its text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The value.
        #[label("this is no version")]
        span: SourceSpan,
    },
    /// JRuby, TruffleRuby and others.
    #[error("{name} asks for {engine}, which Formation does not install")]
    #[diagnostic(help(
        "Formation installs CRuby. Ask for a CRuby version such as 3.3.8, or build with a buildpack for {engine}."
    ))]
    Engine {
        /// The file or variable.
        name: String,
        /// Such as `jruby 9.4.3.0`.
        engine: String,
    },
    /// `ruby file: "…"` names a file that cannot be read.
    #[error("{name} takes the Ruby version from `{file}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {file} (and see that .dockerignore or project.toml do not leave it out), or name the version in {name}."
    ))]
    FileMissing {
        /// The Gemfile.
        name: String,
        /// The file that it names.
        file: String,
        /// The Gemfile's text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The `ruby` line.
        #[label("named here")]
        span: SourceSpan,
    },
    /// `mise.toml` is broken.
    #[error("{name} cannot be read: {reason}")]
    #[diagnostic(help(
        "Correct it, or name the Ruby version in {}.",
        ruby_version_file::FILE_NAME
    ))]
    NotMise {
        /// The file.
        name: String,
        /// What the parser says.
        reason: String,
        /// Its text.
        #[source_code]
        source_code: NamedSource<String>,
        /// Where.
        #[label("here")]
        span: SourceSpan,
    },
    /// A source that comes before the Gemfile names what the Gemfile does not allow.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] RefusedByBundler),
}

/// A source cannot be used, but one that comes before it has answered.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{reason}; it is not needed, for {answered_by} comes first")]
#[diagnostic(severity(Warning), help("Correct or remove it, so that all agree."))]
pub struct PassedOver {
    /// What would have been an error.
    pub reason: RubyVersionError,
    /// The source that counts.
    pub answered_by: RubySource,
}

/// Everything that the inputs ask for: the first request counts, the others only to be compared with it.
#[derive(Clone, Debug, Default)]
pub struct RubyRequests {
    /// In order of precedence.
    pub requests: Vec<RubyRequest>,
    /// What Bundler will check, whoever comes first.
    pub gemfile: Option<GemfileRuby>,
    /// A Gemfile's version that is out of reach.
    pub computed: Option<ComputedRubyVersion>,
    /// What cannot be used but does not matter.
    pub passed_over: Vec<PassedOver>,
}

/// A Gemfile's name in the app, its path and its text.
#[derive(Clone, Copy)]
pub struct GemfileText<'a> {
    pub name: &'a str,
    pub path: &'a Path,
    pub text: &'a str,
}

/// Reads everything in an app that may ask for a Ruby; `locked` is the lockfile's name and its RUBY VERSION.
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
    let mise = mise::FILE_NAMES
        .iter()
        .find_map(|name| Some((*name, text_of(name)?)));
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

/// What one input asks for: nothing, a Ruby, or one that cannot be had.
type Asked = Result<Option<RubyRequest>, RubyVersionError>;

impl RubyRequests {
    /// Reads every input, in order of precedence: variable, lockfile, Gemfile, `.ruby-version`, `.tool-versions`, `mise.toml`.
    /// `read_file` gives the text of a file beside the Gemfile, for `ruby file: "…"`.
    ///
    /// # Errors
    /// All inputs that name something that cannot be installed. A file that does is no more than passed over where one that comes
    /// before it has answered; a Gemfile is not, for Bundler would refuse it.
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
            // What the Gemfile has named has been read with it.
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

    /// Reads the Gemfile, and says which file it takes its version from.
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
                // One exact version can be judged now; of a requirement, a version will be chosen that suits both.
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

/// A variable, or `.ruby-version`.
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

/// The first of several versions that is a release: a version manager goes on to the next where it has not the first.
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

/// Other implementations of Ruby, as version managers call them.
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

/// Reads a version that stands somewhere in a text, by the rule of who reads that text.
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

/// What an app gets that asks for none: the newest patch release of a series such as `3.4`, as a request.
#[must_use]
pub fn default_request(series: &GemVersion) -> RubyRequest {
    RubyRequest {
        requirement: GemRequirement::series(series),
        source: RubySource::Default,
    }
}

#[cfg(test)]
mod tests;

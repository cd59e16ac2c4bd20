//! Which Ruby the app asks for, and where it says so.

use crate::app::gem_version::{GemRequirement, GemVersion};
use crate::app::gemfile::{RubyDirective, ruby_directive};
use crate::app::gemfile_lock::GemfileLock;
use crate::app::ruby_requirement::{how_to_write, ruby_requirement};
use miette::{Diagnostic, NamedSource, SourceSpan};
use std::fmt::{self, Display, Formatter};
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

/// The texts that may name a version, each with the name that messages give it.
#[derive(Clone, Copy, Default)]
pub struct RubyInputs<'a> {
    /// `BP_RUBY_VERSION` or `BP_MRI_VERSION`.
    pub variable: Option<(&'static str, &'a str)>,
    /// The lockfile.
    pub lockfile: Option<(&'a str, &'a GemfileLock)>,
    /// The Gemfile.
    pub gemfile: Option<(&'a str, &'a str)>,
    /// The text of `.ruby-version`.
    pub ruby_version_file: Option<&'a str>,
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
}

/// The Gemfile's version is out of reach without running Ruby.
#[derive(Clone, Debug, Diagnostic, Error)]
#[error("{name} computes its Ruby version, so it is not used")]
#[diagnostic(
    severity(Warning),
    help("Run `bundle lock` so that the lockfile holds the version, or set BP_RUBY_VERSION.")
)]
pub struct ComputedRubyVersion {
    /// The Gemfile.
    pub name: String,
    /// Its text.
    #[source_code]
    pub source_code: NamedSource<String>,
    /// The `ruby` line.
    #[label("computed here")]
    pub span: SourceSpan,
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
    /// A Gemfile's version that is out of reach, where nobody who comes before it names one.
    pub computed: Option<ComputedRubyVersion>,
    /// What cannot be used but does not matter.
    pub passed_over: Vec<PassedOver>,
}

impl RubyRequests {
    /// Reads every input, in order of precedence: variable, lockfile, Gemfile, `.ruby-version`.
    /// `read_file` gives the text of a file beside the Gemfile, for `ruby file: "…"`.
    ///
    /// # Errors
    /// All inputs that name something that cannot be installed. A lockfile or `.ruby-version` that does is no more than passed over
    /// where one that comes before it has answered; a Gemfile is not, for Bundler would refuse it.
    pub fn read(
        inputs: RubyInputs<'_>,
        read_file: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<RubyVersionError>> {
        let mut found = Self::default();
        let mut errors = Vec::new();
        if let Some((name, text)) = inputs.variable {
            found.take(from_text(RubySource::Variable(name), text), &mut errors);
        }
        if let Some((name, lockfile)) = inputs.lockfile {
            found.take(from_lockfile(name, lockfile), &mut errors);
        }
        if let Some((name, text)) = inputs.gemfile {
            match from_gemfile(name, text, read_file) {
                Ok(GemfileRuby::Computed(warning)) => {
                    found.computed = found.requests.is_empty().then_some(warning);
                }
                Ok(GemfileRuby::Asked(request)) => found.requests.extend(request),
                Err(error) => errors.push(error),
            }
        }
        if let Some(text) = inputs.ruby_version_file {
            let mut request = from_text(RubySource::File(".ruby-version".into()), text);
            if let Ok(Some(repeated)) = &request
                && found.requests.contains(repeated)
            {
                request = Ok(None); // `ruby file: ".ruby-version"` has been here.
            }
            found.take(request, &mut errors);
        }
        if errors.is_empty() {
            Ok(found)
        } else {
            Err(errors)
        }
    }

    fn take(
        &mut self,
        result: Result<Option<RubyRequest>, RubyVersionError>,
        errors: &mut Vec<RubyVersionError>,
    ) {
        match (result, self.requests.first()) {
            (Ok(request), _) => self.requests.extend(request),
            (Err(reason), Some(first)) => self.passed_over.push(PassedOver {
                reason,
                answered_by: first.source.clone(),
            }),
            (Err(error), None) => errors.push(error),
        }
    }
}

fn from_lockfile(
    name: &str,
    lockfile: &GemfileLock,
) -> Result<Option<RubyRequest>, RubyVersionError> {
    match &lockfile.ruby {
        None => Ok(None),
        Some(ruby) => match &ruby.engine {
            Some(engine) => Err(RubyVersionError::Engine {
                name: name.to_string(),
                engine: engine.clone(),
            }),
            None => Ok(Some(RubyRequest {
                requirement: GemRequirement::exactly(ruby.version.clone()),
                source: RubySource::File(name.to_string()),
            })),
        },
    }
}

enum GemfileRuby {
    Asked(Option<RubyRequest>),
    Computed(ComputedRubyVersion),
}

fn from_gemfile(
    name: &str,
    text: &str,
    read_file: &dyn Fn(&str) -> Option<String>,
) -> Result<GemfileRuby, RubyVersionError> {
    let Some((directive, place)) = ruby_directive(text) else {
        return Ok(GemfileRuby::Asked(None));
    };
    let source_code = || NamedSource::new(name, text.to_string());
    match directive {
        RubyDirective::Requirement(requirement) => Ok(GemfileRuby::Asked(Some(RubyRequest {
            requirement,
            source: RubySource::File(name.to_string()),
        }))),
        RubyDirective::File(file) => match read_file(&file) {
            Some(content) => from_named_file(file, &content).map(GemfileRuby::Asked),
            None => Err(RubyVersionError::FileMissing {
                name: name.to_string(),
                file,
                source_code: source_code(),
                span: place.into(),
            }),
        },
        RubyDirective::Engine(engine) => Err(RubyVersionError::Engine {
            name: name.to_string(),
            engine,
        }),
        RubyDirective::Computed => Ok(GemfileRuby::Computed(ComputedRubyVersion {
            name: name.to_string(),
            source_code: source_code(),
            span: place.into(),
        })),
        RubyDirective::Invalid(value) => Err(RubyVersionError::NotAVersion {
            name: name.to_string(),
            hint: how_to_write(&value),
            source_code: source_code(),
            span: place.into(),
        }),
    }
}

/// Reads the file that `ruby file: "…"` names, as Bundler does: a line that starts with `ruby` holds the version (`ruby 3.3.8` in
/// `.tool-versions`, `ruby = "3.3.8"` in `mise.toml`, `ruby-3.3.8`), else the whole text is one.
fn from_named_file(file: String, text: &str) -> Result<Option<RubyRequest>, RubyVersionError> {
    match text.lines().find_map(version_of_ruby_line) {
        Some(version) => from_value(RubySource::File(file), text, version),
        None => from_text(RubySource::File(file), text),
    }
}

/// Of `ruby 3.3.8 3.2.9`, `ruby-3.3.8` and `ruby = "3.3.8"`: the (first) version.
fn version_of_ruby_line(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("ruby")?;
    let value = rest
        .strip_prefix('-')
        .unwrap_or(rest)
        .trim_start()
        .trim_start_matches('=');
    if value.len() == rest.len() {
        return None; // `rubygems …`
    }
    let value = value.trim_start();
    match value.chars().next()? {
        quote @ ('"' | '\'') => Some(value[1..].split_once(quote)?.0),
        _ => value
            .split(|c: char| c.is_whitespace() || c == '#')
            .next()
            .filter(|version| !version.is_empty()),
    }
}

/// Reads the first line that says something, as rbenv and chruby do: `3.3.8`, `ruby-3.3.8`, and `3.3` for the whole series.
fn from_text(source: RubySource, text: &str) -> Result<Option<RubyRequest>, RubyVersionError> {
    let line = text
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}'))
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .find(|line| !line.is_empty());
    match line {
        Some(line) => from_value(source, text, line),
        None => Ok(None),
    }
}

/// Reads a version that stands somewhere in a text.
fn from_value(
    source: RubySource,
    text: &str,
    value: &str,
) -> Result<Option<RubyRequest>, RubyVersionError> {
    let version = match value.strip_prefix("ruby") {
        Some(rest) if rest.starts_with(['-', ' ', '\t']) => rest[1..].trim_start(),
        _ => value,
    };
    if let Some(engine) = ["jruby", "truffleruby", "mruby", "rbx", "rubinius"]
        .iter()
        .find(|engine| version.starts_with(**engine))
    {
        return Err(RubyVersionError::Engine {
            name: source.to_string(),
            engine: (*engine).to_string(),
        });
    }
    match ruby_requirement(version) {
        Ok(requirement) => Ok(Some(RubyRequest {
            requirement: widened(requirement),
            source,
        })),
        Err(_) => Err(RubyVersionError::NotAVersion {
            name: source.to_string(),
            hint: how_to_write(version),
            source_code: NamedSource::new(source.to_string(), text.to_string()),
            span: (text.find(value).unwrap_or(0), value.len()).into(),
        }),
    }
}

/// A version of one or two numbers stands for its newest release: no Ruby is called 3.3.
fn widened(requirement: GemRequirement) -> GemRequirement {
    match requirement.exact_version() {
        Some(version) if version.series(3) == version.series(2) && !version.is_prerelease() => {
            GemRequirement::series(version)
        }
        _ => requirement,
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
mod tests {
    use super::*;
    use crate::report::tests::assert_report;

    fn requests(inputs: RubyInputs<'_>) -> Result<Vec<String>, Vec<RubyVersionError>> {
        RubyRequests::read(inputs, &|name| {
            (name == ".ruby-version").then(|| "3.2.9\n".to_string())
        })
        .map(|found| {
            found
                .requests
                .iter()
                .map(|request| format!("{} from {}", request.requirement, request.source))
                .collect()
        })
    }

    fn lockfile(ruby: &str) -> GemfileLock {
        GemfileLock::parse("Gemfile.lock", &format!("RUBY VERSION\n   {ruby}\n")).unwrap()
    }

    #[test]
    fn sources_in_order_of_precedence() {
        let lockfile = lockfile("ruby 3.3.8p144");
        let inputs = RubyInputs {
            variable: Some(("BP_RUBY_VERSION", "3.4.*")),
            lockfile: Some(("Gemfile.lock", &lockfile)),
            gemfile: Some(("Gemfile", "ruby '~> 3.3.0'")),
            ruby_version_file: Some("ruby-3.3.7\r\n"),
        };
        assert_eq!(
            requests(inputs).unwrap(),
            [
                "~> 3.4.0 from BP_RUBY_VERSION",
                "3.3.8 from Gemfile.lock",
                "~> 3.3.0 from Gemfile",
                "3.3.7 from .ruby-version"
            ]
        );
    }

    #[test]
    fn a_version_file_in_its_spellings() {
        for (text, expected) in [
            ("3.3.8\n", vec!["3.3.8 from .ruby-version"]),
            ("\n  ruby-3.3.8  \r\n", vec!["3.3.8 from .ruby-version"]),
            ("# the newest\n3.3\n", vec!["~> 3.3.0 from .ruby-version"]),
            ("3", vec!["~> 3.0 from .ruby-version"]),
            ("4.0.0-preview2", vec!["4.0.0.preview2 from .ruby-version"]),
            ("3.3.8 # note\n", vec!["3.3.8 from .ruby-version"]),
            ("ruby 3.3.8\n", vec!["3.3.8 from .ruby-version"]),
            ("3.3.8p144\n", vec!["3.3.8 from .ruby-version"]),
            ("ruby-3.3.8p144", vec!["3.3.8 from .ruby-version"]),
            ("\u{feff}3.3.8", vec!["3.3.8 from .ruby-version"]),
            ("", vec![]),
        ] {
            let inputs = RubyInputs {
                ruby_version_file: Some(text),
                ..RubyInputs::default()
            };
            assert_eq!(requests(inputs).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_the_gemfile_names_counts_once() {
        let inputs = RubyInputs {
            gemfile: Some(("Gemfile", "ruby file: '.ruby-version'")),
            ruby_version_file: Some("3.2.9\n"),
            ..RubyInputs::default()
        };
        assert_eq!(requests(inputs).unwrap(), ["3.2.9 from .ruby-version"]);
    }

    #[test]
    fn a_file_that_the_gemfile_names_in_its_spellings() {
        for (text, expected) in [
            ("3.3.8\n", "3.3.8"),
            ("nodejs 22.1.0\nruby 3.3.8 3.2.9 # note\n", "3.3.8"),
            ("ruby\t3.3.8\n", "3.3.8"),
            ("ruby-3.3.8p144\n", "3.3.8"),
            ("[tools]\nnode = \"22\"\nruby = \"3.3.8\"\n", "3.3.8"),
            ("[tools]\nruby='3.3'\n", "~> 3.3.0"),
            ("rubygems 3.6\nruby 3.3.8", "3.3.8"),
        ] {
            let inputs = RubyInputs {
                gemfile: Some(("Gemfile", "ruby file: 'versions'")),
                ..RubyInputs::default()
            };
            let found = RubyRequests::read(inputs, &|_| Some(text.to_string()));
            let requests = found.map(|found| found.requests).unwrap_or_default();
            let requirements: Vec<_> = requests
                .iter()
                .map(|request| request.requirement.to_string())
                .collect();
            assert_eq!(requirements, [expected], "{text:?}");
        }
    }

    #[test]
    fn a_placeholder_is_shown_with_what_was_meant() {
        let errors = requests(RubyInputs {
            variable: Some(("BP_RUBY_VERSION", "3.x")),
            ..RubyInputs::default()
        })
        .unwrap_err();
        assert_report!(errors[0]);
    }

    #[test]
    fn what_cannot_be_used_does_not_matter_behind_an_answer() {
        let lockfile = lockfile("ruby 3.3.8p144");
        let inputs = RubyInputs {
            lockfile: Some(("Gemfile.lock", &lockfile)),
            gemfile: Some(("Gemfile", "ruby ENV.fetch('RUBY_VERSION')\n")),
            ruby_version_file: Some("truffleruby-24\n"),
            ..RubyInputs::default()
        };
        let found = RubyRequests::read(inputs, &|_| None).unwrap();
        assert_eq!(found.requests.len(), 1);
        assert!(found.computed.is_none());
        assert_report!(found.passed_over[0]);
    }

    #[test]
    fn what_the_gemfile_cannot_ask_for_always_matters() {
        let inputs = RubyInputs {
            variable: Some(("BP_RUBY_VERSION", "3.3.8")),
            gemfile: Some(("Gemfile", "ruby '9.4', engine: 'jruby'\n")),
            ..RubyInputs::default()
        };
        assert_eq!(requests(inputs).unwrap_err().len(), 1);
    }

    #[test]
    fn nobody_asks() {
        assert!(requests(RubyInputs::default()).unwrap().is_empty());
    }

    #[test]
    fn all_errors_are_shown() {
        let lockfile = lockfile("ruby 3.1.4p0 (jruby 9.4.3.0)");
        let errors = requests(RubyInputs {
            variable: Some(("BP_RUBY_VERSION", "newest")),
            lockfile: Some(("Gemfile.lock", &lockfile)),
            gemfile: Some((
                "Gemfile",
                "source \"https://rubygems.org\"\nruby file: \".ruby\"\n",
            )),
            ruby_version_file: Some("system\n"),
        })
        .unwrap_err();
        for (index, error) in errors.into_iter().enumerate() {
            assert_report!(format!("all_errors_are_shown_{}", index + 1), error);
        }
    }

    #[test]
    fn a_computed_version_is_passed_over_with_a_warning() {
        let inputs = RubyInputs {
            gemfile: Some(("Gemfile", "ruby ENV.fetch('RUBY_VERSION')\n")),
            ..RubyInputs::default()
        };
        let found = RubyRequests::read(inputs, &|_| None).unwrap();
        assert!(found.requests.is_empty());
        assert_report!(found.computed.unwrap());
    }
}

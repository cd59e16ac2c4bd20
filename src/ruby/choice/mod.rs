//! Which Ruby the app gets: what it asks for, compared with what the inventories list; and what the
//! log says of the choice.

use crate::report;
use crate::ruby::gem_version::{GemRequirement, GemVersion};
use crate::ruby::inventory::{
    Inventory, Ruby, Support, UnknownRuby, default_series, find, support, unknown,
};
use crate::ruby::is_lockfile;
use crate::ruby::requests::{
    ComputedRubyVersion, GemfileRuby, RefusedByBundler, RubyRequest, RubyRequests, RubySource,
    default_request,
};
use jiff::civil::Date;
use libcnb::Target;
use libcnb::data::store::Store;
use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// The key of the default in the buildpack's store, which the next build of the same image gets
/// back. Its value is a string: the lifecycle changes the type of other values.
const DEFAULT_IN_STORE: &str = "default-ruby";

/// The Ruby that a build installs.
#[derive(Clone, Debug)]
pub struct RubyChoice {
    pub ruby: Ruby,
    /// The request that decided.
    pub request: RubyRequest,
    /// For the log, line by line.
    lines: Vec<String>,
    warnings: Vec<ChoiceWarning>,
}

#[derive(Clone, Debug, Diagnostic, Error)]
pub enum ChoiceError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unknown(#[from] UnknownRuby),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] RefusedByBundler),
}

#[derive(Clone, Debug, Diagnostic, Error)]
pub enum ChoiceWarning {
    #[error("{first} asks for Ruby {requirement}, but {others}")]
    #[diagnostic(
        severity(Warning),
        help(
            "Ruby {version} is installed, because {first} takes precedence. Make them agree: \
             {remedy}."
        )
    )]
    Disagreement {
        /// The source that takes precedence.
        first: RubySource,
        requirement: GemRequirement,
        /// The other sources, each with its requirement.
        others: String,
        version: GemVersion,
        /// How to change the other sources.
        remedy: String,
    },
    /// The Gemfile's version cannot be read, and no source before it names one.
    #[error("{name} computes its Ruby version, so {instead} decides: Ruby {version}")]
    #[diagnostic(
        severity(Warning),
        help(
            "A build reads {name} without running it. Run `bundle lock`, so that the lockfile \
             contains the version, or set BP_RUBY_VERSION."
        )
    )]
    Computed {
        /// The Gemfile's name.
        name: String,
        version: GemVersion,
        /// The source that is used instead.
        instead: RubySource,
        #[source_code]
        source_code: NamedSource<String>,
        #[label("computed here")]
        span: SourceSpan,
    },
    #[error(
        "Ruby {series} reached its end of life on {date}: it no longer gets security fixes. Move \
         to a newer series"
    )]
    #[diagnostic(severity(Warning))]
    EndOfLife {
        /// Such as `3.1`.
        series: String,
        date: Date,
    },
}

/// Chooses the newest Ruby that meets the first request and the Gemfile. An app that asks for no
/// Ruby keeps the default of its last build (`kept`), as long as an inventory lists it.
///
/// # Errors
/// No inventory lists such a Ruby, or only one that Bundler would refuse.
pub fn choose(
    inventories: &[Inventory],
    asked: &RubyRequests,
    kept: Option<&GemVersion>,
    target: &Target,
    today: Date,
) -> Result<RubyChoice, ChoiceError> {
    let mut choice = match asked.requests.first() {
        Some(first) => asked_for(inventories, first, asked.gemfile.as_ref(), target)?,
        None => default(inventories, kept, target)?,
    };
    let is_exact = choice.request.requirement.exact_version().is_some();
    if is_exact && choice.request.source != RubySource::Default {
        choice.look_for_newer_patch(inventories, target);
    }
    choice.look_at_support(support(inventories, &choice.ruby.version, today));
    if let Some(computed) = &asked.computed {
        choice.look_at_computed(computed);
    }
    choice.look_for_disagreement(asked);
    Ok(choice)
}

/// The default of the last build, from the store.
#[must_use]
pub fn kept_default(store: Option<&Store>) -> Option<GemVersion> {
    store?
        .metadata
        .get(DEFAULT_IN_STORE)?
        .as_str()?
        .parse()
        .ok()
}

/// The newest Ruby that meets the first request. Where the Gemfile does not allow it, the newest
/// that meets both.
fn asked_for(
    inventories: &[Inventory],
    first: &RubyRequest,
    gemfile: Option<&GemfileRuby>,
    target: &Target,
) -> Result<RubyChoice, ChoiceError> {
    let requirement = &first.requirement;
    let newest = find(inventories, requirement, target)
        .ok_or_else(|| unknown(inventories, requirement, first.source.to_string(), target))?;
    let refused = gemfile.and_then(|gemfile| gemfile.refuses(&newest.version, &first.source));
    let (Some(refused), Some(gemfile)) = (refused, gemfile) else {
        return Ok(RubyChoice::new(newest, first.clone()));
    };
    let allowed = &gemfile.request;
    let both = requirement.clone().and(allowed.requirement.clone());
    let ruby = find(inventories, &both, target).ok_or(refused)?;
    let mut choice = RubyChoice::new(ruby, first.clone());
    choice.say(format!(
        "Not the newest, because {} allows only {}",
        allowed.source, allowed.requirement
    ));
    Ok(choice)
}

/// The Ruby of an app that asks for none: the last build's default if an inventory still lists it,
/// else the newest of the default series.
fn default(
    inventories: &[Inventory],
    kept: Option<&GemVersion>,
    target: &Target,
) -> Result<RubyChoice, ChoiceError> {
    let Some((series, is_own)) = default_series(inventories) else {
        let any = GemRequirement::any();
        return Err(unknown(inventories, &any, RubySource::Default.to_string(), target).into());
    };
    let request = default_request(series);
    // The user may change the default by an inventory. A change of Formation's own default must not
    // change the app's Ruby.
    let kept = kept.filter(|version| !is_own || request.requirement.allows(version));
    let still_there = kept.and_then(|version| {
        find(
            inventories,
            &GemRequirement::exactly(version.clone()),
            target,
        )
    });
    let newest = find(inventories, &request.requirement, target);
    let Some(ruby) = still_there.clone().or_else(|| newest.clone()) else {
        let source = request.source.to_string();
        return Err(unknown(inventories, &request.requirement, source, target).into());
    };
    let version = ruby.version.clone();
    let is_kept = still_there.is_some();
    let mut choice = RubyChoice::new(
        ruby,
        RubyRequest {
            requirement: if is_kept {
                GemRequirement::exactly(version.clone())
            } else {
                request.requirement
            },
            source: RubySource::Default,
        },
    );
    if let Some(before) = kept.filter(|_| !is_kept) {
        choice.say(format!(
            "Ruby {before}, the default of the last build, is no longer in the inventory"
        ));
    }
    let origin = if is_kept {
        "this one is kept from the last build"
    } else {
        "later builds keep this one"
    };
    choice.say(format!(
        "The app names no version: {origin}. To pin it, write {version} into .ruby-version"
    ));
    if let Some(newest) = newest.filter(|newest| newest.version > version) {
        choice.say(format!(
            "The default for new apps is Ruby {0}. To use it, write {0} into .ruby-version",
            newest.version
        ));
    }
    Ok(choice)
}

impl RubyChoice {
    fn new(ruby: Ruby, request: RubyRequest) -> Self {
        let line = format!(
            "Version {} (from {}: {})",
            report::value(ruby.version.to_string()),
            request.source,
            request.requirement
        );
        Self {
            ruby,
            request,
            lines: vec![line],
            warnings: Vec::new(),
        }
    }

    /// Shows it in the log.
    pub fn show(&self) {
        for line in &self.lines {
            report::detail(line);
        }
        for warning in &self.warnings {
            report::warning(warning);
        }
    }

    /// The store for the next build, if it changes: the default of an app that asks for no Ruby, or
    /// an empty string once the app asks for one. It holds no date, so that the image stays the
    /// same.
    #[must_use]
    pub fn store(&self, before: Option<&Store>) -> Option<Store> {
        let version = if self.request.source == RubySource::Default {
            self.ruby.version.to_string()
        } else {
            // An empty table may get lost on the way through the image; an empty string does not.
            kept_default(before).map(|_| String::new())?
        };
        let mut store = Store::default();
        store
            .metadata
            .insert(DEFAULT_IN_STORE.into(), version.into());
        Some(store)
    }

    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn look_for_newer_patch(&mut self, inventories: &[Inventory], target: &Target) {
        let version = &self.ruby.version;
        let Ok(series) = version.series(2).parse() else {
            return;
        };
        let newest = find(inventories, &GemRequirement::series(&series), target);
        if let Some(newest) = newest.filter(|newest| newest.version > *version) {
            let place = match &self.request.source {
                RubySource::File(name) if is_lockfile(name) => {
                    format!("{name} (`bundle update --ruby`)")
                }
                source => source.to_string(),
            };
            self.say(format!(
                "Ruby {} is a newer patch release of {series}. To use it, name it in {place}",
                newest.version
            ));
        }
    }

    fn look_at_support(&mut self, support: Option<Support>) {
        let series = self.ruby.version.series(2);
        match support {
            Some(Support::Ended(date)) => {
                self.warnings
                    .push(ChoiceWarning::EndOfLife { series, date });
            }
            Some(Support::SecurityOnly(date)) => self.say(format!(
                "Ruby {series} gets security fixes only, until {date}"
            )),
            Some(Support::Normal) | None => {}
        }
    }

    fn look_at_computed(&mut self, computed: &ComputedRubyVersion) {
        if computed.is_missed {
            self.warnings.push(ChoiceWarning::Computed {
                name: computed.name.clone(),
                version: self.ruby.version.clone(),
                instead: self.request.source.clone(),
                source_code: computed.source_code.clone(),
                span: computed.span,
            });
        } else {
            self.say(format!(
                "{} computes its Ruby version, so {} decides",
                computed.name, self.request.source
            ));
        }
    }

    fn look_for_disagreement(&mut self, asked: &RubyRequests) {
        let others: Vec<_> = asked
            .requests
            .iter()
            .skip(1)
            .filter(|other| !other.requirement.allows(&self.ruby.version))
            .collect();
        if others.is_empty() {
            return;
        }
        let each = |show: &dyn Fn(&RubyRequest) -> String, between: &str| {
            let texts: Vec<_> = others.iter().map(|other| show(other)).collect();
            texts.join(between)
        };
        let remedy = |other: &RubyRequest| match &other.source {
            RubySource::File(name) if is_lockfile(name) => {
                format!("run `bundle update --ruby` with that version and commit {name}")
            }
            source => format!("change or remove the version in {source}"),
        };
        self.warnings.push(ChoiceWarning::Disagreement {
            first: self.request.source.clone(),
            requirement: self.request.requirement.clone(),
            others: each(
                &|other| format!("{} asks for {}", other.source, other.requirement),
                " and ",
            ),
            version: self.ruby.version.clone(),
            remedy: each(&remedy, "; "),
        });
    }
}

#[cfg(test)]
mod tests;

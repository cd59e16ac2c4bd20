//! The buildpack: `bin/detect` and `bin/build`.

use formation_buildpack::app::Mistakes;
use formation_buildpack::app::detect::{self, Detected};
use formation_buildpack::fetch::Fetcher;
use formation_buildpack::gems::cache;
use formation_buildpack::gems::layer::{self as gems, GemsLayerError, GemsSupply};
use formation_buildpack::inputs::Inputs;
use formation_buildpack::launch::layer::{self as formation_layer, FormationLayerError};
use formation_buildpack::launch::{self, LaunchError, Processes, bash, defaults};
use formation_buildpack::platform::bindings;
use formation_buildpack::platform::launch_layer::NeededBy;
use formation_buildpack::platform::variables::BuildVariables;
use formation_buildpack::report;
use formation_buildpack::ruby::choice::{ChoiceError, RubyChoice, choose, kept_default};
use formation_buildpack::ruby::inventory::{self, Inventory, InventoryError};
use formation_buildpack::ruby::layer::{self as ruby, RubyLayerError, RubySupply};
use libcnb::build::{BuildContext, BuildResult, BuildResultBuilder};
use libcnb::data::build_plan::{BuildPlan, BuildPlanBuilder};
use libcnb::detect::{DetectContext, DetectResult, DetectResultBuilder};
use libcnb::generic::{GenericMetadata, GenericPlatform};
use libcnb::{Buildpack, Platform, additional_buildpack_binary_path, buildpack_main};
use miette::Diagnostic;
use procfile::NoEntries;
use std::io;
use thiserror::Error;

struct Formation;

impl Buildpack for Formation {
    type Platform = GenericPlatform;
    type Metadata = GenericMetadata;
    type Error = FormationError;

    fn detect(&self, context: DetectContext<Self>) -> libcnb::Result<DetectResult, FormationError> {
        let env = user_env(&context.platform);
        let detected = detect::detect(&context.app_dir, env.get("BUNDLE_GEMFILE"))
            .map_err(FormationError::Detect)?;
        if detected.ruby {
            DetectResultBuilder::pass()
                .build_plan(build_plan(detected))
                .build()
        } else {
            println!("This is no Ruby app: it has not {}.", detect::LOOKED_FOR);
            DetectResultBuilder::fail().build()
        }
    }

    fn build(&self, context: BuildContext<Self>) -> libcnb::Result<BuildResult, FormationError> {
        let env = user_env(&context.platform);
        let started = report::start(concat!("Formation ", env!("CARGO_PKG_VERSION")));

        // 1 read: every mistake of the app in one report, before anything is downloaded.
        let app = read_app(&context, env)?;

        // 2 supply: which Ruby, from where.
        report::step("Ruby");
        let supply = Fetcher::new(&app.downloads, &context.buildpack_dir);
        let chosen = choose_ruby(&context, &app, &supply)?;

        // 3 ruby, and the gems' archives side by side with it
        let cache = match &app.bundle {
            Some(bundle) => Some((bundle, cache::open(&context)?)),
            None => None,
        };
        let needed_by = needed_by(&context, &app.env);
        let ruby_supply = RubySupply {
            ruby: &chosen.ruby,
            supply: &supply,
            meanwhile: &|stop| {
                if let Some((bundle, cache)) = &cache {
                    let prefetcher = &supply.prefetch_downloader;
                    gems::prefetch(bundle, &context.target, cache, prefetcher, stop);
                }
            },
        };
        let ruby = ruby::install(&context, ruby_supply, needed_by)?;

        // 4 gems
        report::step("Gems");
        match &cache {
            Some((bundle, cache)) => {
                let gems_supply = GemsSupply {
                    bundle,
                    ruby: &ruby,
                    cache,
                    supply: &supply,
                };
                gems::install(&context, &gems_supply, needed_by)?;
            }
            None => report::detail("No Gemfile: no gems"),
        }

        // 5 assets: to come.

        // 6 launch
        report::step("Processes");
        let defaults = defaults::entries(&app.app, app.bundle.as_ref());
        let processes =
            launch::processes(app.procfile.as_ref(), app.default_web.as_ref(), defaults);
        processes.show();
        warn_of_missing_bash(&processes, &context);
        let program = additional_buildpack_binary_path!("formation");
        let command_line = additional_buildpack_binary_path!("formation-cli");
        let formation = formation_layer::install(&context, [&program, &command_line])?;
        let launch = processes
            .to_launch(&formation)
            .map_err(FormationError::Launch)?;

        report::done(started);
        let mut result = BuildResultBuilder::new().launch(launch);
        if let Some(store) = chosen.store(context.store.as_ref()) {
            result = result.store(store);
        }
        result.build()
    }

    fn on_error(&self, error: libcnb::Error<FormationError>) {
        match error {
            libcnb::Error::BuildpackError(error) => report::error(&error),
            error => report::error(&PlatformError(error)),
        }
    }
}

/// The user's variables; one of them decides whether the log has colours.
fn user_env(platform: &GenericPlatform) -> BuildVariables {
    let env = BuildVariables::new(platform.env());
    report::use_colours(env.get("NO_COLOR").is_none());
    env
}

/// Formation provides and requires its own entry, so it works alone. An app with a `package.json` gets Node.js where some buildpack
/// provides it (Paketo's or Heroku's).
fn build_plan(detected: Detected) -> BuildPlan {
    let mut plan = BuildPlanBuilder::new();
    if detected.node {
        for node in ["node", "heroku/nodejs"] {
            plan = plan.provides("ruby").requires("ruby").requires(node).or();
        }
    }
    plan.provides("ruby").requires("ruby").build()
}

/// The user's word that a later buildpack needs Ruby, where that buildpack does not say so itself.
const RUBY_AT_BUILD: &str = "BP_RUBY_AT_BUILD";

/// Who needs Ruby and the gems: later buildpacks, where one of them requires `ruby`, as Formation itself does.
fn needed_by(context: &BuildContext<Formation>, env: &BuildVariables) -> NeededBy {
    let entries = context.buildpack_plan.entries.iter();
    let required = entries.filter(|entry| entry.name == "ruby").count();
    let is_asked_for = env
        .get(RUBY_AT_BUILD)
        .is_some_and(|value| !["", "0", "false"].contains(&value));
    if required > 1 || is_asked_for {
        NeededBy::LaterBuildpacks
    } else {
        NeededBy::TheImage
    }
}

fn read_app(
    context: &BuildContext<Formation>,
    env: BuildVariables,
) -> Result<Inputs, FormationError> {
    let bindings = bindings::root(&env);
    let app = Inputs::read(&context.app_dir, env, &bindings)?;
    if !app.env.set_aside().is_empty() {
        report::step("Build environment");
        report::detail(format!(
            "Set by Formation itself, so yours are not used: {}",
            app.env.set_aside().join(", ")
        ));
    }
    if let Some(warning) = app
        .bundle
        .as_ref()
        .and_then(|bundle| bundle.settings.config.credentials())
    {
        report::warning(&warning);
    }
    for warning in &app.ruby.passed_over {
        report::warning(warning);
    }
    if let Some(warning) = &app.app_json {
        report::warning(warning);
    }
    if let Some(procfile) = &app.procfile {
        if let Some(warnings) = &procfile.warnings {
            report::warning(warnings);
        }
        if procfile.entries.is_empty() {
            report::warning(&NoEntries);
        }
    }
    Ok(app)
}

fn warn_of_missing_bash(processes: &Processes, context: &BuildContext<Formation>) {
    let stack_id = std::env::var("CNB_STACK_ID").ok();
    if let Some(warning) = bash::check(processes, &context.target, stack_id.as_deref()) {
        report::warning(&warning);
    }
}

fn choose_ruby(
    context: &BuildContext<Formation>,
    app: &Inputs,
    supply: &Fetcher,
) -> Result<RubyChoice, FormationError> {
    let inventories = Inventory::all(app.env.get(inventory::VARIABLE), supply)?;
    let kept = kept_default(context.store.as_ref());
    let choice = choose(
        &inventories,
        &app.ruby,
        kept.as_ref(),
        &context.target,
        inventory::today(),
    )?;
    choice.show();
    Ok(choice)
}

/// Why a build, or detection, ends.
#[derive(Debug, Diagnostic, Error)]
enum FormationError {
    #[error("the app's folder cannot be listed")]
    #[diagnostic(help("Check that the build user may read it."))]
    Detect(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inputs(#[from] Mistakes),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Choice(#[from] ChoiceError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ruby(#[from] RubyLayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Gems(#[from] GemsLayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Formation(#[from] FormationLayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Launch(LaunchError),
}

impl From<FormationError> for libcnb::Error<FormationError> {
    fn from(error: FormationError) -> Self {
        Self::BuildpackError(error)
    }
}

/// The platform's files could not be read or written: nothing that the app can mend.
#[derive(Debug, Diagnostic, Error)]
#[error("the build cannot go on: {0}")]
#[diagnostic(help(
    "This is a fault of the platform or of Formation, not of the app. Try again with `pack build --clear-cache`."
))]
struct PlatformError(libcnb::Error<FormationError>);

buildpack_main!(Formation);

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_app_that_cannot_be_listed_is_shown() {
        let error = detect::detect(Path::new("/nowhere"), None).unwrap_err();
        insta::assert_snapshot!(report::plain(&FormationError::Detect(error)));
    }

    #[test]
    fn a_fault_of_the_platform_is_shown() {
        let error = libcnb::Error::CannotReadBuildpackPlan(libcnb::TomlFileError::IoError(
            io::Error::from(io::ErrorKind::PermissionDenied),
        ));
        insta::assert_snapshot!(report::plain(&PlatformError(error)));
    }
}

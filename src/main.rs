//! The buildpack: `bin/detect` and `bin/build`.

use formation::app::detect::{self, Detected};
use formation::app::procfile::NoEntries;
use formation::app::user_env::UserEnv;
use formation::app::{App, AppError, AppErrors};
use formation::launch::{self, LaunchError, Processes, bash};
use formation::layers::formation::{self as formation_layer, FormationLayerError};
use formation::layers::gems::{self, GemsLayerError, GemsSupply};
use formation::layers::ruby::{self, RubyLayerError, RubySupply};
use formation::layers::{NeededBy, gem_cache};
use formation::report;
use formation::supply::Supply;
use formation::supply::choose::{Choice, ChoiceError, choose, kept_default};
use formation::supply::inventory::{self, Date, Inventory, InventoryError};
use libcnb::build::{BuildContext, BuildResult, BuildResultBuilder};
use libcnb::data::build_plan::{BuildPlan, BuildPlanBuilder};
use libcnb::detect::{DetectContext, DetectResult, DetectResultBuilder};
use libcnb::generic::{GenericMetadata, GenericPlatform};
use libcnb::{Buildpack, Platform, additional_buildpack_binary_path, buildpack_main};
use miette::Diagnostic;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;
use thiserror::Error;

struct Formation;

impl Buildpack for Formation {
    type Platform = GenericPlatform;
    type Metadata = GenericMetadata;
    type Error = FormationError;

    fn detect(&self, context: DetectContext<Self>) -> libcnb::Result<DetectResult, FormationError> {
        let env = user_env(&context.platform);
        let detected = detect::detect(&context.app_dir, &env).map_err(FormationError::Detect)?;
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
        let supply = Supply::new(&app.downloads, &context.buildpack_dir);
        let chosen = choose_ruby(&context, &app, &supply)?;

        // 3 ruby, and the gems' archives side by side with it
        let cache = match &app.bundle {
            Some(bundle) => Some((bundle, gem_cache::open(&context)?)),
            None => None,
        };
        let needed_by = needed_by(&context, &app.env);
        let ruby_supply = RubySupply {
            ruby: &chosen.ruby,
            supply: &supply,
            meanwhile: &|stop| {
                if let Some((bundle, cache)) = &cache {
                    let prefetcher = &supply.prefetcher;
                    gems::prefetch(&app, bundle, &context.target, cache, prefetcher, stop);
                }
            },
        };
        let ruby = ruby::install(&context, ruby_supply, needed_by)?;

        // 4 gems
        report::step("Gems");
        match &cache {
            Some((bundle, cache)) => {
                let gems_supply = GemsSupply {
                    app: &app,
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
        let processes = launch::processes(&app);
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
fn user_env(platform: &GenericPlatform) -> UserEnv {
    let env = UserEnv::new(platform.env());
    report::use_colours(env.get("NO_COLOR").is_none());
    env
}

/// Where service bindings are: what the user or the platform names, else the platform's own folder.
fn bindings_root(env: &UserEnv) -> PathBuf {
    const VARIABLE: &str = "SERVICE_BINDING_ROOT";
    let named = env.get(VARIABLE).map(PathBuf::from);
    named
        .or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from))
        .or_else(|| {
            std::env::var_os("CNB_PLATFORM_DIR")
                .map(|platform| PathBuf::from(platform).join("bindings"))
        })
        .unwrap_or_else(|| PathBuf::from("/platform/bindings"))
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
fn needed_by(context: &BuildContext<Formation>, env: &UserEnv) -> NeededBy {
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

fn read_app(context: &BuildContext<Formation>, env: UserEnv) -> Result<App, FormationError> {
    let bindings = bindings_root(&env);
    let app = App::read(&context.app_dir, env, &bindings)?;
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
        .and_then(|bundle| bundle.config.credentials())
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
    app: &App,
    supply: &Supply,
) -> Result<Choice, FormationError> {
    let inventories = Inventory::all(app.env.get(inventory::VARIABLE), supply)?;
    let kept = kept_default(context.store.as_ref());
    let today = Date::of(SystemTime::now());
    let choice = choose(
        &inventories,
        &app.ruby,
        kept.as_ref(),
        &context.target,
        today,
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
    App(AppError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Apps(AppErrors),
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

impl From<AppErrors> for FormationError {
    fn from(AppErrors(mut errors): AppErrors) -> Self {
        match errors.pop() {
            Some(only) if errors.is_empty() => Self::App(only),
            last => {
                errors.extend(last);
                Self::Apps(AppErrors(errors))
            }
        }
    }
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
        let error = detect::detect(Path::new("/nowhere"), &UserEnv::default()).unwrap_err();
        insta::assert_snapshot!(report::plain(&FormationError::Detect(error)));
    }

    #[test]
    fn a_fault_of_the_platform_is_shown() {
        let error = libcnb::Error::CannotReadBuildpackPlan(libcnb::TomlFileError::IoError(
            io::Error::from(io::ErrorKind::PermissionDenied),
        ));
        insta::assert_snapshot!(report::plain(&PlatformError(error)));
    }

    #[test]
    fn a_single_mistake_needs_no_heading() {
        let mistake = |gemfile: &str| AppError::NoGemfile {
            gemfile: gemfile.into(),
        };
        let one = FormationError::from(AppErrors(vec![mistake("Gemfile")]));
        assert_eq!(report::plain(&one), report::plain(&mistake("Gemfile")));
        let two = FormationError::from(AppErrors(vec![mistake("Gemfile"), mistake("gems.rb")]));
        insta::assert_snapshot!(report::plain(&two));
    }
}

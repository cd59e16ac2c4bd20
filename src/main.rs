//! The buildpack: `bin/detect` and `bin/build`, each a table of contents.

use formation_buildpack::app::{Mistakes, detect};
use formation_buildpack::fetch::Fetcher;
use formation_buildpack::gems::{self, GemsLayerError, GemsStage};
use formation_buildpack::inputs::Inputs;
use formation_buildpack::launch::{self, FormationLayerError, LaunchError};
use formation_buildpack::platform::operator_variables::{
    OperatorVariables, OperatorVariablesError,
};
use formation_buildpack::platform::variables::BuildVariables;
use formation_buildpack::platform::{PlatformError, bindings, build_plan};
use formation_buildpack::rails::{Assets, AssetsError, AssetsPlan};
use formation_buildpack::report;
use formation_buildpack::ruby::choice::{ChoiceError, RubyChoice, choose, kept_default};
use formation_buildpack::ruby::inventory::{self, Inventory, InventoryError};
use formation_buildpack::ruby::{self, InstalledRuby, RubyLayerError, RubyPlan};
use libcnb::build::{BuildContext, BuildResult, BuildResultBuilder};
use libcnb::detect::{DetectContext, DetectResult, DetectResultBuilder};
use libcnb::generic::{GenericMetadata, GenericPlatform};
use libcnb::layer_env::{LayerEnv, Scope};
use libcnb::{Buildpack, Env, Platform, additional_buildpack_binary_path, buildpack_main};
use miette::Diagnostic;
use procfile::MisnamedProcfile;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use thiserror::Error;

struct Formation;

impl Buildpack for Formation {
    type Platform = GenericPlatform;
    type Metadata = GenericMetadata;
    type Error = FormationError;

    fn detect(&self, context: DetectContext<Self>) -> libcnb::Result<DetectResult, FormationError> {
        let variables = build_variables(&context.platform)?;
        let detected = detect::detect(
            &context.app_dir,
            variables.get("BUNDLE_GEMFILE"),
            variables.get("BUNDLE_LOCKFILE"),
        )
        .map_err(FormationError::Detect)?;
        if detected.ruby {
            let plan = build_plan::build_plan(detected.node);
            DetectResultBuilder::pass().build_plan(plan).build()
        } else {
            println!("No Ruby app detected: {}", detect::NOT_FOUND);
            // It may have been meant to make it one.
            if let Some(misnamed) = MisnamedProcfile::in_folder(&context.app_dir) {
                report::warning(&misnamed);
            }
            DetectResultBuilder::fail().build()
        }
    }

    fn build(&self, context: BuildContext<Self>) -> libcnb::Result<BuildResult, FormationError> {
        let variables = build_variables(&context.platform)?;
        let started = report::start(concat!("Formation ", env!("CARGO_PKG_VERSION")));

        // Every input is read before anything is downloaded.
        let bindings = bindings::root(&variables);
        let inputs =
            Inputs::read(&context.app_dir, variables, &bindings).map_err(FormationError::Inputs)?;
        inputs.show_warnings();
        inputs.node_needs().show();
        let needed_by = build_plan::needed_by(&context.buildpack_plan, &inputs.env);
        let fetcher = Fetcher::new(&inputs.downloads, &context.buildpack_dir);

        report::step("Ruby");
        let choice = choose_ruby(&context, &inputs, &fetcher)?;
        let assets = match &inputs.bundle {
            Some(bundle) => AssetsPlan::new(&context, bundle, &inputs.env, &choice.ruby.version)?,
            None => None,
        };
        let ruby = ruby::plan(&context, &choice.ruby, &fetcher, needed_by)?;
        let compiles_assets = assets.as_ref().is_some_and(AssetsPlan::compiles);
        let needed_by = needed_by.or_this_build(compiles_assets);
        let stage = match &inputs.bundle {
            Some(bundle) => Some(GemsStage::open(&context, bundle, &fetcher, needed_by)?),
            None => None,
        };
        let ruby = install_ruby(ruby, stage.as_ref()).map_err(FormationError::Ruby)?;

        report::step("Gems");
        let launch_env = launch::layer_env(&context.app_dir);
        let install = |gems| gems::install(gems, &ruby, &launch_env);
        let gems = stage.as_ref().map(install).transpose();
        let gems = gems.map_err(FormationError::Gems)?;
        if gems.is_none() {
            report::detail("No Gemfile: no gems");
        }

        let mut compiled = Assets::default();
        if let (Some(assets), Some(stage), Some(gems)) = (assets, &stage, &gems) {
            report::step("Assets");
            let env = || run_env(stage, &ruby, &launch_env, &inputs.env);
            compiled = assets
                .carry_out(gems, env)
                .map_err(FormationError::Assets)?;
        }

        report::step("Processes");
        let by_framework = launch::framework_processes(&inputs.app, gems.as_ref(), &inputs.env);
        let by_variable = inputs.default_web.as_ref();
        let programs = launch::programs(gems.as_ref());
        let procfile = inputs.procfile.as_ref();
        let processes = launch::processes(procfile, by_variable, by_framework, programs);
        processes.show();
        launch::show_database_needs(&inputs.app, gems.as_ref(), &processes.types());
        launch::warn_of_missing_bash(&processes, &context.target);
        launch::warn_of_missing_web(&inputs.app, &processes.types());
        launch::make_folders_writable(&inputs.app, gems.as_ref());
        let program = additional_buildpack_binary_path!("formation");
        let command_line = additional_buildpack_binary_path!("formation-cli");
        let facts = launch::facts(
            &inputs.app,
            gems.as_ref(),
            &choice.ruby.version,
            &inputs.env,
        );
        let formation = launch::install(&context, [&program, &command_line], &facts)?;
        let mut launch = processes
            .to_launch(&formation)
            .map_err(FormationError::Launch)?;
        launch.slices.extend(compiled.slice());

        report::done(started);
        let result = BuildResultBuilder::new().launch(launch);
        match choice.store(context.store.as_ref()) {
            Some(store) => result.store(store).build(),
            None => result.build(),
        }
    }

    fn on_error(&self, error: libcnb::Error<FormationError>) {
        match error {
            libcnb::Error::BuildpackError(error) => report::error(&error),
            error => report::error(&PlatformError::of(&error)),
        }
    }
}

/// The user's variables, and the operator's. One of them turns the colours of the log off.
fn build_variables(platform: &GenericPlatform) -> Result<BuildVariables, FormationError> {
    let variables = BuildVariables::new(platform.env());
    report::use_colours(variables.get("NO_COLOR").is_none());
    let variables = variables.with_operator(&OperatorVariables::read()?);
    report::use_colours(variables.get("NO_COLOR").is_none());
    Ok(variables)
}

fn choose_ruby(
    context: &BuildContext<Formation>,
    inputs: &Inputs,
    fetcher: &Fetcher,
) -> Result<RubyChoice, FormationError> {
    let inventories = Inventory::all(inputs.env.get(inventory::VARIABLE), fetcher)?;
    let kept = kept_default(context.store.as_ref());
    let choice = choose(
        &inventories,
        &inputs.ruby,
        kept.as_ref(),
        &context.target,
        inventory::today(),
    )?;
    choice.show();
    Ok(choice)
}

/// Installs Ruby. While its archive is downloaded, the archives of the gems are downloaded too.
fn install_ruby<'a>(
    ruby: RubyPlan<'a>,
    gems: Option<&GemsStage<'_>>,
) -> Result<InstalledRuby<'a>, RubyLayerError> {
    let stop_prefetch = AtomicBool::new(false);
    thread::scope(|scope| {
        // Where Ruby is in the cache, gems are too, and the gems stage knows which are missing.
        if let Some(gems) = gems.filter(|_| ruby.needs_download()) {
            scope.spawn(|| gems::prefetch(gems, &stop_prefetch));
        }
        let installed = ruby::install(ruby);
        stop_prefetch.store(true, Ordering::Relaxed);
        installed
    })
}

/// The environment of the app's own code in this build: that of the image, and the build variables. Puts Ruby's
/// files into their place.
fn run_env(
    gems: &GemsStage<'_>,
    ruby: &InstalledRuby<'_>,
    launch_env: &LayerEnv,
    variables: &BuildVariables,
) -> Result<Env, RubyLayerError> {
    ruby.restore_files()?;
    let mut env = ruby.env(&Env::from_current())?;
    variables.apply(&mut env);
    let env = gems.env(&ruby.layer).apply(Scope::Build, &env);
    Ok(launch_env.apply(Scope::Launch, &env))
}

/// Why detection or the build fails.
#[derive(Debug, Diagnostic, Error)]
enum FormationError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Operator(#[from] OperatorVariablesError),
    #[error("the app's folder cannot be listed")]
    #[diagnostic(help("Check that the build user may read it."))]
    Detect(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inputs(Mistakes),
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
    Assets(#[from] AssetsError),
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

buildpack_main!(Formation);

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_app_that_cannot_be_listed_is_shown() {
        let error = detect::detect(Path::new("/nowhere"), None, None).unwrap_err();
        insta::assert_snapshot!(report::plain(&FormationError::Detect(error)));
    }

    #[test]
    fn nothing_is_declared_that_no_build_writes() {
        let buildpack: toml::Table = include_str!("../buildpack.toml").parse().unwrap();
        assert!(
            !buildpack["buildpack"]
                .as_table()
                .unwrap()
                .contains_key("sbom-formats")
        );
    }
}

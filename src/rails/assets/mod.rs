//! Assets: compiled by the app's own task, and not again while nothing that they depend on has
//! changed.
//!
//! Layer `assets` (cache) holds what the task has made in `public`, of the last builds too: pages
//! that a browser still shows while a new image is rolled out ask for the old files. Layer `assets-cache`
//! (cache) holds what the compiler keeps.

mod compiler_cache;
mod failure;
mod inputs;
mod kept_builds;
mod made_files;
mod pipeline;
mod task;

pub use failure::Failure;

use crate::app::App;
use crate::gems::InstalledGems;
use crate::gems::bundle::Bundle;
use crate::platform::cache_layer::cache_folder;
use crate::platform::files::remove_dir;
use crate::platform::layer_archive::LayerArchive;
use crate::platform::variables::BuildVariables;
use crate::report::{self, counted};
use crate::ruby::gem_version::GemVersion;
use crate::ruby::layer::RubyLayerError;
use compiler_cache::CompilerCache;
use fs_err as fs;
use inputs::AssetsInputs;
use kept_builds::{KeptBuilds, LastBuilds};
use libcnb::build::BuildContext;
use libcnb::data::launch::Slice;
use libcnb::data::layer_name;
use libcnb::{Buildpack, Env};
use made_files::{Before, make_the_same, tops};
use miette::Diagnostic;
use pipeline::Pipeline;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// The user's variable: `false` where the app's assets are not to be compiled.
const VARIABLE: &str = "BP_ASSETS";

/// The app's assets, before the build knows its Ruby and gems.
pub struct AssetsPlan<'a> {
    bundle: &'a Bundle,
    variables: &'a BuildVariables,
    inputs: AssetsInputs,
    kept: KeptBuilds,
    cache: CompilerCache,
    last: Option<LastBuilds>,
    decision: Decision,
}

#[derive(Debug, Eq, PartialEq)]
enum Decision {
    /// The user wants none.
    Off,
    /// The app has them compiled: in this file.
    Committed(String),
    /// Those of the last build.
    Restore,
    /// With a line for the log that says why.
    Compile(String),
}

/// The compiled assets of the app.
#[derive(Debug, Default)]
pub struct Assets {
    /// The folders and files of the app that hold them.
    pub paths: Vec<String>,
}

/// The assets are not there.
#[derive(Debug, Diagnostic, Error)]
pub enum AssetsError {
    #[error("the app's files cannot be read")]
    #[diagnostic(help("Check that the build user may read them."))]
    Inputs(#[source] io::Error),
    #[error("`rake` cannot be started, which compiles the app's assets")]
    #[diagnostic(help("Run `bundle add rake`, and commit Gemfile and lockfile."))]
    Start(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ruby(#[from] RubyLayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Failed(#[from] Failure),
    #[error("the compiled assets cannot be kept")]
    #[diagnostic(help(
        "Check that the disk of the container engine is not full, then try again with \
         `pack build --clear-cache`."
    ))]
    Files(#[source] io::Error),
}

impl<'a> AssetsPlan<'a> {
    /// Decides whether assets are compiled. None for an app without assets.
    pub fn new<B>(
        context: &BuildContext<B>,
        bundle: &'a Bundle,
        variables: &'a BuildVariables,
        ruby: &GemVersion,
    ) -> libcnb::Result<Option<Self>, B::Error>
    where
        B: Buildpack,
        B::Error: From<AssetsError>,
    {
        let pipeline = pipeline::find(&bundle.app, bundle);
        if pipeline == Pipeline::None {
            return Ok(None);
        }
        let kept = KeptBuilds(LayerArchive {
            folder: cache_folder(context, &layer_name!("assets"))?,
            name: "assets",
        });
        let cache = CompilerCache(LayerArchive {
            folder: cache_folder(context, &layer_name!("assets-cache"))?,
            name: "cache",
        });
        Self::with(&pipeline, bundle, variables, ruby, kept, cache)
            .map(Some)
            .map_err(|error| libcnb::Error::BuildpackError(error.into()))
    }

    fn with(
        pipeline: &Pipeline,
        bundle: &'a Bundle,
        variables: &'a BuildVariables,
        ruby: &GemVersion,
        kept: KeptBuilds,
        cache: CompilerCache,
    ) -> Result<Self, AssetsError> {
        let is_off = variables.turns_off(VARIABLE);
        let mut inputs = AssetsInputs::default();
        if matches!(pipeline, Pipeline::Task(_)) && !is_off {
            remove_leftovers(&bundle.app).map_err(AssetsError::Files)?;
            inputs = AssetsInputs::of(bundle, ruby, variables).map_err(AssetsError::Inputs)?;
        }
        let last = kept.last();
        let decision = match (pipeline, &last) {
            _ if is_off => Decision::Off,
            (Pipeline::Committed(manifest), _) => Decision::Committed(manifest.clone()),
            (_, Some(last)) => match inputs.changes_since(&last.inputs) {
                None => Decision::Restore,
                Some(changes) => Decision::Compile(format!("Compiling them again: {changes}")),
            },
            (Pipeline::Task(named_by), None) => {
                Decision::Compile(format!("Compiling them, because of {named_by}"))
            }
            (Pipeline::None, None) => Decision::Off,
        };
        Ok(Self {
            bundle,
            variables,
            inputs,
            kept,
            cache,
            last,
            decision,
        })
    }

    /// Whether the build runs the app's own code for them.
    #[must_use]
    pub fn compiles(&self) -> bool {
        matches!(self.decision, Decision::Compile(_))
    }

    /// Compiles or restores the assets. `env` has Ruby, the gems and the variables of production.
    pub fn carry_out(
        self,
        gems: &InstalledGems<'_>,
        env: impl FnOnce() -> Result<Env, RubyLayerError>,
    ) -> Result<Assets, AssetsError> {
        match &self.decision {
            Decision::Off => {
                report::detail(format!("They are not compiled: {VARIABLE} says so"));
                Ok(Assets::default())
            }
            Decision::Committed(manifest) => {
                report::detail(format!(
                    "They are compiled already: {manifest} is in the app"
                ));
                Ok(Assets::default())
            }
            Decision::Restore => {
                report::detail(
                    "Using those of the last build: nothing that they depend on has changed",
                );
                let builds = self.last.unwrap_or_default().builds;
                let restored = self.kept.restore(&self.bundle.app, &builds);
                restored.map_err(AssetsError::Files)?;
                Ok(Assets::of(&builds))
            }
            Decision::Compile(why) => {
                report::detail(why);
                self.compile(gems, env()?)
            }
        }
    }

    fn compile(&self, gems: &InstalledGems<'_>, mut env: Env) -> Result<Assets, AssetsError> {
        let app = &self.bundle.app;
        self.prepare(app).map_err(AssetsError::Files)?;
        let before = Before::of(app).map_err(AssetsError::Inputs)?;
        let stand_ins = task::stand_ins(gems, self.variables);
        for (name, value) in &stand_ins {
            env.insert(name, value);
        }
        let names: Vec<_> = stand_ins.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            report::detail(format!(
                "With stand-ins for what a build has not: {}",
                names.join(", ")
            ));
        }
        let output = task::run(&app.dir, &env).map_err(AssetsError::Start)?;
        let made = before.made(app).map_err(AssetsError::Files)?;
        if let Err(error) = self.cache.keep(app) {
            report::detail(format!("The compiler's cache is not kept: {error}"));
        }
        before.remove_left_behind(app).map_err(AssetsError::Files)?;
        if !output.status.success() {
            if failure::has_no_task(&output) {
                report::detail("The app has no such task after all");
                return Ok(Assets::default());
            }
            return Err(Failure::of(&output).into());
        }
        let made = make_the_same(app, made).map_err(AssetsError::Files)?;
        report::detail(format!("Compiled {}", counted(made.len(), "file")));
        let last = self.last.as_ref();
        let kept = self.kept.keep(app, &self.inputs, last, made);
        Ok(Assets::of(&kept.map_err(AssetsError::Files)?))
    }

    /// Folders that the task looks at are there, and what its compiler keeps.
    fn prepare(&self, app: &App) -> io::Result<()> {
        if let Some(folder) = pipeline::folder_of_bundlers(self.bundle) {
            fs::create_dir_all(app.dir.join(folder))?;
        }
        compiler_cache::set_times(app)?;
        if self.only_assets_have_changed() {
            self.cache.restore(app)?;
        }
        Ok(())
    }

    fn only_assets_have_changed(&self) -> bool {
        self.last.as_ref().is_some_and(|last| {
            let changed = self.inputs.changed_since(&last.inputs);
            changed.iter().all(|input| compiler_cache::is_asset(input))
        })
    }
}

/// What a developer's machine has left decides nothing.
fn remove_leftovers(app: &App) -> io::Result<()> {
    let caches = app.dir.join("tmp/cache");
    if caches.is_dir() {
        remove_dir(&caches)?;
    }
    if pipeline::are_of_somebodys_machine(app) {
        remove_dir(&app.dir.join(pipeline::OUTPUT))?;
    }
    Ok(())
}

impl Assets {
    /// What becomes a layer of its own: a change of code does not change it.
    #[must_use]
    pub fn slice(&self) -> Option<Slice> {
        (!self.paths.is_empty()).then(|| Slice {
            path_globs: self.paths.clone(),
        })
    }

    fn of(builds: &[BTreeSet<PathBuf>]) -> Self {
        Self {
            paths: tops(builds.iter().flatten()).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    struct Fixture {
        app: tempfile::TempDir,
        cache: tempfile::TempDir,
    }

    impl Fixture {
        fn write(&self, name: &str, text: &str) {
            let path = self.app.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn with_plan<T>(&self, check: impl FnOnce(AssetsPlan<'_>) -> T) -> T {
            self.with_plan_of(&BuildVariables::default(), check)
        }

        fn with_plan_of<T>(
            &self,
            variables: &BuildVariables,
            check: impl FnOnce(AssetsPlan<'_>) -> T,
        ) -> T {
            let bundle = Bundle::at(self.app.path(), variables);
            let kept = KeptBuilds(LayerArchive {
                folder: self.cache.path().to_path_buf(),
                name: "assets",
            });
            let pipeline = Pipeline::Task("a test".into());
            let ruby = "3.3.8".parse().unwrap();
            let cache = CompilerCache(LayerArchive {
                folder: self.cache.path().join("compiler"),
                name: "cache",
            });
            let plan = AssetsPlan::with(&pipeline, &bundle, variables, &ruby, kept, cache);
            check(plan.unwrap())
        }

        /// As a build whose task makes this file in a new copy of the app.
        fn make(&self, file: &str) {
            remove_dir(&self.app.path().join("public")).unwrap();
            self.with_plan(|plan| {
                self.write(file, file);
                let made = BTreeSet::from([PathBuf::from(file)]);
                let last = plan.last.as_ref();
                let kept = plan.kept.keep(&plan.bundle.app, &plan.inputs, last, made);
                kept.unwrap();
            });
        }

        fn public(&self) -> Vec<String> {
            let entries = fs::read_dir(self.app.path().join("public/assets")).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    fn fixture() -> Fixture {
        let fixture = Fixture {
            app: tempfile::tempdir().unwrap(),
            cache: tempfile::tempdir().unwrap(),
        };
        fixture.write("Gemfile", "");
        fixture.write("Gemfile.lock", "GEM\n");
        fixture
    }

    #[test]
    fn assets_are_compiled_where_something_has_changed() {
        let fixture = fixture();
        let decision = || fixture.with_plan(|plan| plan.decision);
        let first = "Compiling them, because of a test".to_string();
        assert_eq!(decision(), Decision::Compile(first));
        fixture.make("public/assets/a-1.css");
        remove_dir(&fixture.app.path().join("public")).unwrap();
        assert_eq!(decision(), Decision::Restore);
        let restored = fixture.with_plan(|plan| {
            let gems = InstalledGems::all_of(&plan.bundle.lockfile);
            let plan_gems = gems.clone();
            plan.carry_out(&plan_gems, || unreachable!("nothing runs"))
        });
        assert_eq!(restored.unwrap().paths, ["public/assets"]);
        assert_eq!(fixture.public(), ["a-1.css"]);

        remove_dir(&fixture.app.path().join("public")).unwrap();
        fixture.write("app/x.rb", "");
        let again = "Compiling them again: app/x.rb has changed".to_string();
        assert_eq!(decision(), Decision::Compile(again));
    }

    #[test]
    fn where_nothing_is_compiled_a_developers_files_stay() {
        let fixture = fixture();
        fixture.write(".gitignore", "/public/assets\n");
        let files = ["public/assets/.manifest.json", "tmp/cache/x"];
        for name in files {
            fixture.write(name, "{}");
        }
        let are_there = || files.map(|name| fixture.app.path().join(name).exists());
        let mut env = Env::new();
        env.insert(VARIABLE, "false");
        let decision = fixture.with_plan_of(&BuildVariables::new(&env), |plan| plan.decision);
        assert_eq!(decision, Decision::Off);
        assert_eq!(are_there(), [true, true]);
        fixture.with_plan(|plan| assert!(plan.compiles()));
        assert_eq!(are_there(), [false, false]);
    }

    #[test]
    fn the_files_of_two_builds_before_stay() {
        let fixture = fixture();
        for number in 1..=4 {
            fixture.make(&format!("public/assets/a-{number}.css"));
        }
        assert_eq!(fixture.public(), ["a-2.css", "a-3.css", "a-4.css"]);
        fixture.make("public/assets/.manifest.json");
        fixture.make("public/assets/manifest.json");
        assert_eq!(fixture.public(), ["a-4.css", "manifest.json"]);
    }

    #[test]
    fn what_can_go_wrong_besides_the_task() {
        assert_report!(AssetsError::Start(io::ErrorKind::NotFound.into()));
        assert_report!(AssetsError::Files(io::ErrorKind::StorageFull.into()));
    }
}

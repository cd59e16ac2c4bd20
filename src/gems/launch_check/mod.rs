//! Whether the bundle loads in the image as it does here. A process of the image loads it at each
//! start: Bundler reads the Gemfile and the gemspecs again, with the variables and programs of the
//! container. What it does not find then would end every process. A Gemfile that asks for neither is
//! not loaded here.

mod libraries;
mod programs;
mod refusal;

use crate::gems::bundle::Bundle;
use crate::gems::lockfile::SourceKind;
use crate::gems::question::Question;
use crate::platform::base_packages::BasePackages;
use crate::platform::other_layers::launched_layers;
use crate::report;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::Env;
use libcnb::layer_env::{LayerEnv, Scope};
use libraries::Needs;
use miette::Diagnostic;
use refusal::{MayNotLoad, NeedsVariables, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};
use thiserror::Error;

/// The program that loads the bundle.
const LOAD: &str = include_str!("load.rb");

/// The user's variable: `warn` where the image is of use although its gems do not load.
const VARIABLE: &str = "BP_LAUNCH_CHECK";

/// What a process of the lifecycle gets from the machine where the image is built. A Gemfile that
/// asks the network would wait without it.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What is loaded, and with which environment.
pub(super) struct LaunchCheck<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) ruby: &'a RubyLayer,
    /// The gems' folder in the layer.
    pub(super) gem_home: &'a Path,
    /// The layer `gems`.
    pub(super) layer: &'a Path,
    /// The variables of the layer `gems`.
    pub(super) gems_env: &'a LayerEnv,
    /// The variables of a production environment, which are set at launch alone.
    pub(super) launch_env: &'a LayerEnv,
    /// What the Gemfile has asked for when it was evaluated.
    pub(super) questions: &'a BTreeSet<String>,
}

/// What the check has found out about an image that is of use.
#[derive(Debug)]
pub(super) struct LaunchFindings {
    /// Why the bundle does not load as it is, where that is so.
    refused: Option<Refused>,
    needs: Needs,
}

#[derive(Debug)]
enum Refused {
    /// It loads with variables of the build, or without those of production.
    WithoutVariables(Refusal),
    /// It does not load, and the user has asked for a warning.
    Always(Refusal),
}

/// The image would be of no use.
#[derive(Debug, Diagnostic, Error)]
pub enum LaunchCheckError {
    #[error("the app's gems load here, but may not in the image")]
    #[diagnostic(help(
        "{help} Where the image is of use all the same, `--env {VARIABLE}=warn` makes this a warning."
    ))]
    NotLoaded {
        #[source]
        refusal: Refusal,
        help: String,
    },
    #[error("it cannot be checked whether the app's gems load in the image")]
    #[diagnostic(help("Check that the disk of the container engine is not full."))]
    Io(#[from] io::Error),
}

/// A compiled gem needs a library that is nowhere.
#[derive(Debug, Diagnostic, Error)]
#[error("{gems} needs the library {library}, which the build image does not have either")]
#[diagnostic(
    severity(Warning),
    help(
        "Where the run image lacks it too, the gem does not load. `apt-file search {library}` names \
         the package that has it."
    )
)]
struct MissingLibrary {
    library: String,
    gems: String,
}

impl LaunchCheck<'_> {
    /// Loads the bundle, and reads what its compiled files need.
    pub(super) fn run(&self) -> Result<LaunchFindings, LaunchCheckError> {
        let packages = BasePackages::read(Path::new("/"));
        let refused = if self.may_differ() {
            self.load_as_launched(packages.as_ref())?
        } else {
            None
        };
        let needs = packages.map_or_else(Needs::default, |packages| {
            let folders: Vec<_> = self.layers().map(|layer| layer.join("lib")).collect();
            libraries::needs(self.gem_home, &self.ruby.path, &folders, &packages)
        });
        Ok(LaunchFindings { refused, needs })
    }

    /// Whether the bundle depends on more than the files of the app and of the gems, which are the
    /// same in the image: a variable or program that the Gemfile asks for, a setting of this build, a
    /// plugin.
    fn may_differ(&self) -> bool {
        let asks = self.questions.iter().any(|question| {
            let question = Question::parse(question);
            matches!(question, Question::Variable(_) | Question::Other) && !question.is_settled()
        });
        let mut sources = self.bundle.lockfile.sources.iter();
        asks || sources.any(|source| matches!(source.kind, SourceKind::Plugin(_)))
            || self
                .bundle
                .settings
                .variables_that_decide()
                .next()
                .is_some()
    }

    fn load_as_launched(
        &self,
        packages: Option<&BasePackages>,
    ) -> Result<Option<Refused>, LaunchCheckError> {
        let folder = tempfile::tempdir()?;
        let env = self.env(packages, folder.path())?;
        self.load_in_production(&env, folder.path())?
            .map(|refusal| self.refused(env, folder.path(), refusal))
            .transpose()
    }

    /// The layers of the image with files for the bundle, but for the gems.
    fn layers(&self) -> impl Iterator<Item = PathBuf> {
        let own_layers = self.layer.parent().unwrap_or(self.layer);
        let others = launched_layers(own_layers).into_iter();
        others.chain([self.ruby.path.clone()])
    }

    /// The environment of a process of the image, but for the production defaults. Its files are in
    /// `folder`.
    fn env(&self, packages: Option<&BasePackages>, folder: &Path) -> io::Result<Env> {
        let (home, links) = (folder.join("home"), folder.join("programs"));
        fs::create_dir_all(&home)?;
        fs::create_dir_all(&links)?;
        let (all_folders, image_folders) = self.build_path();
        let path = match packages {
            Some(packages) => {
                let named = self.bundle.settings.env.get(programs::VARIABLE);
                let named = programs::names(named.unwrap_or_default());
                programs::link_programs(&image_folders, packages, &all_folders, &named, &links)?;
                links.into_os_string()
            }
            // Nothing is known of the programs of another family.
            None => env::join_paths(image_folders).map_err(io::Error::other)?,
        };
        let mut env = Env::new();
        env.insert("PATH", path);
        env.insert("HOME", home);
        for name in PROXIES {
            if let Some(value) = env::var_os(name) {
                env.insert(name, value);
            }
        }
        for layer in self.layers() {
            let layer = LayerEnv::read_from_layer_dir(layer)?;
            env = layer.apply(Scope::Launch, &env);
        }
        Ok(self.gems_env.apply(Scope::Launch, &env))
    }

    /// The folders of the build's `PATH`: all, and those that are not in a layer.
    fn build_path(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let layers = self.layer.ancestors().nth(2).unwrap_or(self.layer);
        let path = env::var_os("PATH").unwrap_or_default();
        let all: Vec<_> = env::split_paths(&path).collect();
        let of_image = all.iter().filter(|folder| !folder.starts_with(layers));
        let of_image = of_image.cloned().collect();
        (all, of_image)
    }

    /// Why the bundle does not load in production, where it does not.
    fn load_in_production(&self, env: &Env, folder: &Path) -> io::Result<Option<Refusal>> {
        self.load(&self.launch_env.apply(Scope::Launch, env), folder)
    }

    fn load(&self, env: &Env, folder: &Path) -> io::Result<Option<Refusal>> {
        let script = folder.join("load.rb");
        let answer = folder.join("answer");
        fs::write(&script, LOAD)?;
        fs::write(&answer, "")?;
        let output = Command::new(self.ruby.path.join("bin/ruby"))
            .arg(script)
            .arg(&answer)
            .current_dir(&self.bundle.app.dir)
            .env_clear()
            .envs(env)
            .output()?;
        if output.status.success() {
            return Ok(None);
        }
        let is_program = |name: &str| programs::find(name, &self.build_path().0).is_some();
        let variables = &self.bundle.settings.env;
        Ok(Some(Refusal::read(
            &fs::read(answer)?,
            &output,
            is_program,
            variables,
        )))
    }

    /// Tries again with the user's build variables, which the container may be given too; and without
    /// the production defaults, which it may replace.
    fn refused(
        &self,
        env: Env,
        folder: &Path,
        first: Refusal,
    ) -> Result<Refused, LaunchCheckError> {
        let variables = &self.bundle.settings.env;
        let mut with_variables = env;
        variables.apply(&mut with_variables);
        let Some(refusal) = self.load_in_production(&with_variables, folder)? else {
            return Ok(Refused::WithoutVariables(first));
        };
        if self.load(&with_variables, folder)?.is_none() {
            return Ok(Refused::WithoutVariables(refusal));
        }
        if variables.get(VARIABLE) == Some("warn") {
            return Ok(Refused::Always(refusal));
        }
        Err(LaunchCheckError::NotLoaded {
            help: refusal.help(),
            refusal,
        })
    }
}

impl LaunchFindings {
    /// Writes to the log what the image needs besides its layers. `questions` is what the Gemfile
    /// has asked for. Returns lines that later builds, which check nothing again, write too.
    pub(super) fn show(self, bundle: &Bundle, questions: &BTreeSet<String>) -> Vec<String> {
        let mut notes = Vec::new();
        match self.refused {
            Some(Refused::WithoutVariables(refusal)) => {
                let variables = asked_variables(bundle, questions);
                notes.push(format!(
                    "The app's gems load only where the container has {variables} as this build has"
                ));
                report::warning(&NeedsVariables { refusal, variables });
            }
            Some(Refused::Always(refusal)) => {
                notes.push("The app's gems may not load in the image".to_string());
                report::warning(&MayNotLoad { refusal });
            }
            None => {}
        }
        if let Some(line) = of_run_image(&self.needs.packages) {
            report::detail(&line);
            notes.push(line);
        }
        for (library, gems) in self.needs.missing {
            let gems = gems.into_iter().collect::<Vec<_>>().join(", ");
            report::warning(&MissingLibrary { library, gems });
        }
        notes
    }
}

/// The user's build variables that the Gemfile asks for, in words.
fn asked_variables(bundle: &Bundle, questions: &BTreeSet<String>) -> String {
    let asked = questions
        .iter()
        .filter_map(|question| match Question::parse(question) {
            Question::Variable(name) => Some(name),
            _ => None,
        });
    let set: Vec<_> = asked
        .filter(|name| bundle.settings.env.sets(name))
        .collect();
    match set.as_slice() {
        [] => "the variables".to_string(),
        names => names.join(", "),
    }
}

/// What the compiled gems need of the run image.
fn of_run_image(packages: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let needed: Vec<_> = packages
        .iter()
        .map(|(package, gems)| {
            let gems: Vec<_> = gems.iter().map(String::as_str).collect();
            format!("{package} (for {})", gems.join(", "))
        })
        .collect();
    (!needed.is_empty()).then(|| format!("The run image has to have {}", needed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn a_bundle_that_does_not_load_is_shown() {
        let git = "[!] There was an error while loading `blog.gemspec`: No such file or directory - \
                   git. Bundler cannot continue.\n\n #  from /workspace/blog.gemspec:9";
        for (name, refusal) in [
            ("without_a_program", Refusal::for_tests(Some("git"), git)),
            (
                "without_a_plugin",
                Refusal::for_tests(None, "Source svn not found"),
            ),
        ] {
            let error = LaunchCheckError::NotLoaded {
                help: refusal.help(),
                refusal,
            };
            assert_report!(name, error);
        }
    }

    #[test]
    fn what_the_run_image_has_to_have_is_shown() {
        assert_report!(
            "library",
            MissingLibrary {
                library: "libfoo.so.3".into(),
                gems: "foo-1.0".into(),
            }
        );
        let gems = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        let packages = [
            ("libpq5", gems(&["pg-1.5"])),
            ("libxml2", gems(&["a-1", "b-2"])),
        ];
        let packages = packages.map(|(name, gems)| (name.to_string(), gems)).into();
        assert_eq!(
            of_run_image(&packages).unwrap(),
            "The run image has to have libpq5 (for pg-1.5), libxml2 (for a-1, b-2)"
        );
        assert_eq!(of_run_image(&BTreeMap::new()), None);
    }
}

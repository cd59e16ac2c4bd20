//! Whether the bundle loads in the image as it does here. A process of the image loads it at each
//! start: Bundler reads the Gemfile and the gemspecs again, with the variables and programs of the
//! container. What it does not find then would end every process.

mod libraries;
mod programs;

use crate::fetch::masked::masked;
use crate::gems::bundle::Bundle;
use crate::gems::question::Question;
use crate::platform::base_packages::BasePackages;
use crate::report;
use crate::ruby::layer::RubyLayer;
use fs_err as fs;
use libcnb::Env;
use libcnb::layer_env::{LayerEnv, Scope};
use libraries::Needs;
use miette::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Command;
use thiserror::Error;

/// The program that loads the bundle.
const LOAD: &str = include_str!("load.rb");

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
}

/// What the check has found out.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Why the bundle loads with the variables of the build alone, where that is so.
    without_variables: Option<Refusal>,
    needs: Needs,
}

/// Why the bundle does not load.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    /// A program that was not found.
    program: Option<String>,
    /// What Bundler says.
    message: String,
}

/// The image would be of no use.
#[derive(Debug, Diagnostic, Error)]
pub enum LaunchCheckError {
    #[error("the app's gems load here, but would not in the image")]
    #[diagnostic(help("{help}"))]
    NotLoaded {
        #[source]
        refusal: Refusal,
        help: String,
    },
    #[error("it cannot be checked whether the app's gems load in the image")]
    #[diagnostic(help("Check that the disk of the container engine is not full."))]
    Io(#[from] io::Error),
}

/// The bundle loads only where variables of the build are set.
#[derive(Debug, Diagnostic, Error)]
#[error("the app's gems load only where the variables of this build are set")]
#[diagnostic(
    severity(Warning),
    help(
        "The Gemfile or a gemspec asks for {variables} at each start of a process. Set that in the \
         container too, or let the Gemfile do without: `ENV.fetch(\"NAME\", \"\")`."
    )
)]
struct NeedsVariables {
    #[source]
    refusal: Refusal,
    variables: String,
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
    pub(super) fn run(&self) -> Result<Loaded, LaunchCheckError> {
        let packages = BasePackages::read(Path::new("/"))?;
        let folder = tempfile::tempdir()?;
        let env = self.env(packages.as_ref(), folder.path())?;
        let without_variables = match self.load(&env, folder.path())? {
            None => None,
            Some(refusal) => Some(self.load_with_variables(env, folder.path(), refusal)?),
        };
        let needs = match &packages {
            Some(packages) => {
                let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
                let mut folders = programs::launched_folders(&path, self.layers()).0;
                folders.push(self.ruby.path.join("lib"));
                libraries::needs(self.gem_home, &self.ruby.path, &folders, packages)?
            }
            None => Needs::default(),
        };
        Ok(Loaded {
            without_variables,
            needs,
        })
    }

    /// The folder with the layers of all buildpacks.
    fn layers(&self) -> &Path {
        self.layer.ancestors().nth(2).unwrap_or(self.layer)
    }

    /// The environment of a process of the image. Its files are in `folder`.
    fn env(&self, packages: Option<&BasePackages>, folder: &Path) -> io::Result<Env> {
        let (home, programs) = (folder.join("home"), folder.join("programs"));
        fs::create_dir_all(&home)?;
        fs::create_dir_all(&programs)?;
        let named = self.bundle.settings.env.get(programs::VARIABLE);
        let named: Vec<_> = named.unwrap_or_default().split_whitespace().collect();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = programs::run_path(&path, self.layers(), packages, &named, &programs)?;
        let mut env = Env::new();
        env.insert("PATH", path);
        env.insert("HOME", home);
        let ruby = LayerEnv::read_from_layer_dir(&self.ruby.path)?;
        let env = ruby.apply(Scope::Launch, &env);
        let env = self.gems_env.apply(Scope::Launch, &env);
        Ok(self.launch_env.apply(Scope::Launch, &env))
    }

    /// Why the bundle does not load, where it does not.
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
        let text = fs::read(answer).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let (program, message) = text.split_once('\n').unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stderr);
        let message = match message.trim() {
            "" => format!("Ruby ended ({}): {}", output.status, said.trim()),
            message => message.to_string(),
        };
        let message = masked(&message);
        Ok(Some(Refusal {
            program: (!program.is_empty()).then(|| program.to_string()),
            message,
        }))
    }

    /// Tries again with the user's build variables, which the container may be given too.
    fn load_with_variables(
        &self,
        mut env: Env,
        folder: &Path,
        refusal: Refusal,
    ) -> Result<Refusal, LaunchCheckError> {
        self.bundle.settings.env.apply(&mut env);
        match self.load(&env, folder)? {
            None => Ok(refusal),
            Some(refusal) => Err(LaunchCheckError::NotLoaded {
                help: refusal.help(),
                refusal,
            }),
        }
    }
}

impl Refusal {
    fn help(&self) -> String {
        match &self.program {
            Some(program) => format!(
                "The run image need not have the program `{program}`: it is in no package that every \
                 image of the distribution has. Let the gemspec list its files without it, such as \
                 `spec.files = Dir[\"lib/**/*\"]`. If your run image has it, say so: `--env \
                 {}={program}`.",
                programs::VARIABLE
            ),
            None => "Bundler reads the Gemfile and the gemspecs at each start of a process, with the \
                     files of the image alone. What they need has to be in the app's folder, or in a \
                     gem of the installed groups; plugins of Bundler are not in the image."
                .into(),
        }
    }
}

impl Loaded {
    /// Writes to the log what the image needs besides its layers. `questions` is what the Gemfile
    /// has asked for.
    pub(super) fn show(self, bundle: &Bundle, questions: &BTreeSet<String>) {
        if let Some(refusal) = self.without_variables {
            let set: Vec<_> = questions
                .iter()
                .filter_map(|question| match Question::parse(question) {
                    Question::Variable(name) => Some(name),
                    _ => None,
                })
                .filter(|name| bundle.settings.env.sets(name))
                .collect();
            let variables = match set.as_slice() {
                [] => "variables".to_string(),
                names => names.join(", "),
            };
            report::warning(&NeedsVariables { refusal, variables });
        }
        if let Some(line) = of_run_image(&self.needs.packages) {
            report::detail(line);
        }
        for (library, gems) in self.needs.missing {
            let gems = gems.into_iter().collect::<Vec<_>>().join(", ");
            report::warning(&MissingLibrary { library, gems });
        }
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
        let refusal = |program: Option<&str>, message: &str| Refusal {
            program: program.map(String::from),
            message: message.to_string(),
        };
        let git = "\n[!] There was an error while loading `blog.gemspec`: No such file or directory - \
                   git. Bundler cannot continue.\n\n #  from /workspace/blog.gemspec:9\n";
        for (name, refusal) in [
            ("without_a_program", refusal(Some("git"), git)),
            ("without_a_plugin", refusal(None, "Source svn not found")),
        ] {
            let error = LaunchCheckError::NotLoaded {
                help: refusal.help(),
                refusal,
            };
            assert_report!(name, error);
        }
    }

    #[test]
    fn what_only_a_container_can_have_is_shown() {
        let refusal = Refusal {
            program: None,
            message: "key not found: \"TOKEN\" (KeyError)".into(),
        };
        let variables = "TOKEN".to_string();
        assert_report!("variables", NeedsVariables { refusal, variables });
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

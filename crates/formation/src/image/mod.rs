//! The process types of the image that this program runs in. The CNB lifecycle writes them into a
//! file for its launcher.

pub mod quantities;

use fs_err as fs;
use miette::Diagnostic;
use procfile::command::is_shell_script;
use procfile::launch_spec::{FORMATION, LaunchSpec, SignalTarget};
use procfile::{Entry, MisnamedProcfile, ProcessType, ProcfileError, Reading, named_procfile};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};
use thiserror::Error;

/// The folder with all layers, unless [`LAYERS_VARIABLE`] names another.
const LAYERS: &str = "/layers";

/// The variable of the CNB specification for the folder with all layers.
const LAYERS_VARIABLE: &str = "CNB_LAYERS_DIR";

/// The folder in which every process type of an image has an entry point.
pub const ENTRY_POINTS: &str = "/cnb/process";

/// Process types that run once and end, as Heroku names them. They are not started unless they are
/// named.
pub const TASKS: [&str; 3] = [ProcessType::RELEASE, "console", "rake"];

/// The process types of an image, without the process type `formation`, and without the programs
/// that are process types only to have the image's environment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// Each type once, in the order of the process table.
    pub processes: Vec<ImageProcess>,
    /// The folder of each buildpack's layers, in the order in which the buildpacks ran. Buildpacks
    /// without layers are missing.
    pub buildpacks: Vec<PathBuf>,
}

/// One process type of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageProcess {
    /// Letters, digits, `.`, `_` and `-`, as in the CNB specification.
    pub process_type: String,
    /// The command, without `formation exec` before it: one supervisor is enough.
    pub spec: LaunchSpec<OsString>,
    /// `None` for the app's folder.
    pub working_dir: Option<PathBuf>,
    /// Whether `docker run IMAGE` starts it.
    pub default: bool,
}

/// There are no process types to read.
#[derive(Debug, Diagnostic, Error)]
pub enum ImageError {
    /// Most likely, this is not a container of an image with buildpacks.
    #[error("{} cannot be read: it lists the process types of an image", path.display())]
    #[diagnostic(help(
        "Run this in a container of an image that was built with Formation: `docker run \
         --entrypoint formation IMAGE`. For local development, name a Procfile instead: \
         `formation run --procfile Procfile`."
    ))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} does not have the format that the lifecycle writes", path.display())]
    #[diagnostic(help("Build the image again. No other program should write this file."))]
    Malformed {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("{} cannot be read", path.display())]
    #[diagnostic(help("Name a Procfile: `--procfile PATH`."))]
    NoProcfile {
        path: PathBuf,
        #[related]
        misnamed: Option<MisnamedProcfile>,
        source: io::Error,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Procfile(#[from] ProcfileError),
}

/// The parts of `metadata.toml` that are needed here (the lifecycle's `launch.Metadata`).
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    processes: Vec<ProcessRow>,
    #[serde(default)]
    buildpacks: Vec<BuildpackRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ProcessRow {
    r#type: String,
    command: Words,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    direct: bool,
    #[serde(default)]
    default: bool,
    working_dir: Option<PathBuf>,
}

/// With Platform API 0.10 and later the lifecycle writes an array, before that a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct BuildpackRow {
    id: String,
}

impl Image {
    /// The image that this process runs in.
    pub fn read() -> Result<Self, ImageError> {
        let layers = env::var_os(LAYERS_VARIABLE).unwrap_or_else(|| LAYERS.into());
        Self::read_from(Path::new(&layers))
    }

    /// The image whose layers are in a folder.
    pub fn read_from(layers: &Path) -> Result<Self, ImageError> {
        let path = layers.join("config/metadata.toml");
        let text = fs::read_to_string(&path).map_err(|source| ImageError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let metadata: Metadata =
            toml::from_str(&text).map_err(|source| ImageError::Malformed { path, source })?;
        let processes = (metadata.processes.into_iter())
            .filter(|row| row.r#type != FORMATION)
            .map(ImageProcess::new)
            .filter(|process| !process.is_program())
            .collect();
        let buildpacks = (metadata.buildpacks.iter())
            .map(|buildpack| layers.join(buildpack.id.replace('/', "_")))
            .filter(|folder| folder.is_dir())
            .collect();
        Ok(Self {
            processes,
            buildpacks,
        })
    }

    /// The image of an app with this Procfile, or with that in this folder, without the default process types of its framework:
    /// for local development.
    pub fn of_procfile(path: &Path) -> Result<Self, ImageError> {
        let path = named_procfile(path);
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let bytes = fs::read(&path).map_err(|source| ImageError::NoProcfile {
            path: path.clone(),
            misnamed: MisnamedProcfile::instead_of(&path),
            source,
        })?;
        let reading = Reading::of(&bytes, &|script| is_shell_script(&folder, script));
        if let Some(error) = reading.error_report(&path.display().to_string()) {
            return Err(error.into());
        }
        let working_dir = Some(folder).filter(|folder| *folder != Path::new(""));
        let process = |entry: &Entry| ImageProcess {
            process_type: entry.process_type.to_string(),
            spec: LaunchSpec::from(&entry.launch),
            working_dir: working_dir.clone(),
            // A build would choose `web` or the only one, which need no flag to be found.
            default: false,
        };
        Ok(Self {
            processes: reading.entries.iter().map(process).collect(),
            buildpacks: Vec::new(),
        })
    }

    /// For tests: an image whose processes all run `true`.
    #[cfg(test)]
    pub(crate) fn of_types(types: &[&str]) -> Self {
        let process = |process_type: &&str| ImageProcess {
            process_type: (*process_type).into(),
            spec: LaunchSpec {
                argv: vec!["true".into()],
                signals: SignalTarget::Process,
            },
            working_dir: None,
            default: false,
        };
        Self {
            processes: types.iter().map(process).collect(),
            buildpacks: Vec::new(),
        }
    }

    /// The process type that gets the container's port: `web`, else what `docker run IMAGE` starts,
    /// else the first that is no task.
    #[must_use]
    pub fn type_with_port(&self) -> Option<&str> {
        let first = |is_it: &dyn Fn(&ImageProcess) -> bool| {
            self.processes.iter().find(|process| is_it(process))
        };
        first(&|process| process.process_type == ProcessType::WEB)
            .or_else(|| first(&|process| process.default))
            .or_else(|| first(&|process| !TASKS.contains(&process.process_type.as_str())))
            .map(|process| process.process_type.as_str())
    }

    #[must_use]
    pub fn process(&self, process_type: &str) -> Option<&ImageProcess> {
        self.processes
            .iter()
            .find(|process| process.process_type == process_type)
    }

    /// The process types that can have several instances: all but `release`, which runs once before
    /// each release.
    pub fn scalable_types(&self) -> impl Iterator<Item = &str> {
        self.processes
            .iter()
            .map(|process| process.process_type.as_str())
            .filter(|process_type| *process_type != ProcessType::RELEASE)
    }
}

impl ImageProcess {
    /// The default type is always one of the app's.
    fn is_program(&self) -> bool {
        !self.default && self.spec.is_program(&self.process_type)
    }

    fn new(row: ProcessRow) -> Self {
        let command = match row.command {
            Words::One(word) => vec![word],
            Words::Several(words) => words,
        };
        let words: Vec<OsString> = (command.into_iter().chain(row.args))
            .map(OsString::from)
            .collect();
        // A process of an old buildpack is not direct: its command is a text for a shell, which
        // first runs scripts of the layers. Its entry point, the launcher, does that.
        let argv = if row.direct && !words.is_empty() {
            words
        } else {
            vec![format!("{ENTRY_POINTS}/{}", row.r#type).into()]
        };
        Self {
            spec: LaunchSpec::from_args(argv.clone()).unwrap_or(LaunchSpec {
                argv,
                signals: SignalTarget::Process,
            }),
            process_type: row.r#type,
            working_dir: row.working_dir,
            default: row.default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    /// What lifecycle 0.20.12 writes.
    const METADATA: &str = r#"
[[processes]]
  type = "web"
  command = [
    "/layers/formation_ruby/formation/bin/formation", "exec", "--group", "--", "bash", "-c", "a | b"
  ]
  args = []
  direct = true
  default = true
  buildpack-id = "formation/ruby"

[[processes]]
  type = "worker"
  command = ["/layers/formation_ruby/formation/bin/formation", "exec", "--", "sidekiq"]
  args = []
  direct = true
  buildpack-id = "formation/ruby"
  working-dir = "/workspace/jobs"

[[processes]]
  type = "formation"
  command = ["/layers/formation_ruby/formation/bin/formation"]
  args = ["run"]
  direct = true
  buildpack-id = "formation/ruby"

[[processes]]
  type = "rake"
  command = ["/layers/formation_ruby/formation/bin/formation", "exec", "--", "rake"]
  args = []
  direct = true
  buildpack-id = "formation/ruby"

[[processes]]
  type = "rails"
  command = ["/layers/formation_ruby/formation/bin/formation", "exec", "--", "rails", "server"]
  args = []
  direct = true
  buildpack-id = "formation/ruby"

[[processes]]
  type = "node.repl"
  command = ["node"]
  args = ["--interactive"]
  direct = true
  buildpack-id = "some/node"

[[processes]]
  type = "old"
  command = "some $SHELL text"
  direct = false
  buildpack-id = "some/old"

[[buildpacks]]
  api = "0.10"
  id = "formation/ruby"

[[buildpacks]]
  api = "0.10"
  id = "some/without-layers"
"#;

    fn image_of(metadata: &str) -> Result<Image, ImageError> {
        let layers = tempfile::tempdir().unwrap();
        for folder in ["config", "formation_ruby"] {
            fs::create_dir(layers.path().join(folder)).unwrap();
        }
        fs::write(layers.path().join("config/metadata.toml"), metadata).unwrap();
        let mut image = Image::read_from(layers.path())?;
        for folder in &mut image.buildpacks {
            *folder = folder.strip_prefix(layers.path()).unwrap().to_path_buf();
        }
        Ok(image)
    }

    #[test]
    fn the_process_table_of_the_lifecycle_is_read() {
        insta::assert_debug_snapshot!(image_of(METADATA).unwrap());
    }

    #[test]
    fn a_process_has_no_second_supervisor() {
        let image = image_of(METADATA).unwrap();
        let spec = |process_type| image.process(process_type).unwrap().spec.clone();
        let expected = |argv: &[&str], signals| LaunchSpec {
            argv: argv.iter().map(OsString::from).collect(),
            signals,
        };
        assert_eq!(
            spec("web"),
            expected(&["bash", "-c", "a | b"], SignalTarget::Group)
        );
        for (process_type, argv) in [
            ("worker", &["sidekiq"][..]),
            ("rails", &["rails", "server"]),
            ("node.repl", &["node", "--interactive"]),
            ("old", &["/cnb/process/old"]),
        ] {
            assert_eq!(spec(process_type), expected(argv, SignalTarget::Process));
        }
        for process_type in ["formation", "rake"] {
            assert!(image.process(process_type).is_none());
        }
    }

    #[test]
    fn a_procfile_gives_the_process_types_of_its_image() {
        let app = tempfile::tempdir().unwrap();
        let procfile = app.path().join("Procfile");
        fs::write(&procfile, "web: puma -p $PORT\nworker: a | b\n").unwrap();
        let image = Image::of_procfile(&procfile).unwrap();
        let web = image.process("web").unwrap();
        assert_eq!(web.working_dir.as_deref(), Some(app.path()));
        assert_eq!(web.spec.signals, SignalTarget::Process);
        assert_eq!(Image::of_procfile(app.path()).unwrap(), image);
        let worker = image.process("worker").unwrap();
        assert_eq!(worker.spec.signals, SignalTarget::Group);
    }

    #[test]
    fn process_types_that_cannot_be_read_are_shown() {
        assert_report!(
            "no_image",
            Image::read_from(Path::new("/nowhere")).unwrap_err()
        );
        assert_report!(
            "no_procfile",
            Image::of_procfile(Path::new("/nowhere/Procfile")).unwrap_err()
        );
        let ImageError::Malformed { source, .. } = image_of("processes = 1\n").unwrap_err() else {
            panic!("it is malformed");
        };
        let path = "/layers/config/metadata.toml".into();
        assert_report!("broken", ImageError::Malformed { path, source });
    }
}

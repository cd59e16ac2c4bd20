//! The image that this program is in, as the lifecycle wrote it down for its launcher: the process table.

use fs_err as fs;
use procfile::command::is_shell_script;
use procfile::{Entry, ProcfileError, Reading};
pub mod quantities;

use miette::Diagnostic;
use procfile::launch_spec::{FORMATION, LaunchSpec, SignalTarget};
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};
use thiserror::Error;

/// Where the lifecycle keeps what buildpacks made, unless the platform says otherwise by the variable [`LAYERS_VARIABLE`].
const LAYERS: &str = "/layers";

/// The CNB specification's variable for another place than [`LAYERS`].
const LAYERS_VARIABLE: &str = "CNB_LAYERS_DIR";

/// Where every process type of an image has its entry point.
pub const ENTRY_POINTS: &str = "/cnb/process";

/// The process types of an image, in the order in which it has them; the process type `formation` is none of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Image {
    /// Each type once.
    pub processes: Vec<ImageProcess>,
    /// The folder of each buildpack's layers, in the order in which buildpacks ran; those without layers are missing.
    pub buildpacks: Vec<PathBuf>,
}

/// One process type of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageProcess {
    /// Its name: of letters, digits, `.`, `_` and `-`, as the CNB specification has it.
    pub process_type: String,
    /// The command behind `formation exec`: under a supervisor it needs no second one.
    pub spec: LaunchSpec<OsString>,
    /// Where, if not in the app's folder.
    pub working_dir: Option<PathBuf>,
    /// Whether `docker run IMAGE` starts it.
    pub default: bool,
}

/// There is no process table.
#[derive(Debug, Diagnostic, Error)]
pub enum ImageError {
    /// This is no container of an image that a buildpack made.
    #[error("{} cannot be read: the process types of an image stand there", path.display())]
    #[diagnostic(help(
        "Run this in a container of an image that was built with Formation: `docker run --entrypoint formation IMAGE`. Where you \
         develop, name a Procfile instead: `formation run --procfile Procfile`."
    ))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The lifecycle would not take it either.
    #[error("{} is not what the lifecycle writes there", path.display())]
    #[diagnostic(help("Build the image again; nothing else should write this file."))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: toml::de::Error,
    },
    /// The Procfile that was named instead.
    #[error("{} cannot be read", path.display())]
    #[diagnostic(help("Name a Procfile: `--procfile PATH`."))]
    NoProcfile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its mistakes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Procfile(#[from] ProcfileError),
}

/// `metadata.toml`, as far as it matters here (the lifecycle's `launch.Metadata`).
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

/// Platform API 0.10 and later write an array.
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
    ///
    /// # Errors
    /// There is no process table, or it is broken.
    pub fn read() -> Result<Self, ImageError> {
        let layers = env::var_os(LAYERS_VARIABLE).unwrap_or_else(|| LAYERS.into());
        Self::read_from(Path::new(&layers))
    }

    /// The same of another folder of layers.
    ///
    /// # Errors
    /// There is no process table, or it is broken.
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

    /// What the image of an app with this Procfile would have, but for the framework's defaults: for work on the app itself.
    ///
    /// # Errors
    /// It cannot be read, or has mistakes.
    pub fn of_procfile(path: &Path) -> Result<Self, ImageError> {
        let bytes = fs::read(path).map_err(|source| ImageError::NoProcfile {
            path: path.to_path_buf(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let reading = Reading::of(&bytes, &|script| is_shell_script(&folder, script));
        if let Some(errors) = reading.error_report(&path.display().to_string()) {
            return Err(errors.into());
        }
        let working_dir = Some(folder).filter(|folder| *folder != Path::new(""));
        let process = |entry: &Entry| ImageProcess {
            process_type: entry.process_type.to_string(),
            spec: LaunchSpec {
                argv: entry.launch.argv.iter().map(OsString::from).collect(),
                signals: entry.launch.signals,
            },
            working_dir: working_dir.clone(),
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

    /// The type of that name.
    #[must_use]
    pub fn process(&self, process_type: &str) -> Option<&ImageProcess> {
        self.processes
            .iter()
            .find(|process| process.process_type == process_type)
    }
}

impl ImageProcess {
    fn new(row: ProcessRow) -> Self {
        let command = match row.command {
            Words::One(word) => vec![word],
            Words::Several(words) => words,
        };
        let words: Vec<OsString> = (command.into_iter().chain(row.args))
            .map(OsString::from)
            .collect();
        // Of an old buildpack: a text for a shell, with scripts of the layers before it. The launcher knows how.
        let words = Some(words).filter(|words| row.direct && !words.is_empty());
        let argv = words.unwrap_or_else(|| vec![format!("{ENTRY_POINTS}/{}", row.r#type).into()]);
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

    /// As lifecycle 0.20.12 writes it.
    const METADATA: &str = r#"
[[processes]]
  type = "web"
  command = ["/layers/formation_ruby/formation/bin/formation", "exec", "--group", "--", "bash", "-c", "a | b"]
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
    fn the_lifecycles_file_is_read() {
        insta::assert_debug_snapshot!(image_of(METADATA).unwrap());
    }

    #[test]
    fn no_second_supervisor_stands_in_between() {
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
            ("node.repl", &["node", "--interactive"]),
            ("old", &["/cnb/process/old"]),
        ] {
            assert_eq!(spec(process_type), expected(argv, SignalTarget::Process));
        }
        assert!(image.process("formation").is_none());
    }

    #[test]
    fn a_procfile_gives_what_its_image_would_have() {
        let app = tempfile::tempdir().unwrap();
        let procfile = app.path().join("Procfile");
        fs::write(&procfile, "web: puma -p $PORT\nworker: a | b\n").unwrap();
        let image = Image::of_procfile(&procfile).unwrap();
        let web = image.process("web").unwrap();
        assert_eq!(web.working_dir.as_deref(), Some(app.path()));
        assert_eq!(web.spec.signals, SignalTarget::Process);
        let worker = image.process("worker").unwrap();
        assert_eq!(worker.spec.signals, SignalTarget::Group);
    }

    #[test]
    fn what_is_no_process_table_is_shown() {
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

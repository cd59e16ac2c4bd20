//! What the app says: every input is read and checked here, before anything is downloaded. One file for each input.

pub mod app_json;
pub mod bindings;
pub mod bundle_config;
pub mod command;
pub mod cron_schedule;
pub mod detect;
pub mod download_settings;
pub mod gem_platform;
pub mod gem_servers;
pub mod gem_version;
pub mod gemfile;
pub mod gemfile_lock;
pub mod mise;
pub mod procfile;
pub mod ruby_requirement;
pub mod ruby_version;
pub mod ruby_version_file;
pub mod tool_versions;
pub mod user_env;
pub mod written;

use app_json::{AppJson, AppJsonWarning};
use bindings::Binding;
use bundle_config::BundleConfig;
use command::{CommandSyntaxError, is_shell_script};
use download_settings::{DownloadSettings, DownloadSettingsError};
use gemfile::GemfilePaths;
use gemfile_lock::{GemfileLock, GemfileLockError};
use miette::Diagnostic;
use procfile::{Entry, ProcessType, Procfile, ProcfileError, ProcfileSource, Reading};
use ruby_version::{RubyInputs, RubyRequests, RubyVersionError};
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use user_env::UserEnv;

/// Everything that a build needs to know about an app.
#[derive(Clone, Debug)]
pub struct App {
    /// The app's folder. Nothing is ever written there.
    pub dir: PathBuf,
    /// The user's build variables.
    pub env: UserEnv,
    /// The gems that it asks for; none for an app without a Gemfile.
    pub bundle: Option<Bundle>,
    /// Where and how the platform wants things downloaded.
    pub downloads: DownloadSettings,
    /// The Ruby that it asks for.
    pub ruby: RubyRequests,
    /// The process types that it names; none for an app without a Procfile.
    pub procfile: Option<Procfile>,
    /// What is wrong with its `app.json`, which the build does not need.
    pub app_json: Option<AppJsonWarning>,
    /// The `web` that the variable [`DEFAULT_PROCESS`] gives an app that names none.
    pub default_web: Option<Entry>,
}

/// The build variable that holds the command of `web`, for an app that names none.
pub const DEFAULT_PROCESS: &str = "BP_PROCFILE_DEFAULT_PROCESS";

/// The app's bundle, as Bundler calls a Gemfile with its gems.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it is described.
    pub paths: GemfilePaths,
    /// What it was resolved to.
    pub lockfile: GemfileLock,
    /// The app's settings for it.
    pub config: BundleConfig,
}

/// An input that cannot be used.
#[derive(Debug, Diagnostic, Error)]
pub enum AppError {
    /// A file is there but cannot be read.
    #[error("{file} cannot be read")]
    #[diagnostic(help("Check that it is a file and that the build user may read it."))]
    Unreadable {
        /// Its name in the app.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody has resolved the Gemfile.
    #[error("{gemfile} has no {lockfile}")]
    #[diagnostic(help(
        "Run `bundle lock`, and commit {lockfile}: the image gets exactly the gems that it names. \
         If it is committed, see that .dockerignore or project.toml do not leave it out."
    ))]
    NoLockfile {
        /// The Gemfile's name.
        gemfile: String,
        /// The name that the lockfile would have.
        lockfile: String,
    },
    /// A lockfile, or `BUNDLE_GEMFILE`, without its Gemfile.
    #[error("{gemfile} is not in the app")]
    #[diagnostic(help(
        "Commit {gemfile}, and see that .dockerignore or project.toml do not leave it out."
    ))]
    NoGemfile {
        /// The Gemfile's name.
        gemfile: String,
    },
    /// A gem that lives in the app is not there.
    #[error("{lockfile} takes {gems} from the folder `{folder}`, which is not in the app")]
    #[diagnostic(help(
        "Commit {folder}, and see that .dockerignore or project.toml do not leave it out. \
         A folder outside the app cannot be built from: take the gem from a gem server or from git."
    ))]
    NoPathGem {
        /// The lockfile's name.
        lockfile: String,
        /// The folder, as the lockfile has it.
        folder: String,
        /// The gems that it would hold.
        gems: String,
    },
    /// The lockfile is broken.
    #[error(transparent)]
    #[diagnostic(transparent)]
    GemfileLock(#[from] GemfileLockError),
    /// A Ruby that cannot be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    RubyVersion(#[from] RubyVersionError),
    /// The Procfile is broken.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Procfile(#[from] ProcfileError),
    /// A mirror, mapping, certificate or proxy that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    DownloadSettings(#[from] DownloadSettingsError),
    /// The service bindings are there but cannot be read.
    #[error("the service bindings in {folder} cannot be read")]
    #[diagnostic(help(
        "Each is a folder with a text file `type`. Check that the build user may read them all, or mount no folder there."
    ))]
    Bindings {
        /// Their folder.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// A service binding of type `Procfile` that holds none.
    #[error("the service binding `{binding}` is of type Procfile, but has no entry `Procfile`")]
    #[diagnostic(help(
        "Add the file `Procfile` to the binding, or remove the binding to use the app's own."
    ))]
    EmptyBinding {
        /// Its name.
        binding: String,
    },
    /// The command of [`DEFAULT_PROCESS`] is broken.
    #[error("{DEFAULT_PROCESS} holds no command that can be run")]
    DefaultProcess {
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: CommandSyntaxError,
    },
}

/// All inputs that cannot be used.
#[derive(Debug, Diagnostic, Error)]
#[error("the app cannot be built as it is")]
pub struct AppErrors(#[related] pub Vec<AppError>);

impl App {
    /// Reads all inputs of the app in `dir`, and the service bindings below the folder `bindings`.
    ///
    /// # Errors
    /// Every input that cannot be used, not only the first.
    pub fn read(dir: &Path, env: UserEnv, bindings: &Path) -> Result<Self, AppErrors> {
        let mut errors = Vec::new();
        let files = AppFiles { dir };
        let named = files.named_gemfile(&env);
        let paths = GemfilePaths::find(dir, named.as_deref());
        let gemfile = paths
            .as_ref()
            .and_then(|paths| collect(files.read_gemfile(paths), &mut errors));
        let bundle = paths
            .as_ref()
            .and_then(|paths| match files.read_bundle(paths) {
                // What a Gemfile that is not there lacks besides is no further mistake.
                Err(AppError::NoLockfile { .. }) if gemfile.is_none() => None,
                result => collect(result, &mut errors),
            });
        errors.extend(
            bundle
                .iter()
                .flat_map(|bundle| files.missing_path_gems(bundle)),
        );
        let ruby = files.read_ruby(&env, paths.as_ref(), gemfile.as_deref(), bundle.as_ref());
        let ruby = ruby
            .map_err(|found| errors.extend(found))
            .unwrap_or_default();
        let bindings = collect(read_bindings(bindings), &mut errors).unwrap_or_default();
        let downloads = DownloadSettings::read(&env, &bindings, &|name| std::env::var(name).ok());
        let downloads = downloads
            .map_err(|found| errors.extend(found.into_iter().map(AppError::from)))
            .unwrap_or_default();
        let procfile = collect(files.read_procfile(&bindings), &mut errors).flatten();
        let default_web = collect(files.read_default_web(&env), &mut errors).flatten();
        if !errors.is_empty() {
            return Err(AppErrors(errors));
        }
        Ok(Self {
            default_web,
            dir: dir.to_path_buf(),
            env,
            bundle,
            downloads,
            ruby,
            procfile,
            app_json: files.check_app_json(),
        })
    }

    /// A file's name as the user knows it: relative to the app's folder.
    #[must_use]
    pub fn name_of(&self, path: &Path) -> String {
        AppFiles { dir: &self.dir }.name_of(path)
    }

    /// Whether a gem of this name is locked.
    #[must_use]
    pub fn has_gem(&self, name: &str) -> bool {
        self.bundle
            .as_ref()
            .is_some_and(|bundle| bundle.lockfile.has_gem(name))
    }
}

/// Keeps the value, or puts the error with the others.
fn collect<T>(result: Result<T, AppError>, errors: &mut Vec<AppError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn read_bindings(root: &Path) -> Result<Vec<Binding>, AppError> {
    bindings::read(root).map_err(|source| AppError::Bindings {
        folder: root.display().to_string(),
        source,
    })
}

struct AppFiles<'a> {
    dir: &'a Path,
}

impl AppFiles<'_> {
    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(self.dir)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// The Gemfile that the user's variable names, else the app's `.bundle/config`: Bundler's commands heed both.
    fn named_gemfile(&self, env: &UserEnv) -> Option<PathBuf> {
        if let Some(path) = env.get(bundle_config::GEMFILE) {
            return Some(path.into());
        }
        // Settings that cannot be read are reported where the bundle is read.
        let config = self.read_text(&self.dir.join(bundle_config::FILE_NAME));
        let config = BundleConfig::parse(&config.ok()??);
        config.gemfile().map(Path::to_path_buf)
    }

    fn read_gemfile(&self, paths: &GemfilePaths) -> Result<String, AppError> {
        self.read_text(&paths.gemfile)?
            .ok_or_else(|| AppError::NoGemfile {
                gemfile: self.name_of(&paths.gemfile),
            })
    }

    fn read_bundle(&self, paths: &GemfilePaths) -> Result<Bundle, AppError> {
        let name = self.name_of(&paths.lockfile);
        let text = self
            .read_text(&paths.lockfile)?
            .ok_or_else(|| AppError::NoLockfile {
                gemfile: self.name_of(&paths.gemfile),
                lockfile: name.clone(),
            })?;
        let config = self.read_text(&paths.gemfile.with_file_name(bundle_config::FILE_NAME))?;
        Ok(Bundle {
            paths: paths.clone(),
            lockfile: GemfileLock::parse(&name, &text)?,
            config: BundleConfig::parse(&config.unwrap_or_default()),
        })
    }

    fn missing_path_gems(&self, bundle: &Bundle) -> Vec<AppError> {
        let sources = bundle.lockfile.sources.iter();
        sources
            .filter_map(|source| Some((source, source.folder()?)))
            .filter(|(_, folder)| !bundle.paths.lockfile.with_file_name(folder).is_dir())
            .map(|(source, folder)| AppError::NoPathGem {
                lockfile: self.name_of(&bundle.paths.lockfile),
                folder: folder.to_string(),
                gems: match source.specs.as_slice() {
                    [] => "gems".to_string(),
                    specs => specs
                        .iter()
                        .map(|spec| spec.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                },
            })
            .collect()
    }

    fn read_ruby(
        &self,
        env: &UserEnv,
        paths: Option<&GemfilePaths>,
        gemfile: Option<&str>,
        bundle: Option<&Bundle>,
    ) -> Result<RubyRequests, Vec<AppError>> {
        let gemfile_name = paths.map(|paths| self.name_of(&paths.gemfile));
        let lockfile_name = paths.map(|paths| self.name_of(&paths.lockfile));
        let read = |name: &str| self.read_text(&self.dir.join(name));
        let mut errors = Vec::new();
        let ruby_version_file = collect(read(ruby_version_file::FILE_NAME), &mut errors).flatten();
        let tool_versions = collect(read(tool_versions::FILE_NAME), &mut errors).flatten();
        let mise = mise::FILE_NAMES
            .iter()
            .find_map(|name| Some((*name, collect(read(name), &mut errors)??)));
        if !errors.is_empty() {
            return Err(errors);
        }
        let variables: Vec<_> = ruby_version::VARIABLES
            .iter()
            .filter_map(|name| Some((*name, env.get(name)?)))
            .collect();
        let inputs = RubyInputs {
            variables: &variables,
            lockfile: lockfile_name
                .as_deref()
                .zip(bundle.map(|bundle| &bundle.lockfile)),
            gemfile: gemfile_name.as_deref().zip(gemfile),
            ruby_version_file: ruby_version_file.as_deref(),
            tool_versions: tool_versions.as_deref(),
            mise: mise.as_ref().map(|(name, text)| (*name, text.as_str())),
        };
        let beside_gemfile = |name: &str| {
            let path = paths?.gemfile.with_file_name(name);
            self.read_text(&path).ok().flatten()
        };
        RubyRequests::read(inputs, &beside_gemfile)
            .map_err(|errors| errors.into_iter().map(AppError::from).collect())
    }

    /// The Procfile of a service binding, else the app's.
    fn read_procfile(&self, bindings: &[Binding]) -> Result<Option<Procfile>, AppError> {
        let bound = bindings
            .iter()
            .find(|binding| binding.is_of_type(procfile::FILE_NAME));
        let (path, source) = match bound {
            Some(binding) => (
                binding.folder.join(procfile::FILE_NAME),
                ProcfileSource::Binding(binding.name.clone()),
            ),
            None => (self.dir.join(procfile::FILE_NAME), ProcfileSource::File),
        };
        let Some(bytes) = self.read_bytes(&path)? else {
            return match source {
                ProcfileSource::File => Ok(None),
                ProcfileSource::Binding(binding) => Err(AppError::EmptyBinding { binding }),
            };
        };
        Ok(Some(
            Reading::of(&bytes, &|path| is_shell_script(self.dir, path)).into_procfile(source)?,
        ))
    }

    /// Not to be found out only when somebody exports from the image.
    fn check_app_json(&self) -> Option<AppJsonWarning> {
        let read = match self.read_bytes(&self.dir.join(app_json::FILE_NAME)) {
            Ok(bytes) => String::from_utf8(bytes?).map_err(|error| error.to_string()),
            Err(error) => Err(error.source().map_or_else(String::new, ToString::to_string)),
        };
        match read {
            Ok(text) => AppJson::read(&text).err().map(AppJsonWarning::from),
            Err(reason) => Some(AppJsonWarning::Unreadable { reason }),
        }
    }

    fn read_default_web(&self, env: &UserEnv) -> Result<Option<Entry>, AppError> {
        let Some(command) = env
            .get(DEFAULT_PROCESS)
            .map(str::trim)
            .filter(|command| !command.is_empty())
        else {
            return Ok(None);
        };
        let web = ProcessType::known(ProcessType::WEB);
        Entry::new(web, command, &|path| is_shell_script(self.dir, path))
            .map(Some)
            .map_err(|source| AppError::DefaultProcess { source })
    }

    /// The text of a file, none where there is no file. What is not UTF-8 in it is replaced: it can only be in a comment.
    fn read_text(&self, path: &Path) -> Result<Option<String>, AppError> {
        Ok(self
            .read_bytes(path)?
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn read_bytes(&self, path: &Path) -> Result<Option<Vec<u8>>, AppError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) && path.symlink_metadata().is_err() =>
            {
                Ok(None)
            }
            Err(source) => Err(AppError::Unreadable {
                file: self.name_of(path),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use libcnb::Env;

    fn app_dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        dir
    }

    fn read(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<App, AppErrors> {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        App::read(
            app_dir(files).path(),
            UserEnv::new(&env),
            Path::new("/nowhere"),
        )
    }

    #[test]
    fn a_whole_app() {
        let app = read(
            &[
                ("Gemfile", "gem 'rack'\n"),
                (
                    "Gemfile.lock",
                    "GEM\n  specs:\n    rack (3.1.20)\n\nRUBY VERSION\n   ruby 3.3.8p144\n",
                ),
                (".bundle/config", "BUNDLE_WITHOUT: \"ci\"\n"),
                ("Procfile", "web: puma\n"),
            ],
            &[],
        )
        .unwrap();
        assert!(app.has_gem("rack"));
        assert!(app.bundle.unwrap().config.sets("BUNDLE_WITHOUT"));
        assert_eq!(app.ruby.requests[0].requirement.to_string(), "3.3.8");
        assert_eq!(app.procfile.unwrap().entries.len(), 1);
    }

    #[test]
    fn a_bound_procfile_replaces_the_file() {
        let dir = app_dir(&[
            ("app/Procfile", "web: puma\n"),
            ("bindings/processes/type", "Procfile"),
            ("bindings/processes/Procfile", "worker: sidekiq\n"),
        ]);
        let app = App::read(
            &dir.path().join("app"),
            UserEnv::default(),
            &dir.path().join("bindings"),
        )
        .unwrap();
        let procfile = app.procfile.unwrap();
        assert_eq!(procfile.source.to_string(), "service binding `processes`");
        assert_eq!(procfile.entries[0].command, "sidekiq");
    }

    #[test]
    fn a_binding_without_its_procfile() {
        let dir = app_dir(&[
            ("bindings/processes/type", "Procfile"),
            ("Procfile", "web: puma\n"),
        ]);
        assert_report!(
            App::read(dir.path(), UserEnv::default(), &dir.path().join("bindings")).unwrap_err()
        );
    }

    #[test]
    fn bindings_that_cannot_be_read() {
        let dir = app_dir(&[("app.rb", ""), ("bindings/processes/type", "")]);
        fs_err::write(dir.path().join("bindings/processes/type"), b"\xff").unwrap();
        let AppErrors(errors) =
            App::read(dir.path(), UserEnv::default(), &dir.path().join("bindings")).unwrap_err();
        assert!(matches!(errors.as_slice(), [AppError::Bindings { .. }]));
        assert_report!(AppError::Bindings {
            folder: "/platform/bindings".into(),
            source: io::Error::new(
                io::ErrorKind::PermissionDenied,
                "failed to open file `/platform/bindings/processes/type`: Permission denied (os error 13)"
            ),
        });
    }

    #[test]
    fn a_mistake_in_a_bound_procfile() {
        let dir = app_dir(&[
            ("bindings/processes/type", "Procfile"),
            ("bindings/processes/Procfile", "worker sidekiq\n"),
            ("Procfile", "web: puma\n"),
        ]);
        assert_report!(
            App::read(dir.path(), UserEnv::default(), &dir.path().join("bindings")).unwrap_err()
        );
    }

    #[test]
    fn a_default_process_that_bash_would_refuse() {
        assert_report!(
            read(&[("app.rb", "")], &[(DEFAULT_PROCESS, "puma -p \"$PORT")]).unwrap_err()
        );
    }

    #[test]
    fn the_build_goes_on_without_app_json() {
        let with = |text| read(&[("app.rb", ""), ("app.json", text)], &[]).unwrap();
        assert!(with("{}").app_json.is_none());
        assert!(read(&[("app.rb", "")], &[]).unwrap().app_json.is_none());
        let app = with(r#"{ "formation": { "web": { "quantity": "2" } } }"#);
        assert_report!(app.app_json.unwrap());
        let folder = read(&[("app.rb", ""), ("app.json/web", "")], &[]).unwrap();
        assert_report!("app_json_is_a_folder", folder.app_json.unwrap());
    }

    #[test]
    fn an_app_json_in_another_encoding_is_not_passed_over() {
        let dir = app_dir(&[("app.rb", "")]);
        fs_err::write(dir.path().join("app.json"), b"{ \"name\": \"caf\xe9\" }").unwrap();
        let app = App::read(dir.path(), UserEnv::default(), Path::new("/nowhere")).unwrap();
        assert!(app.app_json.is_some());
    }

    #[test]
    fn an_app_without_gems() {
        let app = read(
            &[
                ("worker.rb", "puts 1"),
                ("Procfile", "worker: ruby worker.rb"),
            ],
            &[],
        )
        .unwrap();
        assert!(app.bundle.is_none());
        assert!(app.ruby.requests.is_empty());
    }

    #[test]
    fn another_gemfile_by_variable() {
        let files = [
            ("Gemfile", "gem 'rack'\n"),
            ("gemfiles/next.gemfile", "ruby '3.4.1'\n"),
            ("gemfiles/next.gemfile.lock", "GEM\n"),
        ];
        let app = read(&files, &[("BUNDLE_GEMFILE", "gemfiles/next.gemfile")]).unwrap();
        assert_eq!(
            app.ruby.requests[0].source.to_string(),
            "gemfiles/next.gemfile"
        );
    }

    #[test]
    fn all_mistakes_are_in_one_report() {
        assert_report!(
            read(
                &[
                    ("Gemfile", "ruby 'newest'\n"),
                    (".ruby-version", "jruby-9.4.3.0\n"),
                    ("Procfile", "web bundle exec puma\n"),
                ],
                &[("BP_RUBY_VERSION", "three")],
            )
            .unwrap_err()
        );
    }

    #[test]
    fn a_lockfile_without_its_gemfile() {
        assert_report!(read(&[("gems.locked", "GEM\n")], &[]).unwrap_err());
    }

    #[test]
    fn an_input_that_is_a_folder() {
        assert_report!(read(&[("Procfile/web", "puma")], &[]).unwrap_err());
    }

    #[test]
    fn another_gemfile_by_bundlers_own_settings() {
        let files = [
            ("Gemfile", "ruby '3.3.1'\n"),
            ("Gemfile.lock", "GEM\n"),
            ("next/Gemfile", "ruby '3.4.1'\n"),
            ("next/Gemfile.lock", "GEM\n"),
            (".bundle/config", "---\nBUNDLE_GEMFILE: \"next/Gemfile\"\n"),
        ];
        let source = |variables: &[(&str, &str)]| {
            let app = read(&files, variables).unwrap();
            app.ruby.requests[0].source.to_string()
        };
        assert_eq!(source(&[]), "next/Gemfile");
        assert_eq!(source(&[("BUNDLE_GEMFILE", "Gemfile")]), "Gemfile");
    }

    #[test]
    fn a_path_gem_that_is_not_there() {
        let lockfile = "PATH\n  remote: engines/billing\n  specs:\n    billing (0.1.0)\n";
        assert_report!(read(&[("Gemfile", ""), ("Gemfile.lock", lockfile)], &[]).unwrap_err());
        let files = [
            ("Gemfile", ""),
            ("Gemfile.lock", lockfile),
            ("engines/billing/billing.gemspec", ""),
        ];
        assert!(read(&files, &[]).is_ok());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_absent() {
        for name in ["Gemfile", "Gemfile.lock", ".ruby-version", "Procfile"] {
            let dir = app_dir(&[("Gemfile", "gem 'rack'\n"), ("Gemfile.lock", "GEM\n")]);
            let path = dir.path().join(name);
            let _ = fs_err::remove_file(&path);
            std::os::unix::fs::symlink("nowhere", &path).unwrap();
            let AppErrors(errors) =
                App::read(dir.path(), UserEnv::default(), Path::new("/nowhere")).unwrap_err();
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(texts, [format!("{name} cannot be read")]);
        }
    }

    #[test]
    fn a_folder_that_is_named_like_an_input() {
        let AppErrors(errors) = read(&[("Gemfile/readme", "")], &[]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["Gemfile cannot be read"]);
    }

    #[test]
    fn a_missing_gemfile_is_one_mistake() {
        let AppErrors(errors) = read(&[], &[("BUNDLE_GEMFILE", "next.gemfile")]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["next.gemfile is not in the app"]);
    }
}

//! What the app says: every input is read and checked here, before anything is downloaded. One file for each input.

pub mod app_json;
pub mod bindings;
pub mod bundle_config;
pub mod command;
pub mod cron_schedule;
pub mod detect;
pub mod download_settings;
mod files;
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

use app_json::AppJsonWarning;
use bundle_config::BundleConfig;
use download_settings::DownloadSettings;
pub use files::{AppError, AppErrors};
use files::{AppFiles, collect, read_bindings};
use gemfile::GemfilePaths;
use gemfile_lock::GemfileLock;
use procfile::{Entry, Procfile};
use ruby_version::RubyRequests;
use std::path::{Path, PathBuf};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_report;
    use libcnb::Env;
    use std::io;

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

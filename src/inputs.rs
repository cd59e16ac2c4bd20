//! Every input of a build, read once, before anything is downloaded. All mistakes are in one
//! report.

use crate::app::javascript::NodeNeeds;
use crate::app::{App, Mistakes};
use crate::fetch::settings::DownloadSettings;
use crate::gems::bundle::{Bundle, BundleFiles};
use crate::launch::process_types;
use crate::platform::bindings;
use crate::platform::variables::BuildVariables;
use crate::report;
use crate::ruby::requests::{self, GemfileText, RubyRequests};
use procfile::app_json::AppJsonWarning;
use procfile::{Entry, MisnamedProcfile, NoEntries, Procfile};
use std::path::Path;

#[derive(Clone, Debug)]
pub struct Inputs {
    pub app: App,
    pub env: BuildVariables,
    /// None for an app without a Gemfile.
    pub bundle: Option<Bundle>,
    pub downloads: DownloadSettings,
    pub ruby: RubyRequests,
    /// None for an app without a Procfile.
    pub procfile: Option<Procfile>,
    /// A file that should be the Procfile, where the app has none.
    pub misnamed_procfile: Option<MisnamedProcfile>,
    /// The process type `web` of a build variable, for an app whose Procfile names none.
    pub default_web: Option<Entry>,
    /// What is wrong with `app.json`, which the build itself does not need.
    pub app_json: Option<AppJsonWarning>,
}

impl Inputs {
    /// Reads the app in one folder, and the service bindings in another.
    pub fn read(app_dir: &Path, env: BuildVariables, bindings: &Path) -> Result<Self, Mistakes> {
        let app = App::new(app_dir);
        let mut mistakes = Mistakes::default();
        let files = BundleFiles::read(&app, &env);
        mistakes.add(files.mistakes);
        let ruby = mistakes.keep_all({
            let names = files
                .paths
                .as_ref()
                .map(|paths| (app.name_of(&paths.gemfile), app.name_of(&paths.lockfile)));
            let gemfile = files.paths.as_ref().zip(names.as_ref());
            let gemfile = gemfile.zip(files.gemfile.as_ref());
            let gemfile = gemfile.map(|((paths, (name, _)), text)| GemfileText {
                name,
                path: &paths.gemfile,
                text,
            });
            let locked = files.bundle.as_ref();
            let locked = locked.and_then(|bundle| bundle.lockfile.ruby.as_ref());
            let lockfile = names.as_ref().map(|(_, lockfile)| lockfile.as_str());
            requests::read(&app, &env, gemfile, lockfile.zip(locked))
        });
        let bindings = mistakes.keep(bindings::read(bindings)).unwrap_or_default();
        let downloads = DownloadSettings::read(&env, &bindings, &|name| std::env::var(name).ok());
        let downloads = mistakes.keep_all(downloads);
        let procfile = mistakes.keep(process_types::read_procfile(&app, &bindings));
        let default_web = mistakes.keep(process_types::read_default_web(&app, &env));
        mistakes.into_result()?;
        Ok(Self {
            bundle: files.bundle,
            downloads: downloads.unwrap_or_default(),
            ruby: ruby.unwrap_or_default(),
            procfile: procfile.flatten(),
            default_web: default_web.flatten(),
            misnamed_procfile: process_types::misnamed_procfile(&app, &bindings),
            app_json: process_types::check_app_json(&app),
            app,
            env,
        })
    }

    /// What the app needs of Node.js.
    #[must_use]
    pub fn node_needs(&self) -> NodeNeeds {
        let has_package_json = self.app.dir.join("package.json").is_file();
        let lockfile = self.bundle.as_ref().map(|bundle| &bundle.lockfile);
        NodeNeeds::of(has_package_json, |gem| {
            lockfile.is_some_and(|lockfile| lockfile.has_gem(gem))
        })
    }

    /// Writes to the log what is wrong with inputs that can be used all the same.
    pub fn show_warnings(&self) {
        let ignored = self.env.ignored();
        if !ignored.is_empty() {
            report::step("Build variables");
            report::detail(format!(
                "Ignored, because Formation sets them itself: {}",
                ignored.join(", ")
            ));
        }
        let bundle = self.bundle.as_ref();
        if let Some(warning) = bundle.and_then(|bundle| bundle.settings.config.credentials()) {
            report::warning(&warning);
        }
        for warning in &self.ruby.passed_over {
            report::warning(warning);
        }
        if let Some(warning) = &self.app_json {
            report::warning(warning);
        }
        if let Some(warning) = &self.misnamed_procfile {
            report::warning(warning);
        }
        if let Some(procfile) = &self.procfile {
            if let Some(warnings) = &procfile.warnings {
                report::warning(warnings);
            }
            if procfile.entries.is_empty() {
                report::warning(&NoEntries);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::process_types::DEFAULT_PROCESS;
    use crate::platform::bindings::BindingsError;
    use libcnb::Env;
    use procfile::assert_report;
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

    fn read(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Inputs, Mistakes> {
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        Inputs::read(
            app_dir(files).path(),
            BuildVariables::new(&env),
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
        let bundle = app.bundle.unwrap();
        assert!(bundle.lockfile.has_gem("rack"));
        assert!(bundle.settings.sets("BUNDLE_WITHOUT"));
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
        let app = Inputs::read(
            &dir.path().join("app"),
            BuildVariables::default(),
            &dir.path().join("bindings"),
        )
        .unwrap();
        let procfile = app.procfile.unwrap();
        assert_eq!(procfile.source.to_string(), "service binding `processes`");
        assert_eq!(procfile.entries[0].command, "sidekiq");
    }

    #[test]
    fn a_file_of_nearly_the_name_is_not_passed_over() {
        let files = [("app/app.rb", ""), ("app/procfile", "web: puma\n")];
        let read = |files: &[(&str, &str)]| {
            let dir = app_dir(files);
            let bindings = dir.path().join("bindings");
            let variables = BuildVariables::default();
            Inputs::read(&dir.path().join("app"), variables, &bindings).unwrap()
        };
        assert_eq!(read(&files).misnamed_procfile.unwrap().name, "procfile");
        let with_procfile = [&files[..], &[("app/Procfile", "web: puma\n")]].concat();
        assert_eq!(read(&with_procfile).misnamed_procfile, None);
        let bound = [
            ("bindings/processes/type", "Procfile"),
            ("bindings/processes/Procfile", "worker: sidekiq\n"),
        ];
        assert_eq!(read(&[&files[..], &bound].concat()).misnamed_procfile, None);
    }

    #[test]
    fn a_script_that_would_not_start_is_a_warning() {
        let script = ("bin/start", "#!/usr/bin/env ruby\n");
        let app = read(&[("Procfile", "web: bin/start\n"), script], &[]).unwrap();
        let warnings = app.procfile.unwrap().warnings.unwrap();
        assert_eq!(
            warnings.problems[0].message,
            "`bin/start` is not executable"
        );
    }

    #[test]
    fn a_binding_without_its_procfile() {
        let dir = app_dir(&[
            ("bindings/processes/type", "Procfile"),
            ("Procfile", "web: puma\n"),
        ]);
        assert_report!(
            Inputs::read(
                dir.path(),
                BuildVariables::default(),
                &dir.path().join("bindings")
            )
            .unwrap_err()
        );
    }

    #[test]
    fn bindings_that_cannot_be_read() {
        let dir = app_dir(&[("app.rb", ""), ("bindings/processes/type", "")]);
        fs_err::write(dir.path().join("bindings/processes/type"), b"\xff").unwrap();
        let Mistakes(errors) = Inputs::read(
            dir.path(),
            BuildVariables::default(),
            &dir.path().join("bindings"),
        )
        .unwrap_err();
        let text = errors[0].to_string();
        assert!(text.starts_with("the service bindings in "), "{text}");
        assert_report!(BindingsError {
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
            Inputs::read(
                dir.path(),
                BuildVariables::default(),
                &dir.path().join("bindings")
            )
            .unwrap_err()
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
        let app =
            Inputs::read(dir.path(), BuildVariables::default(), Path::new("/nowhere")).unwrap();
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
    fn another_lockfile_than_the_one_beside_the_gemfile() {
        let locked_by = |gemfile: &str, bundler: &str, variables: &[(&str, &str)]| {
            let other =
                format!("GEM\n\nRUBY VERSION\n   ruby 3.4.1\n\nBUNDLED WITH\n  {bundler}\n");
            let files = [
                ("Gemfile", gemfile),
                ("Gemfile.lock", "GEM\n\nRUBY VERSION\n   ruby 3.3.8\n"),
                ("locks/other.lock", other.as_str()),
            ];
            read(&files, variables).map(|inputs| inputs.ruby.requests[0].source.to_string())
        };
        let other = "locks/other.lock";
        let setting = [("BUNDLE_LOCKFILE", other)];
        let call = "lockfile \"locks/other.lock\"\n";
        assert_eq!(locked_by("", "4.0.22", &[]).unwrap(), "Gemfile.lock");
        assert_eq!(locked_by("", "4.0.22", &setting).unwrap(), other);
        assert_eq!(locked_by(call, "4.0.22", &[]).unwrap(), other);
        assert_eq!(locked_by(call, "4.0.22", &setting).unwrap(), other);
        let own = [("BUNDLE_LOCKFILE", "Gemfile.lock")];
        assert_eq!(locked_by("", "2.6.7", &own).unwrap(), "Gemfile.lock");
        assert_report!(locked_by("", "2.6.7", &setting).unwrap_err());
        assert_report!(locked_by(call, "4.0.22", &own).unwrap_err());
        assert_report!(locked_by("lockfile \"#{ENV['X']}.lock\"\n", "4.0.22", &[]).unwrap_err());
        let missing = [("Gemfile", call)];
        assert_report!(read(&missing, &[]).unwrap_err());
    }

    #[test]
    fn pointers_of_git_lfs_are_no_gems() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
        let files = [
            ("Gemfile", ""),
            ("Gemfile.lock", "GEM\n"),
            ("vendor/cache/rack-3.1.20.gem", pointer),
        ];
        assert_report!(read(&files, &[]).unwrap_err());
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
            let Mistakes(errors) =
                Inputs::read(dir.path(), BuildVariables::default(), Path::new("/nowhere"))
                    .unwrap_err();
            let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(texts, [format!("{name} cannot be read")]);
        }
    }

    #[test]
    fn a_folder_that_is_named_like_an_input() {
        let Mistakes(errors) = read(&[("Gemfile/readme", "")], &[]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["Gemfile cannot be read"]);
    }

    #[test]
    fn a_gemfile_that_bundlers_own_settings_name_is_not_there() {
        let files = [
            ("Gemfile", ""),
            ("Gemfile.lock", "GEM\n"),
            (".bundle/config", "BUNDLE_GEMFILE: \"next/Gemfile\"\n"),
        ];
        assert_report!(read(&files, &[]).unwrap_err());
    }

    #[test]
    fn a_missing_gemfile_is_one_mistake() {
        let Mistakes(errors) = read(&[], &[("BUNDLE_GEMFILE", "next.gemfile")]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["next.gemfile is not in the app"]);
    }
}

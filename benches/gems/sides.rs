//! The three sides: what each finds before it starts, and how it is started.
//!
//! | folder below `/bench` | |
//! |---|---|
//! | `app` | the app, the same for all |
//! | `ruby` | a layers' folder with only Ruby in it, which Bundler runs with too |
//! | `layers` | Formation's |
//! | `layers-before` | what the platform restores of them after a build of the app |
//! | `layers-older` | the same after a build of the app with an older gem |
//! | `plain` | plain Bundler's |
//! | `prefilled`, `bundle-before`, `bundle-older` | Bundler's with a cache, as above |
//! | `archives` | the cache |

use crate::build_container::{BuildContainer, Files};
use crate::server::Server;
use crate::sets::{App, Case, NEXT_RUBY, RUBY, Set};
use std::time::Duration;

pub(crate) struct Sides<'a> {
    pub(crate) container: &'a BuildContainer,
    pub(crate) server: &'a Server,
    pub(crate) jobs: usize,
}

impl Sides<'_> {
    /// Installs Ruby's layer, by a build of an app without a Gemfile.
    pub(crate) fn install_ruby(&self) {
        self.container.run("mkdir -p platform/env; touch plan.toml");
        self.set_platform(Case::Cold);
        self.put_app(&Files::from([("Procfile".into(), b"web: true\n".into())]));
        self.container.run("rm -rf layers ruby; mkdir layers");
        self.build().expect("Ruby can be installed");
        self.container.run("mv layers ruby");
    }

    /// Makes what earlier builds would have left.
    pub(crate) fn prepare(&self, set: Set, app: &App, cases: &[Case]) {
        self.server.add_latency(0);
        self.set_platform(Case::Cold);
        self.container.run("rm -rf *-before *-older archives home");
        let install = |app: &App, folder: &str| {
            self.put_app(&app.files());
            self.bundle(folder, &[("BUNDLE_CLEAN", "1".into())], &[])
                .expect("Bundler can install it");
        };
        install(app, "bundle-before");
        self.container.run("cp -a bundle-before archives-from");
        install(&app.with_added(set), "archives-from");
        self.container.run(
            "mkdir archives; cp archives-from/ruby/*/cache/*.gem archives; rm -rf archives-from",
        );

        self.put_app(&app.files());
        self.container.run("rm -rf layers; cp -a ruby layers");
        self.build().expect("Formation can build it");
        self.restore_to("layers-before");
        if cases.contains(&Case::Updated) {
            self.container.run("cp -a bundle-before bundle-older");
            install(&app.before_update(set), "bundle-older");
            self.build().expect("Formation can build it");
            self.restore_to("layers-older");
        }
    }

    /// As a Dockerfile does it, which starts from nothing whenever the lockfile has changed.
    pub(crate) fn plain(&self, app: &App) -> Duration {
        self.put_app(&app.files());
        self.container.run("rm -rf plain home");
        self.bundle("plain", &[], &[])
            .expect("Bundler can install it")
    }

    /// Bundler with all archives at hand and, except for a cold start, with the gems of the earlier
    /// build.
    pub(crate) fn prefilled(&self, set: Set, app: &App, case: Case) -> Duration {
        self.put_app(&app.in_case(case, set).files());
        self.container.run("rm -rf prefilled home");
        match case {
            Case::Cold => {}
            Case::Updated => drop(self.container.run("cp -a bundle-older prefilled")),
            _ => drop(self.container.run("cp -a bundle-before prefilled")),
        }
        let settings = [
            ("BUNDLE_CACHE_PATH", "/bench/archives".into()),
            // Bundler would download the version that the lockfile names.
            ("BUNDLE_VERSION", "system".into()),
        ];
        self.bundle("prefilled", &settings, &["--local"])
            .expect("Bundler can install it")
    }

    /// Formation's whole `bin/build`.
    pub(crate) fn formation(&self, set: Set, app: &App, case: Case) -> Duration {
        self.before_formation(set, app, case);
        self.build().expect("Formation can build it")
    }

    /// Whether Formation needs a Ruby process: it restores Ruby's layer only then.
    pub(crate) fn starts_ruby(&self, set: Set, app: &App, case: Case) -> bool {
        self.formation(set, app, case);
        self.container
            .run("ls layers")
            .lines()
            .any(|name| name == "ruby")
    }

    /// RubyGems installs the added gem alone, from its archive.
    pub(crate) fn own_install(&self, set: Set) -> Duration {
        self.container.run("rm -rf own home");
        let (name, version) = set.added();
        let archive = format!("/bench/archives/{name}-{version}.gem");
        let gem = [
            "gem",
            "install",
            "--local",
            "--no-document",
            "--install-dir",
        ];
        self.container
            .time(&ruby_env(), &[&gem[..], &["/bench/own", &archive]].concat())
            .expect("RubyGems can install it")
    }

    fn before_formation(&self, set: Set, app: &App, case: Case) {
        self.put_app(&app.in_case(case, set).files());
        self.set_platform(case);
        let layers = match case {
            Case::Cold => "ruby",
            Case::Updated => "layers-older",
            _ => "layers-before",
        };
        self.container
            .run(&format!("rm -rf layers; cp -a {layers} layers"));
        if case == Case::Code {
            self.container.run("echo 'puts 2' >app/app.rb");
        }
    }

    /// Keeps what a platform restores: the layers `ruby` and `gems` are in the image only.
    fn restore_to(&self, folder: &str) {
        self.container.run(&format!(
            "cp -a layers {folder}; rm -rf {folder}/ruby {folder}/gems"
        ));
    }

    fn put_app(&self, files: &Files) {
        self.container.run("rm -rf app");
        self.container.put("app", files);
    }

    fn set_platform(&self, case: Case) {
        let (version, inventory) = match case {
            Case::Patch => (NEXT_RUBY, "/rubies/next-patch/inventory.toml"),
            _ => (RUBY, "/rubies/inventory.toml"),
        };
        let variables = [
            ("BP_RUBY_VERSION", version.to_string()),
            ("BP_RUBY_INVENTORY", self.server.url.clone() + inventory),
            ("BUNDLE_MIRROR__ALL", self.server.url.clone()),
            ("NO_COLOR", "1".to_string()),
        ];
        let files = variables.map(|(name, value)| (name.to_string(), value.into_bytes()));
        self.container.put("platform/env", &Files::from(files));
    }

    fn build(&self) -> Result<Duration, String> {
        let build =
            "cd app && exec /buildpack/bin/build /bench/layers /bench/platform /bench/plan.toml";
        self.container.time(&[], &["bash", "-c", build])
    }

    fn bundle(
        &self,
        folder: &str,
        settings: &[(&'static str, String)],
        options: &[&str],
    ) -> Result<Duration, String> {
        let jobs = self.jobs.to_string();
        let mut env = ruby_env();
        env.extend([
            ("BUNDLE_FROZEN", "1".to_string()),
            ("BUNDLE_GEMFILE", "/bench/app/Gemfile".to_string()),
            ("BUNDLE_MIRROR__ALL", self.server.url.clone()),
            ("BUNDLE_PATH", format!("/bench/{folder}")),
            ("BUNDLE_WITHOUT", "development:test".to_string()),
            ("MAKEFLAGS", format!("-j{jobs}")),
        ]);
        env.extend_from_slice(settings);
        let install = ["bundle", "install", "--jobs", &jobs];
        self.container.time(&env, &[&install[..], options].concat())
    }
}

/// The environment of the Ruby that Formation has installed.
fn ruby_env() -> Vec<(&'static str, String)> {
    let env = [
        ("HOME", "/bench/home"),
        ("LANG", "C.UTF-8"),
        ("LD_LIBRARY_PATH", "/bench/ruby/ruby/lib"),
        ("PATH", "/bench/ruby/ruby/bin:/usr/local/bin:/usr/bin:/bin"),
    ];
    env.map(|(name, value)| (name, value.to_string())).into()
}

//! What the program in the image needs to know of the app to prepare its environment.

use crate::app::App;
use crate::gems::InstalledGems;
use crate::platform::variables::BuildVariables;
use crate::ruby::gem_version::GemVersion;
use fs_err as fs;
use procfile::app_facts::AppFacts;
use std::path::Path;
use walkdir::WalkDir;

/// The user's variable: `false` where jemalloc is not to be used.
const JEMALLOC: &str = "BP_JEMALLOC";

/// Rails' own page of health, as `rails new` names it in the app's routes.
const HEALTH: &str = "rails/health#show";

#[must_use]
pub fn facts(
    app: &App,
    gems: Option<&InstalledGems<'_>>,
    ruby: &GemVersion,
    variables: &BuildVariables,
) -> AppFacts {
    AppFacts {
        rails: gems.and_then(|gems| gems.version_of("railties")),
        ruby: [ruby.number(0), ruby.number(1)],
        names_its_secret: names_its_secret(app),
        without_jemalloc: variables.turns_off(JEMALLOC),
        health_path: health_path(app),
    }
}

/// Whether the app's settings say where its secret is: what it would find there must not be replaced. In doubt they
/// do, and Rails itself says what it lacks.
fn names_its_secret(app: &App) -> bool {
    const NAMES: [&str; 3] = [
        "secret_key_base",
        "rails_master_key",
        "credentials.key_path",
    ];
    let is_settings = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_yaml = ["application.yml", "secrets.yml"].contains(&&*name);
        is_yaml || name.starts_with(".env") || path.extension() == Some("rb".as_ref())
    };
    let config = WalkDir::new(app.dir.join("config"));
    let top = WalkDir::new(&app.dir).max_depth(1);
    let files = config.into_iter().chain(top).flatten();
    let mut settings =
        files.filter(|entry| entry.file_type().is_file() && is_settings(entry.path()));
    settings.any(|entry| {
        let text = fs::read(entry.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).to_lowercase();
        let lines = text.lines().map(str::trim_start);
        let mut code = lines.filter(|line| !line.starts_with('#'));
        code.any(|line| NAMES.iter().any(|name| line.contains(name)))
    })
}

/// `get "up" => "rails/health#show"` in the block of all routes, and in no other block, which might put
/// something before the path.
fn health_path(app: &App) -> Option<String> {
    const INDENTED: usize = 2;
    let routes = fs::read_to_string(app.dir.join("config/routes.rb")).ok()?;
    let line = routes.lines().find(|line| {
        let code = line.trim_start();
        line.len() - code.len() <= INDENTED && code.starts_with("get ") && code.contains(HEALTH)
    })?;
    let path = line.split(['"', '\'']).nth(1)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let is_plain = !path.is_empty() && path.chars().all(is_plain);
    is_plain.then(|| format!("/{}", path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_name_the_secret() {
        for (file, text, expected) in [
            ("application.rb", "config.load_defaults 7.2\n", false),
            (
                "application.rb",
                "  config.secret_key_base = ENV['APP_SECRET']\n",
                true,
            ),
            ("application.rb", "  # config.secret_key_base = ''\n", false),
            (
                "environments/production.rb",
                "  config.credentials.key_path = '/run/secrets/key'\n",
                true,
            ),
            (
                "secrets.yml",
                "production:\n  secret_key_base: <%= ENV[\"APP_SECRET\"] %>\n",
                true,
            ),
            (
                "boot.rb",
                "ENV[\"SECRET_KEY_BASE\"] ||= File.read(\"/run/secret\")\n",
                true,
            ),
            ("deploy.yml", "  secret:\n    - RAILS_MASTER_KEY\n", false),
            ("../.env.production", "RAILS_MASTER_KEY=x\n", true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("config").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            assert_eq!(names_its_secret(&App::new(dir.path())), expected, "{text}");
        }
    }

    #[test]
    fn the_page_of_health_that_the_routes_name() {
        for (routes, expected) in [
            (
                "  get \"up\" => \"rails/health#show\", as: :rails_health_check\n",
                Some("/up"),
            ),
            (
                "get '/healthz', to: 'rails/health#show'\n",
                Some("/healthz"),
            ),
            ("  # get \"up\" => \"rails/health#show\"\n", None),
            ("    get \"up\" => \"rails/health#show\"\n", None),
            ("  get \"up/:x\" => \"rails/health#show\"\n", None),
            ("  root \"notes#index\"\n", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("config")).unwrap();
            fs::write(dir.path().join("config/routes.rb"), routes).unwrap();
            let path = health_path(&App::new(dir.path()));
            assert_eq!(path.as_deref(), expected, "{routes}");
        }
    }
}

//! What the program in the image needs to know of the app to prepare its environment.

use crate::app::App;
use crate::gems::InstalledGems;
use crate::platform::variables::BuildVariables;
use crate::ruby::gem_version::GemVersion;
use fs_err as fs;
use procfile::app_facts::AppFacts;

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
        without_jemalloc: variables
            .get(JEMALLOC)
            .is_some_and(|value| ["0", "false"].contains(&value)),
        health_path: health_path(app),
    }
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

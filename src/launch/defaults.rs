//! The default process types of an app's framework.

use crate::app::App;
use crate::gems::InstalledGems;
use crate::launch::web_server::WebServer;
use crate::launch::worker;
use crate::platform::variables::BuildVariables;
use crate::report;
use miette::Diagnostic;
use procfile::{Entry, ProcessType};
use thiserror::Error;

/// An app for a web server, among whose gems no server is known.
#[derive(Clone, Copy, Debug, Diagnostic, Eq, Error, PartialEq)]
#[error("the app has a `config.ru`, but no process type `web`, and no web server among its gems")]
#[diagnostic(
    severity(Warning),
    help(
        "Run `bundle add puma`, or name the command of `web` in a Procfile. A gem of the groups \
         `development` and `test` is not in the image."
    )
)]
pub struct NoWebServer;

/// The user's variable: `true` where a Rails app without a `release` of its own is to have one.
const RELEASE: &str = "BP_RAILS_RELEASE";

/// What brings the database of a Rails app up to date: it makes it first, where it is not there.
const PREPARE: &str = "bundle exec rails db:prepare";

/// The process types of the framework, in the order in which they are shown. None for an app
/// without a known framework.
#[must_use]
pub fn framework_processes(
    app: &App,
    gems: Option<&InstalledGems<'_>>,
    variables: &BuildVariables,
) -> Vec<Entry> {
    let has_gem = |name: &str| gems.is_some_and(|gems| gems.has(name));
    let mut entries = Vec::new();
    if has_rackup_file(app)
        && let Some(server) = WebServer::of(&has_gem)
    {
        entries.push(entry(ProcessType::WEB, &server.command(app)));
    }
    if let Some(command) = worker::command(app, &has_gem, &|name| variables.get(name).is_some()) {
        entries.push(entry(worker::TYPE, command));
    }
    if has_migrations(app, gems) && variables.get(RELEASE) == Some("true") {
        entries.push(entry(ProcessType::RELEASE, PREPARE));
    }
    if has_gem("railties") && app.dir.join("bin/rails").is_file() {
        entries.push(entry("console", "bundle exec rails console"));
    }
    entries
}

/// Writes a warning to the log if the app is to be served, and nothing serves it.
pub fn warn_of_missing_web(app: &App, process_types: &[&ProcessType]) {
    let has_web = process_types
        .iter()
        .any(|process_type| process_type.as_str() == ProcessType::WEB);
    if has_rackup_file(app) && !has_web {
        report::warning(&NoWebServer);
    }
}

/// Writes to the log what the database needs: a volume, where it is a file; and its migrations, where no
/// process type runs them: every replica of `web` would do it at once, so none does.
pub fn show_database_needs(
    app: &App,
    gems: Option<&InstalledGems<'_>>,
    process_types: &[&ProcessType],
) {
    if !has_migrations(app, gems) {
        return;
    }
    let has_release = process_types
        .iter()
        .any(|process_type| process_type.as_str() == ProcessType::RELEASE);
    let mut volume = String::new();
    if keeps_its_database_in_storage(app, gems) {
        volume = format!("--volume storage:{} ", app.dir.join("storage").display());
        report::detail(format!(
            "SQLite's database is lost with its container, and each container has its own: give all of them one volume, {}",
            volume.trim_end()
        ));
    }
    if !has_release {
        report::detail(format!(
            "Before a new image is used, its database needs docker run --rm {volume}--entrypoint rails IMAGE db:prepare \
             ({RELEASE}=true makes that the type `release`)"
        ));
    }
}

/// Whether the only database is a file, in the folder where Rails has it.
fn keeps_its_database_in_storage(app: &App, gems: Option<&InstalledGems<'_>>) -> bool {
    let has_gem = |name: &str| gems.is_some_and(|gems| gems.has(name));
    let text = fs_err::read_to_string(app.dir.join("config/database.yml")).unwrap_or_default();
    has_gem("sqlite3")
        && !["pg", "mysql2", "trilogy"].into_iter().any(has_gem)
        && text.contains("storage/")
}

fn has_migrations(app: &App, gems: Option<&InstalledGems<'_>>) -> bool {
    let has_gem = |name: &str| gems.is_some_and(|gems| gems.has(name));
    let folders = ["db/migrate", "db/schema.rb", "db/structure.sql"];
    has_gem("activerecord")
        && has_gem("railties")
        && folders.iter().any(|name| app.dir.join(name).exists())
}

fn has_rackup_file(app: &App) -> bool {
    app.dir.join("config.ru").is_file()
}

fn entry(process_type: &'static str, command: &str) -> Entry {
    Entry::new(ProcessType::known(process_type), command, &|_| false)
        .expect("Formation's own commands are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfile::assert_report;

    #[test]
    fn an_app_that_nothing_serves_is_shown() {
        assert_report!(NoWebServer);
    }
}

//! What an app runs that does not say it: the process types that its framework is known for.

use crate::app::App;
use crate::app::procfile::{Entry, ProcessType};

/// Those of them that are there to be run by hand, and go on for nobody.
pub const ONE_OFF: [&str; 2] = ["console", "rake"];

/// The framework's process types, in the order in which they are shown; none for an app without a known one.
#[must_use]
pub fn entries(app: &App) -> Vec<Entry> {
    let has_rackup_file = app.dir.join("config.ru").is_file();
    if app.has_gem("railties") && app.dir.join("bin/rails").is_file() {
        vec![
            entry(
                "web",
                "bundle exec rails server -b 0.0.0.0 -p ${PORT:-8080}",
            ),
            entry("console", "bundle exec rails console"),
            entry("rake", "bundle exec rake"),
        ]
    } else if has_rackup_file && app.has_gem("puma") {
        vec![entry(
            "web",
            "bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}",
        )]
    } else if has_rackup_file && app.has_gem("rackup") {
        vec![entry(
            "web",
            "bundle exec rackup -o 0.0.0.0 -p ${PORT:-8080}",
        )]
    } else {
        Vec::new()
    }
}

fn entry(process_type: &'static str, command: &str) -> Entry {
    Entry::new(ProcessType::known(process_type), command, &|_| false)
        .expect("Formation's own commands are valid")
}

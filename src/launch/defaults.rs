//! The default process types of an app's framework.

use crate::app::App;
use crate::gems::bundle::Bundle;
use procfile::{Entry, ProcessType};

/// The process types of the framework, in the order in which they are shown. None for an app
/// without a known framework.
#[must_use]
pub fn framework_processes(app: &App, bundle: Option<&Bundle>) -> Vec<Entry> {
    let has_gem = |name| bundle.is_some_and(|bundle| bundle.lockfile.has_gem(name));
    let has_rackup_file = app.dir.join("config.ru").is_file();
    if has_gem("railties") && app.dir.join("bin/rails").is_file() {
        vec![
            entry(
                "web",
                "bundle exec rails server -b 0.0.0.0 -p ${PORT:-8080}",
            ),
            entry("console", "bundle exec rails console"),
            entry("rake", "bundle exec rake"),
        ]
    } else if has_rackup_file && has_gem("puma") {
        vec![entry(
            "web",
            "bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}",
        )]
    } else if has_rackup_file && has_gem("rackup") {
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

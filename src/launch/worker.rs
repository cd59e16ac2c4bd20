//! The worker of an app's job queue.

use crate::app::App;
use fs_err as fs;
use std::path::PathBuf;
use walkdir::WalkDir;

pub(super) const TYPE: &str = "worker";

/// What the commands of queues have in them.
const QUEUES: [&str; 8] = [
    "bin/jobs",
    "delayed_job",
    "good_job",
    "jobs:work",
    "resque-pool",
    "resque:work",
    "sidekiq",
    "solid_queue:start",
];

/// Whether a command of the app runs its queue, by whatever name.
pub(super) fn runs_a_queue(command: &str) -> bool {
    QUEUES.iter().any(|queue| command.contains(queue))
}

/// Set where Puma runs Solid Queue itself.
const IN_PUMA: &str = "SOLID_QUEUE_IN_PUMA";

/// The command of `worker`: of the first queue whose gem is there, and what its command needs. None
/// for an app without one, and where the web server does the work.
pub(super) fn command(
    app: &App,
    has_gem: &dyn Fn(&str) -> bool,
    is_set: &dyn Fn(&str) -> bool,
) -> Option<&'static str> {
    let has_file = |name: &str| app.dir.join(name).is_file();
    let is_rails = has_gem("railties") && has_file("config/environment.rb");
    // Active Job names the queue of an app that has several.
    let adapter = adapter(app);
    let has_gem = |gem: &str| has_gem(gem) && adapter.as_ref().is_none_or(|named| named == gem);
    if has_gem("solid_queue") && has_file("bin/jobs") {
        return (!is_set(IN_PUMA)).then_some("bin/jobs");
    }
    // Sidekiq finds a Rails app by itself; any other it has to be told of.
    if has_gem("sidekiq") && (is_rails || names_its_app(app)) {
        return Some("bundle exec sidekiq");
    }
    if has_gem("good_job") && is_rails {
        return Some("bundle exec good_job start");
    }
    // Its Railtie defines the task.
    if has_gem("delayed_job") && is_rails {
        return Some("bundle exec rake jobs:work");
    }
    (has_gem("resque") && loads_tasks_of_resque(app))
        .then_some("QUEUE=${QUEUE:-*} bundle exec rake resque:work")
}

/// `config.active_job.queue_adapter = :sidekiq`, in the settings of production, else in those of all environments.
fn adapter(app: &App) -> Option<String> {
    let settings = ["config/environments/production.rb", "config/application.rb"];
    settings.iter().find_map(|name| {
        let text = fs::read_to_string(app.dir.join(name)).ok()?;
        let lines = text.lines().map(str::trim_start);
        let mut code = lines.filter(|line| !line.starts_with('#'));
        code.find_map(|line| {
            let (_, value) = line.split_once("active_job.queue_adapter")?;
            let value = value.trim_start_matches([' ', '=']).strip_prefix(':')?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = value.find(|c| !is_name(c)).unwrap_or(value.len());
            Some(value[..end].to_string())
        })
    })
}

fn names_its_app(app: &App) -> bool {
    let settings = fs::read_to_string(app.dir.join("config/sidekiq.yml")).unwrap_or_default();
    let mut lines = settings.lines().map(str::trim_start);
    lines.any(|line| line.starts_with(":require:") || line.starts_with("require:"))
}

fn loads_tasks_of_resque(app: &App) -> bool {
    let tasks = WalkDir::new(app.dir.join("lib/tasks"))
        .into_iter()
        .flatten();
    let mut files = tasks
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.is_file())
        .chain([app.dir.join("Rakefile")]);
    let loads = |path: PathBuf| fs::read(path).is_ok_and(|bytes| names_them(&bytes));
    files.any(loads)
}

fn names_them(rakefile: &[u8]) -> bool {
    let text = String::from_utf8_lossy(rakefile);
    let mut code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    code.any(|line| line.contains("resque/tasks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(gems: &[&str], files: &[(&str, &str)], variables: &[&str]) -> Option<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let app = App::new(folder.path());
        command(&app, &|name| gems.contains(&name), &|name| {
            variables.contains(&name)
        })
    }

    #[test]
    fn of_the_first_queue_that_is_ready() {
        let rails = ("config/environment.rb", "");
        for (gems, files, expected) in [
            (vec!["railties"], vec![rails], None),
            (
                vec!["railties", "solid_queue", "sidekiq"],
                vec![rails, ("bin/jobs", "")],
                Some("bin/jobs"),
            ),
            (
                vec!["railties", "solid_queue", "sidekiq"],
                vec![rails],
                Some("bundle exec sidekiq"),
            ),
            (vec!["sidekiq"], vec![], None),
            (
                vec!["sidekiq"],
                vec![(
                    "config/sidekiq.yml",
                    ":concurrency: 5\n:require: ./app.rb\n",
                )],
                Some("bundle exec sidekiq"),
            ),
            (
                vec!["railties", "good_job"],
                vec![rails],
                Some("bundle exec good_job start"),
            ),
            (
                vec!["railties", "delayed_job"],
                vec![rails],
                Some("bundle exec rake jobs:work"),
            ),
            (vec!["resque"], vec![("Rakefile", "# resque/tasks\n")], None),
            (
                vec!["resque"],
                vec![("lib/tasks/resque.rake", "require 'resque/tasks'\n")],
                Some("QUEUE=${QUEUE:-*} bundle exec rake resque:work"),
            ),
        ] {
            assert_eq!(worker(&gems, &files, &[]), expected, "{gems:?} {files:?}");
        }
        let settings = "  config.active_job.queue_adapter = :sidekiq # not Solid Queue\n";
        let named = [rails, ("bin/jobs", ""), ("config/application.rb", settings)];
        let both = ["railties", "solid_queue", "sidekiq"];
        assert_eq!(worker(&both, &named, &[]), Some("bundle exec sidekiq"));
        let solid = ["railties", "solid_queue"];
        let files = [rails, ("bin/jobs", "")];
        assert_eq!(worker(&solid, &files, &[IN_PUMA]), None);
        assert!(runs_a_queue("bundle exec sidekiq -C config/sidekiq.yml"));
        assert!(!runs_a_queue("bundle exec puma"));
    }
}

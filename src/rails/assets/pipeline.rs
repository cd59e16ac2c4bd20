//! Whether an app has assets to compile.

use crate::app::App;
use crate::gems::bundle::Bundle;
use fs_err as fs;
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// The task that compiles them.
pub(super) const TASK: &str = "assets:precompile";

/// Gems that define the task in a Rails app, or add their part to it.
const GEMS: [&str; 8] = [
    "cssbundling-rails",
    "jsbundling-rails",
    "propshaft",
    "shakapacker",
    "sprockets-rails",
    "tailwindcss-rails",
    "vite_rails",
    "webpacker",
];

/// The folder of Propshaft and Sprockets.
pub(super) const OUTPUT: &str = "public/assets";

/// What Rails looks for to know that assets are compiled: Propshaft's file, and the beginning of
/// Sprockets'.
const MANIFESTS: [&str; 3] = [
    ".manifest.json",
    ".sprockets-manifest-",
    "manifest-", // Sprockets 2
];

/// Lines that define the task, and those by which libraries do.
const DEFINED_BY: [&str; 3] = [TASK, "asset_pipeline/task", "ViteRuby.install_tasks"];

/// What is to be done about an app's assets.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Pipeline {
    /// There is nothing to compile.
    None,
    /// The app has them compiled: in this file.
    Committed(String),
    /// A task compiles them. With what names it: a gem, or a file of the app.
    Task(String),
}

/// Reads names, and the text of Rakefile and tasks. Nothing is started for it.
pub(super) fn find(app: &App, bundle: &Bundle) -> Pipeline {
    let Some(rakefile) = ["Rakefile", "rakefile", "Rakefile.rb", "rakefile.rb"]
        .into_iter()
        .find(|name| app.dir.join(name).is_file())
    else {
        return Pipeline::None;
    };
    let Some(named_by) = gem_with_task(bundle).or_else(|| file_with_task(app, rakefile)) else {
        return Pipeline::None;
    };
    match manifest(app) {
        Some(manifest) if !is_ignored_by_git(app) => Pipeline::Committed(manifest),
        _ => Pipeline::Task(named_by),
    }
}

/// Whether there are compiled assets that the app's repository leaves out: they are of somebody's machine.
pub(super) fn are_of_somebodys_machine(app: &App) -> bool {
    manifest(app).is_some() && is_ignored_by_git(app)
}

fn is_ignored_by_git(app: &App) -> bool {
    let text = fs::read_to_string(app.dir.join(".gitignore")).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    // `!` takes something back in.
    let takes_back = lines
        .clone()
        .any(|line| line.starts_with('!') && line.contains(OUTPUT));
    let is_left_out = lines.any(|line| {
        let pattern = line.trim_end_matches(['/', '*']);
        pattern.trim_start_matches('/') == OUTPUT
    });
    is_left_out && !takes_back
}

/// The folder that bundlers of JavaScript and CSS write to before the assets are compiled: what is not there when the
/// app boots is not looked at.
pub(super) fn folder_of_bundlers(bundle: &Bundle) -> Option<&'static str> {
    const BUNDLERS: [&str; 3] = ["cssbundling-rails", "jsbundling-rails", "tailwindcss-rails"];
    let mut specs = bundle.lockfile.specs();
    specs
        .any(|spec| BUNDLERS.contains(&spec.name.as_str()))
        .then_some("app/assets/builds")
}

fn gem_with_task(bundle: &Bundle) -> Option<String> {
    let has = |name: &str| bundle.lockfile.specs().any(|spec| spec.name == name);
    let gem = GEMS.into_iter().find(|gem| has(gem))?;
    has("railties").then(|| format!("the gem {gem}"))
}

/// The file of an app without Rails that names the task.
fn file_with_task(app: &App, rakefile: &str) -> Option<String> {
    let entries = WalkDir::new(&app.dir).sort_by_file_name().into_iter();
    let is_of_app = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        !["node_modules", "test", "tmp", "vendor"].contains(&&*name) && !name.starts_with(".git")
    };
    let files = entries.filter_entry(is_of_app).flatten();
    let tasks = files
        .map(DirEntry::into_path)
        .filter(|path| path.extension() == Some("rake".as_ref()));
    [app.dir.join(rakefile)]
        .into_iter()
        .chain(tasks)
        .find(|path| names_the_task(path))
        .map(|path| app.name_of(&path))
}

/// `task "assets:precompile"`, or `namespace :assets` with `task :precompile`.
fn names_the_task(file: &Path) -> bool {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let code: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let says = |words: &str| code.iter().any(|line| line.contains(words));
    let in_namespace = [":assets", "'assets'", "\"assets\""];
    let in_namespace = in_namespace
        .iter()
        .any(|name| says(&format!("namespace {name}")) || says(&format!("namespace({name}")));
    DEFINED_BY.iter().any(|words| says(words)) || (in_namespace && says("precompile"))
}

fn manifest(app: &App) -> Option<String> {
    let folder = app.dir.join(OUTPUT);
    let names = fs::read_dir(&folder).ok()?.flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            let is_json = Path::new(name).extension() == Some("json".as_ref());
            (is_json || name == MANIFESTS[0])
                && MANIFESTS.iter().any(|start| name.starts_with(start))
        })
        .collect();
    names.sort();
    Some(app.name_of(&folder.join(names.first()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::variables::BuildVariables;

    fn pipeline(gems: &[&str], files: &[(&str, &str)]) -> Pipeline {
        let dir = tempfile::tempdir().unwrap();
        let specs: Vec<_> = gems.iter().map(|gem| format!("    {gem} (1.0)")).collect();
        let lockfile = format!("GEM\n  specs:\n{}\n", specs.join("\n"));
        for (name, text) in [("Gemfile", ""), ("Gemfile.lock", &lockfile)]
            .iter()
            .chain(files)
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let bundle = Bundle::at(dir.path(), &BuildVariables::default());
        find(&bundle.app, &bundle)
    }

    #[test]
    fn gems_of_rails_or_the_apps_own_tasks_name_the_task() {
        let rakefile = ("Rakefile", "");
        let rails = ["railties", "propshaft"];
        let by_gem = Pipeline::Task("the gem propshaft".into());
        assert_eq!(pipeline(&rails, &[rakefile]), by_gem);
        assert_eq!(pipeline(&rails, &[]), Pipeline::None);
        assert_eq!(pipeline(&["railties"], &[rakefile]), Pipeline::None);
        assert_eq!(pipeline(&["propshaft"], &[rakefile]), Pipeline::None);
        for (files, named_by) in [
            (
                [
                    ("Rakefile", "task \"assets:precompile\" do\nend\n"),
                    ("x", ""),
                ],
                Some("Rakefile"),
            ),
            (
                [
                    ("Rakefile", "namespace :assets do\n  task :precompile do\n"),
                    ("x", ""),
                ],
                Some("Rakefile"),
            ),
            (
                [
                    rakefile,
                    ("lib/tasks/a/x.rake", "task 'assets:precompile'\n"),
                ],
                Some("lib/tasks/a/x.rake"),
            ),
            (
                [rakefile, ("rakelib/x.rake", "task 'assets:precompile'\n")],
                Some("rakelib/x.rake"),
            ),
            ([("Rakefile", "# assets:precompile\n"), ("x", "")], None),
        ] {
            let expected = named_by.map_or(Pipeline::None, |name| Pipeline::Task(name.into()));
            assert_eq!(pipeline(&[], &files), expected, "{files:?}");
        }
    }

    #[test]
    fn assets_with_a_manifest_are_compiled_already() {
        for manifest in [
            ".manifest.json",
            ".sprockets-manifest-0123456789abcdef.json",
        ] {
            let path = format!("public/assets/{manifest}");
            let files = [("Rakefile", ""), (path.as_str(), "{}")];
            let expected = Pipeline::Committed(path.clone());
            assert_eq!(pipeline(&["railties", "sprockets-rails"], &files), expected);
        }
        let manifest = ("public/assets/.manifest.json", "{}");
        for (ignored, is_committed) in [
            ("/public/assets\n", false),
            ("# x\n/public/assets/*\n", false),
            ("public/assets/\n", false),
            ("/public/assets-old\n", true),
            ("/public/assets/*\n!/public/assets/.manifest.json\n", true),
        ] {
            let files = [("Rakefile", ""), manifest, (".gitignore", ignored)];
            let found = pipeline(&["railties", "propshaft"], &files);
            let expected = matches!(found, Pipeline::Committed(_));
            assert_eq!(expected, is_committed, "{ignored}");
        }
        let other = [("Rakefile", ""), ("public/assets/x.json", "{}")];
        let expected = Pipeline::Task("the gem sprockets-rails".into());
        assert_eq!(pipeline(&["railties", "sprockets-rails"], &other), expected);
    }
}

//! Running the task that compiles assets, as the image's processes run, but without a secret and
//! without a database.

use crate::fetch::masked::MaskedLines;
use crate::gems::bundle::Bundle;
use crate::gems::lockfile::Spec;
use crate::platform::variables::BuildVariables;
use crate::rails::assets::pipeline::TASK;
use crate::report;
use libcnb::Env;
use libherokubuildpack::command::CommandExt;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

/// What Rails 7.1 and later take in the place of a secret.
const DUMMY_KEY: &str = "SECRET_KEY_BASE_DUMMY";

const KEY: &str = "SECRET_KEY_BASE";

/// The gem of each database, and a URL for it that reaches nothing: port 9 discards what it gets,
/// where anything listens there at all. In the order in which an app with several prefers them.
const DATABASES: [(&str, &str); 4] = [
    ("pg", "postgresql://nobody@127.0.0.1:9/none"),
    ("mysql2", "mysql2://nobody@127.0.0.1:9/none"),
    ("trilogy", "trilogy://nobody@127.0.0.1:9/none"),
    ("sqlite3", "sqlite3::memory:"),
];

/// Runs the task, and shows what it writes. `env` has Ruby, the gems and the variables of
/// production.
pub(super) fn run(app: &Path, env: &Env) -> io::Result<Output> {
    let mut command = Command::new("rake");
    command.arg(TASK).current_dir(app).env_clear().envs(env);
    report::streamed(format!("Running rake {TASK}"), |out, err| {
        command.output_and_write_streams(MaskedLines::new(out), MaskedLines::new(err))
    })
}

/// What the app asks for when it boots, where the user has not set it.
pub(super) fn stand_ins(
    bundle: &Bundle,
    variables: &BuildVariables,
) -> Vec<(&'static str, &'static str)> {
    let mut stand_ins = Vec::new();
    if !variables.sets(KEY) && !variables.sets(DUMMY_KEY) {
        stand_ins.push((DUMMY_KEY, "1"));
        if !knows_dummy_key(bundle) {
            stand_ins.push((KEY, "only_while_assets_are_compiled"));
        }
    }
    let has = |name: &str| bundle.lockfile.specs().any(|spec| spec.name == name);
    let database = DATABASES.iter().find(|(gem, _)| has(gem));
    if let Some((_, url)) = database
        && has("activerecord")
        && !variables.sets("DATABASE_URL")
    {
        stand_ins.push(("DATABASE_URL", url));
    }
    stand_ins
}

/// Whether the app's Rails makes a secret of its own where `SECRET_KEY_BASE_DUMMY` is set.
fn knows_dummy_key(bundle: &Bundle) -> bool {
    let mut specs = bundle.lockfile.specs();
    let railties = specs.find(|spec| spec.name == "railties");
    let version = railties.map(|Spec { version, .. }| (version.number(0), version.number(1)));
    version.is_none_or(|version| version >= (7, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    fn names(gems: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        let specs: Vec<_> = gems
            .iter()
            .map(|(gem, version)| format!("    {gem} ({version})"))
            .collect();
        fs::write(dir.path().join("Gemfile"), "").unwrap();
        fs::write(
            dir.path().join("Gemfile.lock"),
            format!("GEM\n  specs:\n{}\n", specs.join("\n")),
        )
        .unwrap();
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let variables = BuildVariables::new(&env);
        let stand_ins = stand_ins(&Bundle::at(dir.path(), &variables), &variables);
        stand_ins.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_the_user_has_not_set_is_stood_in_for() {
        let old = ("railties", "7.0.8");
        let new = ("railties", "7.2.2.2");
        assert_eq!(names(&[new], &[]), [DUMMY_KEY]);
        assert_eq!(names(&[old], &[]), [DUMMY_KEY, KEY]);
        assert_eq!(names(&[new], &[(KEY, "x")]), Vec::<&str>::new());
        let with_database = [new, ("activerecord", "7.2.2.2"), ("pg", "1.5.9")];
        assert_eq!(names(&with_database, &[]), [DUMMY_KEY, "DATABASE_URL"]);
        assert_eq!(names(&with_database, &[("DATABASE_URL", "x")]), [DUMMY_KEY]);
    }
}

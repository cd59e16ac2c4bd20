//! Running the task that compiles assets, as the image's processes run, but without a secret and
//! without a database.

use crate::fetch::masked::MaskedLines;
use crate::gems::InstalledGems;
use crate::platform::variables::BuildVariables;
use crate::rails::assets::pipeline::TASK;
use crate::report;
use libcnb::Env;
use libherokubuildpack::command::CommandExt;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What Rails takes in the place of a secret, from this version on.
const DUMMY_KEY: &str = "SECRET_KEY_BASE_DUMMY";
const WITH_DUMMY_KEY: [u64; 2] = [7, 1];

const KEY: &str = "SECRET_KEY_BASE";

/// The gem of each database, and a URL for it that reaches nothing: port 9 discards what it gets,
/// where anything listens there at all. In the order in which an app with several prefers them.
const DATABASES: [(&str, &str); 4] = [
    ("pg", "postgresql://nobody@127.0.0.1:9/none"),
    ("mysql2", "mysql2://nobody@127.0.0.1:9/none"),
    ("trilogy", "trilogy://nobody@127.0.0.1:9/none"),
    (
        "sqlite3",
        "sqlite3:/tmp/only_while_assets_are_compiled.sqlite3",
    ),
];

/// Runs the task, and shows what it writes. `env` has Ruby, the gems and the variables of
/// production.
pub(super) fn run(app: &Path, env: &Env) -> io::Result<Output> {
    let mut command = Command::new("rake");
    command
        .arg(TASK)
        .stdin(Stdio::null())
        .current_dir(app)
        .env_clear()
        .envs(env);
    report::streamed(format!("Running rake {TASK}"), |out, err| {
        command.output_and_write_streams(MaskedLines::new(out), MaskedLines::new(err))
    })
}

/// What the app asks for when it boots, where the user has not set it.
pub(super) fn stand_ins(
    gems: &InstalledGems<'_>,
    variables: &BuildVariables,
) -> Vec<(&'static str, &'static str)> {
    let mut stand_ins = Vec::new();
    if !variables.sets(KEY) && !variables.sets(DUMMY_KEY) {
        stand_ins.push((DUMMY_KEY, "1"));
        let rails = gems.version_of("railties");
        if rails.is_some_and(|rails| rails < WITH_DUMMY_KEY) {
            stand_ins.push((KEY, "only_while_assets_are_compiled"));
        }
    }
    let database = DATABASES.iter().find(|(gem, _)| gems.has(gem));
    if let Some((_, url)) = database
        && gems.has("activerecord")
        && !variables.sets("DATABASE_URL")
    {
        stand_ins.push(("DATABASE_URL", url));
    }
    stand_ins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::lockfile::GemfileLock;

    fn names(gems: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<&'static str> {
        let specs: Vec<_> = gems
            .iter()
            .map(|(gem, version)| format!("    {gem} ({version})"))
            .collect();
        let lockfile = format!("GEM\n  specs:\n{}\n", specs.join("\n"));
        let lockfile = GemfileLock::parse("Gemfile.lock", &lockfile).unwrap();
        let mut env = Env::new();
        for (name, value) in variables {
            env.insert(name, value);
        }
        let variables = BuildVariables::new(&env);
        let stand_ins = stand_ins(&InstalledGems::all_of(&lockfile), &variables);
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

//! The build plan: what Formation provides and requires, and whether a later buildpack requires it
//! too.
//!
//! Source: <https://github.com/buildpacks/spec/blob/main/buildpack.md#phase-1-detection>

use crate::platform::launch_layer::NeededBy;
use crate::platform::variables::BuildVariables;
use libcnb::data::build_plan::{BuildPlan, BuildPlanBuilder};
use libcnb::data::buildpack_plan::BuildpackPlan;

/// The name of Ruby, with the app's gems, in the plan.
const RUBY: &str = "ruby";

/// The names of Node.js in the plan: Paketo's and Heroku's.
const NODE: [&str; 2] = ["node", "heroku/nodejs"];

/// A build variable for an app whose later buildpacks need Ruby but cannot require it.
const RUBY_AT_BUILD: &str = "BP_RUBY_AT_BUILD";

/// Formation provides and requires Ruby, so it works alone. Where Node.js is wanted, it is required
/// from a buildpack that provides it, if there is one.
pub fn build_plan(wants_node: bool) -> BuildPlan {
    let mut plan = BuildPlanBuilder::new();
    if wants_node {
        for node in NODE {
            plan = plan.provides(RUBY).requires(RUBY).requires(node).or();
        }
    }
    plan.provides(RUBY).requires(RUBY).build()
}

/// What needs the files of Ruby and of the gems: later buildpacks too, where one of them requires
/// Ruby as Formation itself does, or the user says so.
#[must_use]
pub fn needed_by(plan: &BuildpackPlan, variables: &BuildVariables) -> NeededBy {
    let required = plan.entries.iter().filter(|entry| entry.name == RUBY);
    let is_asked_for = variables
        .get(RUBY_AT_BUILD)
        .is_some_and(|value| !["0", "false"].contains(&value));
    if required.count() > 1 || is_asked_for {
        NeededBy::LaterBuildpacks
    } else {
        NeededBy::TheImage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libcnb::Env;
    use libcnb::data::buildpack_plan::Entry;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.to_string(),
            metadata: toml::Table::default(),
        }
    }

    fn needed(required: usize, variable: Option<&str>) -> NeededBy {
        let mut entries = vec![entry(NODE[0])];
        entries.extend((0..required).map(|_| entry(RUBY)));
        let mut env = Env::new();
        if let Some(value) = variable {
            env.insert(RUBY_AT_BUILD, value);
        }
        needed_by(&BuildpackPlan { entries }, &BuildVariables::new(&env))
    }

    #[test]
    fn later_buildpacks_require_ruby_or_the_user_says_so() {
        for (required, variable, expected) in [
            (1, None, NeededBy::TheImage),
            (2, None, NeededBy::LaterBuildpacks),
            (1, Some("true"), NeededBy::LaterBuildpacks),
            (1, Some("1"), NeededBy::LaterBuildpacks),
            (1, Some("false"), NeededBy::TheImage),
            (1, Some("0"), NeededBy::TheImage),
            (1, Some(""), NeededBy::TheImage),
        ] {
            assert_eq!(
                needed(required, variable),
                expected,
                "{required} {variable:?}"
            );
        }
    }

    #[test]
    fn node_is_required_where_a_buildpack_provides_it() {
        let names = |plan: &BuildPlan| {
            let text = toml::to_string(plan).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("name = "));
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&build_plan(false)), r#""ruby" "ruby""#);
        assert_eq!(
            names(&build_plan(true)),
            r#""ruby" "ruby" "node" "ruby" "ruby" "heroku/nodejs" "ruby" "ruby""#
        );
    }
}

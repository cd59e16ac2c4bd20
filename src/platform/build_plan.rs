//! The build plan: what Formation provides and requires, and whether a later buildpack requires it
//! too.
//!
//! Source: <https://github.com/buildpacks/spec/blob/main/buildpack.md#phase-1-detection>

use crate::app::javascript::NodeNeeds;
use crate::platform::launch_layer::NeededBy;
use crate::platform::variables::BuildVariables;
use libcnb::data::build_plan::{BuildPlan, BuildPlanBuilder, Require};
use libcnb::data::buildpack_plan::BuildpackPlan;
use toml::{Table, Value};

/// The name of Ruby, with the app's gems, in the plan.
const RUBY: &str = "ruby";

/// Paketo's name of Node.js. It is on the `PATH` of later buildpacks and of the image only where the
/// metadata asks for it.
///
/// Source: <https://github.com/paketo-buildpacks/node-engine#integration>
const PAKETO_NODE: &str = "node";

/// Paketo's name of the packages of `package.json`, which are provided with a lockfile only.
///
/// Source: <https://github.com/paketo-buildpacks/npm-install#integration>
const PAKETO_PACKAGES: &str = "node_modules";

/// Heroku's name of Node.js with its packages. That buildpack needs a `package.json`. Without
/// `skip_pruning` it removes the packages that assets are made with.
///
/// Source: <https://github.com/heroku/buildpacks-nodejs>
const HEROKU_NODE: &str = "heroku/nodejs";

/// A build variable for an app whose later buildpacks need Ruby but cannot require it.
const RUBY_AT_BUILD: &str = "BP_RUBY_AT_BUILD";

/// Formation provides and requires Ruby, so it works alone. Where Node.js is wanted, it is required
/// from a buildpack that provides it, if there is one: the platform takes the first alternative
/// whose requirements are all provided.
pub fn build_plan(node: NodeNeeds) -> BuildPlan {
    let mut plan = BuildPlanBuilder::new();
    for alternative in node_alternatives(node) {
        plan = plan.provides(RUBY).requires(RUBY);
        for (name, metadata) in alternative {
            let mut require = Require::new(name);
            require.metadata = metadata;
            plan = plan.requires(require);
        }
        plan = plan.or();
    }
    plan.provides(RUBY).requires(RUBY).build()
}

/// What is required in each alternative, with its metadata.
fn node_alternatives(needs: NodeNeeds) -> Vec<Vec<(&'static str, Table)>> {
    let node = || {
        (
            PAKETO_NODE,
            flags(&[("build", true), ("launch", needs.runtime)]),
        )
    };
    match needs {
        NodeNeeds { packages: true, .. } => vec![
            vec![node(), (PAKETO_PACKAGES, flags(&[("build", true)]))],
            vec![node()],
            vec![(HEROKU_NODE, flags(&[("skip_pruning", true)]))],
        ],
        NodeNeeds { runtime: true, .. } => vec![vec![node()]],
        NodeNeeds { .. } => Vec::new(),
    }
}

/// Those that are set.
fn flags(flags: &[(&str, bool)]) -> Table {
    let set = flags.iter().filter(|(_, is_set)| *is_set);
    set.map(|(name, _)| (name.to_string(), Value::Boolean(true)))
        .collect()
}

/// What needs the files of Ruby and of the gems: later buildpacks too, where one of them requires
/// Ruby as Formation itself does, or the user says so.
#[must_use]
pub fn needed_by(plan: &BuildpackPlan, variables: &BuildVariables) -> NeededBy {
    let required = plan.entries.iter().filter(|entry| entry.name == RUBY);
    let is_asked_for =
        variables.get(RUBY_AT_BUILD).is_some() && !variables.turns_off(RUBY_AT_BUILD);
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
        let mut entries = vec![entry(PAKETO_NODE)];
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
    fn node_is_required_with_what_each_provider_needs_to_hear() {
        let plan = |packages, runtime| {
            let plan = build_plan(NodeNeeds { packages, runtime });
            toml::to_string(&plan).unwrap()
        };
        insta::assert_snapshot!("no_node", plan(false, false));
        insta::assert_snapshot!("packages", plan(true, false));
        insta::assert_snapshot!("packages_and_runtime", plan(true, true));
        insta::assert_snapshot!("runtime", plan(false, true));
    }
}

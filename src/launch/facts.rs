//! What the program in the image needs to know of the app to prepare its environment.

use crate::gems::InstalledGems;
use crate::platform::variables::BuildVariables;
use crate::ruby::gem_version::GemVersion;
use procfile::app_facts::AppFacts;

/// The user's variable: `false` where jemalloc is not to be used.
const JEMALLOC: &str = "BP_JEMALLOC";

#[must_use]
pub fn facts(
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
    }
}

//! Programs of the image that are process types too: `docker exec CONTAINER bundle exec …`,
//! `docker run --entrypoint rake IMAGE`, and scripts that begin with `#!/usr/bin/env ruby`, find
//! the entry point of that name first in the image's PATH, and with it the image's environment.
//!
//! Nothing goes round in circles: the launcher takes the folder of the entry points out of the PATH
//! of what it starts.

use crate::gems::InstalledGems;
use procfile::launch_spec::PROGRAMS;

/// The programs that an app has.
#[must_use]
pub fn programs(gems: Option<&InstalledGems<'_>>) -> Vec<&'static str> {
    let has_gem = |name: &str| gems.is_some_and(|gems| gems.has(name));
    let is_there = |program: &&str| match *program {
        "ruby" => true,
        "bundle" => gems.is_some(),
        "rails" => has_gem("railties"),
        gem => has_gem(gem),
    };
    PROGRAMS.into_iter().filter(is_there).collect()
}

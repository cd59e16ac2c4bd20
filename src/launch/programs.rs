//! Programs of the image that are process types too: `docker exec CONTAINER bundle exec …`,
//! `docker run --entrypoint rake IMAGE`, and scripts that begin with `#!/usr/bin/env ruby`, find
//! the entry point of that name first in the image's PATH, and with it the image's environment.
//!
//! Nothing goes round in circles: the launcher takes the folder of the entry points out of the PATH
//! of what it starts.

use crate::gems::bundle::Bundle;
use procfile::launch_spec::PROGRAMS;

/// The programs that an app has.
#[must_use]
pub fn programs(bundle: Option<&Bundle>) -> Vec<&'static str> {
    let has_gem = |name: &str| bundle.is_some_and(|bundle| bundle.lockfile.has_gem(name));
    let is_there = |program: &&str| match *program {
        "ruby" => true,
        "bundle" => bundle.is_some(),
        "rails" => has_gem("railties"),
        gem => has_gem(gem),
    };
    PROGRAMS.into_iter().filter(is_there).collect()
}

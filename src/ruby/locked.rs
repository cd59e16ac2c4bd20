//! The lockfile's RUBY VERSION.

use crate::ruby::gem_version::GemVersion;
use crate::ruby::requirement::without_patch_level;

/// Of `ruby 3.3.8p144`, or with an engine of `ruby 3.1.4p0 (jruby 9.4.3.0)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LockedRuby {
    /// Without the patch level.
    pub version: GemVersion,
    /// Such as `jruby 9.4.3.0`; none for CRuby.
    pub engine: Option<String>,
}

impl LockedRuby {
    /// None for a value that cannot be read.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let (version, engine) = match value.split_once(" (") {
            Some((version, engine)) => (version, Some(engine.strip_suffix(')')?.to_string())),
            None => (value, None),
        };
        Some(Self {
            version: without_patch_level(version.strip_prefix("ruby ")?)
                .parse()
                .ok()?,
            engine,
        })
    }
}

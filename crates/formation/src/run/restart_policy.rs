//! Which process types are started again when they end by themselves, and which may end: `--restart`
//! and `--may-end`.

pub use crate::image::quantities::ALL;

use std::time::Duration;

/// The options `--restart`, `--restart-delay`, `--restart-limit` and `--may-end`.
#[derive(Clone, Debug, Default)]
pub(super) struct RestartPolicy {
    /// Process types, or [`ALL`].
    pub(super) types: Vec<String>,
    /// The delay before the first restart.
    pub(super) delay: Duration,
    /// Restarts of one process in a row before its next end ends all.
    pub(super) limit: Option<u32>,
    /// Process types whose end ends no other process, or [`ALL`].
    pub(super) may_end: Vec<String>,
}

impl RestartPolicy {
    pub(super) fn applies_to(&self, process_type: &str) -> bool {
        names(&self.types, process_type)
    }

    pub(super) fn lets_end(&self, process_type: &str) -> bool {
        names(&self.may_end, process_type)
    }
}

fn names(types: &[String], process_type: &str) -> bool {
    (types.iter()).any(|name| name == process_type || name == ALL)
}

//! Which process types are started again when they end by themselves: `--restart`.

use std::time::Duration;

/// Stands for every process type in `--restart`.
pub const ALL: &str = "all";

/// The options `--restart`, `--restart-delay` and `--restart-limit`.
#[derive(Clone, Debug, Default)]
pub(super) struct RestartPolicy {
    /// Process types, or [`ALL`].
    pub(super) types: Vec<String>,
    /// The delay before the first restart.
    pub(super) delay: Duration,
    /// Restarts of one process in a row before its next end ends all.
    pub(super) limit: Option<u32>,
}

impl RestartPolicy {
    pub(super) fn applies_to(&self, process_type: &str) -> bool {
        self.types
            .iter()
            .any(|name| name == process_type || name == ALL)
    }
}

//! Which instance an event or an action is about.

/// Identifies an instance for as long as `formation run` runs. It stays the same when the process
/// of the instance is started again; a successor has one of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(in crate::run) struct InstanceId(u32);

impl InstanceId {
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

//! What instances are called: `worker.2`.

use crate::image::Image;
use std::fmt::{self, Display, Formatter};

/// The name of an instance, as the log and `formation ps` show it: `worker.2`.
///
/// Names are ordered as they are listed: by the order of the process types in the image, then by
/// number.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct InstanceName {
    /// The position of the process type in the image, from 0.
    pub(super) type_position: usize,
    pub(super) process_type: String,
    /// From 1.
    pub(super) number: u16,
}

impl InstanceName {
    pub(super) fn new(image: &Image, process_type: &str, number: u16) -> Self {
        let mut types = image.processes.iter().map(|process| &process.process_type);
        Self {
            type_position: types
                .position(|name| name == process_type)
                .unwrap_or_default(),
            process_type: process_type.into(),
            number,
        }
    }

    /// Whether a user who wants one process means this one: `worker` is `worker.1`.
    pub(super) fn is_meant(&self, name: &str) -> bool {
        self.to_string() == name || (self.number == 1 && self.process_type == name)
    }
}

impl Display for InstanceName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.process_type, self.number)
    }
}

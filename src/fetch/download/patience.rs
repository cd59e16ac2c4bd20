//! How long a server is waited for, and how often it is asked.

use std::time::Duration;

/// Limits of one download. A download that makes progress may take up to `total`.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest wait for the next bytes.
    pub stall: Duration,
    /// The longest time for the whole download, tries and pauses included.
    pub total: Duration,
    /// The number of tries, where the error may be temporary.
    pub tries: u32,
    /// The pause before the second try; before each further one it is twice as long.
    pub first_pause: Duration,
    /// The longest pause. A server whose `Retry-After` is longer is not asked again.
    pub longest_pause: Duration,
}

impl Patience {
    /// For what can be downloaded later as well: one try, and no long wait.
    #[must_use]
    pub fn short() -> Self {
        Self {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(5),
            tries: 1,
            ..Self::default()
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(60),
            total: Duration::from_secs(3600),
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}

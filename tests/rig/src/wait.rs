//! Waiting for something that happens in another process.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// For what takes milliseconds on a machine that has nothing else to do.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Fails the test when the condition is not true before [`DEADLINE`].
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    let pause = Duration::from_millis(5);
    assert!(
        becomes_true(DEADLINE, pause, condition),
        "not in time: {what}"
    );
}

/// Whether the condition becomes true within `patience`. It is checked again after each `pause`.
pub fn becomes_true(
    patience: Duration,
    pause: Duration,
    mut condition: impl FnMut() -> bool,
) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(pause);
    }
    true
}

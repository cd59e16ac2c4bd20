//! How long an instance waits before it is started again.

use std::time::Duration;

/// A process that ran for so long was healthy: earlier deaths do not count any more.
pub(super) const HEALTHY: Duration = Duration::from_secs(60);

/// The longest delay, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// The deaths of an instance in a row.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Deaths(u32);

impl Deaths {
    /// Counts one more, of a process that ran for so long.
    pub(super) fn count(&mut self, ran_for: Duration) {
        if ran_for >= HEALTHY {
            self.0 = 0;
        }
        self.0 = self.0.saturating_add(1);
    }

    /// Whether there were more than so many restarts allow.
    pub(super) fn exceed(self, restarts: u32) -> bool {
        self.0 > restarts
    }

    /// The delay before the next start: `first`, doubled with each further death, up to a minute;
    /// and up to a quarter more or less, so that processes which died of the same cause do not
    /// start again at the same moment. `random` is from 0 to 1.
    pub(super) fn delay(self, first: Duration, random: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.0.saturating_sub(1));
        first
            .saturating_mul(doubled)
            .min(LONGEST.max(first))
            .mul_f64(0.75 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_up_to_a_minute() {
        let mut deaths = Deaths::default();
        let mut delays = Vec::new();
        for _ in 0..9 {
            deaths.count(Duration::from_secs(3));
            delays.push(deaths.delay(Duration::from_secs(1), 0.5).as_secs());
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for _ in 0..100 {
            deaths.count(Duration::ZERO);
        }
        assert_eq!(deaths.delay(Duration::from_secs(1), 0.5).as_secs(), 60);
    }

    #[test]
    fn the_delay_is_spread() {
        let mut deaths = Deaths::default();
        deaths.count(Duration::ZERO);
        let delay = |random| deaths.delay(Duration::from_secs(4), random);
        assert_eq!(
            [delay(0.0), delay(1.0)],
            [Duration::from_secs(3), Duration::from_secs(5)]
        );
    }

    #[test]
    fn a_delay_of_zero_and_one_above_a_minute_are_kept() {
        let mut deaths = Deaths::default();
        for _ in 0..100 {
            deaths.count(Duration::ZERO);
        }
        assert_eq!(deaths.delay(Duration::ZERO, 1.0), Duration::ZERO);
        assert_eq!(deaths.delay(Duration::from_secs(300), 0.5).as_secs(), 300);
    }

    #[test]
    fn a_minute_of_health_resets_the_count() {
        let mut deaths = Deaths::default();
        for _ in 0..5 {
            deaths.count(Duration::from_secs(1));
        }
        assert!(deaths.exceed(4) && !deaths.exceed(5));
        deaths.count(HEALTHY);
        assert_eq!(deaths, Deaths(1));
        assert!(deaths.exceed(0));
    }
}

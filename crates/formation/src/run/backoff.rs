//! How long a process that died waits before it is started again.

use std::time::Duration;

/// A process that ran for so long was healthy: what came before does not count any more.
pub(super) const HEALTHY: Duration = Duration::from_secs(60);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60);

/// The deaths of one process in a row.
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

    /// Whether there were more in a row than restarts are allowed.
    pub(super) fn exceed(self, restarts: u32) -> bool {
        self.0 > restarts
    }

    /// The delay before the next start: the first one, doubled with each further death, up to a minute, and up to a quarter more or less,
    /// so that processes which died of the same cause do not come back at the same moment. `random` is from 0 to 1.
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
    fn it_is_spread() {
        let mut deaths = Deaths::default();
        deaths.count(Duration::ZERO);
        let delay = |random| deaths.delay(Duration::from_secs(4), random);
        assert_eq!(
            [delay(0.0), delay(1.0)],
            [Duration::from_secs(3), Duration::from_secs(5)]
        );
    }

    #[test]
    fn no_delay_stays_none_and_a_long_one_stays_long() {
        let mut deaths = Deaths::default();
        for _ in 0..100 {
            deaths.count(Duration::ZERO);
        }
        assert_eq!(deaths.delay(Duration::ZERO, 1.0), Duration::ZERO);
        assert_eq!(deaths.delay(Duration::from_secs(300), 0.5).as_secs(), 300);
    }

    #[test]
    fn a_healthy_minute_makes_good() {
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

//! How often, and when, a download is tried again.

use super::error::DownloadError;
use super::patience::Patience;
use crate::report;
use std::time::{Duration, Instant};

/// The tries of one download.
pub(super) struct Retries<'a> {
    patience: &'a Patience,
    deadline: Instant,
    tried: u32,
}

impl<'a> Retries<'a> {
    /// Counts the first try, which begins now.
    pub(super) fn start(patience: &'a Patience) -> Self {
        Self {
            patience,
            deadline: Instant::now() + patience.total,
            tried: 1,
        }
    }

    /// How long the whole download may still take.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits until the next try is due, and says so in the log. False where there is no next try:
    /// the error is permanent, or no try is left, or the server asks for too long a wait.
    pub(super) fn wait_after(&mut self, error: &DownloadError) -> bool {
        let asked = error.retry_after().unwrap_or_default();
        let pause = asked.max(self.backoff());
        if !error.is_temporary()
            || self.tried >= self.patience.tries
            || asked > self.patience.longest_pause
            || pause >= self.time_left()
        {
            return false;
        }
        self.tried += 1;
        report::interjection(format!(
            "Trying again in {:.1} s ({} of {}): {error}",
            pause.as_secs_f32(),
            self.tried,
            self.patience.tries
        ));
        std::thread::sleep(pause);
        true
    }

    /// Uses one try without a pause. False where none is left.
    pub(super) fn take_one(&mut self) -> bool {
        let is_left = self.tried < self.patience.tries;
        self.tried += 1;
        is_left
    }

    /// Twice as long each time, and up to a half more or less, so that builds that failed together
    /// do not come back together.
    fn backoff(&self) -> Duration {
        let doubled = 2_u32
            .checked_pow(self.tried - 1)
            .and_then(|times| self.patience.first_pause.checked_mul(times));
        doubled
            .map_or(self.patience.longest_pause, |pause| {
                pause.mul_f64(0.5 + fastrand::f64())
            })
            .min(self.patience.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_differ() {
        let patience = Patience::default();
        let mut retries = Retries::start(&patience);
        for tried in 1..5 {
            retries.tried = tried;
            let mean = patience.first_pause * 2_u32.pow(tried - 1);
            let pauses: Vec<_> = (0..50).map(|_| retries.backoff()).collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| *pause >= mean / 2 && *pause <= mean * 3 / 2)
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        let patience = Patience::default();
        let mut retries = Retries::start(&patience);
        for tried in [8, 20, 40, u32::MAX] {
            retries.tried = tried;
            assert!(retries.backoff() <= patience.longest_pause, "{tried}");
        }
    }
}

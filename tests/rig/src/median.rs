//! Medians of measurements.

use std::time::Duration;

/// The value in the middle; of an even number of values, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.len() / 2;
    let low = (sorted.len() - 1) / 2;
    f64::midpoint(sorted[low], sorted[high])
}

pub fn median_time(times: &[Duration]) -> Duration {
    let seconds: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
    Duration::from_secs_f64(median(&seconds))
}

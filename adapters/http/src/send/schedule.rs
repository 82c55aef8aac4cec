//! When a webhook that was not taken goes out again.

use std::time::Duration;

use finis_engine::Schedule;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long to wait after the first try that failed, after the second, and so on; after the last, it is a dead
/// letter. The example schedule of Standard Webhooks
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>): ten tries
/// within a little more than three days.
pub const PUBLISHED: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];

/// [`PUBLISHED`], for an engine.
#[must_use]
pub fn published() -> Schedule {
    Schedule::Delays(PUBLISHED.into())
}

/// A wait with its share of chance, 0 to 1: never shorter than it was, and longer by less than a fifth. So what
/// failed together is not tried again together.
#[must_use]
pub fn with_jitter(wait: Duration, jitter: f64) -> Duration {
    // What is no share is none.
    let share = if (0.0..=1.0).contains(&jitter) { jitter } else { 0.0 };
    wait.saturating_add((wait / 5).mul_f64(share))
}

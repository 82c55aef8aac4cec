//! How long to wait for the next try.

use std::sync::Arc;
use std::time::Duration;

/// How long to wait between two tries of a notice that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Twice as long each time.
    Doubling {
        /// The time from the first failure to the second try.
        first: Duration,
        /// The longest time between two tries.
        longest: Duration,
    },
    /// So long after the first failure, so long after the second; as long as the last after any further one.
    /// Without any, not at all.
    Delays(Arc<[Duration]>),
}

impl Schedule {
    /// How long to wait after so many failures, one or more.
    #[must_use]
    pub fn wait_after(&self, failures: u32) -> Duration {
        let before = failures.saturating_sub(1);
        match self {
            Schedule::Doubling { first, longest } => {
                let doubled = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
                first.saturating_mul(doubled).min(*longest)
            }
            Schedule::Delays(delays) => {
                let delay = delays.get(before as usize).or(delays.last());
                delay.copied().unwrap_or_default()
            }
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Doubling { first: Duration::from_secs(1), longest: Duration::from_secs(300) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &Schedule, seconds: &[u64]) {
        let waits: Vec<u64> =
            (1..).take(seconds.len()).map(|failures| schedule.wait_after(failures).as_secs()).collect();
        assert_eq!(waits, seconds);
    }

    #[test]
    fn waits_double_until_they_are_the_longest() {
        let (first, longest) = (Duration::from_secs(4), Duration::from_secs(30));
        check(&Schedule::Doubling { first, longest }, &[4, 8, 16, 30, 30]);
        assert_eq!(Schedule::Doubling { first, longest }.wait_after(u32::MAX), longest);
    }

    #[test]
    fn delays_come_one_after_the_other_and_the_last_again() {
        let delays = [5, 300, 1800].map(Duration::from_secs);
        check(&Schedule::Delays(Arc::new(delays)), &[5, 300, 1800, 1800, 1800]);
        check(&Schedule::Delays(Arc::new([])), &[0, 0]);
    }
}

//! How many of which size: numbers in buckets with fixed bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many numbers lie up to which bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// Upper bounds, each a part of its bucket, in rising order.
    pub bounds: &'static [u64],
    /// How many numbers are in each bucket and in none before it, and at the end how many are beyond all bounds.
    /// One more than there are bounds.
    pub counts: Vec<u64>,
    /// What all of them sum to.
    pub sum: u64,
}

impl Histogram {
    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// A histogram while it is counted.
pub(super) struct Buckets {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Buckets {
    pub(super) fn new(bounds: &'static [u64]) -> Buckets {
        Buckets { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        // Nothing else is to be seen in the order of these.
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// In microseconds.
    pub(super) fn observe_duration(&self, span: Duration) {
        self.observe(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_part_of_its_bucket() {
        let buckets = Buckets::new(&[0, 10, 100]);
        for value in [0, 1, 10, 11, 100, 101, 7000] {
            buckets.observe(value);
        }
        let read = buckets.read();
        assert_eq!((read.counts.as_slice(), read.sum, read.count()), (&[1, 2, 2, 2][..], 7223, 7));
        assert_eq!(read.bounds, [0, 10, 100]);
    }
}

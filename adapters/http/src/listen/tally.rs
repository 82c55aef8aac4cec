//! What a listener turned away, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::framing::Refusal;

/// Counts what a listener turns away before any handler sees it, since the process began.
#[derive(Debug, Default)]
pub struct Tally {
    connections: AtomicU64,
    requests: [AtomicU64; Refusal::ALL.len()],
}

impl Tally {
    /// Connections that were too many.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests that were none, or did not come in time: each rule by its name in answers, and how many broke it.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = Refusal::ALL.iter().zip(&self.requests);
        counts.map(|(refusal, count)| (refusal.rule(), count.load(Ordering::Relaxed)))
    }

    pub(super) fn turned_away(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let counts = Refusal::ALL.iter().zip(&self.requests);
        for (_, count) in counts.filter(|(one, _)| **one == refusal) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

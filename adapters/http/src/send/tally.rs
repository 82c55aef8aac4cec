//! How it went with an endpoint, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is posted to an endpoint, since the process began.
#[derive(Debug, Default)]
pub struct Tally {
    posted: AtomicU64,
    taken: AtomicU64,
    again: AtomicU64,
    dead: AtomicU64,
    closed: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Tries, whatever came of them.
    pub posted: u64,
    /// Notices that were taken.
    pub taken: u64,
    /// Tries after which another is to come.
    pub again: u64,
    /// Notices that became dead letters.
    pub dead: u64,
    /// How often the endpoint said that it is gone.
    pub closed: u64,
}

impl Tally {
    /// What was counted so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Sent {
            posted: read(&self.posted),
            taken: read(&self.taken),
            again: read(&self.again),
            dead: read(&self.dead),
            closed: read(&self.closed),
        }
    }

    pub(super) fn posted(&self) {
        self.posted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dead(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

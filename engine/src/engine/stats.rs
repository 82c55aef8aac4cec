//! What an engine did since it began, in numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Receipt, ReceiveError};
use crate::live::NoticeKind;
use crate::log::{Appended, Batch};

/// What an engine did since it began, and what it holds. To take it costs a few loads from memory; how far
/// behind each consumer is, [`Engine::consumers`](super::Engine::consumers) says.
///
/// Each number is right by itself. They are not taken at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Deliveries, by what became of them.
    pub deliveries: DeliveryStats,
    /// Batches that the log took.
    pub commits: u64,
    /// Events in them that were new.
    pub events: u64,
    /// Notices that were made, each once.
    pub notices: NoticeStats,
    /// Deadlines that passed.
    pub deadlines: u64,
    /// Deliveries that wait for the writer now.
    pub queue_depth: usize,
    /// Sessions that are in memory now.
    pub sessions: usize,
}

/// Deliveries, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryStats {
    /// New, and kept.
    pub stored: u64,
    /// Here before.
    pub duplicate: u64,
    /// Unreadable, and kept whole.
    pub quarantined: u64,
    /// Of sessions that were let go, because they had been over for long enough.
    pub expired: u64,
    /// Of sessions that were to be forgotten.
    pub forgotten: u64,
    /// Not proven to be from their source.
    pub denied: u64,
    /// For a source that there is not.
    pub unknown_source: u64,
    /// Longer than a body may be.
    pub too_large: u64,
    /// Turned away because too much waited.
    pub busy: u64,
    /// Not taken by the log, or by an engine that has stopped.
    pub failed: u64,
}

/// Notices, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoticeStats {
    /// Sessions that are over.
    pub complete: u64,
    /// Changes after the end.
    pub amended: u64,
    /// Sessions that nothing came of for too long.
    pub stalled: u64,
    /// Files that are there for a while.
    pub asset: u64,
}

/// A number that only grows, for whoever counts.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, more: u64) {
        // Nothing else is to be seen in the order of these.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers while they are counted.
#[derive(Default)]
pub(super) struct Counters {
    stored: Counter,
    duplicate: Counter,
    quarantined: Counter,
    expired: Counter,
    forgotten: Counter,
    denied: Counter,
    unknown_source: Counter,
    too_large: Counter,
    busy: Counter,
    failed: Counter,
    commits: Counter,
    events: Counter,
    complete: Counter,
    amended: Counter,
    stalled: Counter,
    asset: Counter,
    deadlines: Counter,
    sessions: AtomicUsize,
}

/// What of a batch is to be counted once it is appended.
pub(super) struct Counted {
    kinds: Vec<NoticeKind>,
    deadlines: usize,
}

impl Counted {
    pub(super) fn of(batch: &Batch) -> Counted {
        Counted { kinds: batch.notices.iter().map(|notice| notice.kind).collect(), deadlines: batch.deadlines.len() }
    }
}

impl Counters {
    pub(super) fn received(&self, receipt: &Receipt) {
        let counter = match receipt {
            Receipt::Stored { .. } => &self.stored,
            Receipt::Duplicate { .. } => &self.duplicate,
            Receipt::Quarantined { .. } => &self.quarantined,
            Receipt::Expired { .. } => &self.expired,
            Receipt::Forgotten { .. } => &self.forgotten,
        };
        counter.add(1);
    }

    pub(super) fn refused(&self, error: &ReceiveError) {
        let counter = match error {
            ReceiveError::UnknownSource { .. } => &self.unknown_source,
            ReceiveError::Denied { .. } => &self.denied,
            ReceiveError::TooLarge { .. } => &self.too_large,
            ReceiveError::Busy => &self.busy,
            ReceiveError::Log(_) | ReceiveError::Stopped { .. } => &self.failed,
        };
        counter.add(1);
    }

    pub(super) fn appended(&self, counted: &Counted, appended: &Appended) {
        self.commits.add(1);
        self.events.add(appended.new.iter().filter(|new| **new).count() as u64);
        self.deadlines.add(counted.deadlines as u64);
        for (kind, _) in counted.kinds.iter().zip(&appended.first).filter(|(_, first)| **first) {
            let counter = match kind {
                NoticeKind::Complete => &self.complete,
                NoticeKind::Amended => &self.amended,
                NoticeKind::Stalled => &self.stalled,
                NoticeKind::Asset => &self.asset,
                // Nobody says that: it is what becomes of what was said.
                NoticeKind::Forgotten => continue,
            };
            counter.add(1);
        }
    }

    pub(super) fn holds(&self, sessions: usize) {
        self.sessions.store(sessions, Ordering::Relaxed);
    }

    pub(super) fn stats(&self, queue_depth: usize) -> Stats {
        Stats {
            deliveries: DeliveryStats {
                stored: self.stored.get(),
                duplicate: self.duplicate.get(),
                quarantined: self.quarantined.get(),
                expired: self.expired.get(),
                forgotten: self.forgotten.get(),
                denied: self.denied.get(),
                unknown_source: self.unknown_source.get(),
                too_large: self.too_large.get(),
                busy: self.busy.get(),
                failed: self.failed.get(),
            },
            commits: self.commits.get(),
            events: self.events.get(),
            notices: NoticeStats {
                complete: self.complete.get(),
                amended: self.amended.get(),
                stalled: self.stalled.get(),
                asset: self.asset.get(),
            },
            deadlines: self.deadlines.get(),
            queue_depth,
            sessions: self.sessions.load(Ordering::Relaxed),
        }
    }
}

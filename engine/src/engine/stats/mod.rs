//! What an engine did since it began, in numbers.
//!
//! Whoever counts adds to numbers that all threads share; whoever reads takes them one by one. Nothing is
//! measured here but by the [`Clock`](super::Clock) that the engine was given.

mod counted; // what of a batch is to be counted
mod counters; // the numbers while they are counted
mod histogram; // how many of which size

use std::collections::BTreeMap;

pub(super) use counted::{Counted, Told};
pub(super) use counters::{Counters, HandoverCounters, SourceCounters};
pub use histogram::Histogram;

/// What an engine did since it began, and what it holds. To take it costs some loads from memory for each source,
/// and is never proportional to sessions; how far behind each consumer is,
/// [`Engine::consumers`](super::Engine::consumers) says.
///
/// Each number is right by itself. They are not taken at one instant. What is counted of commits, notices, sessions
/// and deadlines is what the writer did; what came by a [`Filler`](super::Filler) or a [`Refold`](super::Refold) is
/// not among it. Of what is read again out of quarantine, notices and deadlines are, events and sessions that begin with
/// them are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Deliveries of all sources and of none, by what became of them.
    pub deliveries: DeliveryStats,
    /// Those among them that name no source that there is.
    pub stray: DeliveryStats,
    /// Batches that the log took.
    pub commits: u64,
    /// Events in them that were new.
    pub events: u64,
    /// Notices that were made, each once, of all sources.
    pub notices: NoticeStats,
    /// Deadlines that passed.
    pub deadlines: u64,
    /// Deliveries that wait for the writer now.
    pub queue_depth: usize,
    /// Deliveries that may wait for it.
    pub queue_max: usize,
    /// Sessions that are in memory now.
    pub sessions: usize,
    /// Each source by its name.
    pub sources: BTreeMap<String, SourceStats>,
    /// Deliveries in a commit. One that only lets deadlines pass has none.
    pub commit_deliveries: Histogram,
    /// Microseconds that the log took for a commit.
    pub commit_micros: Histogram,
    /// Microseconds that a delivery waited until the writer took it.
    pub queue_micros: Histogram,
    /// Microseconds from when a deadline was due until it was in the log.
    pub deadline_lag_micros: Histogram,
    /// Handovers to each consumer that one was begun for, by its name.
    pub handovers: BTreeMap<String, HandoverStats>,
}

/// What came of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStats {
    /// Deliveries, by what became of them.
    pub deliveries: DeliveryStats,
    /// Notices that were made, each once.
    pub notices: NoticeStats,
    /// Deadlines that passed.
    pub deadlines: u64,
    /// Sessions, by what happened to them.
    pub sessions: SessionStats,
    /// Events that did not come, by kind.
    pub lost: BTreeMap<String, LostStats>,
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

/// Sessions, by what happened to them since the engine began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// The first event of them came.
    pub began: u64,
    /// They were said to be complete.
    pub complete: u64,
    /// They were said to be stalled for the first time.
    pub stalled: u64,
    /// They were said to be complete after they had been said to be stalled.
    pub revived: u64,
}

/// Events of one kind that did not come.
///
/// They are counted when a session is said to be over or stalled, as its record then has them. When a later notice
/// says otherwise, that is counted, too: the one less the other is what is wanting still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostStats {
    /// Due and not here, and nothing here has their facts.
    pub missing: u64,
    /// Due and not here, but their facts came with another event.
    pub inferred: u64,
    /// Counted as missing, and not missing any more.
    pub missing_recovered: u64,
    /// Counted as inferred, and not inferred any more.
    pub inferred_recovered: u64,
}

/// What became of notices that were handed to a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandoverStats {
    /// How often one was handed over.
    pub tries: u64,
    /// How often that was one which had failed before.
    pub retries: u64,
    /// How often the handler failed.
    pub failures: u64,
    /// How many were parked because they failed too often. Those that wait behind them are not among these.
    pub parked: u64,
}

impl DeliveryStats {
    /// Each number by the word for what became of a delivery.
    #[must_use]
    pub fn by_fate(&self) -> [(&'static str, u64); 10] {
        [
            ("stored", self.stored),
            ("duplicate", self.duplicate),
            ("quarantined", self.quarantined),
            ("expired", self.expired),
            ("forgotten", self.forgotten),
            ("denied", self.denied),
            ("unknown_source", self.unknown_source),
            ("too_large", self.too_large),
            ("busy", self.busy),
            ("failed", self.failed),
        ]
    }

    fn add(&mut self, more: &DeliveryStats) {
        self.stored += more.stored;
        self.duplicate += more.duplicate;
        self.quarantined += more.quarantined;
        self.expired += more.expired;
        self.forgotten += more.forgotten;
        self.denied += more.denied;
        self.unknown_source += more.unknown_source;
        self.too_large += more.too_large;
        self.busy += more.busy;
        self.failed += more.failed;
    }
}

impl NoticeStats {
    /// Each number by the word for the kind.
    #[must_use]
    pub fn by_kind(&self) -> [(&'static str, u64); 4] {
        [("complete", self.complete), ("amended", self.amended), ("stalled", self.stalled), ("asset", self.asset)]
    }

    fn add(&mut self, more: &NoticeStats) {
        self.complete += more.complete;
        self.amended += more.amended;
        self.stalled += more.stalled;
        self.asset += more.asset;
    }
}

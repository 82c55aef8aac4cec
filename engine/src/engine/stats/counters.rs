//! The numbers while they are counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::histogram::Buckets;
use super::{DeliveryStats, HandoverStats, LostStats, NoticeStats, SessionStats, SourceStats, Stats};
use crate::contract::Due;
use crate::engine::{Receipt, ReceiveError, Source};
use crate::live::{Names, NoticeKind};

/// Bounds of how many deliveries a commit has.
const DELIVERIES: &[u64] = &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Bounds of what is over in an instant, in microseconds: 100 µs to 10 s.
const INSTANTS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// Bounds of how late a deadline passes, in microseconds: 10 ms to a day, for an engine may have been down.
const LAGS: &[u64] = &[
    10_000,
    100_000,
    1_000_000,
    5_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    21_600_000_000,
    86_400_000_000,
];

/// A number that only grows, for whoever counts.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        // Nothing else is to be seen in the order of these.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted.
pub(in crate::engine) struct Counters {
    /// By name. Only names of sources that somebody configured are ever put there: what a stranger says does not
    /// make it grow.
    sources: RwLock<BTreeMap<String, Arc<SourceCounters>>>,
    /// What names none of these.
    stray: Arc<SourceCounters>,
    handovers: Mutex<BTreeMap<String, Arc<HandoverCounters>>>,
    pub(super) commits: Counter,
    pub(super) events: Counter,
    pub(super) commit_deliveries: Buckets,
    pub(super) commit_micros: Buckets,
    queue_micros: Buckets,
    pub(super) deadline_lag_micros: Buckets,
    sessions: AtomicUsize,
}

/// What is counted of one source.
#[derive(Default)]
pub(in crate::engine) struct SourceCounters {
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
    complete: Counter,
    amended: Counter,
    stalled: Counter,
    asset: Counter,
    pub(super) deadlines: Counter,
    pub(super) began: Counter,
    pub(super) first_stalled: Counter,
    pub(super) revived: Counter,
    /// By kind. Locked when something is lost, and when somebody reads.
    lost: Mutex<BTreeMap<String, LostStats>>,
}

/// What is counted of one consumer that is handed over to.
#[derive(Default)]
pub(in crate::engine) struct HandoverCounters {
    tries: Counter,
    retries: Counter,
    failures: Counter,
    parked: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            sources: RwLock::default(),
            stray: Arc::default(),
            handovers: Mutex::default(),
            commits: Counter::default(),
            events: Counter::default(),
            commit_deliveries: Buckets::new(DELIVERIES),
            commit_micros: Buckets::new(INSTANTS),
            queue_micros: Buckets::new(INSTANTS),
            deadline_lag_micros: Buckets::new(LAGS),
            sessions: AtomicUsize::new(0),
        }
    }
}

impl Counters {
    /// Those of a source by its name; those of what names none when there is no such source.
    pub(in crate::engine) fn of(&self, source: &str) -> Arc<SourceCounters> {
        self.known(source).unwrap_or_else(|| Arc::clone(&self.stray))
    }

    /// Those of a source that there is. Every kind that its sessions can lose is there from the beginning, with
    /// nothing lost: a number that appears says less than one that rises.
    pub(in crate::engine) fn of_known(&self, source: &Source) -> Arc<SourceCounters> {
        if let Some(known) = self.known(&source.name) {
            return known;
        }
        let can_be_lost = |id| source.terms.is_subscribed(id) && !matches!(source.contract.kind(id).due, Due::Never);
        let kinds = source.contract.kinds().filter(|(id, _)| can_be_lost(*id));
        let lost = kinds.map(|(_, name)| (name.to_owned(), LostStats::default())).collect();
        let new = Arc::new(SourceCounters { lost: Mutex::new(lost), ..SourceCounters::default() });
        // What is put there is whole.
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sources.entry(source.name.clone()).or_insert(new))
    }

    fn known(&self, source: &str) -> Option<Arc<SourceCounters>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    /// Those of a consumer that is handed over to.
    pub(in crate::engine) fn handover(&self, consumer: &str) -> Arc<HandoverCounters> {
        let mut handovers = self.handovers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(handovers.entry(consumer.to_owned()).or_default())
    }

    /// A delivery was taken out of the queue after so long.
    pub(in crate::engine) fn waited(&self, span: Duration) {
        self.queue_micros.observe_duration(span);
    }

    /// So many sessions are in memory.
    pub(in crate::engine) fn holds(&self, sessions: usize) {
        self.sessions.store(sessions, Ordering::Relaxed);
    }

    pub(in crate::engine) fn stats(&self, queue_depth: usize, queue_max: usize) -> Stats {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let sources: BTreeMap<String, SourceStats> =
            sources.iter().map(|(name, counters)| (name.clone(), counters.read())).collect();
        let handovers = self.handovers.lock().unwrap_or_else(PoisonError::into_inner);
        let handovers = handovers.iter().map(|(name, counters)| (name.clone(), counters.read())).collect();
        let SourceStats { deliveries: stray, mut notices, mut deadlines, .. } = self.stray.read();
        let mut deliveries = stray;
        for source in sources.values() {
            deliveries.add(&source.deliveries);
            notices.add(&source.notices);
            deadlines += source.deadlines;
        }
        Stats {
            deliveries,
            stray,
            commits: self.commits.get(),
            events: self.events.get(),
            notices,
            deadlines,
            queue_depth,
            queue_max,
            sessions: self.sessions.load(Ordering::Relaxed),
            sources,
            commit_deliveries: self.commit_deliveries.read(),
            commit_micros: self.commit_micros.read(),
            queue_micros: self.queue_micros.read(),
            deadline_lag_micros: self.deadline_lag_micros.read(),
            handovers,
        }
    }
}

impl SourceCounters {
    /// A delivery is kept, or was here before.
    pub(in crate::engine) fn received(&self, receipt: &Receipt) {
        let counter = match receipt {
            Receipt::Stored { .. } => &self.stored,
            Receipt::Duplicate { .. } => &self.duplicate,
            Receipt::Quarantined { .. } => &self.quarantined,
            Receipt::Expired { .. } => &self.expired,
            Receipt::Forgotten { .. } => &self.forgotten,
        };
        counter.add(1);
    }

    /// A delivery was not taken.
    pub(in crate::engine) fn refused(&self, error: &ReceiveError) {
        let counter = match error {
            ReceiveError::UnknownSource { .. } => &self.unknown_source,
            ReceiveError::Denied { .. } => &self.denied,
            ReceiveError::TooLarge { .. } => &self.too_large,
            ReceiveError::Busy => &self.busy,
            ReceiveError::Log(_) | ReceiveError::Stopped { .. } => &self.failed,
        };
        counter.add(1);
    }

    /// A notice was said, and is the first of its kind and revision.
    pub(super) fn said(&self, kind: NoticeKind, revision: u32) {
        let counter = match kind {
            NoticeKind::Complete => &self.complete,
            NoticeKind::Amended => &self.amended,
            NoticeKind::Stalled => &self.stalled,
            NoticeKind::Asset => &self.asset,
            // Nobody says that: it is what becomes of what was said.
            NoticeKind::Forgotten => return,
        };
        counter.add(1);
        if kind == NoticeKind::Stalled && revision == 1 {
            self.first_stalled.add(1);
        }
    }

    /// These events did not come, and those came after all.
    pub(super) fn lost(&self, lost: Names, recovered: Names) {
        let mut by_kind = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |kinds: Vec<String>, count: fn(&mut LostStats) -> &mut u64| {
            for kind in kinds {
                *count(by_kind.entry(kind).or_default()) += 1;
            }
        };
        add(lost.missing, |stats| &mut stats.missing);
        add(lost.inferred, |stats| &mut stats.inferred);
        add(recovered.missing, |stats| &mut stats.missing_recovered);
        add(recovered.inferred, |stats| &mut stats.inferred_recovered);
    }

    fn read(&self) -> SourceStats {
        SourceStats {
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
            notices: NoticeStats {
                complete: self.complete.get(),
                amended: self.amended.get(),
                stalled: self.stalled.get(),
                asset: self.asset.get(),
            },
            deadlines: self.deadlines.get(),
            sessions: SessionStats {
                began: self.began.get(),
                complete: self.complete.get(),
                stalled: self.first_stalled.get(),
                revived: self.revived.get(),
            },
            lost: self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl HandoverCounters {
    /// A notice is handed over that failed so often before.
    pub(in crate::engine) fn tried(&self, failures: u32) {
        self.tries.add(1);
        self.retries.add(u64::from(failures > 0));
    }

    /// A handler failed.
    pub(in crate::engine) fn failed(&self) {
        self.failures.add(1);
    }

    /// A notice was parked because it failed too often.
    pub(in crate::engine) fn parked(&self) {
        self.parked.add(1);
    }

    fn read(&self) -> HandoverStats {
        HandoverStats {
            tries: self.tries.get(),
            retries: self.retries.get(),
            failures: self.failures.get(),
            parked: self.parked.get(),
        }
    }
}

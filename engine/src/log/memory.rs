//! A log in memory: what every other log is held against, and enough for a receiver that may forget.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Appended, Arrivals, Batch, Consumer, EventEntry, Gone, Keep, Log, LogError, LogRead, Mark, Quarantine, Refused,
    RefusedCursor, RefusedId, Retained, SourceSettings, Stored, Why,
};
use crate::digest::Digest;
use crate::live::{Notice, NoticeKind, SessionKey};
use crate::timestamp::Timestamp;

/// Keeps entries until it is dropped.
#[derive(Debug, Default)]
pub struct MemoryLog {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: BTreeMap<SessionKey, Session>,
    due: BTreeSet<(Timestamp, SessionKey)>,
    /// Nothing for one whose session has expired.
    outbox: Vec<Option<Notice>>,
    consumers: BTreeMap<String, Consumer>,
    refused: BTreeMap<RefusedCursor, Refused>,
    /// When each of these came.
    refused_at: BTreeMap<RefusedId, Timestamp>,
    sources: BTreeMap<String, SourceSettings>,
    latest: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Session {
    events: BTreeMap<Digest, EventEntry>,
    repeated: BTreeMap<Digest, Arrivals>,
    deadlines: BTreeSet<Timestamp>,
    crowded: bool,
    /// By kind and revision; `complete` and `amended` count together, and are one kind here.
    notices: BTreeMap<(NoticeKind, u32), Notice>,
    due: Option<Timestamp>,
    gone: Option<Gone>,
}

impl Session {
    /// When it was touched last.
    fn latest(&self) -> Option<Timestamp> {
        self.events.values().filter_map(|event| event.received_at).chain(self.deadlines.last().copied()).max()
    }

    /// The notice of its end, or of a stall.
    fn last_word(&self) -> Option<((NoticeKind, u32), Notice)> {
        let last = |kind| self.notices.iter().rev().find(|((known, _), _)| *known == kind);
        let last = last(NoticeKind::Complete).or_else(|| last(NoticeKind::Stalled));
        last.map(|(place, notice)| (*place, notice.clone()))
    }

    /// Whether deadlines are kept of it.
    fn is_live(&self) -> bool {
        self.gone.is_none() && !(self.events.is_empty() && self.notices.is_empty())
    }
}

impl MemoryLog {
    /// A log with nothing in it.
    #[must_use]
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change is one that leaves the rest as it was.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn reach(&mut self, at: Timestamp) {
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
    }

    fn append(&mut self, batch: Batch) -> Appended {
        let mut appended = Appended::default();
        for event in batch.events {
            event.received_at.into_iter().for_each(|at| self.reach(at));
            let session = self.sessions.entry(event.key.clone()).or_default();
            if session.gone.is_some() {
                appended.new.push(false);
                appended.earlier.push(false);
                continue;
            }
            let known = session.events.get_mut(&event.digest);
            appended.new.push(known.is_none());
            let before = known.as_ref().and_then(|known| known.received_at);
            let at = earliest(before, event.received_at);
            let is_earlier = known.is_some() && at.map(written) != before.map(written);
            appended.earlier.push(is_earlier);
            match known {
                Some(known) => {
                    known.received_at = at;
                    let known = session.repeated.get(&event.digest);
                    let arrivals = event.received_at.and_then(|at| Arrivals::told(known, before, at));
                    session.repeated.extend(arrivals.map(|arrivals| (event.digest, arrivals)));
                }
                None => drop(session.events.insert(event.digest, event)),
            }
        }
        for repeat in batch.repeats {
            let Some(session) = self.sessions.get_mut(&repeat.key) else { continue };
            if let Some(known) = session.events.get(&repeat.digest) {
                let counted = session.repeated.get(&repeat.digest);
                let arrivals = Arrivals::again(counted, known.received_at, repeat.received_at);
                session.repeated.extend(arrivals.map(|arrivals| (repeat.digest, arrivals)));
            }
        }
        for (key, due) in batch.deadlines {
            if let Some(session) = self.sessions.get_mut(&key).filter(|session| session.is_live()) {
                session.deadlines.insert(due);
                self.reach(due);
            }
        }
        for key in batch.crowded {
            if let Some(session) = self.sessions.get_mut(&key).filter(|session| session.is_live()) {
                session.crowded = true;
            }
        }
        for notice in batch.notices {
            let session = self.sessions.entry(notice.key.clone()).or_default();
            let series = if notice.kind == NoticeKind::Amended { NoticeKind::Complete } else { notice.kind };
            let first = session.gone.is_none() && !session.notices.contains_key(&(series, notice.revision));
            appended.first.push(first);
            if first {
                session.notices.insert((series, notice.revision), notice.clone());
                if !batch.quiet {
                    self.outbox.push(Some(notice));
                }
            }
        }
        for (key, due) in batch.due {
            let Some(session) = self.sessions.get_mut(&key).filter(|session| session.is_live()) else { continue };
            if let Some(before) = session.due.take() {
                self.due.remove(&(before, key.clone()));
            }
            session.due = due;
            self.due.extend(due.map(|due| (due, key)));
        }
        for id in batch.released {
            if let Some(received_at) = self.refused_at.remove(&id) {
                self.refused.remove(&RefusedCursor { received_at, id });
            }
        }
        for refused in batch.refused {
            self.reach(refused.received_at);
            let cursor = refused.cursor();
            if let Entry::Vacant(free) = self.refused_at.entry(cursor.id) {
                free.insert(cursor.received_at);
                self.refused.insert(cursor, refused);
            }
        }
        self.sources.extend(batch.sources.into_iter().map(|source| (source.name.clone(), source)));
        appended
    }
}

impl Kept {
    /// Its notices after a place in the outbox stay there, without content.
    fn let_go(&mut self, key: &SessionKey, gone: Gone, told: u64) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        // What was forgotten is not merely expired after that.
        if session.gone.is_some_and(|before| before.why >= gone.why) {
            return;
        }
        if let Some(due) = session.due {
            self.due.remove(&(due, key.clone()));
        }
        *session = Session { gone: Some(gone), ..Session::default() };
        self.reach(gone.at);
        let is_of = |said: &Option<Notice>| said.as_ref().is_some_and(|notice| notice.key == *key);
        for (seq, said) in (1..).zip(&mut self.outbox).filter(|(_, said)| is_of(said)) {
            *said = said.take().map(Notice::forgotten).filter(|_| seq > told);
        }
    }

    fn retain(&mut self, keep: &Keep, now: Timestamp) -> Retained {
        let mut retained = Retained::default();
        let is_before = |at: Timestamp, bound: Option<Timestamp>| bound.is_some_and(|bound| at < bound);
        let untold = self.outbox.iter().skip(usize::try_from(keep.told).unwrap_or(usize::MAX)).flatten();
        let untold: BTreeSet<SessionKey> = untold.map(|notice| notice.key.clone()).collect();
        let mut over = Vec::new();
        for (key, session) in self.sessions.iter().filter(|(_, session)| session.gone.is_none()) {
            let Some(latest) = session.latest().filter(|_| session.due.is_none()) else { continue };
            let is_told = !untold.contains(key);
            if is_before(latest, keep.sessions) && (is_told || is_before(latest, keep.untold)) {
                retained.untold += u64::from(!is_told);
                over.push((key.clone(), session.last_word().filter(|_| keep.last_word)));
            }
        }
        for (key, last_word) in over {
            retained.expired += 1;
            self.let_go(&key, Gone { why: Why::Expired, at: now }, keep.told);
            if let Some(session) = self.sessions.get_mut(&key) {
                session.notices.extend(last_word);
            }
        }
        let is_known = |gone: Gone| gone.why == Why::Forgotten || !is_before(gone.at, keep.gone);
        self.sessions.retain(|_, session| session.gone.is_none_or(is_known));
        let before = self.refused.len();
        self.refused.retain(|cursor, _| !is_before(cursor.received_at, keep.refused));
        self.refused_at.retain(|_, received_at| !is_before(*received_at, keep.refused));
        retained.refused = (before - self.refused.len()) as u64;
        retained
    }
}

/// The earlier of two arrivals, of which there may be none.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.earliest(other)),
        (one, other) => one.or(other),
    }
}

/// An instant, and the digits that it was written with.
fn written(at: Timestamp) -> ((i64, u32), usize) {
    (at.unix(), at.digits())
}

#[async_trait]
impl LogRead for MemoryLog {
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError> {
        let kept = self.lock();
        let stored = |key| {
            kept.sessions.get(key).map_or_else(Stored::default, |session: &Session| Stored {
                events: session.events.values().cloned().collect(),
                repeated: session.repeated.iter().map(|(digest, arrivals)| (*digest, arrivals.clone())).collect(),
                deadlines: session.deadlines.iter().copied().collect(),
                crowded: session.crowded,
                notices: session.notices.values().cloned().collect(),
                gone: session.gone,
                damaged: Vec::new(),
            })
        };
        Ok(keys.iter().map(stored).collect())
    }

    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        let kept = self.lock();
        let due = kept.due.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        Ok(due.take_while(|(at, _)| *at <= until).take(limit).cloned().collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.lock().due.first().map(|(at, _)| *at))
    }

    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        Ok(Some(self.lock().due.len() as u64))
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let kept = self.lock();
        // As many as fit in memory fit in a usize.
        let outbox = (1..).zip(&kept.outbox).skip(usize::try_from(after).unwrap_or(usize::MAX));
        let outbox = outbox.filter_map(|(seq, notice)| Some((seq, notice.clone()?)));
        Ok(outbox.take(limit).collect())
    }

    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let kept = self.lock();
        let sessions = kept.sessions.iter().filter(|(key, _)| after.is_none_or(|after| *key > after));
        // Nobody knows any more what those are called that were let go.
        let sessions = sessions.filter(|(_, session)| session.gone.is_none()).map(|(key, _)| key.clone());
        Ok(sessions.take(limit).collect())
    }

    async fn last_seq(&self) -> Result<u64, LogError> {
        Ok(self.lock().outbox.len() as u64)
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        Ok(self.lock().consumers.values().cloned().collect())
    }

    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        let kept = self.lock();
        let behind = kept.refused.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let deliveries: Vec<Refused> = behind.take(limit).map(|(_, refused)| refused.clone()).collect();
        let next = deliveries.last().filter(|_| deliveries.len() == limit).map(Refused::cursor);
        Ok(Quarantine { deliveries, damaged: Vec::new(), next })
    }

    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        Ok(self.lock().sources.values().cloned().collect())
    }

    async fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.lock().latest)
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, batch: Batch) -> Result<Appended, LogError> {
        Ok(self.lock().append(batch))
    }

    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError> {
        let mut kept = self.lock();
        for mark in marks {
            match (kept.consumers.get_mut(consumer), mark) {
                (Some(known), mark) => drop(known.take(mark)),
                (None, Mark::Begin(seq)) => {
                    kept.consumers.insert(consumer.to_owned(), Consumer::new(consumer, *seq));
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        self.lock().consumers.remove(consumer);
        Ok(())
    }

    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError> {
        let mut kept = self.lock();
        for key in keys {
            kept.let_go(key, gone, if gone.why == Why::Forgotten { 0 } else { u64::MAX });
        }
        Ok(())
    }

    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError> {
        Ok(self.lock().retain(keep, now))
    }
}

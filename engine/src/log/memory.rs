//! A log in memory: what every other log is held against, and enough for a receiver that may forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Appended, Batch, Consumer, EventEntry, Log, LogError, LogRead, Refused, SourceSettings, Stored};
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
    outbox: Vec<Notice>,
    consumers: BTreeMap<String, u64>,
    refused: Vec<Refused>,
    sources: BTreeMap<String, SourceSettings>,
    latest: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Session {
    events: BTreeMap<Digest, EventEntry>,
    deadlines: BTreeSet<Timestamp>,
    /// By kind and revision; `complete` and `amended` count together, and are one kind here.
    notices: BTreeMap<(NoticeKind, u32), Notice>,
    due: Option<Timestamp>,
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
            let known = session.events.get_mut(&event.digest);
            appended.new.push(known.is_none());
            let before = known.as_ref().and_then(|known| known.received_at);
            let at = earliest(before, event.received_at);
            let is_earlier = known.is_some() && at.map(written) != before.map(written);
            appended.earlier.push(is_earlier);
            match known {
                Some(known) => known.received_at = at,
                None => drop(session.events.insert(event.digest, event)),
            }
        }
        for (key, due) in batch.deadlines {
            self.reach(due);
            self.sessions.entry(key).or_default().deadlines.insert(due);
        }
        for notice in batch.notices {
            let session = self.sessions.entry(notice.key.clone()).or_default();
            let series = if notice.kind == NoticeKind::Amended { NoticeKind::Complete } else { notice.kind };
            let first = !session.notices.contains_key(&(series, notice.revision));
            appended.first.push(first);
            if first {
                session.notices.insert((series, notice.revision), notice.clone());
                if !batch.quiet {
                    self.outbox.push(notice);
                }
            }
        }
        for (key, due) in batch.due {
            let session = self.sessions.entry(key.clone()).or_default();
            if let Some(before) = session.due.take() {
                self.due.remove(&(before, key.clone()));
            }
            session.due = due;
            self.due.extend(due.map(|due| (due, key)));
        }
        self.refused.retain(|known| !batch.released.contains(&known.id()));
        for refused in batch.refused {
            self.reach(refused.received_at);
            let is_same = |known: &Refused| known.source == refused.source && known.delivery == refused.delivery;
            if !self.refused.iter().any(is_same) {
                self.refused.push(refused);
            }
        }
        self.sources.extend(batch.sources.into_iter().map(|source| (source.name.clone(), source)));
        appended
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
                deadlines: session.deadlines.iter().copied().collect(),
                notices: session.notices.values().cloned().collect(),
            })
        };
        Ok(keys.iter().map(stored).collect())
    }

    async fn due(&self, limit: usize) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        Ok(self.lock().due.iter().take(limit).cloned().collect())
    }

    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let kept = self.lock();
        // As many as fit in memory fit in a usize.
        let outbox = (1..).zip(&kept.outbox).skip(usize::try_from(after).unwrap_or(usize::MAX));
        Ok(outbox.take(limit).map(|(seq, notice)| (seq, notice.clone())).collect())
    }

    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let kept = self.lock();
        let sessions = kept.sessions.keys().filter(|key| after.is_none_or(|after| *key > after));
        Ok(sessions.take(limit).cloned().collect())
    }

    async fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        let kept = self.lock();
        let consumers = kept.consumers.iter();
        Ok(consumers.map(|(name, acknowledged)| Consumer { name: name.clone(), acknowledged: *acknowledged }).collect())
    }

    async fn refused(&self, limit: usize) -> Result<Vec<Refused>, LogError> {
        Ok(self.lock().refused.iter().take(limit).cloned().collect())
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

    async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<(), LogError> {
        let mut kept = self.lock();
        let acknowledged = kept.consumers.entry(consumer.to_owned()).or_default();
        *acknowledged = seq.max(*acknowledged);
        Ok(())
    }

    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError> {
        self.lock().consumers.remove(consumer);
        Ok(())
    }
}

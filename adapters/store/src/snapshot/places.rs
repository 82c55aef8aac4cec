//! Where records are in the journal, in memory: what the index has, for as long as somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use finis_engine::log::{Arrivals, Consumer, Mark, RefusedCursor, RefusedId, SourceSettings};
use finis_engine::{Digest, Timestamp};

use crate::entries::Places;
use crate::head::{Head, HeadError};
use crate::index::{IndexError, Meta, OUTBOX_PAGE, Session};
use crate::journal::{Entry, Place};
use crate::tag::Tag;

/// Everything that can be found. It takes records as the index does: twice changes nothing.
#[derive(Debug)]
pub(crate) struct Found {
    sessions: BTreeMap<Tag, Session>,
    /// Notices by their place in the outbox.
    outbox: BTreeMap<u64, Place>,
    consumers: BTreeMap<String, Consumer>,
    refused: BTreeMap<RefusedCursor, Place>,
    /// When each of these came.
    refused_at: BTreeMap<RefusedId, Timestamp>,
    sources: BTreeMap<String, SourceSettings>,
    meta: Meta,
}

impl Found {
    pub(crate) fn new(salt: u64) -> Found {
        Found {
            sessions: BTreeMap::new(),
            outbox: BTreeMap::new(),
            consumers: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_at: BTreeMap::new(),
            sources: BTreeMap::new(),
            meta: Meta::new(salt),
        }
    }

    /// Takes the next record of the journal.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), HeadError> {
        let (head, place) = (Head::decode(&entry.head)?, entry.place);
        if let Some(tag) = head.tag() {
            let session = self.sessions.entry(tag).or_default();
            let is_last = matches!(head, Head::Gone { .. } | Head::LastWord { .. });
            if let Head::Gone { told, .. } = &head {
                for seq in session.seqs().filter(|seq| seq <= told) {
                    self.outbox.remove(&seq);
                }
            }
            if session.gone.is_none() || is_last {
                session.take(&head, place);
            }
        }
        match head {
            Head::Event { received_at, .. } => received_at.into_iter().for_each(|at| self.meta.reach(at)),
            Head::Arrival { received_at, .. } => self.meta.reach(received_at),
            Head::Passed { at, .. } | Head::Gone { at, .. } | Head::Clock { at } => self.meta.reach(at),
            Head::Notice { seq, .. } if seq > 0 => {
                self.outbox.insert(seq, place);
                self.meta.seq = self.meta.seq.max(seq);
            }
            Head::Notice { .. }
            | Head::Due { .. }
            | Head::Crowded { .. }
            | Head::LastWord { .. }
            | Head::Repeated { .. } => {}
            Head::Refused { identity, received_at } => {
                let id = RefusedId::from_bytes(identity);
                self.drop_refused(id);
                self.refused.insert(RefusedCursor { received_at, id }, place);
                self.refused_at.insert(id, received_at);
                self.meta.reach(received_at);
            }
            Head::Answered { identity } => self.drop_refused(RefusedId::from_bytes(identity)),
            Head::Source(settings) => drop(self.sources.insert(settings.name.clone(), settings)),
            Head::Outbox { last, first } => {
                self.meta.seq = self.meta.seq.max(last);
                self.meta.first = self.meta.first.max(first);
            }
            Head::Acknowledged { consumer, seq } => {
                let new = || Consumer::new(&*consumer, seq);
                self.consumers.entry(consumer.clone()).or_insert_with(new).take(&Mark::UpTo(seq));
            }
            Head::Done { consumer, seq } => self.mark(&consumer, &Mark::Done(seq)),
            Head::Parked { consumer, seq, cause } => self.mark(&consumer, &Mark::Park(seq, cause)),
            Head::Released { consumer, seq } => self.mark(&consumer, &Mark::Release(seq)),
            Head::Reset { consumer, seq } => self.mark(&consumer, &Mark::Reset(seq)),
            Head::Consumer { consumer, seq, is_first, standing } => {
                if is_first {
                    self.consumers.remove(&consumer);
                }
                let known = self.consumers.entry(consumer.clone()).or_insert_with(|| Consumer::new(consumer, 0));
                known.acknowledged = seq;
                known.standing.extend(standing);
            }
            Head::Removed { consumer } => drop(self.consumers.remove(&consumer)),
        }
        Ok(())
    }

    fn drop_refused(&mut self, id: RefusedId) {
        if let Some(received_at) = self.refused_at.remove(&id) {
            self.refused.remove(&RefusedCursor { received_at, id });
        }
    }

    fn mark(&mut self, consumer: &str, mark: &Mark) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.take(mark);
        }
    }

    pub(crate) fn consumers(&self) -> Vec<Consumer> {
        self.consumers.values().cloned().collect()
    }

    pub(crate) fn sources(&self) -> Vec<SourceSettings> {
        self.sources.values().cloned().collect()
    }

    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// Sessions that were not let go.
    pub(crate) fn live_count(&self) -> u64 {
        self.sessions.values().filter(|session| session.is_known() && session.gone.is_none()).count() as u64
    }

    /// Notices that have a place in the outbox.
    pub(crate) fn notice_count(&self) -> u64 {
        self.outbox.len() as u64
    }

    fn all_due(&self) -> BTreeSet<(Timestamp, Tag)> {
        self.sessions.iter().filter_map(|(tag, session)| Some((session.due?, *tag))).collect()
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.all_due().first().map(|(at, _)| *at)
    }
}

impl Places for Found {
    fn session(&self, tag: Tag) -> Result<Option<Session>, IndexError> {
        Ok(self.sessions.get(&tag).filter(|session| session.is_known()).cloned())
    }

    /// What stands in no record, only the one who writes knows.
    fn repeated(&self, _: Tag) -> Vec<(Digest, Arrivals)> {
        Vec::new()
    }

    fn sessions(&self, after: Option<Tag>, limit: usize) -> Result<Vec<Tag>, IndexError> {
        let sessions = self.sessions.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(sessions.take(limit).map(|(tag, _)| *tag).collect())
    }

    fn outbox(&self, page: u64) -> Result<Vec<Option<Place>>, IndexError> {
        let seqs = page * OUTBOX_PAGE..(page + 1) * OUTBOX_PAGE;
        Ok(seqs.map(|seq| self.outbox.get(&seq).copied()).collect())
    }

    fn due(
        &self,
        after: Option<(Timestamp, Tag)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Tag)>, IndexError> {
        let due = self.all_due().into_iter().skip_while(|due| after.is_some_and(|after| *due <= after));
        Ok(due.take_while(|(at, _)| *at <= until).take(limit).collect())
    }

    fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Vec<(RefusedCursor, Place)>, IndexError> {
        let refused = self.refused.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(refused.take(limit).map(|(cursor, place)| (*cursor, *place)).collect())
    }

    fn refused_at(&self, cursor: RefusedCursor) -> Result<Option<Place>, IndexError> {
        Ok(self.refused.get(&cursor).copied())
    }

    fn meta(&self) -> Meta {
        self.meta
    }
}

//! Partials by session: a table that threads fill apart and merge together.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::SHARDS;
use super::sources::SourceId;
use crate::engine::{Contract, Event, Partial, SubjectId, Timestamp};

/// Sessions, spread over shards by hash. Their order of first arrival is kept within a shard, and
/// shows nowhere: what is printed is sorted.
#[derive(Debug)]
pub(crate) struct Sessions {
    shards: Vec<Shard>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Default)]
pub(crate) struct Shard {
    places: HashTable<u32>,
    pub(crate) sessions: Vec<Session>,
}

#[derive(Debug)]
pub(crate) struct Session {
    hash: u64,
    pub(crate) source: SourceId,
    pub(crate) subject: SubjectId,
    pub(crate) id: Box<str>,
    pub(crate) partial: Partial,
}

impl Sessions {
    /// No sessions yet. Tables that are to be merged share one hasher.
    pub(crate) fn new(hasher: DefaultHashBuilder) -> Sessions {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Sessions { shards, hasher }
    }

    /// Puts an event in its session. `false` if it was there already.
    pub(crate) fn add(
        &mut self,
        source: SourceId,
        contract: &Contract,
        event: &Event<'_>,
        received_at: Option<Timestamp>,
    ) -> bool {
        let hash = self.hasher.hash_one((source, event.subject.index(), event.id));
        let shard = &mut self.shards[shard_of(hash)];
        let same = |session: &Session| {
            session.source == source && session.subject == event.subject && *session.id == *event.id
        };
        let session = shard.session(hash, same, || Session {
            hash,
            source,
            subject: event.subject,
            id: event.id.into(),
            partial: Partial::default(),
        });
        session.partial.add(contract, event, received_at)
    }

    pub(crate) fn into_shards(self) -> Vec<Shard> {
        self.shards
    }
}

impl Shard {
    /// Takes over what another thread knows of the same shard.
    pub(crate) fn merge(&mut self, other: Shard) {
        for theirs in other.sessions {
            let same = |session: &Session| {
                session.source == theirs.source && session.subject == theirs.subject && session.id == theirs.id
            };
            match self.places.find(theirs.hash, |place| same(&self.sessions[*place as usize])) {
                Some(place) => self.sessions[*place as usize].partial.merge(&theirs.partial),
                None => {
                    self.push(theirs);
                }
            }
        }
    }

    fn session(&mut self, hash: u64, same: impl Fn(&Session) -> bool, new: impl FnOnce() -> Session) -> &mut Session {
        let known = self.places.find(hash, |place| same(&self.sessions[*place as usize])).copied();
        let place = known.unwrap_or_else(|| self.push(new()));
        &mut self.sessions[place as usize]
    }

    fn push(&mut self, session: Session) -> u32 {
        // Four thousand million sessions do not fit in memory.
        let place = self.sessions.len() as u32;
        let sessions = &self.sessions;
        self.places.insert_unique(session.hash, place, |place| sessions[*place as usize].hash);
        self.sessions.push(session);
        place
    }
}

/// The shard by the middle bits: the table goes by the ends.
fn shard_of(hash: u64) -> usize {
    (hash >> 24) as usize % SHARDS
}

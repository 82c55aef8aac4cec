//! fjall on the obvious layout: three keyspaces, one batch a commit, `PersistMode::SyncData`.
//!
//! An LSM tree behind a journal, LZ4 in its tables: of the general stores the one that suits this work
//! best, so ratios are given to it.

use std::collections::HashSet;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Failure;
use crate::contestant::{CACHE_BYTES, Contestant};
use crate::work::Event;

pub(crate) struct Fjall {
    database: Database,
    events: Keyspace,
    states: Keyspace,
    outbox: Keyspace,
    /// Where the next row of the outbox goes.
    outbox_next: u64,
}

impl Fjall {
    pub(crate) fn open(folder: &Path) -> Result<Fjall, Failure> {
        let database = Database::builder(folder).cache_size(CACHE_BYTES as u64).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (events, states, outbox) = (keyspace("events")?, keyspace("states")?, keyspace("outbox")?);
        let outbox_next = next(&outbox)?;
        Ok(Fjall { database, events, states, outbox, outbox_next })
    }
}

impl Contestant for Fjall {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        // What is in the batch is not in the keyspace yet.
        let mut here = HashSet::with_capacity(events.len());
        let mut new = 0;
        for event in events {
            let key = event.key();
            if !here.insert(key) || self.events.contains_key(key)? {
                continue;
            }
            new += 1;
            batch.insert(&self.events, key, &event.body[..]);
            batch.insert(&self.states, event.session, event.state.as_bytes());
            if let Some(record) = &event.record {
                batch.insert(&self.outbox, self.outbox_next.to_be_bytes(), record.as_bytes());
                self.outbox_next += 1;
            }
        }
        batch.commit()?;
        Ok(new)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let body = self.events.get(event.key())?;
        Ok(body.is_some_and(|body| body[..] == event.body[..]))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        Ok(self.events.len()? as u64)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}

/// The number after the last in a keyspace of rising numbers.
pub(super) fn next(keyspace: &Keyspace) -> Result<u64, Failure> {
    let Some(last) = keyspace.last_key_value() else { return Ok(0) };
    Ok(u64::from_be_bytes(last.key()?[..].try_into()?) + 1)
}

//! fjall with as few rows as can be: what somebody writes who knows what rows cost.
//!
//! An event goes under a rising number, where nothing has to be sorted; state and outbox are written at
//! the end of a session only. Digests of open sessions are in memory, those of a closed one in the row
//! of its state, so a duplicate costs a read only when its session is not open. With each commit goes
//! the number from which on events of open sessions are found: opening reads from there.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::fjall::next;
use crate::Failure;
use crate::contestant::{CACHE_BYTES, Contestant};
use crate::work::{EVENTS_OF_A_SESSION, Event, Id};

pub(crate) struct FjallLean {
    database: Database,
    events: Keyspace,
    states: Keyspace,
    outbox: Keyspace,
    meta: Keyspace,
    event_next: u64,
    outbox_next: u64,
    open: HashMap<Id, Open>,
    /// The first event of each open session.
    firsts: BTreeSet<u64>,
}

/// A session that is open.
struct Open {
    first: u64,
    digests: Vec<Id>,
}

impl FjallLean {
    pub(crate) fn open(folder: &Path) -> Result<FjallLean, Failure> {
        let database = Database::builder(folder).cache_size(CACHE_BYTES as u64).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (events, states, outbox) = (keyspace("events")?, keyspace("states")?, keyspace("outbox")?);
        let meta = keyspace("meta")?;
        let (event_next, outbox_next) = (next(&events)?, next(&outbox)?);
        let (open, firsts) = (HashMap::new(), BTreeSet::new());
        let mut lean = FjallLean { database, events, states, outbox, meta, event_next, outbox_next, open, firsts };
        lean.find_open()?;
        Ok(lean)
    }

    /// Reads what may be of sessions that are open.
    fn find_open(&mut self) -> Result<(), Failure> {
        let Some(from) = self.meta.get("open_from")? else { return Ok(()) };
        for row in self.events.range(&from[..]..) {
            let (key, value) = row.into_inner()?;
            let (session, digest) = (value[..16].try_into()?, value[16..32].try_into()?);
            if !self.states.contains_key(session)? {
                self.add(session, digest, u64::from_be_bytes(key[..].try_into()?));
            }
        }
        Ok(())
    }

    /// Adds an event to a session that is open, or opens it.
    fn add(&mut self, session: Id, digest: Id, number: u64) {
        let open = self.open.entry(session).or_insert_with(|| {
            self.firsts.insert(number);
            Open { first: number, digests: Vec::with_capacity(EVENTS_OF_A_SESSION as usize) }
        });
        open.digests.push(digest);
    }

    fn is_known(&self, event: &Event, closed: &HashMap<Id, Vec<u8>>) -> Result<bool, Failure> {
        if let Some(open) = self.open.get(&event.session) {
            return Ok(open.digests.contains(&event.digest));
        }
        // Digests first, then the state itself.
        let has = |state: &[u8]| {
            let mut digests = state.chunks_exact(16).take(EVENTS_OF_A_SESSION as usize);
            digests.any(|digest| digest == event.digest)
        };
        match closed.get(&event.session) {
            Some(state) => Ok(has(state)),
            None => Ok(self.states.get(event.session)?.is_some_and(|state| has(&state))),
        }
    }
}

impl Contestant for FjallLean {
    fn commit(&mut self, events: &[Event]) -> Result<u64, Failure> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        // Sessions that end in the batch, which are not in the keyspace yet.
        let mut closed = HashMap::new();
        let mut new = 0;
        for event in events {
            if self.is_known(event, &closed)? {
                continue;
            }
            new += 1;
            let mut row = Vec::with_capacity(32 + event.body.len());
            row.extend_from_slice(&event.key());
            row.extend_from_slice(&event.body);
            batch.insert(&self.events, self.event_next.to_be_bytes(), row);
            self.add(event.session, event.digest, self.event_next);
            self.event_next += 1;
            let Some(record) = &event.record else { continue };
            if let Some(open) = self.open.remove(&event.session) {
                self.firsts.remove(&open.first);
                let state = [open.digests.concat().as_slice(), event.state.as_bytes()].concat();
                batch.insert(&self.states, event.session, state.as_slice());
                closed.insert(event.session, state);
            }
            batch.insert(&self.outbox, self.outbox_next.to_be_bytes(), record.as_bytes());
            self.outbox_next += 1;
        }
        let open_from = self.firsts.first().copied().unwrap_or(self.event_next);
        batch.insert(&self.meta, "open_from", open_from.to_be_bytes());
        batch.commit()?;
        Ok(new)
    }

    fn read(&mut self, event: &Event) -> Result<bool, Failure> {
        let row = self.events.get(0_u64.to_be_bytes())?;
        Ok(row.is_some_and(|row| row[..32] == event.key() && row[32..] == event.body[..]))
    }

    fn count(&mut self) -> Result<u64, Failure> {
        Ok(self.events.len()? as u64)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.database.persist(PersistMode::SyncAll)?;
        Ok(())
    }
}

//! Where entries are in the journal: the only place of a snapshot that knows what records say.
//!
//! It takes records as the index does, each as often as it likes: twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use finis_engine::live::SessionKey;
use finis_engine::log::{RefusedId, SourceSettings};
use finis_engine::{Digest, Timestamp};

use crate::head::{Head, HeadError, series};
use crate::journal::{Entry, Place};

/// Everything that can be found.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) sessions: BTreeMap<SessionKey, Session>,
    /// Notices by their place in the outbox.
    pub(super) outbox: BTreeMap<u64, Place>,
    pub(super) consumers: BTreeMap<String, u64>,
    pub(super) refused: BTreeMap<RefusedId, Place>,
    pub(super) sources: BTreeMap<String, SourceSettings>,
    /// The latest receiver's time.
    pub(super) latest: Option<Timestamp>,
}

/// What can be found of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Events with their earliest arrival.
    pub(super) events: BTreeMap<Digest, (Option<Timestamp>, Place)>,
    pub(super) deadlines: BTreeSet<Timestamp>,
    /// Notices by series and revision.
    pub(super) notices: BTreeMap<(u8, u32), Place>,
    /// When it has to be judged again.
    pub(super) due: Option<Timestamp>,
}

impl Places {
    /// Takes the next record of the journal.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), HeadError> {
        let place = entry.place;
        match Head::decode(&entry.head)? {
            Head::Event { key, digest, received_at, .. } => {
                let (known, _) = self.session(key).events.entry(digest).or_insert((received_at, place));
                *known = earliest(*known, received_at);
                self.reach(received_at);
            }
            Head::Arrival { key, digest, received_at } => {
                if let Some((known, _)) = self.session(key).events.get_mut(&digest) {
                    *known = earliest(*known, Some(received_at));
                }
                self.reach(Some(received_at));
            }
            Head::Passed { key, due } => {
                self.session(key).deadlines.insert(due);
                self.reach(Some(due));
            }
            Head::Notice { seq, key, kind, revision, .. } => {
                let said = &mut self.session(key).notices;
                if let std::collections::btree_map::Entry::Vacant(first) = said.entry((series(kind), revision)) {
                    first.insert(place);
                    // Without a place in the outbox nobody is told.
                    if seq > 0 {
                        self.outbox.insert(seq, place);
                    }
                }
            }
            Head::Due { key, due } => self.session(key).due = due,
            Head::Refused { identity, received_at, .. } => {
                self.refused.entry(identity).or_insert(place);
                self.reach(Some(received_at));
            }
            Head::Acknowledged { consumer, seq } => {
                let acknowledged = self.consumers.entry(consumer).or_default();
                *acknowledged = seq.max(*acknowledged);
            }
            Head::Removed { consumer } => drop(self.consumers.remove(&consumer)),
            Head::Clock { at } => self.reach(Some(at)),
            Head::Released { identity } => drop(self.refused.remove(&identity)),
            Head::Source(settings) => drop(self.sources.insert(settings.name.clone(), settings)),
        }
        Ok(())
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        self.sessions.entry(key).or_default()
    }

    fn reach(&mut self, at: Option<Timestamp>) {
        self.latest = self.latest.max(at);
    }
}

/// The earlier of two arrivals, of which there may be none.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.earliest(other)),
        (one, other) => one.or(other),
    }
}

//! The changes of a commit: tried first, kept when the journal has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use finis_engine::log::RefusedId;

use super::filter::Filter;
use super::sessions::{Item, PENDING, Session};
use super::view::{Puts, View};
use super::{IndexError, Meta, keys};
use crate::bytes::Bytes;
use crate::head::{Head, series};
use crate::journal::{Place, Position};

/// Items of sessions that are kept in memory, twice: the recent ones, and those before.
const CACHED_ITEMS: usize = 100_000;

/// The index as its one writer has it.
pub(crate) struct Index {
    view: Arc<View>,
    meta: Meta,
    /// Nothing when the index was not read when it was opened.
    filter: Option<Filter>,
    recent: BTreeMap<SessionKey, Session>,
    before: BTreeMap<SessionKey, Session>,
    items: usize,
}

/// Changes on top of an index. Dropped, they never were.
pub(crate) struct Draft<'i> {
    index: &'i mut Index,
    meta: Meta,
    sessions: BTreeMap<SessionKey, Touched>,
    puts: Puts,
    outbox: BTreeMap<u64, Place>,
    refused: BTreeMap<RefusedId, Place>,
    /// Settings of sources: where they are, and their hash.
    sources: BTreeMap<String, (Place, [u8; 16])>,
}

/// A session of a draft.
struct Touched {
    session: Session,
    /// The index knew it before, or it has been written to.
    is_known: bool,
    is_changed: bool,
}

impl Index {
    pub(super) fn new(view: Arc<View>, meta: Meta, filter: Option<Filter>) -> Index {
        Index { view, meta, filter, recent: BTreeMap::new(), before: BTreeMap::new(), items: 0 }
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(crate) fn draft(&mut self) -> Draft<'_> {
        Draft {
            meta: self.meta,
            index: self,
            sessions: BTreeMap::new(),
            puts: Puts::new(),
            outbox: BTreeMap::new(),
            refused: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    /// The session, out of the memory that it is in; it comes back with [`Index::put_back`].
    fn take(&mut self, key: &SessionKey) -> Result<Touched, IndexError> {
        let cached = self.recent.remove(key).or_else(|| self.before.remove(key));
        let stored = match cached {
            None if !self.may_know(key) => None,
            None => self.view.session(key)?,
            cached => cached,
        };
        let is_known = stored.is_some();
        Ok(Touched { session: stored.unwrap_or_default(), is_known, is_changed: false })
    }

    fn may_know(&self, key: &SessionKey) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_have(&keys::session(key)))
    }

    fn put_back(&mut self, key: SessionKey, session: Session) {
        self.items += session.len() + 1;
        self.recent.insert(key, session);
        if self.items > CACHED_ITEMS {
            self.before = std::mem::take(&mut self.recent);
            self.items = 0;
        }
    }
}

impl Draft<'_> {
    /// The state with all changes so far.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// A session with all changes so far.
    pub(crate) fn session(&mut self, key: &SessionKey) -> Result<&Session, IndexError> {
        Ok(&self.touch(key)?.session)
    }

    /// Whether anything was ever appended of a session.
    pub(crate) fn knows(&mut self, key: &SessionKey) -> Result<bool, IndexError> {
        Ok(self.touch(key)?.is_known)
    }

    /// What a consumer has acknowledged.
    pub(crate) fn consumer(&self, name: &str) -> Result<Option<u64>, IndexError> {
        let value = self.value(&keys::consumer(name))?;
        value.map(|value| read_seq(&value)).transpose()
    }

    /// Whether a refused delivery is there.
    pub(crate) fn has_refused(&self, identity: RefusedId) -> Result<bool, IndexError> {
        if self.refused.contains_key(&identity) {
            return Ok(true);
        }
        Ok(self.value(&keys::identity(identity))?.is_some())
    }

    /// Whether the settings of a source are what was last said of it.
    pub(crate) fn has_source(&self, head: &Head) -> Result<bool, IndexError> {
        let Head::Source(settings) = head else { return Ok(false) };
        let hash = hash(head);
        if let Some((_, known)) = self.sources.get(&settings.name) {
            return Ok(*known == hash);
        }
        let known = self.index.view.get(&keys::source(&settings.name))?;
        Ok(known.is_some_and(|known| known.ends_with(&hash)))
    }

    /// What stands under a key, with the changes so far that are not pending.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.puts.get(key).cloned().map_or_else(|| self.index.view.get(key), Ok)
    }

    /// Takes an entry of the log that is at `place` in the journal, or will be, when its frame is
    /// [`PENDING`]. Taking an entry twice changes nothing.
    pub(crate) fn take(&mut self, head: &Head, place: Place) -> Result<(), IndexError> {
        match head {
            Head::Event { key, digest, received_at, .. } => {
                match self.touch(key)?.session.event(*digest) {
                    None => {
                        let item = Item::Event { digest: *digest, received_at: *received_at, place };
                        self.change(key)?.add(item);
                    }
                    Some(_) => {
                        if let Some(at) = received_at {
                            self.change(key)?.arrive(*digest, *at);
                        }
                    }
                }
                if let Some(at) = received_at {
                    self.meta.reach(*at);
                }
            }
            Head::Arrival { key, digest, received_at } => {
                self.change(key)?.arrive(*digest, *received_at);
                self.meta.reach(*received_at);
            }
            Head::Passed { key, due } => {
                if !self.touch(key)?.session.has_passed(*due) {
                    self.change(key)?.add(Item::Passed { due: *due });
                }
                self.meta.reach(*due);
            }
            Head::Notice { seq, key, kind, revision, .. } => {
                let series = series(*kind);
                if !self.touch(key)?.session.has_said(series, *revision) {
                    self.change(key)?.add(Item::Notice { series, revision: *revision, seq: *seq, place });
                    if *seq > 0 {
                        self.outbox.insert(*seq, place);
                    }
                }
                self.meta.seq = self.meta.seq.max(*seq);
            }
            Head::Due { key, due } => {
                let session = self.change(key)?;
                let before = std::mem::replace(&mut session.due, *due);
                if let Some(before) = before {
                    self.puts.insert(keys::due(before, key), None);
                }
                if let Some(due) = due {
                    self.puts.insert(keys::due(*due, key), Some(write_time(*due)));
                }
            }
            Head::Refused { identity, received_at, .. } => {
                if !self.has_refused(*identity)? {
                    self.refused.insert(*identity, place);
                }
                self.meta.reach(*received_at);
            }
            Head::Acknowledged { consumer, seq } => {
                let seq = self.consumer(consumer)?.unwrap_or(0).max(*seq);
                self.puts.insert(keys::consumer(consumer), Some(seq.to_be_bytes().to_vec()));
            }
            Head::Removed { consumer } => drop(self.puts.insert(keys::consumer(consumer), None)),
            Head::Clock { at } => self.meta.reach(*at),
            Head::Released { identity } => {
                let is_of_this_draft = self.refused.remove(identity).is_some();
                let known = self.value(&keys::identity(*identity))?.filter(|_| !is_of_this_draft);
                if let Some(place) = known.and_then(|place| Bytes(&place).place()) {
                    self.puts.insert(keys::refused(place), None);
                    self.puts.insert(keys::identity(*identity), None);
                }
            }
            Head::Source(settings) => {
                self.sources.insert(settings.name.clone(), (place, hash(head)));
            }
        }
        Ok(())
    }

    /// Keeps the changes: the journal has them, those that were pending in `frame`, and nothing else
    /// before `watermark`, which `records` are before.
    pub(crate) fn keep(mut self, frame: Position, watermark: Position, records: u64) {
        let settled = |place: Place| if place.frame == PENDING { Place { frame, ..place } } else { place };
        for (key, mut touched) in std::mem::take(&mut self.sessions) {
            if touched.is_changed {
                touched.session.settle(frame);
                let (older, newest) = touched.session.encode_changes();
                let older = older.into_iter().map(|(page, value)| (keys::page(&key, page), Some(value)));
                self.puts.extend(older);
                let session_key = keys::session(&key);
                if let Some(filter) = &mut self.index.filter {
                    filter.insert(&session_key);
                }
                self.puts.insert(session_key, Some(newest));
            }
            if touched.is_known {
                self.index.put_back(key, touched.session);
            }
        }
        for (seq, place) in self.outbox {
            self.puts.insert(keys::outbox(seq), Some(settled(place).to_bytes().to_vec()));
        }
        for (identity, place) in self.refused {
            let place = settled(place);
            self.puts.insert(keys::refused(place), Some(Vec::new()));
            self.puts.insert(keys::identity(identity), Some(place.to_bytes().to_vec()));
        }
        for (name, (place, hash)) in self.sources {
            let value = [&settled(place).to_bytes()[..], &hash].concat();
            self.puts.insert(keys::source(&name), Some(value));
        }
        self.index.meta = Meta { watermark, records, ..self.meta };
        self.index.view.publish(self.puts, self.index.meta);
    }

    /// Leaves everything as it was, and what was looked at in memory.
    pub(crate) fn leave(mut self) {
        for (key, touched) in std::mem::take(&mut self.sessions) {
            if touched.is_known && !touched.is_changed {
                self.index.put_back(key, touched.session);
            }
        }
    }

    fn touch(&mut self, key: &SessionKey) -> Result<&mut Touched, IndexError> {
        if !self.sessions.contains_key(key) {
            let touched = self.index.take(key)?;
            self.sessions.insert(key.clone(), touched);
        }
        self.sessions.get_mut(key).ok_or_else(|| IndexError::value("a session"))
    }

    fn change(&mut self, key: &SessionKey) -> Result<&mut Session, IndexError> {
        let touched = self.touch(key)?;
        (touched.is_known, touched.is_changed) = (true, true);
        Ok(&mut touched.session)
    }
}

/// The value of a consumer's key.
pub(crate) fn read_seq(value: &[u8]) -> Result<u64, IndexError> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| IndexError::value("a consumer"))
}

fn hash(head: &Head) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::hash(&head.encode()).as_bytes()[..16]);
    first
}

fn write_time(at: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::bytes::Writer(&mut bytes).timestamp(at);
    bytes
}

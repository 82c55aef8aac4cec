//! The changes of a commit: tried first, kept when the journal has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::live::SessionKey;
use finis_engine::log::Mark;

use super::consumers::Consumers;
use super::filter::Filter;
use super::sessions::{Item, PENDING, Session};
use super::view::{Puts, View};
use super::{IndexError, Meta, keys};
use crate::head::{Head, series};
use crate::journal::{Place, Position};

/// Items of sessions that are kept in memory, twice: the recent ones, and those before.
const CACHED_ITEMS: usize = 100_000;

/// The index as its one writer has it.
pub(crate) struct Index {
    pub(super) view: Arc<View>,
    meta: Meta,
    /// Nothing when the index was not read when it was opened.
    filter: Option<Filter>,
    recent: BTreeMap<SessionKey, Session>,
    before: BTreeMap<SessionKey, Session>,
    items: usize,
    /// Those that were marked since it was opened.
    pub(super) consumers: Consumers,
}

/// Changes on top of an index. Dropped, they never were.
pub(crate) struct Draft<'i> {
    pub(super) index: &'i mut Index,
    meta: Meta,
    sessions: BTreeMap<SessionKey, Touched>,
    pub(super) consumers: Consumers,
    pub(super) puts: Puts,
    outbox: BTreeMap<u64, Place>,
    refused: BTreeMap<[u8; 16], Place>,
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
        Index {
            view,
            meta,
            filter,
            recent: BTreeMap::new(),
            before: BTreeMap::new(),
            items: 0,
            consumers: Consumers::new(),
        }
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
            consumers: Consumers::new(),
            puts: Puts::new(),
            outbox: BTreeMap::new(),
            refused: BTreeMap::new(),
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

    /// Whether a refused delivery is there.
    pub(crate) fn has_refused(&self, identity: [u8; 16]) -> Result<bool, IndexError> {
        Ok(self.refused.contains_key(&identity) || self.index.view.get(&keys::identity(identity))?.is_some())
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
                    Some(_) => self.change(key)?.arrive(*digest, *received_at),
                }
                self.meta.reach(*received_at);
            }
            Head::Arrival { key, digest, received_at } => self.change(key)?.arrive(*digest, *received_at),
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
                    self.outbox.insert(*seq, place);
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
            Head::Acknowledged { consumer, seq } => self.mark(consumer, &Mark::UpTo(*seq))?,
            Head::Removed { consumer } => self.remove_consumer(consumer)?,
            Head::Done { consumer, seq } => self.mark(consumer, &Mark::Done(*seq))?,
            Head::Parked { consumer, seq, cause } => self.mark(consumer, &Mark::Park(*seq, cause.clone()))?,
            Head::Released { consumer, seq } => self.mark(consumer, &Mark::Release(*seq))?,
            Head::Reset { consumer, seq } => self.mark(consumer, &Mark::Reset(*seq))?,
            Head::Clock { at } => self.meta.reach(*at),
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
        self.index.consumers.append(&mut self.consumers);
        self.index.meta = Meta { watermark, records, ..self.meta };
        self.index.view.publish(self.puts, self.index.meta);
    }

    /// Leaves everything as it was, and what was looked at in memory. Consumers are read again.
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

fn write_time(at: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::bytes::Writer(&mut bytes).timestamp(at);
    bytes
}

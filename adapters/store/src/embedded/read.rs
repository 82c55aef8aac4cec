//! From places in the index to entries in the journal.

use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Consumer, Delivery, EventEntry, LogError, Refused, Stored};

use super::{log_error, stopped};
use crate::bytes::Bytes;
use crate::head::{Head, decode_notice};
use crate::index::{self, IndexError, Item, Row, View};
use crate::journal::{Content, Place, Reader};

/// Who reads: cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) view: Arc<View>,
    pub(super) journal: Reader,
}

impl Readers {
    pub(super) fn load(&self, key: &SessionKey) -> Result<Stored, LogError> {
        let mut stored = Stored::default();
        let Some(session) = self.view.session(key).map_err(|error| stopped(&error))? else { return Ok(stored) };
        let mut notices = Vec::new();
        for item in session.items() {
            match item {
                Item::Event { received_at, place, .. } => stored.events.extend(self.event(*place, *received_at)?),
                Item::Passed { due } => stored.deadlines.push(*due),
                Item::Notice { series, revision, place, .. } => {
                    notices.extend(self.notice(*place)?.map(|notice| (*series, *revision, notice)));
                }
            }
        }
        stored.events.sort_unstable_by_key(|event| event.digest);
        stored.deadlines.sort_unstable();
        notices.sort_unstable_by_key(|(series, revision, _)| (*series, *revision));
        stored.notices = notices.into_iter().map(|(_, _, notice)| notice).collect();
        Ok(stored)
    }

    pub(super) fn due(&self, limit: usize) -> Result<Vec<(Timestamp, SessionKey)>, LogError> {
        let rows = self.rows(index::DUE, None, limit)?;
        let due = rows.into_iter().map(|(key, value)| Some((Bytes(&value).timestamp()?, index::session_of(&key)?)));
        due.collect::<Option<_>>().ok_or_else(|| stopped(&IndexError::value("a deadline")))
    }

    pub(super) fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError> {
        let rows = self.rows(index::OUTBOX, Some(&index::outbox(after)), limit)?;
        let mut notices = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let unreadable = || stopped(&IndexError::value("a notice"));
            let seq = key[1..].try_into().map(u64::from_be_bytes).map_err(|_| unreadable())?;
            let place = Bytes(&value).place().ok_or_else(unreadable)?;
            notices.extend(self.notice(place)?.map(|notice| (seq, notice)));
        }
        Ok(notices)
    }

    pub(super) fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let after = after.map(index::session);
        let rows = self.rows(index::SESSION, after.as_deref(), limit)?;
        let sessions = rows.iter().map(|(key, _)| index::session_of(key));
        sessions.collect::<Option<_>>().ok_or_else(|| stopped(&IndexError::value("a session")))
    }

    pub(super) fn last_seq(&self) -> Result<u64, LogError> {
        let meta = self.view.meta().map_err(|error| stopped(&error))?;
        Ok(meta.map_or(0, |meta| meta.seq))
    }

    pub(super) fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        self.view.consumers().map_err(|error| stopped(&error))
    }

    pub(super) fn refused(&self, limit: usize) -> Result<Vec<Refused>, LogError> {
        let mut refused = Vec::new();
        for (key, _) in self.rows(index::REFUSED, None, limit)? {
            let place = Bytes(&key[1..]).place().ok_or_else(|| stopped(&IndexError::value("a delivery")))?;
            let Some((head, body)) = self.entry(place)? else { continue };
            let Head::Refused { source, received_at, reason, headers, .. } = head else { return Err(other(place)) };
            refused.push(Refused { source, received_at, reason, delivery: Delivery { headers, body: body.into() } });
        }
        Ok(refused)
    }

    pub(super) fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        let meta = self.view.meta().map_err(|error| stopped(&error))?;
        Ok(meta.and_then(|meta| meta.latest))
    }

    fn rows(&self, of: u8, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, LogError> {
        self.view.scan(&[of], after, limit).map_err(|error| stopped(&error))
    }

    fn event(&self, place: Place, received_at: Timestamp) -> Result<Option<EventEntry>, LogError> {
        let Some((head, body)) = self.entry(place)? else { return Ok(None) };
        let Head::Event { key, digest, headers, .. } = head else { return Err(other(place)) };
        Ok(Some(EventEntry { key, digest, received_at, delivery: Delivery { headers, body: body.into() } }))
    }

    fn notice(&self, place: Place) -> Result<Option<Notice>, LogError> {
        let Some((head, body)) = self.entry(place)? else { return Ok(None) };
        decode_notice(head, &body).map(Some).ok_or_else(|| other(place))
    }

    /// What is at a place; nothing when its body was erased.
    fn entry(&self, place: Place) -> Result<Option<(Head, Vec<u8>)>, LogError> {
        let entry = self.journal.read(place).map_err(|error| log_error(&error))?;
        let damaged = |reason: &str| LogError::Damaged { reason: format!("{place} of the journal: {reason}") };
        let head = Head::decode(&entry.head).map_err(|_| damaged("the head cannot be read"))?;
        match entry.body {
            Content::Here(body) => Ok(Some((head, body))),
            Content::None => Ok(Some((head, Vec::new()))),
            Content::Erased => Ok(None),
            Content::Damaged => Err(damaged("the body is not what was written")),
        }
    }
}

/// The index says that something else is there.
fn other(place: Place) -> LogError {
    stopped(&IndexError::new(format_args!("the index is wrong about {place} of the journal")))
}

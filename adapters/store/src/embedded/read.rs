//! From places in the index to entries in the journal.

use std::sync::Arc;

use finis_engine::Timestamp;
use finis_engine::live::{Notice, SessionKey};
use finis_engine::log::{Consumer, LogError, Refused, SourceSettings, Stored};

use super::stopped;
use crate::bytes::Bytes;
use crate::entries::Entries;
use crate::index::{self, IndexError, Item, Row, View};

/// Who reads: cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    pub(super) view: Arc<View>,
    pub(super) entries: Entries,
}

impl Readers {
    pub(super) fn load(&self, key: &SessionKey) -> Result<Stored, LogError> {
        let mut stored = Stored::default();
        let Some(session) = self.view.session(key).map_err(|error| stopped(&error))? else { return Ok(stored) };
        let mut notices = Vec::new();
        for item in session.items() {
            match item {
                Item::Event { received_at, place, .. } => {
                    stored.events.extend(self.entries.event(*place, *received_at)?);
                }
                Item::Passed { due } => stored.deadlines.push(*due),
                Item::Notice { series, revision, place, .. } => {
                    notices.extend(self.entries.notice(*place)?.map(|notice| (*series, *revision, notice)));
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
            notices.extend(self.entries.notice(place)?.map(|notice| (seq, notice)));
        }
        Ok(notices)
    }

    pub(super) fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        let after = after.map(index::session);
        let rows = self.rows(index::SESSION, after.as_deref(), limit)?;
        let sessions = rows.iter().map(|(key, _)| index::session_of(key));
        sessions.collect::<Option<_>>().ok_or_else(|| stopped(&IndexError::value("a session")))
    }

    pub(super) fn consumers(&self) -> Result<Vec<Consumer>, LogError> {
        let consumer = |(key, value): Row| {
            let unreadable = |_| IndexError::value("a consumer");
            let name = String::from_utf8(key[1..].to_vec()).map_err(unreadable)?;
            Ok(Consumer { name, acknowledged: index::read_seq(&value)? })
        };
        let rows = self.rows(index::CONSUMER, None, usize::MAX)?;
        rows.into_iter().map(consumer).collect::<Result<_, _>>().map_err(|error| stopped(&error))
    }

    pub(super) fn refused(&self, limit: usize) -> Result<Vec<Refused>, LogError> {
        let mut refused = Vec::new();
        for (key, _) in self.rows(index::REFUSED, None, limit)? {
            let place = Bytes(&key[1..]).place().ok_or_else(|| stopped(&IndexError::value("a delivery")))?;
            refused.extend(self.entries.refused(place)?);
        }
        Ok(refused)
    }

    pub(super) fn sources(&self) -> Result<Vec<SourceSettings>, LogError> {
        let mut sources = Vec::new();
        for (_, value) in self.rows(index::SOURCE, None, usize::MAX)? {
            let place = Bytes(&value).place().ok_or_else(|| stopped(&IndexError::value("a source")))?;
            sources.push(self.entries.settings(place)?);
        }
        Ok(sources)
    }

    pub(super) fn latest(&self) -> Result<Option<Timestamp>, LogError> {
        self.view.latest().map_err(|error| stopped(&error))
    }

    fn rows(&self, of: u8, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, LogError> {
        self.view.scan(&[of], after, limit).map_err(|error| stopped(&error))
    }
}

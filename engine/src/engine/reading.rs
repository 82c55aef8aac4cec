//! What can be asked of an engine: sessions, and what was said of them.

use super::{Engine, Placed, Viewed};
use crate::live::SessionKey;
use crate::log::{Consumer, Gone, LogError, Quarantine, RefusedCursor};
use crate::timestamp::Timestamp;

/// What there is of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// What somebody made of it.
    Here(T),
    /// It is not there any more, and this is what is left of it.
    Gone(Gone),
    /// Nothing of it has come.
    Nothing,
    /// Its source is not among those of the engine, or its contract has no such subject: nobody here can
    /// judge it.
    Foreign,
}

/// Notices that a consumer has not acknowledged, a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unacknowledged {
    /// The consumer is known.
    pub is_known: bool,
    /// All notices up to this place are dealt with or parked; 0 of one that is not known.
    pub acknowledged: u64,
    /// Those that are still to be handed over, in order.
    pub notices: Vec<Placed>,
    /// Where the next page begins; nothing when this is the last.
    pub after: Option<u64>,
}

impl Engine {
    /// The record of a session as of its latest entry, as JSON with its certificate; nothing when
    /// nothing of it has come.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn session(&self, key: &SessionKey) -> Result<Option<String>, LogError> {
        match self.view(key, record).await? {
            Seen::Here(record) => Ok(Some(record)),
            Seen::Gone(_) | Seen::Nothing | Seen::Foreign => Ok(None),
        }
    }

    /// Looks at a session as of its latest entry.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn view<T>(
        &self,
        key: &SessionKey,
        look: impl FnOnce(&Viewed<'_>) -> T + Send,
    ) -> Result<Seen<T>, LogError> {
        let stored = self.inner.log.load(std::slice::from_ref(key)).await?.pop().unwrap_or_default();
        if let Some(gone) = stored.gone {
            return Ok(Seen::Gone(gone));
        }
        if stored.events.is_empty() {
            return Ok(Seen::Nothing);
        }
        let sources = self.inner.sources.now();
        let viewed = sources.get(key.source()).and_then(|source| source.view(key, stored, Timestamp::MIN));
        Ok(viewed.map_or(Seen::Foreign, |viewed| Seen::Here(look(&viewed))))
    }

    /// Sessions after this one, up to this many, in an order of the log's own that stays.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError> {
        self.inner.log.sessions(after, limit).await
    }

    /// Deliveries that could not be read, behind this one, in the order in which they came, up to this many looked
    /// at.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError> {
        self.inner.log.refused(after, limit).await
    }

    /// Whether it has a source of this name.
    #[must_use]
    pub fn has_source(&self, name: &str) -> bool {
        self.inner.sources.hold().contains_key(name)
    }

    /// Notices after a place in the outbox, up to this many.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<Placed>, LogError> {
        let notices = self.inner.log.notices(after, limit).await?;
        Ok(notices.into_iter().map(|(seq, notice)| Placed { seq, notice }).collect())
    }

    /// The last place of the outbox that is taken; 0 when there is no notice yet.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn last_seq(&self) -> Result<u64, LogError> {
        self.inner.log.last_seq().await
    }

    /// What a consumer has not acknowledged after a place, up to this many notices looked at. It only looks:
    /// one that is not known stays so, and is shown all there is.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn unacknowledged(&self, consumer: &str, after: u64, limit: usize) -> Result<Unacknowledged, LogError> {
        let known = self.inner.known_consumer(consumer).await?;
        let is_known = known.is_some();
        let acknowledged = known.as_ref().map_or(0, |known| known.acknowledged);
        // Some before the mark may be handed over again: they stand before all others.
        let released = known.iter().flat_map(Consumer::released).find(|seq| *seq > after);
        let from = released.map_or(acknowledged, |seq| acknowledged.min(seq - 1)).max(after);
        let mut notices = self.outbox(from, limit).await?;
        let after = notices.last().filter(|_| notices.len() == limit).map(|last| last.seq);
        notices.retain(|placed| known.as_ref().is_none_or(|known| known.is_open(placed.seq)));
        Ok(Unacknowledged { is_known, acknowledged, notices, after })
    }
}

/// Written out, since a path to the method is not general enough.
fn record(viewed: &Viewed<'_>) -> String {
    viewed.record()
}

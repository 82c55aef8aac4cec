//! From places in the journal to entries of the log.

use finis_engine::Timestamp;
use finis_engine::live::Notice;
use finis_engine::log::{Delivery, EventEntry, LogError, Refused, SourceSettings};

use crate::head::{Head, decode_notice};
use crate::journal::{Content, JournalError, Place, Reader};

/// Reads entries of which the places are known. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    journal: Reader,
}

impl Entries {
    pub(crate) fn new(journal: Reader) -> Entries {
        Entries { journal }
    }

    /// An event, with the earliest arrival that is known of it; nothing when its body was erased.
    pub(crate) fn event(&self, place: Place, received_at: Option<Timestamp>) -> Result<Option<EventEntry>, LogError> {
        let Some((head, body)) = self.entry(place)? else { return Ok(None) };
        let Head::Event { key, digest, headers, .. } = head else { return Err(other(place)) };
        Ok(Some(EventEntry { key, digest, received_at, delivery: Delivery { headers, body: body.into() } }))
    }

    /// A notice; nothing when its body was erased.
    pub(crate) fn notice(&self, place: Place) -> Result<Option<Notice>, LogError> {
        let Some((head, body)) = self.entry(place)? else { return Ok(None) };
        decode_notice(head, &body).map(Some).ok_or_else(|| other(place))
    }

    /// A delivery that could not be read; nothing when its body was erased.
    pub(crate) fn refused(&self, place: Place) -> Result<Option<Refused>, LogError> {
        let Some((head, body)) = self.entry(place)? else { return Ok(None) };
        let Head::Refused { source, received_at, reason, headers, .. } = head else { return Err(other(place)) };
        Ok(Some(Refused { source, received_at, reason, delivery: Delivery { headers, body: body.into() } }))
    }

    /// What a source is read under.
    pub(crate) fn settings(&self, place: Place) -> Result<SourceSettings, LogError> {
        match self.entry(place)? {
            Some((Head::Source(settings), _)) => Ok(settings),
            _ => Err(other(place)),
        }
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

/// Something else is there than whoever knows places has said.
fn other(place: Place) -> LogError {
    LogError::Stopped { reason: format!("the index is wrong about {place} of the journal") }
}

/// What the journal says, to whoever uses the log.
pub(crate) fn log_error(error: &JournalError) -> LogError {
    let mut reason = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        reason = format!("{reason}: {cause}");
    }
    match error {
        JournalError::Full { .. } => LogError::Full { reason },
        JournalError::TooLarge(_) => LogError::TooLarge { reason },
        JournalError::NoSuchRecord(_) | JournalError::Damaged(_) => LogError::Damaged { reason },
        JournalError::Broken | JournalError::InUse { .. } | JournalError::Io(_) => LogError::Stopped { reason },
    }
}

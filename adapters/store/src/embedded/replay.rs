//! What the journal has and the index has not.

use crate::head::{Head, HeadError};
use crate::index::{Index, IndexError};
use crate::journal::{Damage, Journal, Scanned};

use super::OpenError;
use super::writer::erase;

/// Records that become one change of the index.
const RECORDS: u64 = 512;

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replayed {
    /// What is damaged between them.
    pub(super) damage: Vec<Damage>,
    /// Records that were taken.
    pub(super) records: u64,
    /// Records whose heads are not what finis ever wrote.
    pub(super) unreadable: u64,
}

/// Takes into the index what lies past its watermark.
///
/// Nothing when the index does not count as the journal does: it is of another history, or the journal
/// has lost what it knew.
pub(super) fn replay(journal: &mut Journal, index: &mut Index) -> Result<Option<Replayed>, OpenError> {
    let mut replayed = Replayed::default();
    let known = index.meta().records;
    // A journal that lost its end goes on in a new segment, so places alone do not tell.
    let counts_more = known > journal.records();
    let ends_there = index.meta().watermark == journal.end();
    if counts_more || ends_there && known < journal.records() {
        return Ok(None);
    }
    if ends_there {
        return Ok(Some(replayed));
    }
    let mut scan = journal.scan_heads(index.meta().watermark).peekable();
    let mut is_first = true;
    while scan.peek().is_some() {
        index.view().wait_for_room().map_err(|error| failed(&error))?;
        let mut last = None;
        let mut count = 0;
        // Up to the end of a frame.
        let (watermark, records) = loop {
            match scan.peek() {
                Some(Ok(Scanned::Record(entry))) if count >= RECORDS && last != Some(entry.place.frame) => {
                    break (entry.place.frame, entry.number);
                }
                _ => {}
            }
            match scan.next() {
                None => break (journal.end(), journal.records()),
                Some(Err(error)) => return Err(OpenError::Journal(error)),
                Some(Ok(Scanned::Damage(damage))) => replayed.damage.push(damage),
                Some(Ok(Scanned::Record(entry))) => {
                    if std::mem::take(&mut is_first) && entry.number < known {
                        return Ok(None);
                    }
                    last = Some(entry.place.frame);
                    count += 1;
                    match Head::decode(&entry.head) {
                        Ok(head) => index.take(&head, entry.place).map_err(|error| failed(&error))?,
                        Err(HeadError::Newer) => return Err(OpenError::Newer { place: entry.place }),
                        Err(HeadError::Malformed) => replayed.unreadable += 1,
                    }
                }
            }
        };
        replayed.records += count;
        erase(journal, index).map_err(|error| OpenError::Index { reason: error.to_string() })?;
        index.publish(watermark, records);
    }
    Ok(Some(replayed))
}

fn failed(error: &IndexError) -> OpenError {
    OpenError::Index { reason: error.0.to_string() }
}

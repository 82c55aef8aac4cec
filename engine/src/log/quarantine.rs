//! What could not be read, and the order in which it is looked through.

use std::fmt;

use super::{Delivery, LogError, LogRead};
use crate::timestamp::Timestamp;

/// Deliveries that are asked for at once: each may be as long as a body may be.
const PAGE: usize = 16;

/// A delivery that is from a source and cannot be read, kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// From which source.
    pub source: String,
    /// The receiver's time.
    pub received_at: Timestamp,
    /// Why it is no event.
    pub reason: String,
    /// The delivery.
    pub delivery: Delivery,
}

/// What makes a refused delivery itself: source, headers and payload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedId([u8; 16]);

/// Where a refused delivery stands among the others: they are ordered by when they came, those of one instant
/// by id. Nothing that a log does moves it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedCursor {
    /// The receiver's time.
    pub received_at: Timestamp,
    /// What makes it itself.
    pub id: RefusedId,
}

/// A page of what could not be read, as a log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Those that are as they came, in the order of their cursors.
    pub deliveries: Vec<Refused>,
    /// What of it is damaged, and therefore not here: what and where.
    pub damaged: Vec<String>,
    /// Behind which one the next page begins; nothing when this is the last.
    pub next: Option<RefusedCursor>,
}

/// All of a quarantine, page by page: whoever goes through it has a few deliveries in memory, however many
/// there are.
pub struct QuarantinePages<'l, L: ?Sized> {
    log: &'l L,
    after: Option<RefusedCursor>,
    is_over: bool,
}

impl<'l, L: LogRead + ?Sized> QuarantinePages<'l, L> {
    /// From the first on.
    pub fn of(log: &'l L) -> QuarantinePages<'l, L> {
        QuarantinePages { log, after: None, is_over: false }
    }

    /// The next page; nothing behind the last.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn next(&mut self) -> Result<Option<Quarantine>, LogError> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.log.refused(self.after, PAGE).await?;
        self.after = page.next;
        self.is_over = page.next.is_none();
        Ok(Some(page))
    }
}

/// The one that stands at a cursor, if it is there and as it came.
pub(crate) async fn refused_at(log: &dyn LogRead, at: RefusedCursor) -> Result<Option<Refused>, LogError> {
    // No hash is zero.
    let Some(id) = u128::from_be_bytes(at.id.0).checked_sub(1) else { return Ok(None) };
    let before = RefusedCursor { id: RefusedId(id.to_be_bytes()), ..at };
    let page = log.refused(Some(before), 1).await?;
    Ok(page.deliveries.into_iter().find(|refused| refused.cursor() == at))
}

impl<L: ?Sized> fmt::Debug for QuarantinePages<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuarantinePages").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Refused {
    /// Where it stands among the others.
    #[must_use]
    pub fn cursor(&self) -> RefusedCursor {
        RefusedCursor { received_at: self.received_at, id: self.id() }
    }

    /// What makes it itself.
    #[must_use]
    pub fn id(&self) -> RefusedId {
        let Delivery { headers, body } = &self.delivery;
        let mut hasher = blake3::Hasher::new();
        // None of these comes near 4 GiB.
        let length = |length: usize| (length as u32).to_le_bytes();
        hasher.update(&length(self.source.len())).update(self.source.as_bytes());
        hasher.update(&length(headers.len()));
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&length(text.len())).update(text.as_bytes());
        }
        hasher.update(body);
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        RefusedId(id)
    }
}

impl RefusedId {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The id that [`RefusedId::to_bytes`] gave these of.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> RefusedId {
        RefusedId(bytes)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for RefusedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RefusedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

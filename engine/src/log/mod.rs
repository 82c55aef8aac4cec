//! The log: where entries of sessions are kept, by whatever engine keeps them.
//!
//! It has three laws, and one suite of tests for every implementation:
//!
//! 1. **Append twice changes nothing.** An event is known by its session and digest, a passed deadline
//!    by its session and instant, that more events
//!    came than are kept by its session, a notice by its id, a refused delivery by its digest.
//! 2. **Load is a set.** What [`LogRead::load`] gives does not depend on the order of appends; an event that
//!    came several times has the earliest arrival.
//! 3. **First is answered once.** Of all who append a notice of one session, kind and revision, one is
//!    told that it was first.
//!
//! An event that came again is no entry, and changes no record. How often it came, and when, is
//! [counted](Arrivals) beside: a delivery that was told twice, at the same instant, counts once. A log counts
//! lazily and at no cost to who waits, so a crash may take the last of it: a count can be too low, never too
//! high.
//!
//! Beside entries it keeps [consumers](Consumer) of notices. What a [`Mark`] makes of one is said once, for
//! every log, by [`Consumer::take`].
//!
//! [`LogRead`] is what can be asked of it, [`Log`] what is done to it as well: whoever only looks takes the
//! former, and may get it from elsewhere.
//!
//! There is no sequence number and no transaction in what is asked of a log, so each can use what it does
//! best. What a batch holds becomes durable together or not at all.

mod arrivals; // how often an event came
mod consumer; // what is remembered of who is told
mod layer; // one over another
mod memory; // the twin in memory
mod quarantine; // what could not be read
mod ready; // what is done before an append
mod settings; // what sources are read under

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use arrivals::{ARRIVALS_MAX, Arrivals, Later};
pub use consumer::{Cause, Consumer, Mark, REASON_BYTES_MAX, Standing};
pub use layer::Layer;
pub use memory::MemoryLog;
pub(crate) use quarantine::refused_at;
pub use quarantine::{Quarantine, QuarantinePages, Refused, RefusedCursor, RefusedId};
pub use ready::Ready;
pub use settings::SourceSettings;

use crate::digest::Digest;
use crate::live::{Notice, SessionKey};
use crate::timestamp::Timestamp;

/// A delivery as it came: what has to be kept to read it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Headers that matter, by name in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// The payload, byte for byte.
    pub body: Arc<[u8]>,
}

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Of which session.
    pub key: SessionKey,
    /// What makes it itself.
    pub digest: Digest,
    /// The receiver's time; nothing of one that was imported without.
    pub received_at: Option<Timestamp>,
    /// The delivery that it was read from.
    pub delivery: Delivery,
}

/// An event that is there came again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Of which session it is.
    pub key: SessionKey,
    /// What makes the event itself.
    pub digest: Digest,
    /// The receiver's time.
    pub received_at: Timestamp,
}

/// What is appended together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Events, in the order in which they came.
    pub events: Vec<EventEntry>,
    /// What the log made of each of these beforehand, by their order. Of those beyond, nothing.
    pub ready: Vec<Ready>,
    /// Events that are known to be there and came again, to be counted. They alone make nothing durable, and
    /// those of an event that is not there are passed over. An event among [`Batch::events`] that is there is
    /// counted, too.
    pub repeats: Vec<Repeat>,
    /// Deadlines that passed: of which session, and when they were due.
    pub deadlines: Vec<(SessionKey, Timestamp)>,
    /// Sessions of which more events came than are kept. Nothing is kept of one of which there is no event
    /// and no notice.
    pub crowded: Vec<SessionKey>,
    /// What these caused to be said, in order.
    pub notices: Vec<Notice>,
    /// What is said here is remembered as said, so that it is never said again, but gets no place in the
    /// outbox: nobody is told.
    pub quiet: bool,
    /// When each session that is touched has to be judged again; nothing when never. Of a session of
    /// which there is no event and no notice, neither this nor a deadline is kept.
    pub due: Vec<(SessionKey, Option<Timestamp>)>,
    /// Deliveries that cannot be read.
    pub refused: Vec<Refused>,
    /// Deliveries that could not be read and are dealt with, by their identity. Every byte of their content
    /// is erased when the batch is appended.
    pub released: Vec<RefusedId>,
    /// What sources are read under from here on, so that whoever looks later needs not be told.
    pub sources: Vec<SourceSettings>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// For each event, whether it was not there before.
    pub new: Vec<bool>,
    /// For each event, whether it was there before, with a later arrival or none.
    pub earlier: Vec<bool>,
    /// For each notice, whether it is the first of its session, kind and revision.
    pub first: Vec<bool>,
}

/// A session as a log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its events, sorted by digest, each with its earliest arrival.
    pub events: Vec<EventEntry>,
    /// When its events came that came more than once, sorted by digest. Of one that was imported without a
    /// time, all that came since.
    pub repeated: Vec<(Digest, Arrivals)>,
    /// When deadlines that passed were due, sorted.
    pub deadlines: Vec<Timestamp>,
    /// More events of it came than are kept.
    pub crowded: bool,
    /// What was said of it, by kind and revision.
    pub notices: Vec<Notice>,
    /// It was let go, and this is what is left of it; perhaps its [last word](Keep::last_word), too.
    pub gone: Option<Gone>,
    /// What of it is damaged, and therefore not here: what and where.
    pub damaged: Vec<String>,
}

/// What is left of a session that was let go: whatever comes of it again is not kept, and nothing is said
/// of it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Why.
    pub why: Why,
    /// When, by the receiver's time.
    pub at: Timestamp,
}

/// Why a session was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It was over for so long that it had to be kept no more.
    Expired,
    /// Somebody wanted all that it said to be erased.
    Forgotten,
}

/// What has to be kept no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Sessions that wait for nothing and were touched last before this may go.
    pub sessions: Option<Timestamp>,
    /// Of those that go, the last word stays: the notice of its end, or of a stall, with its record.
    pub last_word: bool,
    /// Sessions with a notice after this place in the outbox stay, for somebody has still to be told,
    pub told: u64,
    /// but not those that were touched last before this.
    pub untold: Option<Timestamp>,
    /// Sessions that expired before this need not be known any more.
    pub gone: Option<Timestamp>,
    /// Deliveries that could not be read and came before this may go.
    pub refused: Option<Timestamp>,
}

/// What was let go, and whether there is more to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Sessions that were let go.
    pub expired: u64,
    /// Those among them of which not everybody was told all.
    pub untold: u64,
    /// Deliveries that could not be read and were let go.
    pub refused: u64,
    /// Bytes that were given back.
    pub bytes: u64,
    /// There is more: ask again.
    pub more: bool,
}

/// What can be asked of a log.
#[async_trait]
pub trait LogRead: Send + Sync {
    /// All that is known of sessions, in the order in which they are asked for.
    async fn load(&self, keys: &[SessionKey]) -> Result<Vec<Stored>, LogError>;

    /// Sessions that have to be judged again by this time, the earliest first, up to this many; with `after`,
    /// those that stand behind that one, whether it is still due or not.
    async fn due(
        &self,
        after: Option<&(Timestamp, SessionKey)>,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, SessionKey)>, LogError>;

    /// When the first session has to be judged again.
    async fn next_due(&self) -> Result<Option<Timestamp>, LogError>;

    /// How many sessions have to be judged again at some time; nothing when it would have to look at them to tell.
    async fn waiting(&self) -> Result<Option<u64>, LogError> {
        Ok(None)
    }

    /// Notices after a place in the outbox, in order, up to this many. Places count from 1 and have no gap.
    async fn notices(&self, after: u64, limit: usize) -> Result<Vec<(u64, Notice)>, LogError>;

    /// Sessions after this one, up to this many, in an order of the log's own that stays. Those that were
    /// let go are not among them.
    async fn sessions(&self, after: Option<&SessionKey>, limit: usize) -> Result<Vec<SessionKey>, LogError>;

    /// The last place of the outbox that is taken; 0 when there is no notice yet.
    async fn last_seq(&self) -> Result<u64, LogError>;

    /// Every consumer, by name.
    async fn consumers(&self) -> Result<Vec<Consumer>, LogError>;

    /// Deliveries that could not be read, in the order of their [cursors](RefusedCursor), up to this many looked
    /// at; with `after`, those that stand behind that one, whether it is still there or not. Who goes from
    /// page to page gets each that is there all the time, and none twice.
    async fn refused(&self, after: Option<RefusedCursor>, limit: usize) -> Result<Quarantine, LogError>;

    /// What each source was last read under, by name.
    async fn sources(&self) -> Result<Vec<SourceSettings>, LogError>;

    /// The latest receiver's time that it has: the clock of a receiver never goes behind it.
    async fn latest(&self) -> Result<Option<Timestamp>, LogError>;
}

/// Where a log keeps entries.
#[async_trait]
pub trait Log: LogRead {
    /// Does beforehand what of appending an event can be done by itself, as compressing it, on the side of whoever
    /// receives it: there are many of them, and one who appends. To be put into [`Batch::ready`] of this log.
    /// Nothing is kept by that, and none is needed.
    fn ready(&self, _key: &SessionKey, _delivery: &Delivery) -> Ready {
        Ready::default()
    }

    /// Appends a batch. All of it is durable when this returns, or none of it ever is; but what was counted of
    /// [repeats](Batch::repeats) may be lost with a crash.
    async fn append(&self, batch: Batch) -> Result<Appended, LogError>;

    /// Remembers of a consumer what these marks say, in order, as [`Consumer::take`] has it: all of them, or
    /// none. One that is not known is made by [`Mark::Begin`] alone.
    async fn mark(&self, consumer: &str, marks: &[Mark]) -> Result<(), LogError>;

    /// Forgets a consumer, and all that was remembered of it.
    async fn remove_consumer(&self, consumer: &str) -> Result<(), LogError>;

    /// Lets sessions go: nothing is kept of them but that they were here, and the numbers of what was said.
    /// Of those that are [forgotten](Why::Forgotten) every byte of content is erased when this returns,
    /// in notices too: in the outbox each is then [`NoticeKind::Forgotten`](crate::live::NoticeKind), with
    /// the same id and place. Those that are not there are passed over.
    async fn let_go(&self, keys: &[SessionKey], gone: Gone) -> Result<(), LogError>;

    /// Lets go of what has to be kept no more, at the receiver's time `now`, and gives back its space. A log
    /// may keep it for longer, until it is worth the work. Does a part of it, so that others are not held
    /// up, and says whether there is more.
    async fn retain(&self, keep: &Keep, now: Timestamp) -> Result<Retained, LogError>;
}

/// Why a log cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// It has no room for more; what was acknowledged stays so.
    Full {
        /// What is full, and what to do.
        reason: String,
    },
    /// What it was given is larger than it can ever take; nothing of it was appended.
    TooLarge {
        /// What is too large, and how large it may be.
        reason: String,
    },
    /// It has stopped, and takes nothing until it is opened again.
    Stopped {
        /// Why.
        reason: String,
    },
    /// Something that it kept is damaged.
    Damaged {
        /// What and where.
        reason: String,
    },
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Full { reason } => write!(f, "the log is full: {reason}"),
            LogError::TooLarge { reason } => write!(f, "the log does not take this: {reason}"),
            LogError::Stopped { reason } => write!(f, "the log has stopped, open it again: {reason}"),
            LogError::Damaged { reason } => write!(f, "the log is damaged: {reason}"),
        }
    }
}

impl std::error::Error for LogError {}

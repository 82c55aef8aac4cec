//! Heads of the journal's records: what each entry of the log is, apart from what can be erased.
//!
//! | byte | kind | head | body |
//! |---|---|---|---|
//! | 1 | event | session, digest, received at, headers | the payload |
//! | 2 | arrival | session, digest, received at | |
//! | 3 | deadline passed | session, due at | |
//! | 4 | notice | seq, id, session, kind, revision | the rest of it |
//! | 5 | due | session, when to judge it again, if ever | |
//! | 6 | refused | identity, source, received at, reason, headers | the payload |
//! | 7 | acknowledged | consumer, seq | |
//! | 8 | consumer removed | consumer | |
//! | 9 | clock | a receiver's time that nothing else in the log has reached | |
//! | 10 | done | consumer, seq | |
//! | 11 | parked | consumer, seq, cause | |
//! | 12 | released | consumer, seq | |
//! | 13 | reset | consumer, seq | |
//!
//! Before the kind stands the version, 1. Integers are little-endian; a text has its length in bytes
//! before it (4), a list its count (4); what may be absent has a byte before it, 0 or 1. A time is
//! seconds since 1970 (8), nanoseconds (4) and digits of a second that were written (1). An arrival is
//! that of an event that came again, with an earlier time. `acknowledged` makes a consumer that is not
//! known; a cause is 0 and the reason of a failure, or 1 and the seq (8) that a notice is held behind.

use finis_engine::live::{Asset, Change, Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::Cause;
use finis_engine::{Digest, Timestamp};

use crate::bytes::{Bytes, Writer};

/// The format of heads, and of bodies of notices.
pub const VERSION: u8 = 1;

/// Headers of a delivery: names and values.
pub type Headers = Vec<(String, String)>;

/// The head of a record of the journal: what an entry of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// An event, new when it was appended. The body is the payload.
    Event {
        /// Of which session.
        key: SessionKey,
        /// What makes it itself.
        digest: Digest,
        /// The receiver's time.
        received_at: Timestamp,
        /// Headers of the delivery.
        headers: Headers,
    },
    /// An event that is there already came again, with an earlier arrival.
    Arrival {
        /// Of which session.
        key: SessionKey,
        /// What makes the event itself.
        digest: Digest,
        /// The receiver's time.
        received_at: Timestamp,
    },
    /// A deadline passed.
    Passed {
        /// Of which session.
        key: SessionKey,
        /// When it was due.
        due: Timestamp,
    },
    /// A notice, the first of its session, kind and revision. The body is the rest of it.
    Notice {
        /// Its place in the outbox.
        seq: u64,
        /// Its name for ever.
        id: NoticeId,
        /// Of which session.
        key: SessionKey,
        /// What sort of thing.
        kind: NoticeKind,
        /// Counts up by kind.
        revision: u32,
    },
    /// When a session has to be judged again.
    Due {
        /// Which session.
        key: SessionKey,
        /// When; nothing for never.
        due: Option<Timestamp>,
    },
    /// A delivery that cannot be read. The body is the payload.
    Refused {
        /// What makes it itself: [`refused_identity`].
        identity: [u8; 16],
        /// From which source.
        source: String,
        /// The receiver's time.
        received_at: Timestamp,
        /// Why it is no event.
        reason: String,
        /// Headers of the delivery.
        headers: Headers,
    },
    /// A consumer has all notices up to this one.
    Acknowledged {
        /// Its name.
        consumer: String,
        /// The last it has.
        seq: u64,
    },
    /// A consumer is forgotten.
    Removed {
        /// Its name.
        consumer: String,
    },
    /// A consumer has dealt with a notice.
    Done {
        /// Its name.
        consumer: String,
        /// The place of the notice.
        seq: u64,
    },
    /// A notice is set aside for a consumer.
    Parked {
        /// Its name.
        consumer: String,
        /// The place of the notice.
        seq: u64,
        /// Why.
        cause: Cause,
    },
    /// A parked notice is to be handed over again.
    Released {
        /// The name of the consumer.
        consumer: String,
        /// The place of the notice.
        seq: u64,
    },
    /// A consumer goes on behind a notice, wherever that is.
    Reset {
        /// Its name.
        consumer: String,
        /// The place of the notice.
        seq: u64,
    },
    /// A receiver's time that nothing else in the log has reached: that of an event that came again.
    Clock {
        /// The time.
        at: Timestamp,
    },
}

/// Why a head is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// It is of a version or a kind that came later.
    Newer,
    /// It is not what was ever written.
    Malformed,
}

impl Head {
    /// The head as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.code()];
        let mut to = Writer(&mut bytes);
        match self {
            Head::Event { key, digest, received_at, headers } => {
                to.key(key);
                to.digest(*digest);
                to.timestamp(*received_at);
                write_headers(&mut to, headers);
            }
            Head::Arrival { key, digest, received_at } => {
                to.key(key);
                to.digest(*digest);
                to.timestamp(*received_at);
            }
            Head::Passed { key, due } => {
                to.key(key);
                to.timestamp(*due);
            }
            Head::Notice { seq, id, key, kind, revision } => {
                to.u64(*seq);
                to.0.extend_from_slice(&id.to_bytes());
                to.key(key);
                to.u8(kind_code(*kind));
                to.u32(*revision);
            }
            Head::Due { key, due } => {
                to.key(key);
                to.option(*due, Writer::timestamp);
            }
            Head::Refused { identity, source, received_at, reason, headers } => {
                to.0.extend_from_slice(identity);
                to.text(source);
                to.timestamp(*received_at);
                to.text(reason);
                write_headers(&mut to, headers);
            }
            Head::Acknowledged { consumer, seq }
            | Head::Done { consumer, seq }
            | Head::Released { consumer, seq }
            | Head::Reset { consumer, seq } => {
                to.text(consumer);
                to.u64(*seq);
            }
            Head::Parked { consumer, seq, cause } => {
                to.text(consumer);
                to.u64(*seq);
                write_cause(&mut to, cause);
            }
            Head::Removed { consumer } => to.text(consumer),
            Head::Clock { at } => to.timestamp(*at),
        }
        bytes
    }

    /// The head that [`Head::encode`] made these bytes of.
    ///
    /// # Errors
    /// When it made them of none.
    pub fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
        match bytes {
            [VERSION, code @ 1..=13, rest @ ..] => read_head(*code, Bytes(rest)).ok_or(HeadError::Malformed),
            [] | [0, ..] | [VERSION] | [VERSION, 0, ..] => Err(HeadError::Malformed),
            _ => Err(HeadError::Newer),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Head::Event { .. } => 1,
            Head::Arrival { .. } => 2,
            Head::Passed { .. } => 3,
            Head::Notice { .. } => 4,
            Head::Due { .. } => 5,
            Head::Refused { .. } => 6,
            Head::Acknowledged { .. } => 7,
            Head::Removed { .. } => 8,
            Head::Clock { .. } => 9,
            Head::Done { .. } => 10,
            Head::Parked { .. } => 11,
            Head::Released { .. } => 12,
            Head::Reset { .. } => 13,
        }
    }
}

fn read_head(code: u8, mut from: Bytes<'_>) -> Option<Head> {
    let head = match code {
        1 => Head::Event {
            key: from.key()?,
            digest: from.digest()?,
            received_at: from.timestamp()?,
            headers: read_headers(&mut from)?,
        },
        2 => Head::Arrival { key: from.key()?, digest: from.digest()?, received_at: from.timestamp()? },
        3 => Head::Passed { key: from.key()?, due: from.timestamp()? },
        4 => Head::Notice {
            seq: from.u64()?,
            id: NoticeId::from_bytes(from.array()?),
            key: from.key()?,
            kind: kind_of(from.u8()?)?,
            revision: from.u32()?,
        },
        5 => Head::Due { key: from.key()?, due: from.option(Bytes::timestamp)? },
        6 => Head::Refused {
            identity: from.array()?,
            source: from.text()?,
            received_at: from.timestamp()?,
            reason: from.text()?,
            headers: read_headers(&mut from)?,
        },
        7 => Head::Acknowledged { consumer: from.text()?, seq: from.u64()? },
        8 => Head::Removed { consumer: from.text()? },
        9 => Head::Clock { at: from.timestamp()? },
        10 => Head::Done { consumer: from.text()?, seq: from.u64()? },
        11 => Head::Parked { consumer: from.text()?, seq: from.u64()?, cause: read_cause(&mut from)? },
        12 => Head::Released { consumer: from.text()?, seq: from.u64()? },
        13 => Head::Reset { consumer: from.text()?, seq: from.u64()? },
        _ => return None,
    };
    from.end(head)
}

/// What a notice has beside its head: events, record, changes, asset. A version stands before them.
#[must_use]
pub fn encode_notice(notice: &Notice) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let mut to = Writer(&mut bytes);
    to.u64(notice.events as u64);
    to.text(&notice.record);
    // A record has a few dozen parts.
    to.u32(notice.changes.len() as u32);
    for change in &notice.changes {
        to.text(&change.part);
        to.option(change.old.as_deref(), Writer::text);
        to.option(change.new.as_deref(), Writer::text);
    }
    to.option(notice.asset.as_ref(), |to, asset| {
        to.text(&asset.field);
        to.text(&asset.value);
        to.option(asset.until, Writer::timestamp);
    });
    bytes
}

/// The notice of a head and what [`encode_notice`] made of the rest of it; nothing when it is not that.
#[must_use]
pub fn decode_notice(head: Head, body: &[u8]) -> Option<Notice> {
    let Head::Notice { id, key, kind, revision, .. } = head else { return None };
    let mut from = Bytes(body.strip_prefix(&[VERSION])?);
    let events = usize::try_from(from.u64()?).ok()?;
    let record = from.text()?;
    let mut changes = Vec::new();
    for _ in 0..from.u32()? {
        let (part, old, new) = (from.text()?, from.option(Bytes::text)?, from.option(Bytes::text)?);
        changes.push(Change { part, old, new });
    }
    let asset = from.option(|from| {
        Some(Asset { field: from.text()?, value: from.text()?, until: from.option(Bytes::timestamp)? })
    })?;
    from.end(Notice { id, key, kind, revision, record, events, changes, asset })
}

/// What makes a refused delivery itself: the first 16 bytes of BLAKE3 over source, headers and payload.
#[must_use]
pub fn refused_identity(source: &str, headers: &[(String, String)], body: &[u8]) -> [u8; 16] {
    let mut parts = Vec::new();
    let mut to = Writer(&mut parts);
    to.text(source);
    write_headers(&mut to, headers);
    let mut identity = [0; 16];
    let hash = *blake3::Hasher::new().update(&parts).update(body).finalize().as_bytes();
    identity.copy_from_slice(&hash[..16]);
    identity
}

/// Of one session, `complete` and `amended` count together: one revision is said once, as either.
#[must_use]
pub(crate) fn series(kind: NoticeKind) -> u8 {
    kind_code(if kind == NoticeKind::Amended { NoticeKind::Complete } else { kind })
}

fn kind_code(kind: NoticeKind) -> u8 {
    match kind {
        NoticeKind::Complete => 0,
        NoticeKind::Amended => 1,
        NoticeKind::Stalled => 2,
        NoticeKind::Asset => 3,
    }
}

fn kind_of(code: u8) -> Option<NoticeKind> {
    [NoticeKind::Complete, NoticeKind::Amended, NoticeKind::Stalled, NoticeKind::Asset].get(usize::from(code)).copied()
}

pub(crate) fn write_cause(to: &mut Writer<'_>, cause: &Cause) {
    match cause {
        Cause::Failed { reason } => {
            to.u8(0);
            to.text(reason);
        }
        Cause::Held { behind } => {
            to.u8(1);
            to.u64(*behind);
        }
    }
}

pub(crate) fn read_cause(from: &mut Bytes<'_>) -> Option<Cause> {
    match from.u8()? {
        0 => Some(Cause::Failed { reason: from.text()? }),
        1 => Some(Cause::Held { behind: from.u64()? }),
        _ => None,
    }
}

fn write_headers(to: &mut Writer<'_>, headers: &[(String, String)]) {
    // A head of the journal has room for some thousand at most.
    to.u32(headers.len() as u32);
    for (name, value) in headers {
        to.text(name);
        to.text(value);
    }
}

fn read_headers(from: &mut Bytes<'_>) -> Option<Headers> {
    let mut headers = Vec::new();
    for _ in 0..from.u32()? {
        headers.push((from.text()?, from.text()?));
    }
    Some(headers)
}

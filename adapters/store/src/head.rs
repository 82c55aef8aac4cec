//! Heads of the journal's records: what each entry of the log is, apart from what can be erased.
//!
//! | byte | kind | head | body |
//! |---|---|---|---|
//! | 1 | event | session, digest, received at if known, headers | the payload |
//! | 2 | arrival | session, digest, received at | |
//! | 3 | deadline passed | session, due at | |
//! | 4 | notice | seq, 0 when nobody is told, id, session, kind, revision | the rest of it |
//! | 5 | due | session, when to judge it again, if ever | |
//! | 6 | refused | identity, source, received at, reason, headers | the payload |
//! | 7 | acknowledged | consumer, seq | |
//! | 8 | consumer removed | consumer | |
//! | 9 | clock | a receiver's time that nothing else in the log has reached | |
//! | 10 | released | identity of a refused delivery that is dealt with | |
//! | 11 | source | what it is read under: name, provider, version, kinds if not all, grace, stall if any | |
//!
//! Before the kind stands the version, 1. Integers are little-endian; a text has its length in bytes
//! before it (4), a list its count (4); what may be absent has a byte before it, 0 or 1. A time is
//! seconds since 1970 (8), nanoseconds (4) and digits of a second that were written (1), a length of time
//! seconds (8) and nanoseconds (4). An arrival is
//! that of an event that came again, with an earlier time.

use std::time::Duration;

use finis_engine::live::{Asset, Change, Notice, NoticeId, NoticeKind, SessionKey};
use finis_engine::log::{RefusedId, SourceSettings};
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
        /// The receiver's time; nothing of one that was imported without.
        received_at: Option<Timestamp>,
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
        /// Its place in the outbox; 0 when it has none, and nobody is told.
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
        /// What makes it itself.
        identity: RefusedId,
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
    /// A receiver's time that nothing else in the log has reached: that of an event that came again.
    Clock {
        /// The time.
        at: Timestamp,
    },
    /// A refused delivery is dealt with.
    Released {
        /// Which.
        identity: RefusedId,
    },
    /// What a source is read under from here on.
    Source(SourceSettings),
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
                to.option(*received_at, Writer::timestamp);
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
                to.0.extend_from_slice(&identity.to_bytes());
                to.text(source);
                to.timestamp(*received_at);
                to.text(reason);
                write_headers(&mut to, headers);
            }
            Head::Acknowledged { consumer, seq } => {
                to.text(consumer);
                to.u64(*seq);
            }
            Head::Removed { consumer } => to.text(consumer),
            Head::Clock { at } => to.timestamp(*at),
            Head::Released { identity } => to.0.extend_from_slice(&identity.to_bytes()),
            Head::Source(settings) => write_settings(&mut to, settings),
        }
        bytes
    }

    /// The head that [`Head::encode`] made these bytes of.
    ///
    /// # Errors
    /// When it made them of none.
    pub fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
        match bytes {
            [VERSION, code @ 1..=11, rest @ ..] => read_head(*code, Bytes(rest)).ok_or(HeadError::Malformed),
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
            Head::Released { .. } => 10,
            Head::Source(_) => 11,
        }
    }
}

fn read_head(code: u8, mut from: Bytes<'_>) -> Option<Head> {
    let head = match code {
        1 => Head::Event {
            key: from.key()?,
            digest: from.digest()?,
            received_at: from.option(Bytes::timestamp)?,
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
            identity: RefusedId::from_bytes(from.array()?),
            source: from.text()?,
            received_at: from.timestamp()?,
            reason: from.text()?,
            headers: read_headers(&mut from)?,
        },
        7 => Head::Acknowledged { consumer: from.text()?, seq: from.u64()? },
        8 => Head::Removed { consumer: from.text()? },
        9 => Head::Clock { at: from.timestamp()? },
        10 => Head::Released { identity: RefusedId::from_bytes(from.array()?) },
        11 => Head::Source(read_settings(&mut from)?),
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

fn write_settings(to: &mut Writer<'_>, settings: &SourceSettings) {
    to.text(&settings.name);
    to.text(&settings.provider);
    to.text(&settings.version);
    to.option(settings.subscription.as_ref(), |to, kinds| {
        // A contract has 64 kinds at most.
        to.u32(kinds.len() as u32);
        for kind in kinds {
            to.text(kind);
        }
    });
    write_span(to, settings.grace);
    to.option(settings.stall, write_span);
}

fn read_settings(from: &mut Bytes<'_>) -> Option<SourceSettings> {
    Some(SourceSettings {
        name: from.text()?,
        provider: from.text()?,
        version: from.text()?,
        subscription: from.option(|from| (0..from.u32()?).map(|_| from.text()).collect())?,
        grace: read_span(from)?,
        stall: from.option(read_span)?,
    })
}

fn write_span(to: &mut Writer<'_>, span: Duration) {
    to.u64(span.as_secs());
    to.u32(span.subsec_nanos());
}

fn read_span(from: &mut Bytes<'_>) -> Option<Duration> {
    let (seconds, nanos) = (from.u64()?, from.u32()?);
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}

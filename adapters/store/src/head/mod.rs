//! Heads of the journal's records: what each entry of the log is, apart from what can be erased.
//!
//! | byte | kind | head | body |
//! |---|---|---|---|
//! | 1 | event | tag, digest, received at if known, when it is due from then on | key, headers, payload |
//! | 2 | arrival | tag, digest, received at | |
//! | 3 | deadline passed | tag, due at, when it is due from then on | |
//! | 4 | notice | seq, id, tag, kind, revision | key, and the rest of it |
//! | 5 | due | tag, when to judge it again, if ever | |
//! | 6 | refused | identity, received at | source, reason, headers, payload |
//! | 7 | acknowledged | consumer, seq | |
//! | 8 | consumer removed | consumer | |
//! | 9 | clock | a receiver's time that nothing else in the log has reached | |
//! | 10 | gone | tag, why, when, revisions that were said, after which seq notices stay without content | |
//! | 11 | outbox | the last seq, and the first that is kept | |
//! | 12 | last word | seq, id, tag, kind, revision | as a notice: all that is kept of what was said |
//! | 13 | done | consumer, seq | |
//! | 14 | parked | consumer, seq, cause | |
//! | 15 | released | consumer, seq | |
//! | 16 | reset | consumer, seq | |
//! | 17 | consumer | its name, what it has, whether what was known goes, and some notices that stand otherwise | |
//! | 18 | released | identity of what was refused and is dealt with | |
//! | 19 | source | name, provider, version, subscription if not all, grace, stall if any | |
//! | 20 | crowded | tag | |
//! | 21 | repeated | tag, digest, the first times it came, and of those beyond if any how many and the last | |
//!
//! Before the kind stands the version, 1. Integers are little-endian; a text has its length in bytes
//! before it (4); what may be absent has a byte before it, 0 or 1. A time is seconds since 1970 (8),
//! nanoseconds (4) and digits of a second that were written (1). An arrival is that of an event that
//! came again, with an earlier time. When a session is due: 0, as before; 1, never; 2 and a time.
//! `acknowledged` makes a consumer that is not known. A cause is 0 and the reason of a failure, 1 and
//! the seq (8) that a notice is held behind, 2 and the reason, how often it failed (4) and when it is tried
//! again, or 3 and the reason for which its consumer is closed. The first times that an event came are their number (1, 1 to
//! 16) and each, in order; how many there are beyond is 8 bytes. Of several records that say when one
//! event came, all count; the last says all that those before it say. Where a notice stands is 0 for done, 1 for parked with its
//! cause after it, 2 for released. A subscription is the number of its kinds (4), and each; a stretch of
//! time is seconds (8) and nanoseconds (4).
//!
//! No head says whom a session is about: its key, headers, and why a delivery was refused stand in
//! [bodies](crate::body). But the reason of a failure is in a head, whatever a handler put into it: until its
//! segment goes, it is there after the session was forgotten.

mod parts; // what several of them are made of

use finis_engine::live::{NoticeId, NoticeKind};
use finis_engine::log::{ARRIVALS_MAX, Arrivals, Cause, SourceSettings, Standing, Why};
use finis_engine::{Digest, Timestamp};

use crate::bytes::{Bytes, Writer};
use crate::tag::Tag;
use parts::{kind_code, kind_of, read_arrivals, read_cause, read_due, write_arrivals, write_cause, write_due};
pub(crate) use parts::{read_settings, read_standing, write_settings, write_standing};

/// The format of heads and bodies.
pub const VERSION: u8 = 1;

/// When a session has to be judged again, from an entry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// When it had to be before.
    Same,
    /// Never, unless something comes.
    Never,
    /// Then.
    At(Timestamp),
}

/// The head of a record of the journal: what an entry of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// An event, new when it was appended.
    Event {
        /// Of which session.
        tag: Tag,
        /// What makes it itself.
        digest: Digest,
        /// The receiver's time; nothing of one that was imported without.
        received_at: Option<Timestamp>,
        /// When the session is due from then on.
        due: Due,
    },
    /// An event that is there already came again, with an earlier arrival.
    Arrival {
        /// Of which session.
        tag: Tag,
        /// What makes the event itself.
        digest: Digest,
        /// The receiver's time.
        received_at: Timestamp,
    },
    /// An event that is there already came again, and this is all that was known then of when it came.
    Repeated {
        /// Of which session.
        tag: Tag,
        /// What makes the event itself.
        digest: Digest,
        /// How often it came, and when.
        arrivals: Arrivals,
    },
    /// A deadline passed.
    Passed {
        /// Of which session.
        tag: Tag,
        /// When it was due.
        at: Timestamp,
        /// When the session is due from then on.
        due: Due,
    },
    /// More events of a session came than are kept.
    Crowded {
        /// Which session.
        tag: Tag,
    },
    /// A notice, the first of its session, kind and revision.
    Notice {
        /// Its place in the outbox; 0 for one that nobody is told.
        seq: u64,
        /// Its name for ever.
        id: NoticeId,
        /// Of which session.
        tag: Tag,
        /// What sort of thing.
        kind: NoticeKind,
        /// Counts up by kind.
        revision: u32,
    },
    /// When a session has to be judged again.
    Due {
        /// Which session.
        tag: Tag,
        /// When.
        due: Due,
    },
    /// A delivery that cannot be read.
    Refused {
        /// What makes it itself: its `RefusedId`.
        identity: [u8; 16],
        /// The receiver's time.
        received_at: Timestamp,
    },
    /// A consumer has all notices up to this one.
    Acknowledged {
        /// Its name.
        consumer: String,
        /// The last it has.
        seq: u64,
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
    /// All of a consumer, for when the records that say so are not kept; or a part of it.
    Consumer {
        /// Its name.
        consumer: String,
        /// What it has acknowledged.
        seq: u64,
        /// It is the first part: what was known of it goes.
        is_first: bool,
        /// Notices that stand otherwise.
        standing: Vec<(u64, Standing)>,
    },
    /// A consumer is forgotten.
    Removed {
        /// Its name.
        consumer: String,
    },
    /// A refused delivery is dealt with.
    Answered {
        /// What makes it itself.
        identity: [u8; 16],
    },
    /// What a source is read under from here on.
    Source(SourceSettings),
    /// A receiver's time that nothing else in the log has reached: that of an event that came again.
    Clock {
        /// The time.
        at: Timestamp,
    },
    /// A session was let go: nothing of it is kept but this.
    Gone {
        /// Which session.
        tag: Tag,
        /// Why.
        why: Why,
        /// When, by the receiver's time.
        at: Timestamp,
        /// The last revisions that were said: of its end, of a stall, of assets.
        revisions: [u32; 3],
        /// Notices after this place of the outbox stay there, without content.
        told: u64,
    },
    /// The last thing that was said of a session that is gone.
    LastWord {
        /// Where it stood in the outbox.
        seq: u64,
        /// Its name for ever.
        id: NoticeId,
        /// Of which session.
        tag: Tag,
        /// What sort of thing.
        kind: NoticeKind,
        /// Counts up by kind.
        revision: u32,
    },
    /// What the outbox has, for when the notices that say so are not kept.
    Outbox {
        /// The last place that was taken.
        last: u64,
        /// The first notice that is kept.
        first: u64,
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

/// The greatest byte of a kind.
const KIND_MAX: u8 = 21;

/// Bytes that the head of [`Head::Repeated`] can have.
pub(crate) const REPEATED_BYTES: usize = 2 + 16 + 16 + 1 + 13 * ARRIVALS_MAX + 1 + 8 + 13;

impl Head {
    /// The head as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        self.write(&mut bytes);
        bytes
    }

    /// Writes it at the end of `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[VERSION, self.code()]);
        let mut to = Writer(bytes);
        match self {
            Head::Event { tag, digest, received_at, due } => {
                to.tag(*tag);
                to.digest(*digest);
                to.option(*received_at, Writer::timestamp);
                write_due(&mut to, *due);
            }
            Head::Arrival { tag, digest, received_at } => {
                to.tag(*tag);
                to.digest(*digest);
                to.timestamp(*received_at);
            }
            Head::Repeated { tag, digest, arrivals } => {
                to.tag(*tag);
                to.digest(*digest);
                write_arrivals(&mut to, arrivals);
            }
            Head::Passed { tag, at, due } => {
                to.tag(*tag);
                to.timestamp(*at);
                write_due(&mut to, *due);
            }
            Head::Notice { seq, id, tag, kind, revision } | Head::LastWord { seq, id, tag, kind, revision } => {
                to.u64(*seq);
                to.0.extend_from_slice(&id.to_bytes());
                to.tag(*tag);
                to.u8(kind_code(*kind));
                to.u32(*revision);
            }
            Head::Crowded { tag } => to.tag(*tag),
            Head::Due { tag, due } => {
                to.tag(*tag);
                write_due(&mut to, *due);
            }
            Head::Refused { identity, received_at } => {
                to.0.extend_from_slice(identity);
                to.timestamp(*received_at);
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
            Head::Consumer { consumer, seq, is_first, standing } => {
                to.text(consumer);
                to.u64(*seq);
                to.u8(u8::from(*is_first));
                // As many as fit.
                to.u32(standing.len() as u32);
                for (seq, standing) in standing {
                    to.u64(*seq);
                    write_standing(&mut to, standing);
                }
            }
            Head::Removed { consumer } => to.text(consumer),
            Head::Clock { at } => to.timestamp(*at),
            Head::Answered { identity } => to.0.extend_from_slice(identity),
            Head::Source(settings) => write_settings(&mut to, settings),
            Head::Gone { tag, why, at, revisions, told } => {
                to.tag(*tag);
                to.u8(match why {
                    Why::Expired => 0,
                    Why::Forgotten => 1,
                });
                to.timestamp(*at);
                for revision in revisions {
                    to.u32(*revision);
                }
                to.u64(*told);
            }
            Head::Outbox { last, first } => {
                to.u64(*last);
                to.u64(*first);
            }
        }
    }

    /// The head that [`Head::encode`] made these bytes of.
    ///
    /// # Errors
    /// When it made them of none.
    pub fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
        match bytes {
            [VERSION, code @ 1..=KIND_MAX, rest @ ..] => read_head(*code, Bytes(rest)).ok_or(HeadError::Malformed),
            [] | [0, ..] | [VERSION] | [VERSION, 0, ..] => Err(HeadError::Malformed),
            _ => Err(HeadError::Newer),
        }
    }

    /// Of which session it is an entry.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        match self {
            Head::Event { tag, .. }
            | Head::Arrival { tag, .. }
            | Head::Repeated { tag, .. }
            | Head::Passed { tag, .. }
            | Head::Crowded { tag }
            | Head::Notice { tag, .. }
            | Head::Due { tag, .. }
            | Head::LastWord { tag, .. }
            | Head::Gone { tag, .. } => Some(*tag),
            _ => None,
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
            Head::Gone { .. } => 10,
            Head::Outbox { .. } => 11,
            Head::LastWord { .. } => 12,
            Head::Done { .. } => 13,
            Head::Parked { .. } => 14,
            Head::Released { .. } => 15,
            Head::Reset { .. } => 16,
            Head::Consumer { .. } => 17,
            Head::Answered { .. } => 18,
            Head::Source(_) => 19,
            Head::Crowded { .. } => 20,
            Head::Repeated { .. } => 21,
        }
    }
}

fn read_head(code: u8, mut from: Bytes<'_>) -> Option<Head> {
    let head = match code {
        1 => Head::Event {
            tag: from.tag()?,
            digest: from.digest()?,
            received_at: from.option(Bytes::timestamp)?,
            due: read_due(&mut from)?,
        },
        2 => Head::Arrival { tag: from.tag()?, digest: from.digest()?, received_at: from.timestamp()? },
        3 => Head::Passed { tag: from.tag()?, at: from.timestamp()?, due: read_due(&mut from)? },
        4 => Head::Notice {
            seq: from.u64()?,
            id: NoticeId::from_bytes(from.array()?),
            tag: from.tag()?,
            kind: kind_of(from.u8()?)?,
            revision: from.u32()?,
        },
        5 => Head::Due { tag: from.tag()?, due: read_due(&mut from)? },
        6 => Head::Refused { identity: from.array()?, received_at: from.timestamp()? },
        7 => Head::Acknowledged { consumer: from.text()?, seq: from.u64()? },
        8 => Head::Removed { consumer: from.text()? },
        9 => Head::Clock { at: from.timestamp()? },
        13 => Head::Done { consumer: from.text()?, seq: from.u64()? },
        14 => Head::Parked { consumer: from.text()?, seq: from.u64()?, cause: read_cause(&mut from)? },
        15 => Head::Released { consumer: from.text()?, seq: from.u64()? },
        16 => Head::Reset { consumer: from.text()?, seq: from.u64()? },
        18 => Head::Answered { identity: from.array()? },
        19 => Head::Source(read_settings(&mut from)?),
        20 => Head::Crowded { tag: from.tag()? },
        21 => Head::Repeated { tag: from.tag()?, digest: from.digest()?, arrivals: read_arrivals(&mut from)? },
        17 => {
            let (consumer, seq, is_first) = (from.text()?, from.u64()?, from.u8()?);
            let mut standing = Vec::new();
            for _ in 0..from.u32()? {
                standing.push((from.u64()?, read_standing(&mut from)?));
            }
            Head::Consumer { consumer, seq, is_first: [false, true].get(usize::from(is_first)).copied()?, standing }
        }
        10 => Head::Gone {
            tag: from.tag()?,
            why: [Why::Expired, Why::Forgotten].get(usize::from(from.u8()?)).copied()?,
            at: from.timestamp()?,
            revisions: [from.u32()?, from.u32()?, from.u32()?],
            told: from.u64()?,
        },
        12 => Head::LastWord {
            seq: from.u64()?,
            id: NoticeId::from_bytes(from.array()?),
            tag: from.tag()?,
            kind: kind_of(from.u8()?)?,
            revision: from.u32()?,
        },
        11 => Head::Outbox { last: from.u64()?, first: from.u64()? },
        _ => return None,
    };
    from.end(head)
}

impl From<Option<Timestamp>> for Due {
    fn from(due: Option<Timestamp>) -> Due {
        due.map_or(Due::Never, Due::At)
    }
}

/// Of one session, `complete` and `amended` count together: one revision is said once, as either.
#[must_use]
pub(crate) fn series(kind: NoticeKind) -> u8 {
    match kind {
        NoticeKind::Complete | NoticeKind::Amended => 0,
        NoticeKind::Stalled => 1,
        NoticeKind::Asset => 2,
        NoticeKind::Forgotten => 3,
    }
}

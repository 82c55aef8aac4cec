//! What happened in a run: every step that anybody outside could see, in order.

use std::collections::BTreeMap;
use std::fmt;

use finis_engine::live::{Notice, NoticeId, SessionKey};
use finis_engine::log::{Consumer, EventEntry, Mark, Refused, RefusedId, Stored};
use finis_engine::{Receipt, ReceiveError, Timestamp};

use crate::mishaps::Who;

/// What happened when a story was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What there was at the end.
    pub kept: Kept,
    /// What was not finished, though there was time enough: nothing, in words.
    pub unfinished: Vec<String>,
    /// The engine panicked, and said so.
    pub panicked: Option<String>,
    /// Whether time went on until nothing was left to be done. Else it was looked at in the middle of it.
    pub at_rest: bool,
    /// When it ended, by the clock that is right and by the receiver's: the time at which records were read.
    pub end: (Timestamp, Timestamp),
}

/// What a log has at the end of a run.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Sessions that were not let go, as the log has them.
    pub sessions: BTreeMap<SessionKey, Stored>,
    /// Their records, as the engine gives them.
    pub records: BTreeMap<SessionKey, String>,
    /// The outbox, with the places in it.
    pub outbox: Vec<(u64, Notice)>,
    /// The last place that is taken.
    pub last_seq: u64,
    /// Deliveries that could not be read.
    pub refused: Vec<Refused>,
    /// Whoever is told, and how far each is.
    pub consumers: Vec<Consumer>,
    /// The latest time that it has; nothing when there is no entry.
    pub latest: Option<Timestamp>,
}

/// Something that happened, and when, by the clock that is right.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Did,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Did {
    /// The process was started, for the so many-th time, from 1.
    Started {
        /// Which time.
        life: u64,
    },
    /// The process ended.
    Ended {
        /// How.
        how: Ending,
    },
    /// Somebody began to read what is in quarantine again, under the contract as it is meant.
    Rereading,
    /// All of it was read, and its sessions judged.
    Reread,
    /// Somebody began to let a receiver that goes on read under the contract as it is meant.
    Mending,
    /// It does.
    Mended,
    /// A mishap befell the receiver.
    Befell {
        /// Its place among the happenings.
        place: usize,
    },
    /// A delivery was posted.
    Posted {
        /// Its place among the happenings.
        place: usize,
        /// How far the receiver's clock was ahead, in microseconds.
        ahead: i64,
    },
    /// A delivery was answered. One that was under way when the process died never is.
    Answered {
        /// Its place among the happenings.
        place: usize,
        /// With what.
        answer: Answer,
    },
    /// The log kept a batch.
    Kept(Box<Batch>),
    /// Sessions were let go: with what is known of them, and when by the receiver's time.
    LetGo {
        /// Which; nothing when nobody was named.
        keys: Vec<SessionKey>,
        /// When.
        at: Timestamp,
    },
    /// The log remembers of a consumer.
    Marked {
        /// Of whom.
        who: Who,
        /// What.
        marks: Vec<Mark>,
    },
    /// A notice was handed over.
    Handed {
        /// To whom.
        who: Who,
        /// Its place in the outbox.
        seq: u64,
        /// Its id.
        id: NoticeId,
        /// Of which session it is.
        key: SessionKey,
    },
    /// A consumer came, or came back after a process ended or after it died itself: what it is not known to
    /// have acknowledged has to be handed to it again.
    Came {
        /// Which.
        who: Who,
    },
    /// A consumer is about to acknowledge.
    Acking {
        /// Which.
        who: Who,
        /// All up to this place.
        seq: u64,
    },
    /// A consumer was told that what it acknowledged is kept.
    Acked {
        /// Which.
        who: Who,
        /// All up to this place.
        seq: u64,
    },
    /// A consumer had its effect, and knows the id.
    Dealt {
        /// Which.
        who: Who,
        /// The place of the notice.
        seq: u64,
        /// Whether it was the first time for this id.
        first: bool,
    },
    /// A consumer could not, or died.
    Stumbled {
        /// Which.
        who: Who,
        /// The place of the notice.
        seq: u64,
    },
}

/// What a log kept together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Events, and whether each was not there before.
    pub events: Vec<(EventEntry, bool)>,
    /// Deadlines that passed.
    pub deadlines: Vec<(SessionKey, Timestamp)>,
    /// Notices, and whether each was the first of its session, kind and revision.
    pub notices: Vec<(Notice, bool)>,
    /// Deliveries that could not be read.
    pub refused: Vec<Refused>,
    /// Deliveries that could not be read before, and are dealt with.
    pub released: Vec<RefusedId>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It died.
    Crashed,
    /// Its log failed.
    Failed,
    /// It was closed.
    Closed,
}

/// What a sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the engine said.
    Told(Result<Receipt, ReceiveError>),
    /// Nobody was there.
    Down,
}

impl Played {
    /// What happened, a line each.
    #[must_use]
    pub fn trace(&self) -> String {
        let lines: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        lines.join("\n") + "\n"
    }

    /// BLAKE3 over what happened and what there was at the end: the same for the same story, on every machine.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for step in &self.steps {
            hasher.update(format!("{step}\n").as_bytes());
        }
        for record in self.kept.records.values() {
            hasher.update(record.as_bytes());
        }
        for (seq, notice) in &self.kept.outbox {
            hasher.update(notice.to_json(*seq).as_bytes());
        }
        hasher.update(format!("{:?}", self.kept.consumers).as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// What the log kept, in order.
    pub fn batches(&self) -> impl Iterator<Item = (usize, &Batch)> {
        self.steps.iter().enumerate().filter_map(|(place, step)| match &step.what {
            Did::Kept(batch) => Some((place, &**batch)),
            _ => None,
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Told(Ok(Receipt::Stored { key })) => write!(f, "stored, of {}", key.id()),
            Answer::Told(Ok(Receipt::Duplicate { key })) => write!(f, "duplicate, of {}", key.id()),
            Answer::Told(Ok(Receipt::Quarantined { reason })) => write!(f, "quarantined: {reason}"),
            Answer::Told(Ok(Receipt::Expired { key })) => write!(f, "expired, of {}", key.id()),
            Answer::Told(Ok(Receipt::Forgotten { key })) => write!(f, "forgotten, of {}", key.id()),
            Answer::Told(Err(error)) => error.fmt(f),
            Answer::Down => f.write_str("nobody is there"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.at)?;
        match &self.what {
            Did::Started { life } => write!(f, "started, for the {life}. time"),
            Did::Ended { how } => write!(f, "ended: {}", format!("{how:?}").to_lowercase()),
            Did::Rereading => f.write_str("the quarantine is read again"),
            Did::Reread => f.write_str("the quarantine was read again"),
            Did::Mending => f.write_str("the contract is mended"),
            Did::Mended => f.write_str("the contract was mended"),
            Did::Befell { place } => write!(f, "befell: {place}"),
            Did::Posted { place, ahead: 0 } => write!(f, "posted: {place}"),
            Did::Posted { place, ahead } => write!(f, "posted: {place}, with the clock off by {ahead} µs"),
            Did::Answered { place, answer } => write!(f, "answered: {place}: {answer}"),
            Did::Kept(batch) => batch.fmt(f),
            Did::LetGo { keys, at } => {
                let keys: Vec<&str> = keys.iter().map(SessionKey::id).collect();
                write!(f, "let go at {at}: {}", keys.join(", "))
            }
            Did::Marked { who, marks } => write!(f, "{who}: {marks:?}"),
            Did::Handed { who, seq, id, key } => write!(f, "{who}: handed {seq}, {id} of {}", key.id()),
            Did::Came { who } => write!(f, "{who}: came"),
            Did::Acking { who, seq } => write!(f, "{who}: acknowledges {seq}"),
            Did::Acked { who, seq } => write!(f, "{who}: acknowledged {seq}"),
            Did::Dealt { who, seq, first } => {
                write!(f, "{who}: dealt with {seq}{}", if *first { "" } else { ", once more" })
            }
            Did::Stumbled { who, seq } => write!(f, "{who}: stumbled over {seq}"),
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kept:")?;
        for (event, is_new) in &self.events {
            let at = event.received_at.map_or_else(String::new, |at| format!(" of {at}"));
            write!(f, " event {}{at} of {}{};", event.digest, event.key.id(), again(*is_new))?;
        }
        for (key, due) in &self.deadlines {
            write!(f, " deadline {due} of {};", key.id())?;
        }
        for (notice, is_first) in &self.notices {
            let Notice { id, kind, revision, key, .. } = notice;
            write!(f, " {} {revision} of {}: {id}{};", kind.as_str(), key.id(), again(*is_first))?;
        }
        for refused in &self.refused {
            write!(f, " refused {};", refused.id())?;
        }
        for released in &self.released {
            write!(f, " out of quarantine {released};")?;
        }
        Ok(())
    }
}

fn again(is_new: bool) -> &'static str {
    if is_new { "" } else { " again" }
}

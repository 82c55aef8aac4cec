//! A session, entry by entry: what each changed in its record, and what was said then.
//!
//! A function of what a log has of the session. Entries stand in the order in which they count: by the
//! receiver's time, or by the provider's where an event was imported without one.

mod json; // as JSON

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::engine::Source;
use crate::event::{EventKind, Reader};
use crate::live::{Change, LiveArrival, Notice, Session, SessionKey, Under, changes};
use crate::log::{Arrivals, EventEntry, Stored};
use crate::timestamp::Timestamp;

pub(crate) use json::where_it_stands;

/// An entry of a session's log, and what it did.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is.
    pub what: What,
    /// The time that it counts by: the receiver's, or the provider's of an event that was imported without.
    pub when: Option<Timestamp>,
    /// What is not in the record as it was before, old and new.
    pub changes: Vec<Change>,
    /// What was said at this state of the record.
    pub said: Vec<Notice>,
}

/// What sort of entry it is.
#[derive(Clone, Debug)]
pub enum What {
    /// An event came.
    Event {
        /// Its kind; nothing when the contract cannot read it any more.
        kind: Option<String>,
        /// The provider's time.
        at: Option<Timestamp>,
        /// When it first came.
        received_at: Option<Timestamp>,
        /// The session had an event of this kind before, with other content.
        again: bool,
        /// How often it came, at least. With [`What::Event::arrivals`], beside whoever has the store it may lag.
        came: u64,
        /// When it came, if it came more than once; not when it was imported without a time.
        arrivals: Option<Arrivals>,
        /// What makes it itself, in hexadecimal.
        digest: String,
    },
    /// A deadline passed.
    Passed,
    /// More events came than are kept: after the last that is, and nobody remembers when.
    Crowded,
    /// What was said and fits none of these states: under other settings, or another contract.
    Said,
}

/// An entry that is to take its turn.
#[derive(Clone, Copy)]
enum Turn<'r, 'e> {
    Passed,
    Came(&'r Read<'e>),
    Crowded,
}

/// An event as it was read, to be added in its turn.
struct Read<'e> {
    entry: &'e EventEntry,
    event: Option<(String, Option<Timestamp>, LiveArrival)>,
}

/// All entries of a session, in the order in which they count.
pub(crate) fn timeline(source: &Source, under: Under<'_>, key: &SessionKey, stored: &Stored) -> Vec<Step> {
    let mut reader = Reader::new();
    let events: Vec<Read<'_>> = stored
        .events
        .iter()
        .map(|entry| {
            let event = source.read(&mut reader, &entry.delivery).ok().map(|(_, event)| {
                let kind = match event.kind {
                    EventKind::Known(kind) => source.contract.kind_name(kind).to_owned(),
                    EventKind::Unknown(name) => name.to_owned(),
                };
                (kind, event.at, LiveArrival::new(&source.contract, &event))
            });
            Read { entry, event }
        })
        .collect();
    // A deadline is over at its very instant, so it stands before what came then.
    let passed = stored.deadlines.iter().map(|due| (Some(*due), Turn::Passed));
    let came = events.iter().map(|read| {
        let at = read.event.as_ref().and_then(|(_, at, _)| *at);
        (read.entry.received_at.or(at), Turn::Came(read))
    });
    let mut entries: Vec<(Option<Timestamp>, Turn<'_, '_>)> = passed.chain(came).collect();
    entries.sort_by_key(|(when, turn)| (*when, turn.digest()));
    if stored.crowded {
        let last = entries.iter().rposition(|(_, turn)| turn.digest().is_some());
        entries.insert(last.map_or(0, |last| last + 1), (None, Turn::Crowded));
    }

    let mut session = Session::new(key.clone());
    let mut unsaid: Vec<&Notice> = stored.notices.iter().collect();
    let (mut kinds, mut record, mut steps) = (BTreeSet::new(), String::new(), Vec::new());
    let mut now = Timestamp::MIN;
    for (when, turn) in entries {
        let what = match turn {
            Turn::Passed => {
                if let Some(due) = when {
                    session.reach(due);
                }
                What::Passed
            }
            Turn::Crowded => {
                session.note_crowded();
                What::Crowded
            }
            Turn::Came(Read { entry, event }) => {
                if let Some((_, _, arrival)) = event {
                    session.add(arrival.clone(), entry.received_at);
                }
                let kind = event.as_ref().map(|(kind, ..)| kind.clone());
                let known = stored.repeated.binary_search_by_key(&entry.digest, |(digest, _)| *digest);
                let arrivals = known.ok().map(|place| stored.repeated[place].1.clone());
                What::Event {
                    again: kind.as_ref().is_some_and(|kind| !kinds.insert(kind.clone())),
                    kind,
                    at: event.as_ref().and_then(|(_, at, _)| *at),
                    received_at: entry.received_at,
                    came: how_often(entry, arrivals.as_ref()),
                    arrivals,
                    digest: entry.digest.to_string(),
                }
            }
        };
        now = when.map_or(now, |when| now.max(when));
        let is = session.outline_at(under, now);
        let events = session.partial().len();
        let is_of_now = |notice: &&Notice| notice.events == events && changes(&notice.record, &is).is_empty();
        let (said, rest) = unsaid.into_iter().partition(|notice| is_of_now(notice));
        let said: Vec<&Notice> = said;
        unsaid = rest;
        let changes = changes(&record, &is).into_iter().filter(|change| !is_name(&change.part)).collect();
        steps.push(Step { what, when, changes, said: said.into_iter().cloned().collect() });
        record = is;
    }
    if !unsaid.is_empty() {
        let said = unsaid.into_iter().cloned().collect();
        steps.push(Step { what: What::Said, when: None, changes: Vec::new(), said });
    }
    steps
}

impl Turn<'_, '_> {
    /// Of an event, what makes it itself.
    fn digest(&self) -> Option<Digest> {
        match self {
            Turn::Came(read) => Some(read.entry.digest),
            Turn::Passed | Turn::Crowded => None,
        }
    }
}

/// How often an event came: one that was imported without a time came once before all others.
fn how_often(entry: &EventEntry, arrivals: Option<&Arrivals>) -> u64 {
    let timed = arrivals.map_or(u64::from(entry.received_at.is_some()), Arrivals::count);
    timed + u64::from(entry.received_at.is_none())
}

/// What says whose record it is, and never changes.
fn is_name(part: &str) -> bool {
    ["source", "subject", "session"].contains(&part)
}

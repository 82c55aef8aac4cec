//! A session, entry by entry: what each changed in its record, and what was said then.

use std::collections::BTreeSet;

use crate::engine::live::{Change, LiveArrival, Notice, Session, SessionKey, Under, changes};
use crate::engine::log::{EventEntry, Stored};
use crate::engine::{EventKind, Reader, Source, Timestamp};

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
        /// What makes it itself, in hexadecimal.
        digest: String,
    },
    /// A deadline passed.
    Passed,
    /// What was said and fits none of these states: under other settings, or another contract.
    Said,
}

/// An event as it was read, to be added in its turn.
struct Read<'e> {
    entry: &'e EventEntry,
    event: Option<(String, Option<Timestamp>, LiveArrival)>,
}

/// All entries of a session, in the order in which they count.
pub(super) fn timeline(source: &Source, under: Under<'_>, key: &SessionKey, stored: &Stored) -> Vec<Step> {
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
    let passed = stored.deadlines.iter().map(|due| (Some(*due), None));
    let came = events.iter().map(|read| {
        let at = read.event.as_ref().and_then(|(_, at, _)| *at);
        (read.entry.received_at.or(at), Some(read))
    });
    let mut entries: Vec<(Option<Timestamp>, Option<&Read<'_>>)> = passed.chain(came).collect();
    entries.sort_by_key(|(when, read)| (*when, read.map(|read| read.entry.digest)));

    let mut session = Session::new(key.clone());
    let mut unsaid: Vec<&Notice> = stored.notices.iter().collect();
    let (mut kinds, mut record, mut steps) = (BTreeSet::new(), String::new(), Vec::new());
    for (when, read) in entries {
        let what = match read {
            None => {
                if let Some(due) = when {
                    session.reach(due);
                }
                What::Passed
            }
            Some(Read { entry, event }) => {
                if let Some((_, _, arrival)) = event {
                    session.add(arrival, entry.received_at);
                }
                let kind = event.as_ref().map(|(kind, ..)| kind.clone());
                What::Event {
                    again: kind.as_ref().is_some_and(|kind| !kinds.insert(kind.clone())),
                    kind,
                    at: event.as_ref().and_then(|(_, at, _)| *at),
                    received_at: entry.received_at,
                    digest: entry.digest.to_string(),
                }
            }
        };
        let now = session.record_at(under, when.unwrap_or(Timestamp::MIN));
        let events = session.partial().len();
        let is_of_now = |notice: &&Notice| notice.events == events && changes(&notice.record, &now).is_empty();
        let (said, rest) = unsaid.into_iter().partition(|notice| is_of_now(notice));
        let said: Vec<&Notice> = said;
        unsaid = rest;
        let changes = changes(&record, &now).into_iter().filter(|change| !is_name(&change.part)).collect();
        steps.push(Step { what, when, changes, said: said.into_iter().cloned().collect() });
        record = now;
    }
    if !unsaid.is_empty() {
        let said = unsaid.into_iter().cloned().collect();
        steps.push(Step { what: What::Said, when: None, changes: Vec::new(), said });
    }
    steps
}

/// What says whose record it is, and never changes.
fn is_name(part: &str) -> bool {
    ["source", "subject", "session"].contains(&part)
}

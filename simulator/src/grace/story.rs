//! One session as its evidence came, and what the engine says of it under any grace and stall.
//!
//! How long to wait changes nothing of what is known, only when it is said. So the engine's fold and judge
//! look once at the session after each of its events, with all the time in the world; what would be said
//! under a grace and a stall is then a matter of comparing instants.

use std::time::Duration;

use finis_engine::contract::draft::Role;
use finis_engine::live::NoticeKind;
use finis_engine::{By, Contract, EventKind, Key, Partial, Reader, Record, Status, SubjectId, Terms};

use crate::Arrival;
use crate::clock::{self, Micros};

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For what is missing, after the first closing event.
    pub grace: Duration,
    /// For the end, after the last event; nothing: for ever.
    pub stall: Option<Duration>,
}

/// A session, event by event: those that it really has, each when it came first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    steps: Vec<Step>,
}

/// What is known of a session once an event has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the event came.
    pub at: Micros,
    /// Where the session stands while no time is over.
    pub standing: Standing,
    /// Kinds that are due and not here, and whose facts nothing here has.
    pub missing: Kinds,
    /// Kinds that are due and not here, but their facts came with another.
    pub inferred: Kinds,
    /// Fields that these kinds would fill, and nothing here has.
    pub facts_missing: u32,
    /// Whether the event is of a kind that stands for itself and comes whenever it likes, as a recording.
    pub independent: bool,
    /// The kind of the event; none when the contract does not have it.
    brings: Kinds,
    /// The first step whose record is the same, but for its status and its events.
    record: usize,
}

/// Kinds of a contract: a bit for each, by its place. A contract has 64 at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u64);

/// Where a session stands when deadlines are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No closing event yet.
    Open,
    /// It closed, and something is wanting or wrong.
    Wanting,
    /// It closed, and nothing is.
    Clean,
}

/// Something that is said of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// When: that of the event or of the deadline that caused it.
    pub at: Micros,
    /// `complete`, `amended` or `stalled`.
    pub kind: NoticeKind,
    /// The status in its record.
    pub status: Status,
    /// What decided that.
    pub by: Option<By>,
    /// Place of the last step before it.
    pub step: usize,
}

/// Why an amendment was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event came of a kind that was missing or inferred at `complete`: a longer grace had waited for it.
    Late,
    /// An event came that stands for itself, as a recording: nobody waits for it.
    Independent,
    /// A correction, a contradiction, a deadline after these.
    Other,
}

/// What two notices of one series may differ in: status, what decided it, the rest of the record.
type Face = (Status, Option<By>, usize);

/// Reads the stories of sessions, one after another.
#[derive(Debug)]
pub struct Narrator<'c> {
    contract: &'c Contract,
    /// Those of the source, but without an end to its patience.
    terms: Terms,
    /// By kind, the fields that it fills.
    fills: Vec<Vec<&'c str>>,
    independent: Kinds,
    reader: Reader,
}

impl Kinds {
    fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

impl Step {
    fn wanting(&self) -> Kinds {
        self.missing.or(self.inferred)
    }
}

impl<'c> Narrator<'c> {
    /// Whoever reads sessions under a contract, with what a source has subscribed; its grace and stall
    /// play no part.
    #[must_use]
    pub fn new(contract: &'c Contract, terms: &Terms) -> Narrator<'c> {
        let mut terms = terms.clone();
        terms.set_grace(Duration::MAX);
        terms.set_stall(Duration::MAX);
        let events = &contract.draft().events;
        let fields = |name: &str| {
            let event = events.iter().find(|event| event.kind == name);
            event.map(|event| event.facts.keys().map(String::as_str).collect()).unwrap_or_default()
        };
        let fills = contract.kinds().map(|(_, name)| fields(name)).collect();
        let is_independent =
            |name: &str| events.iter().any(|event| event.kind == name && event.role == Role::Independent);
        let mut independent = Kinds::default();
        let kinds = contract.kinds().filter(|(_, name)| is_independent(name));
        kinds.for_each(|(kind, _)| independent.insert(kind.index()));
        Narrator { contract, terms, fills, independent, reader: Reader::new() }
    }

    /// The story of a session, from all its arrivals in the order in which they came. What is not proved or
    /// cannot be read is no event, and what comes again is none either. Nothing when it is of another
    /// subject than the main one, whose waits are the contract's alone.
    pub fn tell(&mut self, arrivals: &[Arrival]) -> Option<Story> {
        let mut session = Partial::default();
        let mut steps: Vec<Step> = Vec::with_capacity(arrivals.len());
        let mut records: Vec<Vec<u8>> = Vec::with_capacity(arrivals.len());
        for arrival in arrivals.iter().filter(|arrival| arrival.is.proved) {
            let headers = arrival.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let headers = self.contract.kept_headers(headers);
            let Ok(body) = std::str::from_utf8(&arrival.body) else { continue };
            let Ok(event) = self.reader.read_delivery(self.contract, body, &headers) else { continue };
            if event.subject != SubjectId::MAIN {
                return None;
            }
            if !session.add(self.contract, &event, Some(arrival.received_at)) {
                continue;
            }
            let mut brings = Kinds::default();
            if let EventKind::Known(kind) = event.kind {
                brings.insert(kind.index());
            }
            // Whose it is does not matter: all of it is of one session.
            let key = Key { source: "", subject: event.subject, id: "" };
            let mut record = Record::new(key, &session, self.contract, &self.terms, arrival.received_at);
            let standing = match record.verdict.status {
                Status::Open | Status::Stalled => Standing::Open,
                Status::Settling => Standing::Wanting,
                Status::Complete => Standing::Clean,
            };
            let (mut missing, mut inferred) = (Kinds::default(), Kinds::default());
            record.verdict.missing().for_each(|kind| missing.insert(kind.index()));
            record.verdict.inferred().for_each(|kind| inferred.insert(kind.index()));
            let facts_missing = self.facts_missing(missing.or(inferred), &record);
            // Status and events aside, as changes are told.
            record.events.clear();
            (record.verdict.status, record.verdict.by) = (Status::Open, None);
            let mut text = Vec::with_capacity(512);
            record.write_json(&mut text);
            let known = records.iter().position(|known| *known == text);
            let record = known.unwrap_or(steps.len());
            records.push(text);
            let at = clock::micros(arrival.received_at);
            let independent = brings.meets(self.independent);
            steps.push(Step { at, standing, missing, inferred, facts_missing, independent, brings, record });
        }
        Some(Story { steps })
    }

    /// How many fields these kinds would fill that a record does not have.
    fn facts_missing(&self, kinds: Kinds, record: &Record<'_>) -> u32 {
        if kinds.is_empty() {
            return 0;
        }
        let wanting = self.fills.iter().enumerate().filter(|(place, _)| kinds.has(*place));
        let mut fields: Vec<&str> = wanting.flat_map(|(_, fields)| fields.iter().copied()).collect();
        fields.sort_unstable();
        fields.dedup();
        let is_here = |field: &str| record.fields.iter().any(|(name, _)| *name == field);
        // No contract has so many fields.
        fields.iter().filter(|field| !is_here(field)).count() as u32
    }
}

/// A length of time, cut to what can be added to any instant.
pub(super) fn micros(wait: Duration) -> Micros {
    clock::length(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
}

impl Story {
    /// What is known after each event.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Place of the first step with a closing event.
    #[must_use]
    pub fn close(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.standing != Standing::Open)
    }

    /// What is said of it under these waits, in order, `asset` aside: each event when it came, every deadline
    /// at its instant, and before an event that comes at that very instant.
    #[must_use]
    pub fn said(&self, waits: Waits) -> Vec<Said> {
        let close = self.close();
        let mut said = Vec::new();
        // The last that was said of its end, and of a stall.
        let (mut end, mut stalled): (Option<Face>, Option<Face>) = (None, None);
        for (place, step) in self.steps.iter().enumerate() {
            let is_closed = close.is_some_and(|close| close <= place);
            // Without an end it waits since this event, with one since the first that closes.
            let (over, due) = match close.filter(|_| is_closed) {
                Some(close) => (Status::Complete, Some(self.steps[close].at + micros(waits.grace))),
                None => (Status::Stalled, waits.stall.map(|stall| step.at + micros(stall))),
            };
            let mut look = |at: Micros| {
                let face = match step.standing {
                    Standing::Clean => (Status::Complete, Some(By::Evidence), step.record),
                    _ if due.is_some_and(|due| due <= at) => (over, Some(By::Deadline), step.record),
                    Standing::Wanting => (Status::Settling, None, step.record),
                    Standing::Open => (Status::Open, None, step.record),
                };
                let (last, kind) = match (face.0, end) {
                    (_, Some(_)) => (&mut end, NoticeKind::Amended),
                    (Status::Complete, None) => (&mut end, NoticeKind::Complete),
                    (Status::Stalled, None) => (&mut stalled, NoticeKind::Stalled),
                    _ => return,
                };
                if *last != Some(face) {
                    *last = Some(face);
                    said.push(Said { at, kind, status: face.0, by: face.1, step: place });
                }
            };
            look(step.at);
            let next = self.steps.get(place + 1).map(|next| next.at);
            if let Some(due) = due.filter(|due| *due > step.at && next.is_none_or(|next| *due <= next)) {
                look(due);
            }
        }
        said
    }

    /// Whether an event of a kind that was missing or inferred after a step came later.
    #[must_use]
    pub fn comes_after(&self, step: usize) -> bool {
        let later = self.steps.iter().skip(step + 1);
        self.steps.get(step).is_some_and(|step| later.into_iter().any(|later| later.brings.meets(step.wanting())))
    }

    /// Why something was said after `complete` was said at a step.
    #[must_use]
    pub fn cause(&self, complete: &Said, amended: &Said) -> Cause {
        let (before, step) = (&self.steps[complete.step], &self.steps[amended.step]);
        // A deadline that an event causes is later than the event.
        if amended.at > step.at {
            Cause::Other
        } else if step.brings.meets(before.wanting()) {
            Cause::Late
        } else if step.independent {
            Cause::Independent
        } else {
            Cause::Other
        }
    }

    /// How long after the first closing event the last came that was waited for, before nothing was wanting
    /// any more; nothing when none came. A grace that is longer never completes it too early.
    #[must_use]
    pub fn lateness(&self) -> Option<Micros> {
        let close = self.close()?;
        let settling = self.steps[close..].windows(2).take_while(|pair| pair[0].standing != Standing::Clean);
        let late = settling.filter(|pair| pair[1].brings.meets(pair[0].wanting()));
        Some(late.last()?[1].at - self.steps[close].at)
    }

    /// The longest time without an event before the first that closes; nothing when none does. A stall that is
    /// longer never gives it up.
    #[must_use]
    pub fn silence(&self) -> Option<Micros> {
        let close = self.close()?;
        Some(self.steps[..=close].windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or(0))
    }
}

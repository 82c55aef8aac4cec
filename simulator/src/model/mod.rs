//! What must come of deliveries, by a second reading of the design.
//!
//! The model keeps every event of a session in a list, sorts everything whenever it is asked, and looks
//! at the whole set. It is slow, and short enough to be read against the text: the final record byte for
//! byte, where a session stands at any instant, and which notices must have been said. It shares no code
//! with the engine's fold, verdict and record; it has the contract's data ([`Draft`]) from there, and the
//! version of the fold for certificates.
//!
//! One thing it leaves out: a live engine keeps so many events of a session and no more.

mod claims; // what a set of events says of each field
pub mod export; // lines of an export
mod notices; // what must have been said
mod read; // what a delivery says
mod record; // a record as it is printed
mod time; // instants
mod verdict; // where a session stands

use std::collections::BTreeMap;
use std::time::Duration;

use finis_engine::contract::Draft;
use finis_engine::{Contract, Timestamp};

pub use notices::Said;
pub use read::{Digest, Told, read};
use record::Page;
pub use time::Instant;

/// What a source has settled on with its provider.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Kinds that it is sent; all of them unless told.
    pub subscribed: Option<Vec<String>>,
    /// How long to wait after an end, in place of what the contract says of its first subject.
    pub grace: Option<Duration>,
    /// How long to wait for an end, in place of what the contract says of its first subject.
    pub stall: Option<Duration>,
}

/// Whose events these are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The name of the source.
    pub source: String,
    /// The name of the subject: `session`, `campaign`, ….
    pub subject: String,
    /// The id.
    pub id: String,
}

/// A distinct event, and when it came first.
#[derive(Clone, Debug)]
struct Kept {
    told: Told,
    received_at: Option<Instant>,
    /// It was taken out of quarantine, and its session judged when the log was at this time.
    filled: Option<Instant>,
    /// Which of all arrivals was the first of it: of two at one instant, the one that came before.
    number: usize,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A new event of this session.
    New(Key),
    /// An event that was here before.
    Again(Key),
    /// No event; why, in words that are not the engine's.
    Refused(String),
}

/// A provider's sources, and everything that came from them.
#[derive(Clone, Debug)]
pub struct Model<'c> {
    contract: &'c Draft,
    terms: Terms,
    sessions: BTreeMap<Key, Vec<Kept>>,
    arrivals: usize,
    latest: Latest,
}

/// The latest times that were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    received_at: Option<Instant>,
    /// Of known kinds.
    at: Option<Instant>,
}

impl Terms {
    /// Whether a kind is subscribed.
    fn has(&self, kind: &str) -> bool {
        self.subscribed.as_ref().is_none_or(|kinds| kinds.iter().any(|known| known == kind))
    }
}

impl<'c> Model<'c> {
    /// A model of a contract in which nothing has come yet.
    #[must_use]
    pub fn new(contract: &'c Contract, terms: Terms) -> Model<'c> {
        let sessions = BTreeMap::new();
        Model { contract: contract.draft(), terms, sessions, arrivals: 0, latest: Latest::default() }
    }

    /// Takes a delivery whose signature is good.
    pub fn take(
        &mut self,
        source: &str,
        headers: &[(String, String)],
        body: &[u8],
        received_at: Option<Timestamp>,
    ) -> Taken {
        let Ok(body) = std::str::from_utf8(body) else { return Taken::Refused("not UTF-8".into()) };
        match read(self.contract, headers, body) {
            Ok(told) => self.put(source, told, received_at.map(Instant::from), None),
            Err(reason) => Taken::Refused(reason),
        }
    }

    /// Takes a delivery that was in quarantine, in a log that is at this time by now.
    pub fn fill(
        &mut self,
        source: &str,
        headers: &[(String, String)],
        body: &[u8],
        received_at: Option<Timestamp>,
        log_at: Timestamp,
    ) -> Taken {
        let Ok(body) = std::str::from_utf8(body) else { return Taken::Refused("not UTF-8".into()) };
        match read(self.contract, headers, body) {
            Ok(told) => self.put(source, told, received_at.map(Instant::from), Some(Instant::from(log_at))),
            Err(reason) => Taken::Refused(reason),
        }
    }

    fn put(&mut self, source: &str, told: Told, received_at: Option<Instant>, filled: Option<Instant>) -> Taken {
        let number = self.arrivals;
        self.arrivals += 1;
        self.latest.received_at = self.latest.received_at.max(received_at);
        if self.contract.events.iter().any(|event| event.kind == told.kind) {
            self.latest.at = self.latest.at.max(told.at);
        }
        let subject = self.contract.subjects[told.subject].name.clone();
        let key = Key { source: source.to_owned(), subject, id: told.id.clone() };
        let events = self.sessions.entry(key.clone()).or_default();
        if let Some(known) = events.iter_mut().find(|known| known.told.digest == told.digest) {
            known.received_at = match (known.received_at, received_at) {
                (Some(known), Some(now)) => Some(known.earliest(now)),
                (known, now) => known.or(now),
            };
            return Taken::Again(key);
        }
        events.push(Kept { told, received_at, filled, number });
        Taken::New(key)
    }

    /// Whose events came, in the order of records.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.sessions.keys()
    }

    /// The time that deadlines are judged at offline, unless told: the latest arrival, or where there is
    /// none the latest time of a known kind.
    #[must_use]
    pub fn as_of(&self) -> Option<Instant> {
        self.latest.received_at.or(self.latest.at)
    }

    fn page<'s>(&'s self, key: &'s Key, now: Instant) -> Option<Page<'s>> {
        Some(Page::new(self.contract, &self.terms, key, self.sessions.get(key)?, now))
    }

    /// The record of a session as one line, without digests and certificate.
    #[must_use]
    pub fn record(&self, key: &Key, as_of: Instant) -> Option<String> {
        Some(self.page(key, as_of)?.plain())
    }

    /// The record of a session with digests and certificate.
    #[must_use]
    pub fn certified(&self, key: &Key, as_of: Instant) -> Option<String> {
        Some(self.page(key, as_of)?.certified(usize::MAX))
    }

    /// Where a session stands at an instant, by all that is known of it: `open`, `settling`, `complete`
    /// or `stalled`.
    #[must_use]
    pub fn status(&self, key: &Key, as_of: Instant) -> Option<&'static str> {
        Some(self.page(key, as_of)?.verdict.status)
    }

    /// What must have been said of a session by an instant, in order, by an engine that is live: one that
    /// knows of each event when it came first, and sleeps through no deadline.
    #[must_use]
    pub fn said(&self, key: &Key, until: Instant) -> Vec<Said> {
        self.said_if(key, until, false)
    }

    /// The same, when deadlines that were due by the time of the log passed before it was
    /// [filled](Model::fill), if anybody was there to pass them.
    #[must_use]
    pub fn said_if(&self, key: &Key, until: Instant, passed_before: bool) -> Vec<Said> {
        let events = self.sessions.get(key).map_or(&[][..], Vec::as_slice);
        notices::live(self.contract, &self.terms, key, events, until, passed_before)
    }

    /// Every record, a line each, in order.
    #[must_use]
    pub fn records(&self, as_of: Instant) -> String {
        let lines = self.sessions.keys().filter_map(|key| self.record(key, as_of));
        lines.map(|line| line + "\n").collect()
    }
}

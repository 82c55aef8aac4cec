//! Sessions of every provider as the simulator makes them; and the ways to read, fold and print them that the
//! laws are stated in.

mod contract; // a contract with nothing but what a test is about

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use finis::engine::contract::draft;
use finis::engine::{Certifier, Contract, Event, Key, Partial, Reader, Record, SubjectId, Terms, Timestamp};
use finis::providers::Catalogue;
use finis_simulator::Arrival;
use finis_simulator::faults::{Chance, Delay, Faults, Later, Odd, Origin, Road, Storm};
use finis_simulator::world::{Habits, Settings, World};
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) use contract::{record_of, set, small_contract};

/// Something that events are about, under one of the contracts that ship with finis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) provider: &'static str,
    pub(crate) subject: &'static str,
}

const fn name(provider: &'static str, subject: &'static str) -> Name {
    Name { provider, subject }
}

pub(crate) const PATHORS: Name = name("pathors", "session");
pub(crate) const AGNTIX: Name = name("agntix", "session");
pub(crate) const SAAYA_SESSION: Name = name("saaya", "session");
pub(crate) const SAAYA_CAMPAIGN: Name = name("saaya", "campaign");
pub(crate) const SAAYA_AGENT: Name = name("saaya", "agent");
pub(crate) const SAAYA_UPLOAD: Name = name("saaya", "upload");
pub(crate) const SMALLEST: Name = name("smallest", "session");
pub(crate) const SMALLEST_LEGACY: Name = name("smallest-legacy", "session");

/// All subjects of all contracts that ship with finis.
pub(crate) const NAMES: [Name; 8] =
    [PATHORS, AGNTIX, SAAYA_SESSION, SAAYA_CAMPAIGN, SAAYA_AGENT, SAAYA_UPLOAD, SMALLEST, SMALLEST_LEGACY];

/// Printed as people say it.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.subject)
    }
}

/// Any of them.
pub(crate) fn any_name() -> impl Strategy<Value = Name> {
    select(NAMES.to_vec())
}

#[test]
fn no_subject_is_left_out() {
    let catalogue = Catalogue::shipped();
    let all = catalogue.iter().flat_map(|contract| contract.subjects().map(|(_, name)| (contract.provider(), name)));
    let mut all: Vec<_> = all.collect();
    let mut named = NAMES.map(|name| (name.provider, name.subject));
    all.sort_unstable();
    named.sort_unstable();
    assert_eq!(all, named);
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::shipped);

/// How sessions usually are, of each subject alone.
static HABITS: LazyLock<BTreeMap<Name, Habits>> = LazyLock::new(|| {
    let of = |name: Name| {
        let mut habits = Habits::shipped(name.provider).expect("they ship with finis");
        let first = CATALOGUE.get(name.provider).expect("it ships with finis").draft().subjects[0].name.clone();
        habits.lives.retain(|life| life.subject.as_ref().unwrap_or(&first) == name.subject);
        (name, habits)
    };
    NAMES.into_iter().map(of).collect()
});

/// A provider whose events clash: each comes again and again, is contradicted, corrected, written otherwise,
/// and has copies that nobody would send. All of it can be read.
pub(crate) fn clashing() -> Faults {
    Faults {
        delay: Delay { usual_ms: 300, tail: Chance::percent(15), tail_ms: 2_000, doublings_max: 12 },
        duplicate: Chance::percent(30),
        storm: Storm { chance: Chance::percent(15), copies_max: 4, after_s: 600 },
        conflict: Chance::percent(30),
        correction: Later { chance: Chance::percent(20), after_s: 60 },
        dress: Chance::percent(20),
        unknown: Chance::percent(10),
        odd: Odd { chance: Chance::percent(80), copies_max: 36, field: None },
        ..Faults::none()
    }
}

/// What comes of some sessions of a seed, one of which begins every so often, in the order in which it comes.
pub(crate) fn arrivals(name: Name, seed: u64, sessions: u64, every: Duration, faults: &Faults) -> Vec<Arrival> {
    let contract = CATALOGUE.get(name.provider).expect("it ships with finis");
    let settings = Settings { seed, sessions, every, ..Settings::default() };
    let world = World::with(contract, &HABITS[&name], settings).expect("habits that ship fit their contracts");
    let origin = Origin { source: name.provider.to_owned(), signing: None };
    Road::new(&world, faults.clone(), seed, origin).collect()
}

/// What comes of one session.
pub(crate) fn session(name: Name, seed: u64) -> Vec<Arrival> {
    arrivals(name, seed, 1, Duration::from_secs(60), &clashing())
}

/// A body as one line. Bodies are written otherwise with line feeds, too, where any white space may be.
pub(crate) fn payload(arrival: &Arrival) -> String {
    let body = std::str::from_utf8(&arrival.body).expect("nothing has damaged it");
    body.replace(['\n', '\r'], " ")
}

/// An instant, for tests.
pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A subject under the terms of its contract.
pub(crate) struct Subject {
    pub(crate) contract: &'static Contract,
    pub(crate) draft: &'static draft::Subject,
    pub(crate) terms: Terms,
    pub(crate) id: SubjectId,
    certifier: Certifier<'static>,
}

impl Subject {
    pub(crate) fn of(name: Name) -> Subject {
        let contract = CATALOGUE.get(name.provider).expect("it ships with finis");
        let (id, _) = contract.subjects().find(|(_, known)| *known == name.subject).expect("the contract has it");
        let draft = contract.draft().subjects.iter().find(|draft| draft.name == name.subject);
        let terms = Terms::new(contract);
        let certifier = Certifier::new(contract, &terms);
        Subject { contract, draft: draft.expect("as above"), terms, id, certifier }
    }

    /// Reads payloads that are about one session.
    pub(crate) fn read<T>(&self, payloads: &[String], then: impl FnOnce(&[Event<'_>]) -> T) -> T {
        let mut readers: Vec<Reader> = payloads.iter().map(|_| Reader::new()).collect();
        let events = readers.iter_mut().zip(payloads).map(|(reader, payload)| {
            reader.read(self.contract, payload).unwrap_or_else(|error| panic!("{error}: {payload}"))
        });
        let events: Vec<Event<'_>> = events.collect();
        for (event, payload) in events.iter().zip(payloads) {
            assert_eq!((event.subject, event.id), (self.id, events[0].id), "{payload}");
        }
        then(&events)
    }

    /// The record at some time.
    pub(crate) fn record<'p>(&'p self, partial: &'p Partial, now: Timestamp) -> Record<'p> {
        let key = Key { source: "a source", subject: self.id, id: "a session" };
        Record::new(key, partial, self.contract, &self.terms, now)
    }

    /// All that anybody is told of a partial: the record at times of which some are before, between and after
    /// the deadlines, and its certified form, a line each.
    pub(crate) fn printed(&self, partial: &Partial) -> String {
        // Sessions begin in the first minute.
        static NOWS: LazyLock<[Timestamp; 3]> =
            LazyLock::new(|| ["2026-05-03T00:02:00Z", "2026-05-03T00:30:00Z", "2026-05-03T03:00:00Z"].map(instant));
        let mut out = Vec::new();
        for now in *NOWS {
            self.record(partial, now).write_json(&mut out);
            out.push(b'\n');
        }
        let mut printed = String::from_utf8(out).expect("records are UTF-8");
        printed.push_str(&self.certified(partial));
        printed
    }

    /// The record after all deadlines.
    pub(crate) fn last(&self, partial: &Partial) -> Vec<u8> {
        let mut out = Vec::new();
        self.record(partial, Timestamp::MAX).write_json(&mut out);
        out
    }

    /// The certified record after all deadlines.
    pub(crate) fn certified(&self, partial: &Partial) -> String {
        let mut out = Vec::new();
        self.record(partial, Timestamp::MAX).write_certified(&mut out, &self.certifier);
        let printed = String::from_utf8(out).expect("records are UTF-8");
        assert!(printed.contains(r#","certificate":""#), "not certified: {printed}");
        printed
    }
}

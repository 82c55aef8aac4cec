//! The model and the engine, held against each other after every arrival of hostile worlds: records with
//! digests and certificates, where sessions stand, and what is said of them.

use std::collections::BTreeMap;
use std::time::Duration;

use finis_engine::live::{self, Received, SessionKey, Under};
use finis_engine::{Certifier, Contract, Key, LineReader, Partial, Record, SubjectId, Terms, Timestamp};
use finis_simulator::Arrival;
use finis_simulator::clock::{micros, timestamp};
use finis_simulator::faults::{Chance, Faults, Odd, Origin, Road};
use finis_simulator::json::Json;
use finis_simulator::model::{self, Instant, Model, Taken};
use finis_simulator::world::{Settings, World};
use proptest::prelude::*;

use crate::contracts;

const SOURCE: &str = "here";

/// A session as the engine knows it.
struct Engine {
    subject: SubjectId,
    partial: Partial,
    live: live::Session,
    notices: Vec<live::Notice>,
}

/// What a source has settled on, for both of them.
#[derive(Clone, Debug)]
struct Settled {
    /// Kinds that are left out of the subscription, by their places.
    left_out: Vec<usize>,
    grace_s: Option<u64>,
    stall_s: Option<u64>,
}

impl Settled {
    fn terms(&self, contract: &Contract) -> (Terms, model::Terms) {
        let kinds = contract.kinds().map(|(kind, name)| (kind.index(), name.to_owned()));
        let subscribed: Vec<String> =
            kinds.filter(|(place, _)| !self.left_out.contains(place)).map(|(_, name)| name).collect();
        let (grace, stall) = (self.grace_s.map(Duration::from_secs), self.stall_s.map(Duration::from_secs));
        let mut terms = Terms::new(contract);
        terms.subscribe(contract, subscribed.iter().map(String::as_str)).unwrap();
        if let Some(grace) = grace {
            terms.set_grace(grace);
        }
        if let Some(stall) = stall {
            terms.set_stall(stall);
        }
        (terms, model::Terms { subscribed: Some(subscribed), grace, stall })
    }
}

/// An arrival as a line of an export, byte for byte.
pub(crate) fn line(arrival: &Arrival) -> Vec<u8> {
    let headers: BTreeMap<_, _> = arrival.headers.iter().cloned().collect();
    let mut line = format!("{{\"headers\":{},\"body\":\"", serde_json::to_string(&headers).unwrap()).into_bytes();
    for byte in &arrival.body {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            0..0x20 => line.extend(format!("\\u{byte:04x}").bytes()),
            _ => line.push(*byte),
        }
    }
    line.extend(b"\"}");
    line
}

struct Both<'c> {
    contract: &'c Contract,
    terms: Terms,
    engine: BTreeMap<(String, String), Engine>,
    model: Model<'c>,
    reader: LineReader,
}

impl<'c> Both<'c> {
    fn new(contract: &'c Contract, settled: &Settled) -> Both<'c> {
        let (terms, of_model) = settled.terms(contract);
        let model = Model::new(contract, of_model);
        Both { contract, terms, engine: BTreeMap::new(), model, reader: LineReader::new(None) }
    }

    /// Lets both take an arrival, and compares what they then say of its session.
    fn take(&mut self, arrival: &Arrival) {
        let at = arrival.received_at;
        let taken = self.model.take(SOURCE, &arrival.headers, &arrival.body, Some(at));
        let line = line(arrival);
        let read = self.reader.read(&line, |_| Ok(((), self.contract)));
        let Ok(read) = read else {
            assert!(matches!(taken, Taken::Refused(_)), "the engine refuses and the model does not: {arrival:?}");
            return;
        };
        let (Taken::New(key) | Taken::Again(key)) = &taken else {
            panic!("the model refuses and the engine does not: {taken:?} {arrival:?}")
        };
        let subject = read.event.subject;
        let id = (self.contract.subject_name(subject).to_owned(), read.event.id.to_owned());
        assert_eq!((&id.0, &id.1), (&key.subject, &key.id));
        let under = Under { contract: self.contract, terms: &self.terms, subject };
        let engine = self.engine.entry(id.clone()).or_insert_with(|| Engine {
            subject,
            partial: Partial::default(),
            live: live::Session::new(SessionKey::new(SOURCE, &id.0, &id.1)),
            notices: Vec::new(),
        });
        let is_new = engine.partial.add(self.contract, &read.event, Some(at));
        assert_eq!(is_new, matches!(taken, Taken::New(_)), "{arrival:?}");
        engine.pass_deadlines(under, at);
        match engine.live.receive(under, live::LiveArrival::new(self.contract, &read.event), at) {
            Received::Stored(notices) => engine.notices.extend(notices),
            Received::Duplicate => assert!(!is_new),
        }
        let key = key.clone();
        self.compare(&key, at);
    }

    /// Compares what both say of a session at an instant.
    fn compare(&self, key: &model::Key, at: Timestamp) {
        let engine = &self.engine[&(key.subject.clone(), key.id.clone())];
        let of = Key { source: SOURCE, subject: engine.subject, id: &key.id };
        let record = Record::new(of, &engine.partial, self.contract, &self.terms, at);
        let (mut plain, mut certified) = (Vec::new(), Vec::new());
        record.write_json(&mut plain);
        record.write_certified(&mut certified, &Certifier::new(self.contract, &self.terms));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(plain), self.model.record(key, at.into()).unwrap());
        assert_eq!(text(certified), self.model.certified(key, at.into()).unwrap());
        let status = self.model.status(key, at.into()).unwrap();
        assert_eq!(format!("{:?}", record.verdict.status).to_lowercase(), status);
    }

    /// Lets all deadlines pass, and compares everything that was said.
    fn finish(&mut self, until: Timestamp) {
        assert_eq!(self.model.keys().count(), self.engine.len());
        let keys: Vec<model::Key> = self.model.keys().cloned().collect();
        for key in keys {
            self.compare(&key, until);
            let engine = self.engine.get_mut(&(key.subject.clone(), key.id.clone())).unwrap();
            let under = Under { contract: self.contract, terms: &self.terms, subject: engine.subject };
            engine.pass_deadlines(under, until);
            let said: Vec<model::Said> = self.model.said(&key, until.into());
            let shown = |said: &model::Said| format!("{} {} at {}", said.kind, said.revision, said.at);
            let told: Vec<String> = said.iter().map(shown).collect();
            assert_eq!(engine.notices.len(), said.len(), "{:?} {told:?}", engine.notices);
            for (notice, said) in engine.notices.iter().zip(&said) {
                assert_eq!((notice.kind.as_str(), notice.revision), (said.kind, said.revision), "{told:?}");
                assert_eq!(notice.record, said.record);
                let changes = notice.changes.iter();
                let changes: BTreeMap<_, _> =
                    changes.map(|change| (change.part.clone(), (change.old.clone(), change.new.clone()))).collect();
                assert_eq!(changes, said.changes, "{told:?}");
                let asset = notice.asset.as_ref();
                let asset = asset.map(|asset| {
                    (asset.field.clone(), asset.value.clone(), asset.until.map(|at| Instant::from(at).to_string()))
                });
                let of_model = said.asset.clone();
                assert_eq!(asset, of_model.map(|(field, value, until)| (field, value, until.map(|at| at.to_string()))));
            }
        }
    }
}

impl Engine {
    /// As a writer does before anything that comes.
    fn pass_deadlines(&mut self, under: Under<'_>, now: Timestamp) {
        let mut last = None;
        while let Some(due) = self.live.deadline(under).filter(|due| *due <= now) {
            assert!(last < Some(due), "the deadline at {due} has passed, and is still due");
            last = Some(due);
            self.notices.extend(self.live.pass(under, due));
        }
    }
}

fn origin() -> Origin {
    Origin { source: SOURCE.into(), signing: None }
}

/// Eight days after everything that came: past every deadline of every contract.
fn long_after(arrivals: &[Arrival]) -> Timestamp {
    let last = arrivals.iter().map(|arrival| micros(arrival.received_at)).max().unwrap_or_default();
    timestamp(last + 8 * 86_400_000_000)
}

/// Lets both live through a world; what was said and what records were in the end.
fn agree(contract: &Contract, settled: &Settled, seed: u64, faults: Faults, sessions: u64) -> String {
    let every = Duration::from_secs(1 + seed % 40);
    let world = World::new(contract, Settings { seed, sessions, every, ..Settings::default() }).unwrap();
    let arrivals: Vec<Arrival> = Road::new(&world, faults, seed, origin()).collect();
    let mut both = Both::new(contract, settled);
    for arrival in &arrivals {
        both.take(arrival);
    }
    let end = long_after(&arrivals);
    both.finish(end);
    let said = both.model.keys().flat_map(|key| both.model.said(key, end.into())).map(|said| said.kind);
    format!("{:?}\n{}", said.collect::<Vec<_>>(), both.model.records(end.into()))
}

/// As many worlds as `PROPTEST_CASES` says, each named by its seed when it fails.
pub(crate) fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(160);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn settled() -> impl Strategy<Value = Settled> {
    let seconds = || prop::option::weighted(0.4, 0_u64..4_000);
    let left_out = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(0_usize..12, 1..4)];
    (left_out, seconds(), seconds()).prop_map(|(left_out, grace_s, stall_s)| Settled { left_out, grace_s, stall_s })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_model_and_the_engine_say_the_same_after_every_arrival(
        seed: u64,
        which in 0_usize..7,
        settled in settled(),
        odd in prop_oneof![3 => Just(0_u32), 1 => 1_u32..30],
    ) {
        let contract = &contracts::all()[which];
        let odd = Odd { chance: Chance::percent(odd), copies_max: 30, field: None };
        agree(contract, &settled, seed, Faults { odd, ..Faults::swarm(seed) }, 6);
    }
}

#[test]
fn these_worlds_reach_whatever_can_be_said() {
    let settled = Settled { left_out: Vec::new(), grace_s: None, stall_s: None };
    let contracts = contracts::all();
    let all = (0..70)
        .map(|seed| agree(&contracts[seed % contracts.len()], &settled, seed as u64, Faults::swarm(seed as u64), 12));
    let all: String = all.collect();
    for word in [
        "\"complete\"",
        "\"amended\"",
        "\"stalled\"",
        "\"asset\"",
        "\"by\":\"evidence\"",
        "\"by\":\"deadline\"",
        "\"conflicts\":[{",
        "\"violations\":[\"",
        "\"missing\":[\"",
        "\"inferred\":[\"",
        "\"subject\":",
        ".archived\"",
        "\"channel\":\"text\"",
        "\"channel\":\"unknown\"",
        "\"at\":null",
    ] {
        assert!(all.contains(word), "nothing says {word}");
    }
}

/// What may stand where something else should.
const VALUES: [&str; 20] = [
    "null",
    "true",
    "\"\"",
    "0",
    "-0",
    "7.8e1",
    "0.1",
    "1e21",
    "12345678901234567890",
    "-1.5E-7",
    "9007199254740993.0",
    "\"2026-05-03T02:00:00.5+02:00\"",
    "\"2026-05-03T00:00:00Z\"",
    "1777766400123",
    "\"1777766400\"",
    "[]",
    "[1,{\"b\":1,\"a\":[2]}]",
    "{\"\\u00e9\":\"\\u2028\",\"a\":1.0}",
    "\"ringing\"",
    "\"ended\"",
];

/// Puts something odd somewhere into a body: at any path that the contract reads or leaves out of identities.
fn twist(contract: &Contract, arrival: &Arrival, number: usize) -> Arrival {
    let draft = contract.draft();
    let facts = draft.events.iter().flat_map(|event| event.facts.values());
    let identity = &draft.identity;
    let places = facts.chain([&identity.kind]).chain(&identity.time).chain(&identity.event_id);
    let places = places.chain(draft.subjects.iter().map(|subject| &subject.id));
    let paths: Vec<&String> = places.filter_map(|place| place.path.as_ref()).chain(&identity.volatile).collect();
    let Some(mut body) = std::str::from_utf8(&arrival.body).ok().and_then(|body| Json::parse(body).ok()) else {
        return arrival.clone();
    };
    let path = paths[number * 7 % paths.len()];
    if number.is_multiple_of(5) {
        body.remove(path);
    } else {
        body.put(path, Json::parse(VALUES[number * 11 % VALUES.len()]).unwrap());
    }
    Arrival { body: body.to_string().into_bytes(), ..arrival.clone() }
}

#[test]
fn they_agree_on_bodies_that_nobody_would_send() {
    for contract in contracts::all() {
        let settled = Settled { left_out: Vec::new(), grace_s: None, stall_s: None };
        for seed in 0..40 {
            let world = World::new(&contract, Settings { seed, sessions: 4, ..Settings::default() }).unwrap();
            let mut both = Both::new(&contract, &settled);
            let arrivals: Vec<Arrival> = Road::new(&world, Faults::swarm(seed), seed, origin()).collect();
            for (place, arrival) in arrivals.iter().enumerate() {
                both.take(arrival);
                both.take(&twist(&contract, arrival, place * 40 + seed as usize));
            }
            both.finish(long_after(&arrivals));
        }
    }
}

#[test]
fn they_agree_on_bare_payloads_that_nobody_knows_the_arrival_of() {
    for contract in contracts::all() {
        let (terms, of_model) = Settled { left_out: Vec::new(), grace_s: None, stall_s: None }.terms(&contract);
        for seed in 0..20 {
            let world = World::new(&contract, Settings { seed, sessions: 8, ..Settings::default() }).unwrap();
            let mut model = Model::new(&contract, of_model.clone());
            let mut engine: BTreeMap<(String, String), (SubjectId, Partial)> = BTreeMap::new();
            let mut reader = LineReader::new(None);
            for arrival in Road::new(&world, Faults::swarm(seed), seed, origin()) {
                // Some of an export's lines have it.
                let received_at = Some(arrival.received_at).filter(|_| seed % 3 == 0 && arrival.is.event == 0);
                model.take(SOURCE, &arrival.headers, &arrival.body, received_at);
                let line = line(&arrival);
                let Ok(read) = reader.read(&line, |_| Ok(((), &contract))) else { continue };
                let key = (contract.subject_name(read.event.subject).to_owned(), read.event.id.to_owned());
                let (_, partial) = engine.entry(key).or_insert_with(|| (read.event.subject, Partial::default()));
                partial.add(&contract, &read.event, received_at);
            }
            assert_eq!(model.keys().count(), engine.len());
            let as_of = model.as_of().map(|at| Timestamp::parse(&at.to_string()).unwrap());
            for minutes in [0, 3, 70, 60 * 24 * 8] {
                let Some(as_of) = as_of.map(|at| timestamp(micros(at) + minutes * 60_000_000)) else { continue };
                for key in model.keys() {
                    let (subject, partial) = &engine[&(key.subject.clone(), key.id.clone())];
                    let of = Key { source: SOURCE, subject: *subject, id: &key.id };
                    let mut record = Vec::new();
                    Record::new(of, partial, &contract, &terms, as_of).write_json(&mut record);
                    let record = String::from_utf8(record).unwrap();
                    assert_eq!(record, model.record(key, as_of.into()).unwrap());
                }
            }
        }
    }
}

#[test]
fn they_agree_on_events_without_a_time() {
    let contract = contracts::all().into_iter().find(|contract| contract.provider() == "made-up").unwrap();
    let settled = Settled { left_out: Vec::new(), grace_s: None, stall_s: None };
    for seed in 0..40 {
        let world = World::new(&contract, Settings { seed, sessions: 6, ..Settings::default() }).unwrap();
        let mut both = Both::new(&contract, &settled);
        let arrivals: Vec<Arrival> = Road::new(&world, Faults::swarm(seed), seed, origin()).collect();
        for (place, arrival) in arrivals.iter().enumerate() {
            let mut arrival = arrival.clone();
            let body = std::str::from_utf8(&arrival.body).ok().and_then(|body| Json::parse(body).ok());
            if let Some(mut body) = body.filter(|_| place % 3 > 0) {
                body.remove("/at");
                arrival.body = body.to_string().into_bytes();
            }
            both.take(&arrival);
        }
        both.finish(long_after(&arrivals));
    }
}

#[test]
fn they_agree_on_a_session_that_is_contradicted_more_often_than_a_record_says() {
    let contract = contracts::pathors();
    let settled = Settled { left_out: Vec::new(), grace_s: None, stall_s: None };
    let mut both = Both::new(&contract, &settled);
    let world = World::new(&contract, Settings { sessions: 1, ..Settings::default() }).unwrap();
    let first = Road::new(&world, Faults::none(), 1, origin()).next().unwrap();
    let body = Json::parse(std::str::from_utf8(&first.body).unwrap()).unwrap();
    for count in 0..12 {
        let mut other = body.clone();
        other.put("/messagesCount", Json::Number(count.to_string()));
        both.take(&Arrival { body: other.to_string().into_bytes(), ..first.clone() });
    }
    both.finish(long_after(&[first]));
}

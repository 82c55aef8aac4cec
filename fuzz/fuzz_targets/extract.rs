//! Any bytes as lines of an export, under each shipped contract.
//!
//! Beside not panicking: reading is a function of the line; what is readable has a canonical form
//! that is the same event; a repeat, a merge with itself and another order change nothing; what is
//! printed is JSON, and its certificate can be computed from it.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use finis_engine::{
    Arrival, Certifier, Contract, EventKind, JsonError, Key, LineReader, Partial, Pointer, Record, SubjectId, Terms,
    Timestamp, Unreadable, canonical,
};
use finis_providers::Catalogue;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

/// Lines of one input that are read. More would only make a run slower.
const LINES_MAX: usize = 8;

struct World {
    contracts: Vec<(Contract, Terms)>,
    /// Where payloads are looked for: by the shape of the line, and at a path.
    bodies: Vec<Option<Pointer>>,
    /// Before and after all deadlines.
    instants: [Timestamp; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    contracts: Catalogue::shipped().iter().map(|contract| (contract.clone(), Terms::new(contract))).collect(),
    bodies: vec![None, Some(Pointer::parse("/request/body").unwrap())],
    instants: ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"].map(|at| Timestamp::parse(at).unwrap()),
});

/// All that was read from a line, apart from the reader it was a slice of.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    subject: SubjectId,
    id: String,
    kind: String,
    known: bool,
    at: Option<Timestamp>,
    event_id: Option<String>,
    digest: String,
    received_at: Option<Timestamp>,
    facts: Vec<(String, String)>,
}

/// What the log says of one session: as its events came, and an event a part.
#[derive(Default)]
struct Session {
    all: Partial,
    parts: Vec<Partial>,
}

fuzz_target!(|data: &[u8]| -> Corpus {
    // The keys by which serde_json tells its own numbers from objects.
    if data.windows(11).any(|window| window == b"$serde_json") {
        return Corpus::Reject;
    }
    for (contract, terms) in &WORLD.contracts {
        for body_at in &WORLD.bodies {
            fold(data, contract, terms, body_at.as_ref());
        }
    }
    Corpus::Keep
});

fn fold(data: &[u8], contract: &Contract, terms: &Terms, body_at: Option<&Pointer>) {
    let mut reader = LineReader::new(body_at.cloned());
    let mut sessions: BTreeMap<(SubjectId, String), Session> = BTreeMap::new();
    for line in data.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let seen = read(&mut reader, line, contract);
        assert_eq!(read(&mut reader, line, contract), seen, "a reader that has read reads otherwise");
        assert_eq!(read(&mut LineReader::new(body_at.cloned()), line, contract), seen, "a new reader reads otherwise");
        let Ok(seen) = seen else { continue };
        check_canonical(&mut reader, line, &seen, contract);
        let session = sessions.entry((seen.subject, seen.id.clone())).or_default();
        session.add(&mut reader, line, contract);
    }
    for ((subject, id), session) in &sessions {
        session.check_merges();
        for now in WORLD.instants {
            let key = Key { source: "source", subject: *subject, id };
            session.check_record(key, contract, terms, now);
        }
    }
}

fn arrive<'r>(
    reader: &'r mut LineReader,
    line: &'r [u8],
    contract: &Contract,
) -> Result<Arrival<'r, ()>, Unreadable> {
    reader.read(line, |_| Ok(((), contract)))
}

fn read(reader: &mut LineReader, line: &[u8], contract: &Contract) -> Result<Seen, Unreadable> {
    let Arrival { event, received_at, .. } = arrive(reader, line, contract).inspect_err(|error| {
        assert!(!error.to_string().is_empty() && !error.sort().is_empty(), "a refusal without a word: {error:?}");
    })?;
    let names: Vec<&str> = contract.fields().map(|(_, name)| name).collect();
    let ids: Vec<_> = contract.fields().map(|(field, _)| field).collect();
    let facts = event.facts().map(|(field, value)| {
        let place = ids.iter().position(|id| *id == field).expect("a fact is of a field");
        let value = std::str::from_utf8(value).expect("a fact is text");
        assert_eq!(canonical(value).as_deref(), Ok(value), "a fact that is not in canonical form");
        (names[place].to_owned(), value.to_owned())
    });
    let facts = facts.collect();
    let (kind, known) = match event.kind {
        EventKind::Known(kind) => (contract.kind_name(kind), true),
        EventKind::Unknown(name) => (name, false),
    };
    assert!(!event.id.is_empty() && !kind.is_empty());
    Ok(Seen {
        subject: event.subject,
        id: event.id.to_owned(),
        kind: kind.to_owned(),
        known,
        at: event.at,
        event_id: event.event_id.map(str::to_owned),
        digest: event.digest.to_string(),
        received_at,
        facts,
    })
}

/// A readable line is JSON, and its canonical form is the same value and the same event.
fn check_canonical(reader: &mut LineReader, line: &[u8], seen: &Seen, contract: &Contract) {
    let line = std::str::from_utf8(line).expect("a readable line is UTF-8");
    let form = match canonical(line) {
        Ok(form) => form,
        // A line may be a little deeper than the payload in it.
        Err(JsonError::TooDeep) => return,
        Err(error) => panic!("readable, but without canonical form: {error}"),
    };
    assert_eq!(canonical(&form).as_ref(), Ok(&form), "the canonical form has another");
    let value: Value = serde_json::from_str(line).expect("readable, but no JSON");
    let value_of_form: Value = serde_json::from_str(&form).expect("a canonical form that is no JSON");
    assert!(same(&value, &value_of_form), "the canonical form is another value: {form}");
    let seen_of_form = read(reader, form.as_bytes(), contract);
    // Facts in a unit are made from the text of a number, and a number has only one in this form.
    let seen_of_form = seen_of_form.expect("readable, but not in canonical form");
    assert_eq!(&seen_of_form, seen, "the canonical form is another event: {form}");
}

/// Whether two values are equal as finis understands it.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_str(), right.as_str());
            let written = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            let number = |text: &str| text.parse::<f64>().unwrap();
            if written(left) && left != "-0" { left == right } else { number(left) == number(right) }
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let in_right = |(key, value)| right.get(key).is_some_and(|other| same(value, other));
            left.len() == right.len() && left.iter().all(in_right)
        }
        _ => left == right,
    }
}

impl Session {
    fn add(&mut self, reader: &mut LineReader, line: &[u8], contract: &Contract) {
        let Ok(Arrival { event, received_at, .. }) = arrive(reader, line, contract) else { return };
        self.all.add(contract, &event, received_at);
        let before = self.all.clone();
        assert!(!self.all.add(contract, &event, received_at), "an event is new twice");
        assert_eq!(self.all, before, "a repeat changes what is known");
        let mut part = Partial::default();
        assert!(part.add(contract, &event, received_at), "the first event is not new");
        self.parts.push(part);
    }

    /// The parts in the other order are what came in the first.
    fn backwards(&self) -> Partial {
        let mut backwards = Partial::default();
        self.parts.iter().rev().for_each(|part| backwards.merge(part));
        backwards
    }

    fn check_merges(&self) {
        assert_eq!(self.backwards(), self.all, "the order of events shows");
        let mut twice = self.all.clone();
        twice.merge(&self.all);
        twice.merge(&Partial::default());
        assert_eq!(twice, self.all, "merging with itself or with nothing changes what is known");
    }

    fn check_record(&self, key: Key<'_>, contract: &Contract, terms: &Terms, now: Timestamp) {
        let record = Record::new(key, &self.all, contract, terms, now);
        let (mut plain, mut certified) = (Vec::new(), Vec::new());
        let mut certifier = Certifier::new(contract, terms);
        record.write_json(&mut plain);
        record.write_certified(&mut certified, &mut certifier);

        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("a record that is no JSON");
        assert_eq!(parse(&plain)["session"], key.id);
        let value = parse(&certified);
        let certificate = value["certificate"].as_str().expect("a record without its certificate");
        let text = std::str::from_utf8(&certified).unwrap();
        assert_eq!(certifier.certificate(text).as_deref(), Ok(certificate), "a record is not what it certifies");

        let backwards = self.backwards();
        let mut again = Vec::new();
        Record::new(key, &backwards, contract, terms, now).write_certified(&mut again, &mut certifier);
        assert_eq!(again, certified, "the order of events shows in the record");
    }
}

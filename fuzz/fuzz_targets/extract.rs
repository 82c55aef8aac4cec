//! Any bytes as lines of an export, under each shipped contract and one made up.
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
use finis_providers::{Catalogue, load};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target, fuzzer_mutate};
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
    contracts: {
        let made_up = load("made-up.toml", include_str!("../made-up.toml")).unwrap_or_else(|error| panic!("{error}"));
        let contracts: Vec<Contract> = Catalogue::shipped().iter().cloned().chain([made_up]).collect();
        let with_terms = |contract| {
            let terms = Terms::new(&contract);
            (contract, terms)
        };
        contracts.into_iter().map(with_terms).collect()
    },
    bodies: vec![None, Some(Pointer::parse("/request/body").unwrap())],
    instants: ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"].map(|at| Timestamp::parse(at).unwrap()),
});

/// A line, and its canonical form.
type Line<'a> = (&'a [u8], Result<String, JsonError>);

/// All that was read from a line, apart from the reader it was a slice of.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    subject: SubjectId,
    id: String,
    kind: String,
    known: bool,
    at: Option<String>,
    event_id: Option<String>,
    digest: String,
    received_at: Option<String>,
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
    let lines = data.split(|byte| *byte == b'\n').take(LINES_MAX);
    let lines: Vec<_> = lines.map(|line| (line, canonical_form(line))).collect();
    for (contract, terms) in &WORLD.contracts {
        for body_at in &WORLD.bodies {
            fold(&lines, contract, terms, body_at.as_ref());
        }
    }
    Corpus::Keep
});

// Every other time a value of a line is changed instead of its bytes: few changes of bytes are JSON.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = if seed.is_multiple_of(2) { change_value(&data[..size], seed as usize / 2) } else { None };
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// The lines with another value in one of them.
fn change_value(data: &[u8], seed: usize) -> Option<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (seed, place) = (seed / lines.len(), seed % lines.len());
    let mut line: Value = serde_json::from_slice(&lines[place]).ok()?;
    let values = count(&line);
    change(&mut line, &mut (seed % values), seed / values);
    lines[place] = serde_json::to_vec(&line).ok()?;
    Some(lines.join(&b'\n'))
}

/// How many values there are in a value, itself one of them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the value that comes after `before` others.
fn change(value: &mut Value, before: &mut usize, how: usize) -> bool {
    if *before == 0 {
        *value = changed(value.take(), how);
        return true;
    }
    *before -= 1;
    match value {
        Value::Array(elements) => elements.iter_mut().any(|element| change(element, before, how)),
        Value::Object(members) => members.values_mut().any(|member| change(member, before, how)),
        _ => false,
    }
}

/// Something else in place of a value, or made of it.
fn changed(value: Value, how: usize) -> Value {
    let (how, more) = (how % 12, how / 12);
    match (how, value) {
        (0, _) => Value::Null,
        (1, _) => Value::Array(Vec::new()),
        (2, _) => Value::Object(serde_json::Map::new()),
        (3, _) => "".into(),
        (4, value) => value.to_string().into(),
        (5, value) => Value::Array(vec![value.clone(), value]),
        (6, Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
        (6, Value::Array(elements)) => elements.into_iter().next().unwrap_or_default(),
        (6, Value::Object(members)) => members.into_iter().next().map(|(_, value)| value).unwrap_or_default(),
        (7, Value::Object(members)) if !members.is_empty() => {
            let place = more % members.len();
            let rest = members.into_iter().enumerate().filter(|(at, _)| *at != place);
            Value::Object(rest.map(|(_, member)| member).collect())
        }
        (8, Value::Object(mut members)) if !members.is_empty() => {
            let place = more % members.len();
            let twin = members.iter().nth(place).map(|(key, value)| (key.to_lowercase(), value.clone()));
            members.extend(twin);
            Value::Object(members)
        }
        (9, Value::Object(members)) => Value::Object(members.into_iter().rev().collect()),
        (10, Value::Number(number)) => {
            let text = number.to_string();
            let forms = [format!("{text}0"), format!("{text}.50"), format!("{text}e1"), format!("-{text}")];
            serde_json::from_str(&forms[more % forms.len()]).unwrap_or_default()
        }
        (11, Value::String(text)) => {
            let others = ["\u{0}", "\u{85}", "/", "\u{e000}", "\u{1f600}", "Z", "0"];
            format!("{text}{}", others[more % others.len()]).into()
        }
        (_, value) => value,
    }
}

fn fold(lines: &[Line<'_>], contract: &Contract, terms: &Terms, body_at: Option<&Pointer>) {
    let mut reader = LineReader::new(body_at.cloned());
    let mut sessions: BTreeMap<(SubjectId, String), Session> = BTreeMap::new();
    for (line, form) in lines {
        let seen = read(&mut reader, line, contract);
        assert_eq!(read(&mut reader, line, contract), seen, "a reader that has read reads otherwise");
        let Ok(seen) = seen else { continue };
        assert_eq!(
            read(&mut LineReader::new(body_at.cloned()), line, contract).as_ref(),
            Ok(&seen),
            "a new reader reads otherwise"
        );
        match form {
            // Facts in a unit are made from the text of a number, and a number has but one here.
            Ok(form) => assert_eq!(
                read(&mut reader, form.as_bytes(), contract).as_ref(),
                Ok(&seen),
                "the canonical form is another event: {form}"
            ),
            // A line may be deeper than the payload in it.
            Err(JsonError::TooDeep) => {}
            Err(error) => panic!("readable, but without canonical form: {error}"),
        }
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

fn arrive<'r>(reader: &'r mut LineReader, line: &'r [u8], contract: &Contract) -> Result<Arrival<'r, ()>, Unreadable> {
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
        at: event.at.map(|at| at.to_string()),
        event_id: event.event_id.map(str::to_owned),
        digest: event.digest().to_string(),
        received_at: received_at.map(|at| at.to_string()),
        facts,
    })
}

/// A text that has a canonical form is JSON, and so is that form, of the same value.
fn canonical_form(line: &[u8]) -> Result<String, JsonError> {
    let Ok(line) = std::str::from_utf8(line) else { return Err(JsonError::Truncated) };
    let form = canonical(line)?;
    assert_eq!(canonical(&form).as_ref(), Ok(&form), "the canonical form has another");
    let value: Value = serde_json::from_str(line).expect("in canonical form, but no JSON");
    let value_of_form: Value = serde_json::from_str(&form).expect("a canonical form that is no JSON");
    assert!(same(&value, &value_of_form), "the canonical form is another value: {form}");
    Ok(form)
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

//! Payloads as each provider posts them, with the places where they can be made to differ; and the
//! ways to read, fold and print them that the laws are stated in.

mod subjects; // of each contract

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;

use finis::engine::{
    Certifier, Contract, Event, Key, LineReader, Partial, Reader, Record, SubjectId, Terms, Timestamp,
};
use finis::providers::{Catalogue, load};
use serde_json::{Value, json};

pub(crate) use subjects::{
    AGNTIX, PATHORS, SAAYA_AGENT, SAAYA_CAMPAIGN, SAAYA_SESSION, SAAYA_UPLOAD, SMALLEST, SMALLEST_LEGACY, SUBJECTS,
};

/// Something that events are about, under one of the contracts that ship with finis.
pub(crate) struct Subject {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    /// Where payloads say what kind they are.
    kind_at: &'static str,
    /// The kinds that are about it, by authority, the strongest first.
    pub(crate) kinds: &'static [Kind],
    /// The kinds that end it.
    pub(crate) closes: &'static [&'static str],
    /// Fields whose values may differ without a conflict.
    pub(crate) quiet: &'static [&'static str],
    /// Fields that are a progress, with their steps from first to last.
    pub(crate) progress: &'static [(&'static str, &'static [&'static [&'static str]])],
}

/// A kind of event.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Where its time stands, if it has one.
    time: Option<&'static str>,
    /// Where facts stand that deliveries of it disagree about, the first most often.
    doubtful: &'static [&'static str],
    /// As the provider's pages print it, or as they tell of it; its kind is set later.
    body: &'static str,
}

/// One of the many payloads about a subject.
#[derive(Clone, Debug)]
pub(crate) struct Pick {
    /// Place of its kind; past the last one, a kind that the contract has not.
    pub(crate) kind: usize,
    /// Which of [`TIMES`].
    pub(crate) at: usize,
    /// Which of [`value`] the first doubtful fact has.
    pub(crate) first: usize,
    /// What the others have: 0 as printed, else one of [`value`].
    pub(crate) others: usize,
}

/// Provider's times. The second and third are one instant, which neither is later than.
pub(crate) const TIMES: [&str; 5] = [
    "2026-05-03T08:42:11Z",
    "2026-05-03T08:42:11.5Z",
    "2026-05-03T10:42:11.500+02:00",
    "2026-05-03T08:42:14.022Z",
    "2026-05-03T09:42:14.022Z",
];

/// How many [`value`]s there are before the long ones.
pub(crate) const VALUES: usize = 17;

/// Kinds that no contract has.
const UNKNOWN_KINDS: [&str; 2] = ["session.pondered", "séance.levée"];

/// What stands in a doubtful place: nothing for the last number below [`VALUES`], for every other
/// number another value.
fn value(number: usize) -> Option<Value> {
    let values: [Value; VALUES - 1] = [
        json!("OPEN"),
        json!("CLOSED"),
        json!("EXPIRED"),
        json!("userHangup"),
        json!("voice"),
        json!("PAUSED"),
        json!("é\n\"\u{1F600}"),
        json!(""),
        json!(null),
        json!(78),
        json!(78.5),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(true),
        json!([{"b": 1, "a": [null]}, {}]),
        json!({"\u{e000}": 1, "\u{10000}": 2}),
    ];
    // Long enough that what is let go is worth moving the rest for.
    let long = || Value::from("long ".repeat(number * 20));
    (number != VALUES - 1).then(|| values.get(number).cloned().unwrap_or_else(long))
}

/// Its name is enough to find it by.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.name)
    }
}

impl Subject {
    /// How many kinds a pick has to choose from.
    pub(crate) fn kinds_to_pick(&self) -> usize {
        self.kinds.len() + UNKNOWN_KINDS.len()
    }

    /// The payload of a pick.
    pub(crate) fn payload(&self, pick: &Pick) -> String {
        let unknown = pick.kind.checked_sub(self.kinds.len());
        // What is unknown looks like what is weakest: it has the id of the same subject.
        let kind = self.kinds.get(pick.kind).unwrap_or(&self.kinds[self.kinds.len() - 1]);
        let mut payload = self.documented(kind);
        if let Some(time) = kind.time {
            set(&mut payload, time, Some(TIMES[pick.at].into()));
        }
        for (place, doubtful) in kind.doubtful.iter().enumerate() {
            match (place, pick.others) {
                (0, _) => set(&mut payload, doubtful, value(pick.first)),
                (_, 0) => {}
                (_, other) => set(&mut payload, doubtful, value((other + place) % VALUES)),
            }
        }
        if let Some(unknown) = unknown {
            set(&mut payload, self.kind_at, Some(UNKNOWN_KINDS[unknown].into()));
            // Nobody can tell where the time of an unknown kind stands, nor how it is written.
            if let (Some(time), 0) = (kind.time, pick.others) {
                set(&mut payload, time, Some("soon".into()));
            }
        }
        payload.to_string()
    }

    /// The payload of a kind as the provider's pages have it.
    pub(crate) fn documented(&self, kind: &Kind) -> Value {
        let mut payload: Value = serde_json::from_str(kind.body).expect("a documented body is JSON");
        set(&mut payload, self.kind_at, Some(kind.name.into()));
        payload
    }
}

/// Puts a value where a pointer says, or takes away what is there. What it stands in is an object.
pub(crate) fn set(payload: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = payload.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.unwrap_or_else(|| panic!("nothing leads to `{pointer}`"));
    match value {
        Some(value) => drop(parent.insert(key.to_owned(), value)),
        None => drop(parent.remove(key)),
    }
}

/// An instant, for tests.
pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A subject under the terms of its contract.
pub(crate) struct World {
    pub(crate) subject: &'static Subject,
    pub(crate) contract: &'static Contract,
    pub(crate) terms: Terms,
    pub(crate) id: SubjectId,
    certifier: RefCell<Certifier<'static>>,
}

impl World {
    pub(crate) fn of(subject: &'static Subject) -> World {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::shipped);
        let contract = CATALOGUE.get(subject.provider).expect("it ships with finis");
        let (id, _) = contract.subjects().find(|(_, name)| *name == subject.name).expect("the contract has it");
        let terms = Terms::new(contract);
        let certifier = RefCell::new(Certifier::new(contract, &terms));
        World { subject, contract, terms, id, certifier }
    }

    /// Reads payloads that are about the subject.
    pub(crate) fn read<T>(&self, payloads: &[String], then: impl FnOnce(&[Event<'_>]) -> T) -> T {
        let mut readers: Vec<Reader> = payloads.iter().map(|_| Reader::new()).collect();
        let events = readers.iter_mut().zip(payloads).map(|(reader, payload)| {
            let event = reader.read(self.contract, payload).unwrap_or_else(|error| panic!("{error}: {payload}"));
            assert_eq!((event.subject, event.id), (self.id, self.subject.id), "{payload}");
            event
        });
        then(&events.collect::<Vec<_>>())
    }

    /// The record at some time.
    pub(crate) fn record<'p>(&'p self, partial: &'p Partial, now: Timestamp) -> Record<'p> {
        let key = Key { source: "a source", subject: self.id, id: self.subject.id };
        Record::new(key, partial, self.contract, &self.terms, now)
    }

    /// All that anybody is told of a partial: the record before, between and after the deadlines,
    /// and its certified form, a line each.
    pub(crate) fn printed(&self, partial: &Partial) -> String {
        static NOWS: LazyLock<[Timestamp; 2]> =
            LazyLock::new(|| ["2026-05-03T08:45:00Z", "2026-05-03T10:00:00Z"].map(instant));
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
        self.record(partial, Timestamp::MAX).write_certified(&mut out, &mut self.certifier.borrow_mut());
        let printed = String::from_utf8(out).expect("records are UTF-8");
        assert!(printed.contains(r#","certificate":""#), "not certified: {printed}");
        printed
    }
}

/// A contract with nothing but what a test is about: where the kind, the id and the one fact stand.
/// Its one field is a progress of two steps.
pub(crate) fn small_contract(identity: &str, id: &str, facts: &str) -> Contract {
    let text = format!(
        r#"
        language = 1
        provider = "small"
        version = "1"
        title = "Small"
        [delivery]
        guarantee = "none"
        [identity]
        {identity}
        [[subject]]
        name = "session"
        id = {id}
        closes = ["end"]
        grace = "1m"
        stall = "1h"
        [[event]]
        kind = "end"
        role = "lifecycle"
        due = "always"
        about = "It is over."
        [event.facts]
        {facts}
        [[field]]
        name = "value"
        about = "what is looked at"
        progress = ["a", ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"]]
        "#
    );
    load("small.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The record of these lines, in this order.
pub(crate) fn record_of(contract: &Contract, lines: &[&str]) -> String {
    let mut partial = Partial::default();
    let mut reader = LineReader::new(None);
    for line in lines {
        let arrival = reader.read(line.as_bytes(), |_| Ok(((), contract)));
        let event = arrival.unwrap_or_else(|error| panic!("{error}: {line}")).event;
        partial.add(contract, &event, None);
    }
    let (subject, _) = contract.subjects().next().expect("it has one");
    let key = Key { source: "small", subject, id: "s" };
    let mut out = Vec::new();
    Record::new(key, &partial, contract, &Terms::new(contract), Timestamp::MAX).write_json(&mut out);
    String::from_utf8(out).expect("records are UTF-8")
}

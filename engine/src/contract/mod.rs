//! A provider as data: what its events are called, what they carry, when a session is over.
//!
//! A [`Draft`] is what somebody wrote; [`Contract::new`] checks every name, path and condition in it
//! and gives either a contract that the rest of the engine can trust blindly, or all the faults.

mod check;
mod condition;
mod describe;
pub mod draft;
mod faults;
pub mod signature;
mod terms;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use condition::{Condition, Facts};
pub use draft::Draft;
use draft::{Delivery, Document, Role, TimeFormat, Unit};
pub use faults::Fault;
pub use signature::Signature;
pub use terms::{Terms, UnknownKind};

use crate::json::{Paths, Slot};

/// Kinds that a contract may have: which of them are here is one word of bits.
pub const KINDS_MAX: usize = 64;

/// Facts that a kind may have: which of them an event had is one word of bits.
pub const FACTS_MAX: usize = 64;

/// A provider's contract, checked.
#[derive(Clone, Debug)]
pub struct Contract {
    pub(crate) provider: String,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) documents: Vec<Document>,
    pub(crate) delivery: Delivery,
    pub(crate) signature: Option<Signature>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) kinds: Vec<Kind>,
    /// In the order in which records print them.
    pub(crate) fields: Vec<Field>,
    pub(crate) channel: Vec<Derivation<Channel>>,
    pub(crate) outcome: Vec<Derivation<Outcome>>,
    /// The field that they fill, if there are any.
    pub(crate) outcome_field: Option<FieldId>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) assets: Vec<Asset>,
    pub(crate) reading: Reading,
    pub(crate) written: Arc<Draft>,
}

/// Place of a kind in the contract's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindId(pub(crate) u16);

/// Place of a field in the contract's order of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldId(pub(crate) u16);

/// Place of a subject; 0 is the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectId(pub(crate) u16);

/// A set of kinds, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindSet(u64);

/// Where the identity of an event is read from.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Every path that the contract names.
    pub(crate) paths: Paths,
    pub(crate) kind: Place,
    pub(crate) time_format: TimeFormat,
    pub(crate) event_id: Option<Place>,
}

/// Where a single text stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) origin: Origin,
    /// As written, for messages.
    pub(crate) written: String,
    pub(crate) assumed: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Payload(Slot),
    /// The name of a header, in lower case.
    Header(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) id: Place,
    pub(crate) closes: KindSet,
    pub(crate) grace: Duration,
    /// Nothing when its sessions have no end to wait for.
    pub(crate) stall: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) name: String,
    /// The name as JSON, as records print it again and again.
    pub(crate) name_json: String,
    pub(crate) subject: SubjectId,
    pub(crate) role: Role,
    pub(crate) due: Due,
    pub(crate) about: String,
    /// Place in the order of authority, 0 the strongest.
    pub(crate) rank: u16,
    pub(crate) time: Option<Time>,
    pub(crate) subsumes: KindSet,
    pub(crate) facts: Vec<Fact>,
}

#[derive(Clone, Debug)]
pub(crate) struct Time {
    pub(crate) place: Place,
    /// It may be absent; but when it is here it must be a time.
    pub(crate) optional: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Due {
    Always,
    Never,
    When(Condition),
}

#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) field: FieldId,
    pub(crate) slot: Slot,
    pub(crate) unit: Option<Unit>,
    pub(crate) written: String,
    pub(crate) assumed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) conflict: bool,
    /// Steps from first to last, each a list of values in canonical form.
    pub(crate) progress: Vec<Vec<String>>,
}

/// One rule that says what a session is when its evidence is so.
#[derive(Clone, Debug)]
pub(crate) struct Derivation<T> {
    pub(crate) evidence: Evidence,
    pub(crate) is: T,
}

#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// The kind is here and, when a fact is named, the event of that kind that wins has it. The
    /// fact is a bit among those of the kind.
    Kind { kind: KindId, fact: Option<u8> },
    /// The field is here and, when values are named, its value is one of them, in canonical form.
    Field { field: FieldId, values: Option<Vec<String>> },
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) says: Says,
}

#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// None of `before` is later, by the provider's time, than the `last` that wins.
    Last { last: KindId, before: KindSet },
    /// None of the kinds is here when the condition holds.
    Never { kinds: KindSet, when: Option<Condition> },
}

#[derive(Clone, Debug)]
pub(crate) struct Asset {
    pub(crate) field: FieldId,
    pub(crate) expires_after: Duration,
}

/// What kind of session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Channel {
    Call,
    Text,
    Unknown,
}

/// How a session went, in one vocabulary for all providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Outcome {
    Completed,
    NoAnswer,
    Busy,
    Failed,
    Canceled,
    Voicemail,
    Transferred,
    Rejected,
    Unknown,
}

/// A word of ours that a contract derives.
pub(crate) trait Word: Copy + 'static {
    /// Every value with its name in records.
    const WORDS: &'static [(Self, &'static str)];
}

/// Every channel there is, in the order of the type.
pub const CHANNELS: [Channel; 3] = [Channel::Call, Channel::Text, Channel::Unknown];

/// Every outcome there is, in the order of the type.
pub const OUTCOMES: [Outcome; 9] = [
    Outcome::Completed,
    Outcome::NoAnswer,
    Outcome::Busy,
    Outcome::Failed,
    Outcome::Canceled,
    Outcome::Voicemail,
    Outcome::Transferred,
    Outcome::Rejected,
    Outcome::Unknown,
];

impl Word for Channel {
    const WORDS: &'static [(Self, &'static str)] = &[(Channel::Call, "call"), (Channel::Text, "text")];
}

impl Channel {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Call => "call",
            Channel::Text => "text",
            Channel::Unknown => "unknown",
        }
    }
}

impl Word for Outcome {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Outcome::Completed, "completed"),
        (Outcome::NoAnswer, "no_answer"),
        (Outcome::Busy, "busy"),
        (Outcome::Failed, "failed"),
        (Outcome::Canceled, "canceled"),
        (Outcome::Voicemail, "voicemail"),
        (Outcome::Transferred, "transferred"),
        (Outcome::Rejected, "rejected"),
        (Outcome::Unknown, "unknown"),
    ];
}

impl Outcome {
    /// The word in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.as_json().trim_matches('"')
    }

    /// The word as a field's value, in canonical form.
    pub(crate) fn as_json(self) -> &'static str {
        match self {
            Outcome::Completed => "\"completed\"",
            Outcome::NoAnswer => "\"no_answer\"",
            Outcome::Busy => "\"busy\"",
            Outcome::Failed => "\"failed\"",
            Outcome::Canceled => "\"canceled\"",
            Outcome::Voicemail => "\"voicemail\"",
            Outcome::Transferred => "\"transferred\"",
            Outcome::Rejected => "\"rejected\"",
            Outcome::Unknown => "\"unknown\"",
        }
    }
}

/// The field that `outcome` rules fill.
pub(crate) const OUTCOME: &str = "outcome";

impl Contract {
    /// The short name, as in `--provider pathors`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The version of the contract.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The name people know.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The contract as it was written, for whoever reads the language by itself.
    #[must_use]
    pub fn draft(&self) -> &Draft {
        &self.written
    }

    /// How a delivery proves where it comes from; nothing when the provider has no way to.
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The kinds, in the order in which they are expected.
    pub fn kinds(&self) -> impl Iterator<Item = (KindId, &str)> {
        self.kinds.iter().enumerate().map(|(place, kind)| (KindId(place as u16), kind.name.as_str()))
    }

    /// The name of a kind.
    #[must_use]
    pub fn kind_name(&self, kind: KindId) -> &str {
        &self.kind(kind).name
    }

    /// The fields, in the order in which records print them.
    pub fn fields(&self) -> impl Iterator<Item = (FieldId, &str)> {
        self.fields.iter().enumerate().map(|(place, field)| (FieldId(place as u16), field.name.as_str()))
    }

    /// The names of the subjects, the main one first.
    pub fn subjects(&self) -> impl Iterator<Item = (SubjectId, &str)> {
        let subjects = self.subjects.iter().enumerate();
        subjects.map(|(place, subject)| (SubjectId(place as u16), subject.name.as_str()))
    }

    /// The name of a subject.
    #[must_use]
    pub fn subject_name(&self, subject: SubjectId) -> &str {
        &self.subject(subject).name
    }

    pub(crate) fn kind(&self, id: KindId) -> &Kind {
        &self.kinds[usize::from(id.0)]
    }

    pub(crate) fn subject(&self, id: SubjectId) -> &Subject {
        &self.subjects[usize::from(id.0)]
    }

    pub(crate) fn field(&self, id: FieldId) -> &Field {
        &self.fields[usize::from(id.0)]
    }

    pub(crate) fn kind_named(&self, name: &str) -> Option<KindId> {
        let place = self.kinds.iter().position(|kind| kind.name == name)?;
        Some(KindId(place as u16))
    }

    pub(crate) fn field_named(&self, name: &str) -> Option<FieldId> {
        let place = self.fields.iter().position(|field| field.name == name)?;
        Some(FieldId(place as u16))
    }

    /// Of a delivery's headers, those that are read here: the only ones that have to be kept to read it
    /// again. By name in lower case, sorted.
    #[must_use]
    pub fn kept_headers<'h>(&self, headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Vec<(String, String)> {
        let subjects = self.subjects.iter().map(|subject| &subject.id);
        let places = subjects.chain([&self.reading.kind]).chain(&self.reading.event_id);
        let read: Vec<&String> = places
            .filter_map(|place| match &place.origin {
                Origin::Header(name) => Some(name),
                Origin::Payload(_) => None,
            })
            .collect();
        let is_read = |name: &str| read.iter().any(|read| read.eq_ignore_ascii_case(name));
        let kept = headers.into_iter().filter(|(name, _)| is_read(name));
        let mut kept: Vec<(String, String)> =
            kept.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        kept.sort_unstable();
        kept
    }

    pub(crate) fn subject_named(&self, name: &str) -> Option<SubjectId> {
        let place = self.subjects.iter().position(|subject| subject.name == name)?;
        Some(SubjectId(place as u16))
    }

    pub(crate) fn kinds_of(&self, subject: SubjectId) -> impl Iterator<Item = (KindId, &Kind)> {
        let kinds = self.kinds.iter().enumerate();
        kinds.map(|(place, kind)| (KindId(place as u16), kind)).filter(move |(_, kind)| kind.subject == subject)
    }
}

impl Place {
    /// Where the walk of a payload finds it, unless it is in a header.
    pub(crate) fn slot(&self) -> Option<Slot> {
        match self.origin {
            Origin::Payload(slot) => Some(slot),
            Origin::Header(_) => None,
        }
    }
}

impl Field {
    /// Place of a value in the field's progress, 0 the furthest; past all steps when it has none.
    pub(crate) fn step(&self, value: &[u8]) -> u16 {
        let furthest = self.progress.iter().rev();
        let step = furthest.take_while(|step| !step.iter().any(|known| known.as_bytes() == value)).count();
        step as u16
    }
}

impl KindId {
    /// Its place in the contract, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl SubjectId {
    /// The main subject of a contract: the one that settings of a source are about.
    pub const MAIN: SubjectId = SubjectId(0);

    /// Its place in the contract, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl KindSet {
    pub(crate) fn insert(&mut self, kind: KindId) {
        self.0 |= 1 << kind.0;
    }

    pub(crate) fn has(self, kind: KindId) -> bool {
        self.0 >> kind.0 & 1 == 1
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn meets(self, other: KindSet) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn and(self, other: KindSet) -> KindSet {
        KindSet(self.0 & other.0)
    }

    pub(crate) fn without(self, other: KindSet) -> KindSet {
        KindSet(self.0 & !other.0)
    }

    pub(crate) fn or(self, other: KindSet) -> KindSet {
        KindSet(self.0 | other.0)
    }

    /// Members, in the order of the contract's table.
    pub(crate) fn iter(self) -> impl Iterator<Item = KindId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| KindId(rest.trailing_zeros() as u16));
            rest &= rest.wrapping_sub(1);
            next
        })
    }
}

//! What packed events of one form have in common, kept once for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contract::draft::{TimeFormat, Unit};
use crate::contract::{FieldId, KindId, SubjectId};

/// A way for events to be written: all that stands between their values, and which value is what.
///
/// The identity of an event is its canonical payload, and that is the parts of its form with its own
/// values between them. An event whose payload has no form of its own is of a loose one: the whole
/// identity is its first value, and the rest are kept beside it.
#[derive(Debug)]
pub struct Form {
    /// The number by which the caller tells contracts apart.
    pub(super) contract: u32,
    pub(super) subject: SubjectId,
    pub(super) kind: FormKind,
    /// What stands before each value of the identity, and after the last one.
    pub(super) parts: Vec<Box<[u8]>>,
    /// How many values an event has, those beside its identity too.
    pub(super) values: u16,
    pub(super) id: Id,
    pub(super) facts: Vec<FormFact>,
    pub(super) time_format: TimeFormat,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FormKind {
    Known {
        kind: KindId,
        rank: u16,
        /// A bit for each fact that events of this form have, by place.
        facts: u64,
    },
    /// The contract does not know it; its name is this value.
    Unknown { name: u16 },
}

/// Which value is the id, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    /// As a JSON string without escapes.
    Quoted(u16),
    /// As it is.
    Bare(u16),
}

/// A fact of events of a form.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormFact {
    pub(super) field: FieldId,
    pub(super) value: u16,
    /// Its unit, when it is still to be brought to that of the record.
    pub(super) unit: Option<Unit>,
    /// It is the event's own time.
    pub(super) is_time: bool,
}

/// All forms that were met, each with a number. Those who pack share it, so that equal forms have
/// one number.
#[derive(Debug, Default)]
pub struct Forms {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By what tells them apart.
    numbers: BTreeMap<Vec<u8>, u32>,
    forms: Vec<Arc<Form>>,
}

impl Forms {
    /// The number of a form: that of an equal one, if there is any.
    pub(super) fn number(&self, form: Form) -> u32 {
        let mut known = self.lock();
        let next = known.forms.len() as u32;
        let number = *known.numbers.entry(form.key()).or_insert(next);
        if number == next {
            known.forms.push(Arc::new(form));
        }
        number
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Form>> {
        self.lock().forms.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half done: a number is given after its form is made.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Form {
    /// What tells it from all others. The rest follows from these and the contract.
    fn key(&self) -> Vec<u8> {
        let mut key = self.contract.to_le_bytes().to_vec();
        let (tag, kind, facts) = match self.kind {
            FormKind::Known { kind, facts, .. } => (0, kind.0, facts),
            FormKind::Unknown { name } => (1, name, 0),
        };
        key.push(tag);
        key.extend_from_slice(&kind.to_le_bytes());
        key.extend_from_slice(&facts.to_le_bytes());
        key.extend_from_slice(&self.subject.0.to_le_bytes());
        key.extend_from_slice(&self.values.to_le_bytes());
        for part in &self.parts {
            key.extend_from_slice(&(part.len() as u64).to_le_bytes());
            key.extend_from_slice(part);
        }
        key
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} forms", self.forms.len())
    }
}

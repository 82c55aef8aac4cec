//! An event as a fold of one's own sees it.

use std::collections::BTreeMap;

use finis_engine::{Contract, EventKind, Timestamp};

use crate::world::World;

/// An event, as a contract reads it from a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The name of its kind.
    pub kind: String,
    /// The provider's time, if it has one.
    pub at: Option<Timestamp>,
    /// What it says of each field, as JSON in canonical form.
    pub facts: BTreeMap<String, String>,
}

impl Event {
    /// An event that the engine has read.
    #[must_use]
    pub fn new(contract: &Contract, event: &finis_engine::Event<'_>) -> Event {
        let names: Vec<&str> = contract.fields().map(|(_, name)| name).collect();
        let facts = contract.fields().zip(names).flat_map(|((field, _), name)| {
            let facts = event.facts().filter(move |(known, _)| *known == field);
            facts.map(move |(_, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        });
        let kind = match event.kind {
            EventKind::Known(kind) => contract.kind_name(kind),
            EventKind::Unknown(name) => name,
        };
        Event { kind: kind.to_owned(), at: event.at, facts: facts.collect() }
    }

    /// What is sent of a session of a world, in order of time.
    #[must_use]
    pub fn of_session(world: &World<'_>, index: u64) -> Vec<Event> {
        let truth = world.truth(index);
        let event = |event: crate::world::TruthEvent| Event {
            kind: event.kind,
            at: event.at.map(crate::clock::milliseconds),
            facts: event.facts,
        };
        truth.events.into_iter().map(event).collect()
    }
}

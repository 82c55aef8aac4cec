//! What really happened: told by the world itself, whatever arrives of it.

use std::collections::BTreeMap;

use super::session::Session;
use super::{Event, World};
use crate::clock::Micros;
use crate::json::Json;

/// A session as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Its number in the world.
    pub session: u64,
    /// The name of the subject.
    pub subject: String,
    /// Its id.
    pub id: String,
    /// Which of the lives it was.
    pub life: String,
    /// What was sent of it, in order of time.
    pub events: Vec<TruthEvent>,
    /// Whether one of them ends it by the contract.
    pub ended: bool,
}

/// An event as it was sent, by a provider whose clock is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruthEvent {
    /// Its kind.
    pub kind: String,
    /// When it was sent.
    pub sent: Micros,
    /// The time that stands in it, if its kind has one.
    pub at: Option<Micros>,
    /// What it says of each field, as it stands in the body: JSON, in the provider's units.
    pub facts: BTreeMap<String, String>,
}

impl World<'_> {
    /// What really happened of the session of a number.
    #[must_use]
    pub fn truth(&self, index: u64) -> Truth {
        self.truth_of(&self.session(index))
    }

    /// What really happened of a session.
    #[must_use]
    pub fn truth_of(&self, session: &Session) -> Truth {
        let plan = &self.plans[session.plan];
        let subject = &self.contract.subjects[plan.subject];
        let events: Vec<TruthEvent> =
            session.events.iter().enumerate().map(|(place, event)| self.truth_event(session, place, *event)).collect();
        Truth {
            session: session.index,
            subject: subject.name.clone(),
            id: session.id.clone(),
            life: plan.name.clone(),
            ended: events.iter().any(|event| subject.closes.contains(&event.kind)),
            events,
        }
    }

    fn truth_event(&self, session: &Session, place: usize, event: Event) -> TruthEvent {
        let kind = &self.contract.events[event.kind];
        let (_, body) = self.post(session, place, |at| at);
        // Bodies of a world are JSON: they were printed from a tree.
        let body = Json::parse(&body).unwrap_or(Json::Null);
        let facts = kind
            .facts
            .iter()
            .filter_map(|(field, fact)| Some((field.clone(), body.at(fact.path.as_deref()?)?.to_string())));
        let moment = self.plans[session.plan].steps[event.step].time;
        TruthEvent {
            kind: kind.kind.clone(),
            sent: event.sent,
            at: moment.map(|_| self.shown(session, place)),
            facts: facts.collect(),
        }
    }
}

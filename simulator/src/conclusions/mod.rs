//! What a receiver concluded, held against what was posted to it.
//!
//! A receiver that somebody else wrote says in JSON what it made of its deliveries ([`Conclusions`]; the form is
//! in `docs/simulate.md`). [`Expected`] knows what was posted and when, and finds ends that were lost, told more
//! than once, told too early, or told wrongly. It judges by the model, at the receiver's own time: what a
//! receiver may still wait for is not lost.

mod compare; // one session against the model
mod value; // values that are the same

use std::collections::BTreeMap;
use std::fmt;

use finis_engine::{Contract, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::arrival::Arrival;
use crate::model::{Key, Model, Taken, Terms};

/// All that a receiver says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conclusions {
    /// In any order. Sessions of which it concluded nothing may be left out.
    pub sessions: Vec<Conclusion>,
}

/// What a receiver says of a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conclusion {
    /// Its id, as the provider sends it.
    pub session: String,
    /// What it is, where the provider has more than sessions: the contract's word. Its first subject unless told.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whether it is over.
    pub status: Standing,
    /// How often the receiver told its own world that it is over; not held against anything when left out.
    #[serde(default)]
    pub announced: Option<u64>,
    /// When it did so first: RFC 3339, on a clock that agrees with ours.
    #[serde(default)]
    pub announced_at: Option<String>,
    /// `call`, `text` or `unknown`; not held against anything when left out.
    #[serde(default)]
    pub channel: Option<String>,
    /// What it knows, under the contract's names and in its units; only what is here is compared.
    #[serde(default)]
    pub fields: BTreeMap<String, Box<RawValue>>,
}

/// Where a session stands, in a receiver's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not over.
    Open,
    /// Its end is here, and something is waited for.
    Settling,
    /// Over.
    Complete,
    /// Given up, without an end.
    Stalled,
}

/// What is wrong with a conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// A session is over by all its evidence, and the receiver does not say so.
    Lost,
    /// It was told more than once that it is over.
    Doubled,
    /// It was told before its end was here.
    Early,
    /// Something else is said than what the deliveries say.
    Wrong,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrong::Lost => "lost",
            Wrong::Doubled => "doubled",
            Wrong::Early => "too early",
            Wrong::Wrong => "wrong",
        })
    }
}

/// A conclusion that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub wrong: Wrong,
    /// The name of the subject.
    pub subject: String,
    /// The id.
    pub session: String,
    /// In words.
    pub why: String,
}

/// A delivery that proves where it comes from.
#[derive(Clone, Debug)]
struct Posted {
    at: Timestamp,
    arrival: Arrival,
}

/// What was posted to a receiver, and what it must conclude.
#[derive(Debug)]
pub struct Expected<'c> {
    contract: &'c Contract,
    terms: Terms,
    model: Model<'c>,
    sessions: BTreeMap<Key, Vec<Posted>>,
    /// What finis reads no event from. Others may: parsers differ in what they forgive.
    unreadable: Vec<Arrival>,
}

impl<'c> Expected<'c> {
    /// Nothing was posted yet.
    #[must_use]
    pub fn new(contract: &'c Contract, terms: Terms) -> Expected<'c> {
        let model = Model::new(contract, terms.clone());
        Expected { contract, terms, model, sessions: BTreeMap::new(), unreadable: Vec::new() }
    }

    /// Something was posted, from this instant on. What proves nothing changes nothing.
    pub fn posted(&mut self, arrival: &Arrival, at: Timestamp) {
        if !arrival.is.proved {
            return;
        }
        let taken = self.model.take(&arrival.source, &arrival.headers, &arrival.body, Some(at));
        match taken {
            Taken::New(key) | Taken::Again(key) => {
                self.sessions.entry(key).or_default().push(Posted { at, arrival: arrival.clone() });
            }
            Taken::Refused(_) => self.unreadable.push(arrival.clone()),
        }
    }

    /// Sessions of which something was posted.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// Sessions that are over at an instant: ends that a receiver must know then.
    #[must_use]
    pub fn over(&self, now: Timestamp) -> u64 {
        self.sessions.keys().filter(|key| self.model.status(key, now.into()) == Some("complete")).count() as u64
    }

    /// What a receiver said by an instant, held against what must have come of it; in order of sessions.
    #[must_use]
    pub fn compare(&self, conclusions: &Conclusions, now: Timestamp) -> Vec<Finding> {
        let first = &self.contract.draft().subjects[0].name;
        let mut said: BTreeMap<(&str, &str), Vec<&Conclusion>> = BTreeMap::new();
        for conclusion in &conclusions.sessions {
            let subject = conclusion.subject.as_ref().unwrap_or(first);
            said.entry((subject, &conclusion.session)).or_default().push(conclusion);
        }
        let mut findings = Vec::new();
        for key in self.sessions.keys() {
            let said = said.remove(&(key.subject.as_str(), key.id.as_str())).unwrap_or_default();
            self.judge(key, &said, now, &mut findings);
        }
        let may_be_read = |id: &str| {
            let holds = |body: &[u8]| body.windows(id.len().max(1)).any(|part| part == id.as_bytes());
            self.unreadable.iter().any(|arrival| holds(&arrival.body))
        };
        let unknown = said.into_keys().filter(|(_, session)| !may_be_read(session));
        let unknown = unknown.map(|(subject, session)| Finding {
            wrong: Wrong::Wrong,
            subject: subject.to_owned(),
            session: session.to_owned(),
            why: "nothing that proves where it comes from was posted of it".into(),
        });
        findings.extend(unknown);
        findings
    }
}

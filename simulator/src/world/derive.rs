//! Habits from a contract alone, for providers of whom nothing else is known.
//!
//! What decides how a session goes are the words that the contract itself compares: those of its channels,
//! outcomes and conditions. Lives are made of them one after another, with the kinds that are then due, and
//! a life is kept when a session that lives it, with nothing lost, is complete by evidence and breaks no rule.

use std::collections::BTreeMap;
use std::time::Duration;

use finis_engine::Contract;
use finis_engine::contract::Draft;
use finis_engine::contract::draft::Event;

use super::guess::words;
use super::habits::{Gap, Habits, HabitsError, Life, Step, Values};
use super::{Settings, World};
use crate::clock;
use crate::json::Json;
use crate::model::{Model, Terms};

/// Choices of words that are tried for each end of a subject.
const CHOICES_MAX: usize = 256;

/// Sessions that a life is tried with.
const SESSIONS: u64 = 8;

/// Rounds in which what is missing is added.
const ROUNDS_MAX: usize = 8;

impl Habits {
    /// Habits that the contract alone gives.
    ///
    /// # Errors
    /// When its first subject has no life that is sound.
    pub fn derive(contract: &Contract) -> Result<Habits, HabitsError> {
        let draft = contract.draft();
        let mut habits = Habits { provider: draft.provider.clone(), ..Habits::default() };
        for (place, subject) in draft.subjects.iter().enumerate() {
            let mut deriving = Deriving { contract, subject: place, found: Vec::new() };
            let ends: Vec<Option<&str>> = match subject.closes.as_slice() {
                [] => vec![None],
                closes => closes.iter().map(|kind| Some(kind.as_str())).collect(),
            };
            for end in ends {
                for choice in choices(draft, place) {
                    deriving.try_life(end, &choice);
                }
            }
            habits.lives.extend(deriving.found);
            if habits.lives.is_empty() {
                let problem = format!(
                    "no session of `{}` that the contract calls complete could be made up: write its habits",
                    subject.name
                );
                return Err(HabitsError { problem });
            }
        }
        Ok(habits)
    }
}

type Choice = BTreeMap<String, Values>;

struct Deriving<'c> {
    contract: &'c Contract,
    subject: usize,
    found: Vec<Life>,
}

/// What the model says of sessions that live a life.
struct Tried {
    /// Kinds that are due and did not come, whether or not another has their facts.
    wanting: Vec<String>,
    is_sound: bool,
    /// Channel and outcome.
    went: String,
}

impl Deriving<'_> {
    fn draft(&self) -> &Draft {
        self.contract.draft()
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        let main = &self.draft().subjects[0].name;
        let own = &self.draft().subjects[self.subject].name;
        self.draft().events.iter().filter(move |event| event.subject.as_ref().unwrap_or(main) == own)
    }

    fn try_life(&mut self, end: Option<&str>, choice: &Choice) {
        let is_first = |event: &&Event| end == Some(event.kind.as_str()) || event.due == "always";
        let mut kinds: Vec<String> = self.events().filter(is_first).map(|event| event.kind.clone()).collect();
        if end.is_none() {
            // Nothing is due: whatever comes is a life.
            kinds = self.events().map(|event| event.kind.clone()).collect();
        }
        for _ in 0..ROUNDS_MAX {
            let tried = self.tried(&self.life(&kinds, &[], choice));
            if tried.wanting.is_empty() {
                break;
            }
            kinds.extend(tried.wanting);
        }
        if !self.tried(&self.life(&kinds, &[], choice)).is_sound {
            return;
        }
        // What may come beside it, as long as the session stays sound.
        let others: Vec<String> =
            self.events().map(|event| event.kind.clone()).filter(|kind| !kinds.contains(kind)).collect();
        let mut beside: Vec<String> = Vec::new();
        for kind in others {
            beside.push(kind);
            let all: Vec<String> = kinds.iter().chain(&beside).cloned().collect();
            if !self.tried(&self.life(&all, &[], choice)).is_sound {
                beside.pop();
            }
        }
        let mut life = self.life(&kinds, &beside, choice);
        let tried = self.tried(&life);
        if tried.is_sound {
            life.name = tried.went;
            self.found.push(life);
        }
    }

    /// A life of some kinds, and some that may come beside them, in the order in which they are expected:
    /// what ends it, and what a rule calls the last, after the others.
    fn life(&self, kinds: &[String], beside: &[String], choice: &Choice) -> Life {
        let draft = self.draft();
        let subject = &draft.subjects[self.subject];
        let is_last = |kind: &String| {
            subject.closes.contains(kind) || draft.rules.iter().any(|rule| rule.last.as_ref() == Some(kind))
        };
        let mut steps: Vec<&Event> =
            self.events().filter(|event| kinds.contains(&event.kind) || beside.contains(&event.kind)).collect();
        steps.sort_by_key(|event| is_last(&event.kind));
        let steps = steps.iter().enumerate().map(|(place, event)| Step {
            kind: event.kind.clone(),
            after: gap(2),
            since: (place == 0).then(|| "start".to_owned()),
            percent: beside.contains(&event.kind).then_some(30),
            times: None,
        });
        Life {
            name: String::new(),
            weight: if self.subject == 0 { 8 } else { 1 },
            subject: Some(subject.name.clone()),
            lasts: gap(60),
            values: choice.clone(),
            steps: steps.collect(),
        }
    }

    fn tried(&self, life: &Life) -> Tried {
        let mut tried = Tried { wanting: Vec::new(), is_sound: true, went: String::new() };
        let habits = Habits { provider: String::new(), lives: vec![life.clone()], ..Habits::default() };
        let settings = Settings { sessions: SESSIONS, ..Settings::default() };
        let Ok(world) = World::with(self.contract, &habits, settings) else {
            return Tried { is_sound: false, ..tried };
        };
        let mut model = Model::new(self.contract, Terms::default());
        for emission in world.emissions() {
            let (headers, body) = world.post(&emission.session, emission.event, |at| at);
            model.take("", &headers, body.as_bytes(), Some(clock::timestamp(emission.sent)));
        }
        let Some(as_of) = model.as_of() else { return Tried { is_sound: false, ..tried } };
        for key in model.keys() {
            tried.read(&model.record(key, as_of).unwrap_or_default());
        }
        let closes = !self.draft().subjects[self.subject].closes.is_empty();
        tried.is_sound &= tried.wanting.is_empty() && tried.went.starts_with("complete") == closes;
        tried
    }
}

impl Tried {
    fn read(&mut self, record: &str) {
        let record = Json::parse_deep(record, crate::json::DEPTH_MAX + 8).unwrap_or(Json::Null);
        let text = |part: &str| record.at(part).and_then(Json::as_str).unwrap_or_default().to_owned();
        for part in ["/missing", "/inferred"] {
            let Some(Json::Array(kinds)) = record.at(part) else { continue };
            for kind in kinds.iter().filter_map(Json::as_str) {
                if self.wanting.iter().all(|known| known != kind) {
                    self.wanting.push(kind.to_owned());
                }
            }
        }
        let is_clean = |part: &str| record.at(part) == Some(&Json::Array(Vec::new()));
        self.is_sound &= is_clean("/violations") && is_clean("/conflicts");
        self.went = format!("{} {} {}", text("/status"), text("/channel"), text("/fields/outcome"));
    }
}

fn gap(seconds: u64) -> Gap {
    Gap { usual: Duration::from_secs(seconds), doublings_max: 2 }
}

/// Choices of words for the fields that decide something: each of them by itself, and then together.
fn choices(contract: &Draft, subject: usize) -> Vec<Choice> {
    let own = &contract.subjects[subject].name;
    let main = &contract.subjects[0].name;
    let is_filled = |field: &str| {
        let events = contract.events.iter().filter(|event| event.subject.as_ref().unwrap_or(main) == own);
        events.into_iter().any(|event| event.facts.contains_key(field))
    };
    let mut dials: Vec<(String, Vec<Values>)> = Vec::new();
    for field in contract.fields.iter().filter(|field| field.progress.is_empty() && is_filled(&field.name)) {
        let known = words(contract, &field.name);
        let mut values: Vec<Values> = known.into_iter().map(|word| Values::OneOf(vec![word.into()])).collect();
        let mut rules = contract.channel.iter().chain(&contract.outcome);
        if rules.any(|rule| rule.has.as_ref() == Some(&field.name)) {
            values.push(Values::Absent);
        }
        if !values.is_empty() {
            dials.push((field.name.clone(), values));
        }
    }
    let all: usize = dials.iter().fold(1, |all: usize, (_, values)| all.saturating_mul(values.len()));
    let choose = |mut number: usize| {
        let choice = dials.iter().map(|(name, values)| {
            let value = values[number % values.len()].clone();
            number /= values.len();
            (name.clone(), value)
        });
        choice.collect()
    };
    // More than can be tried are tried evenly.
    let step = all.div_ceil(CHOICES_MAX).max(1);
    (0..all).step_by(step).map(choose).collect()
}

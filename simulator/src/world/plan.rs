//! A life made ready: bodies with holes, and what fills each.

use std::collections::BTreeMap;

use finis_engine::contract::Draft;
use finis_engine::contract::draft::{Event, Field, Locator, Step as Progress, Unit};

use super::guess::guess;
use super::habits::{Gap, Habits, HabitsError, Life, Moment, Values};
use super::values::{Drawn, Pattern};
use crate::json::Json;
use crate::random::Chance;

/// A life under a contract.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) weight: u64,
    /// Place among the contract's subjects.
    pub(super) subject: usize,
    pub(super) id: Pattern,
    pub(super) lasts: Gap,
    /// What is drawn once for a session.
    pub(super) values: Vec<Drawn>,
    pub(super) steps: Vec<PlanStep>,
}

/// An event of a life under a contract.
#[derive(Clone, Debug)]
pub(super) struct PlanStep {
    /// Place among the contract's kinds.
    pub(super) kind: usize,
    pub(super) after: Gap,
    pub(super) since: Since,
    pub(super) chance: Chance,
    pub(super) times: u32,
    /// The provider's time of it, if it has one.
    pub(super) time: Option<Moment>,
    /// What is drawn for each such event.
    pub(super) fresh: Vec<Drawn>,
    pub(super) headers: Vec<(String, Vec<Piece>)>,
    pub(super) body: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    Start,
    End,
    /// A step, by its place.
    Step(usize),
}

/// A part of a body.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(String),
    Hole(Hole),
}

/// What a part of a body is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hole {
    Id,
    Time(Moment),
    /// How long the session lasted.
    Lasted(Option<Unit>),
    /// Of the session, by place.
    Value(usize),
    /// Of the event, by place.
    Fresh(usize),
}

/// Where a template has a hole: a number that is none, so that no body can have it.
const HOLE: char = '\u{1}';

/// What is being made ready.
struct Making<'h> {
    contract: &'h Draft,
    habits: &'h Habits,
    life: &'h Life,
    /// Values of the session by the field that they are for.
    known: BTreeMap<&'h str, usize>,
    values: Vec<Drawn>,
}

impl Plan {
    pub(super) fn new(contract: &Draft, habits: &Habits, life: &Life) -> Result<Plan, HabitsError> {
        let problem = |problem: String| HabitsError { problem: format!("life `{}`: {problem}", life.name) };
        let subject = match &life.subject {
            None => 0,
            Some(name) => contract
                .subjects
                .iter()
                .position(|subject| subject.name == *name)
                .ok_or_else(|| problem(format!("the contract has no subject `{name}`")))?,
        };
        let fields = habits.values.keys().chain(life.values.keys());
        if let Some(name) = fields.into_iter().find(|name| contract.fields.iter().all(|field| field.name != **name)) {
            return Err(problem(format!("the contract has no field `{name}`")));
        }
        let mut making = Making { contract, habits, life, known: BTreeMap::new(), values: Vec::new() };
        let mut steps: Vec<PlanStep> = Vec::new();
        for (place, step) in life.steps.iter().enumerate() {
            let since = match step.since.as_deref() {
                None if place == 0 => Since::End,
                None => Since::Step(place - 1),
                Some("start") => Since::Start,
                Some("end") => Since::End,
                Some(kind) => Since::Step(
                    life.steps[..place]
                        .iter()
                        .position(|step| step.kind == kind)
                        .ok_or_else(|| problem(format!("no step before `{}` is a `{kind}`", step.kind)))?,
                ),
            };
            let kind = contract.events.iter().position(|event| event.kind == step.kind);
            let kind = kind.ok_or_else(|| problem(format!("the contract has no kind `{}`", step.kind)))?;
            steps.push(PlanStep {
                since,
                after: step.after,
                chance: step.percent.map_or(Chance::ALWAYS, Chance::percent),
                times: step.times.unwrap_or(1).max(1),
                ..making.step(place, kind, subject).map_err(problem)?
            });
        }
        let pattern = habits.ids.get(&contract.subjects[subject].name);
        Ok(Plan {
            name: life.name.clone(),
            weight: life.weight,
            subject,
            id: Pattern::string(pattern.map_or("{uuid}", String::as_str)),
            lasts: life.lasts,
            values: making.values,
            steps,
        })
    }
}

impl<'h> Making<'h> {
    fn step(&mut self, place: usize, kind: usize, subject: usize) -> Result<PlanStep, String> {
        let event = &self.contract.events[kind];
        let identity = &self.contract.identity;
        let sample = self.habits.bodies.get(&event.kind);
        let mut body = match sample {
            Some(text) => Json::parse(text).map_err(|unfit| format!("the body of `{}` is {unfit}", event.kind))?,
            None => Json::Object(Vec::new()),
        };
        let mut headers = Vec::new();
        let mut holes = Vec::new();
        let mut fresh = Vec::new();
        put(&mut body, &mut headers, &identity.kind, Json::String(event.kind.clone()));
        let id = hole(Hole::Id, &mut holes);
        put(&mut body, &mut headers, &self.contract.subjects[subject].id, id);
        if let Some(place) = &identity.event_id {
            let pattern = self.habits.event_id.as_deref().unwrap_or("{uuid}");
            fresh.push(Drawn::Pattern(Pattern::string(pattern)));
            let value = hole(Hole::Fresh(0), &mut holes);
            put(&mut body, &mut headers, place, value);
        }
        let own_time = event.time.as_ref().or(identity.time.as_ref());
        let mut time = own_time.map(|_| Moment::Now);

        // What contains others is put first, so that these stand in it.
        let mut facts: Vec<(&str, &Locator)> = event.facts.iter().map(|(name, fact)| (name.as_str(), fact)).collect();
        facts.sort_by_key(|(_, fact)| fact.path.as_ref().map_or(0, String::len));
        for (name, fact) in facts {
            let Some(path) = &fact.path else { continue };
            let is_taken =
                [Some(&identity.kind), Some(&self.contract.subjects[subject].id), identity.event_id.as_ref()];
            if is_taken.into_iter().flatten().any(|place| place.path.as_ref() == Some(path)) {
                continue;
            }
            // Those of a contract are declared.
            let Some(field) = self.contract.fields.iter().find(|field| field.name == name) else { continue };
            let set = self.life.values.get(name).or_else(|| self.habits.values.get(name));
            if own_time.is_some_and(|own| own.path.as_ref() == Some(path)) {
                let guessed = guess(self.contract, field, fact.unit);
                if let Values::Time(moment) = set.unwrap_or(&guessed) {
                    time = Some(*moment);
                }
                continue;
            }
            let guessed;
            let values = match set {
                Some(values) => values,
                // What the page prints stays.
                None if field.progress.is_empty() && body.at(path).is_some() => continue,
                None => {
                    guessed = guess(self.contract, field, fact.unit);
                    &guessed
                }
            };
            match self.fill(field, values, fact.unit, place, &mut fresh, &mut holes) {
                Some(value) => body.put(path, value),
                None => body.remove(path),
            }
        }
        if let (Some(place), Some(moment)) = (own_time, time) {
            let value = hole(Hole::Time(moment), &mut holes);
            put(&mut body, &mut headers, place, value);
        }
        let headers = headers.into_iter().map(|(name, value)| (name, pieces(&value, &holes))).collect();
        Ok(PlanStep {
            kind,
            after: self.life.lasts,
            since: Since::End,
            chance: Chance::ALWAYS,
            times: 1,
            time,
            fresh,
            headers,
            body: pieces(&body, &holes),
        })
    }

    /// What stands in a body for a field; nothing when it is absent.
    fn fill(
        &mut self,
        field: &'h Field,
        values: &Values,
        unit: Option<Unit>,
        place: usize,
        fresh: &mut Vec<Drawn>,
        holes: &mut Vec<Hole>,
    ) -> Option<Json> {
        let filled = match values {
            Values::Absent => return None,
            Values::Time(moment) => Hole::Time(*moment),
            Values::Lasted => Hole::Lasted(unit),
            Values::Progress => return Some(Json::String(self.progress(field, place))),
            values => {
                let drawn = Drawn::new(values, &field.name)?;
                if field.conflict == Some(false) {
                    // It may differ from event to event, so it does.
                    fresh.push(drawn);
                    Hole::Fresh(fresh.len() - 1)
                } else {
                    let known = *self.known.entry(&field.name).or_insert_with(|| {
                        self.values.push(drawn);
                        self.values.len() - 1
                    });
                    Hole::Value(known)
                }
            }
        };
        Some(hole(filled, holes))
    }

    /// How far the field has come with the step at `place`: evenly from the first value, and the last step
    /// that fills it says the last.
    fn progress(&self, field: &Field, place: usize) -> String {
        let fills = |kind: &str| {
            let event: Option<&Event> = self.contract.events.iter().find(|event| event.kind == kind);
            event.is_some_and(|event| event.facts.contains_key(&field.name))
        };
        let count = self.life.steps.iter().filter(|step| fills(&step.kind)).count();
        let before = self.life.steps[..place].iter().filter(|step| fills(&step.kind)).count();
        let last = field.progress.len().saturating_sub(1);
        let step = if count < 2 { last } else { before * last / (count - 1) };
        match field.progress.get(step) {
            Some(Progress::One(word)) => word.clone(),
            Some(Progress::Several(words)) => words.first().cloned().unwrap_or_default(),
            None => String::new(),
        }
    }
}

/// A place in a body that is filled later.
fn hole(with: Hole, holes: &mut Vec<Hole>) -> Json {
    holes.push(with);
    Json::Number(format!("{HOLE}{}{HOLE}", holes.len() - 1))
}

/// Puts a value where a locator says: into the body, or among the headers.
fn put(body: &mut Json, headers: &mut Vec<(String, Json)>, place: &Locator, value: Json) {
    match (&place.path, &place.header) {
        (Some(path), _) => body.put(path, value),
        (None, Some(name)) => headers.push((name.clone(), value)),
        (None, None) => {}
    }
}

/// Cuts a tree, printed, at its holes.
fn pieces(tree: &Json, holes: &[Hole]) -> Vec<Piece> {
    let text = tree.to_string();
    // Strings have that sign escaped: every one of them is the border of a hole.
    let parts = text.split(HOLE).enumerate().filter(|(_, part)| !part.is_empty());
    let piece = |(place, part): (usize, &str)| match part.parse::<usize>() {
        Ok(number) if place % 2 == 1 => Piece::Hole(holes[number]),
        _ => Piece::Text(part.to_owned()),
    };
    parts.map(piece).collect()
}
